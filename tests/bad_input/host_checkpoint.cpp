// Wrong calls of checkpoints: paths, indexes of strangers, and reads outside of what is there.
#include <catch2/catch_test_macros.hpp>

#include "bad_input/faults.hpp"
#include "bad_input/host_tables.hpp"
#include "unit/scratch_file.hpp"
#include "weft/checkpoint.hpp"

namespace weft::test {
namespace {

constexpr uint64_t kMost = UINT64_MAX;

// A read of a tensor of six f32.
struct Read {
  std::string name = "a";
  DType dtype = DType::f32;
  uint64_t first = 1;
  size_t bytes = 20;
};

void add_read_rows(Breaker<Read>& wrong) {
  wrong.add("no such tensor", {"no tensor \"b\""}, [](Read& r) { r.name = "b"; });
  wrong.add("no name", {"no tensor \"\""}, [](Read& r) { r.name.clear(); });
  wrong.add("one too many", {"\"a\"", "from 2 on, 5", "asked of 6"}, [](Read& r) { r.first = 2; });
  wrong.add("behind the end", {"\"a\"", "from 7 on", "asked of 6"}, [](Read& r) {
    r.first = 7;
    r.bytes = 0;
  });
  wrong.add("from 2^64 - 1 on", {"\"a\"", "asked of 6"}, [](Read& r) { r.first = kMost; });
  wrong.add("half an element", {"\"a\"", "out has 18 bytes", "multiple"},
            [](Read& r) { r.bytes = 18; });
  wrong.add("as u8", {"\"a\"", "dtype must be"}, [](Read& r) { r.dtype = DType::u8; });
  wrong.add("a dtype that is none", {"\"a\"", "dtype must be", "7"},
            [](Read& r) { r.dtype = static_cast<DType>(7); });
  wrong.add(
      "floats as i32", {"\"a\"", "of integers only"}, [](Read& r) { r.dtype = DType::i32; },
      Code::unsupported);
}

}  // namespace

size_t check_checkpoint() {
  const ScratchDirectory scratch;
  const std::string single = scratch.file("a.safetensors"), index = scratch.file("a.index.json");
  const std::vector<float> values(6, 1.0f);
  const TensorView view{ElementType::f32, {2, 3}, std::as_bytes(std::span(values))};
  REQUIRE(write_safetensors(single, {{"a", view}}).has_value());
  const auto open = [](const std::string& path) { return outcome(Checkpoint::open(path)); };
  const auto open_index = [=](const std::string& text) {
    write_bytes(index, bytes_of(text));
    return open(index);
  };
  REQUIRE(open_index(R"({"weight_map":{"a":"a.safetensors"}})").has_value());
  REQUIRE(open(scratch.file("")).has_value());

  Breaker<std::string> wrong{"checkpoint", index, open, {}};
  const auto path = [&](const char* name, const std::string& path, std::vector<std::string> says) {
    wrong.add(name, std::move(says), [path](std::string& p) { p = path; });
  };
  path("no path", "", {"the path is empty"});
  path("a zero byte", single + std::string("\0x", 2), {"zero byte"});
  path("no file", scratch.file("b.json"), {"b.json", "o such file"});
  const auto text = [&](const char* name, const std::string& text, std::vector<std::string> says) {
    says.insert(says.begin(), "checkpoint: " + index + ": ");
    wrong.rows.push_back({name, std::move(says), [=] { return open_index(text); }});
  };
  text("no object", "[]", {"must be a JSON object"});
  text("no map", "{}", {"no weight_map"});
  text("a map of numbers", R"({"weight_map":{"a":1}})", {"\"a\" must be a string", "a number"});
  text("a tensor that is elsewhere", R"({"weight_map":{"b":"a.safetensors"}})",
       {"\"a.safetensors\" does not hold \"b\""});
  text("a file that is elsewhere", R"({"weight_map":{"a":"../a.safetensors"}})", {"own folder"});
  text("another kind of file", R"({"weight_map":{"a":"a.bin"}})", {"must end in .safetensors"});
  text("a key twice", R"({"weight_map":{},"weight_map":{}})", {"duplicate key \"weight_map\""});
  text("deep nesting", "{\"a\":" + std::string(100000, '['), {"nested deeper than 16"});
  text("bad UTF-8", "{\"\xff\":1}", {"not valid UTF-8 JSON"});
  text("a zero byte in it", std::string("{\"weight_map\":{}}\0", 18), {"zero byte"});

  const auto opened = Checkpoint::open(single);
  REQUIRE(opened.has_value());
  const auto make = [opened](const Read& r) {
    Bytes out(r.bytes);
    return opened->read(r.name, r.dtype, r.first, out);
  };
  REQUIRE(make(Read{}).has_value());
  Breaker<Read> reading{"checkpoint: " + single, Read{}, make, {}};
  add_read_rows(reading);
  reading.rows.push_back({"the shape of nothing", {"checkpoint: ", "no tensor \"b\""}, [opened] {
                            return outcome(opened->shape("b"));
                          }});
  reading.rows.push_back({"find nothing", {"checkpoint: ", "no tensor \"b\""}, [opened] {
                            return outcome(opened->find("b"));
                          }});
  return check_rows("checkpoint", wrong.rows) + check_rows("checkpoint reads", reading.rows);
}

}  // namespace weft::test
