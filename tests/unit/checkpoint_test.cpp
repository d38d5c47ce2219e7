// Checkpoints: one file, an index of several, a folder; hostile indexes; and what must be so of
// every tensor that is found.
#include "weft/checkpoint.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <limits>

#include "io/checkpoint_index.hpp"
#include "scratch_file.hpp"

using Catch::Matchers::ContainsSubstring;
using weft::Checkpoint;
using weft::Code;
using weft::DType;
using weft::ElementType;
using weft::Metadata;
using weft::test::bytes_of;
using weft::test::ScratchDirectory;

namespace {

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

using Floats = std::map<std::string, std::vector<float>>;

void write_file(const ScratchDirectory& folder, const std::string& name, const Floats& tensors,
                const Metadata& metadata = {}) {
  std::map<std::string, weft::TensorView> views;
  for (const auto& [tensor, values] : tensors)
    views[tensor] = {ElementType::f32, {values.size()}, std::as_bytes(std::span(values))};
  const auto written = weft::write_safetensors(folder.file(name), views, metadata);
  INFO((written ? "" : written.error().message));
  REQUIRE(written);
}

void write_text(const ScratchDirectory& folder, const std::string& name, std::string_view text) {
  weft::test::write_bytes(folder.file(name), bytes_of(text));
}

// {"metadata": {...}, "weight_map": {MAP}}
std::string index_of(const std::string& map) {
  return R"({"metadata": {"total_size": 28}, "weight_map": {)" + map + "}}";
}

std::string entry(const std::string& tensor, const std::string& shard) {
  return "\"" + tensor + "\": \"" + shard + "\"";
}

// Two shards and their index: a and c in the first, b in the second, which also holds "unlisted".
void write_shards(const ScratchDirectory& folder) {
  write_file(folder, kFirst, {{"a", {1, 2}}, {"c", {3}}}, {{"format", "pt"}});
  write_file(folder, kSecond, {{"b", {4, 5, 6}}, {"unlisted", {7}}}, {{"part", "2"}});
  write_text(folder, kIndex,
             index_of(entry("c", kFirst) + "," + entry("b", kSecond) + "," + entry("a", kFirst)));
}

std::vector<float> floats(const Checkpoint& checkpoint, const std::string& name) {
  const auto shape = checkpoint.shape(name);
  REQUIRE(shape);
  size_t elements = 1;
  for (const int64_t length : *shape) elements *= static_cast<size_t>(length);
  std::vector<float> values(elements);
  const auto read = checkpoint.read(name, DType::f32, 0, std::as_writable_bytes(std::span(values)));
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  return values;
}

// The message of a refusal; empty if the path opens.
std::string refusal(const std::string& path, Code expected = Code::invalid_argument) {
  const auto checkpoint = Checkpoint::open(path);
  if (checkpoint) return {};
  CHECK(checkpoint.error().code == expected);
  return checkpoint.error().message;
}

std::string index_refusal(std::string_view text) {
  const auto map = weft::io::parse_checkpoint_index(text);
  if (map) return {};
  CHECK(map.error().code == Code::invalid_argument);
  return map.error().message;
}

}  // namespace

TEST_CASE("checkpoint: one file is a source of its tensors", "[io]") {
  const ScratchDirectory folder;
  write_file(folder, "unet.safetensors", {{"b", {1.5f}}, {"a", {2, 3}}}, {{"format", "pt"}});
  const auto opened = Checkpoint::open(folder.file("unet.safetensors"));
  REQUIRE(opened);
  const weft::TensorSource& source = *opened;
  CHECK(source.names() == std::vector<std::string>{"a", "b"});
  CHECK(source.contains("a"));
  CHECK_FALSE(source.contains("c"));
  CHECK(source.shape("a") == std::vector<int64_t>{2});
  CHECK(floats(*opened, "a") == std::vector<float>{2, 3});
  REQUIRE(opened->files().size() == 1);
  CHECK(opened->files()[0].name == folder.file("unet.safetensors"));
  CHECK(opened->files()[0].contents.metadata() == Metadata{{"format", "pt"}});
  CHECK(opened->tensors().at("b").info.type == ElementType::f32);
  for (const weft::Result<void>& missing :
       {opened->read("c", DType::f32, 0, {}), opened->read("", DType::f32, 0, {})}) {
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Code::invalid_argument);
    CHECK_THAT(missing.error().message, ContainsSubstring("unet.safetensors: no tensor \""));
  }
  CHECK_THAT(source.shape("c").error().message, ContainsSubstring("no tensor \"c\""));
  CHECK_THAT(opened->find("c").error().message, ContainsSubstring("no tensor \"c\""));
}

TEST_CASE("checkpoint: an index gathers its shards, and leaves out what it does not list", "[io]") {
  const ScratchDirectory folder;
  write_shards(folder);
  const auto opened = Checkpoint::open(folder.file(kIndex));
  REQUIRE(opened);
  CHECK(opened->names() == std::vector<std::string>{"a", "b", "c"});
  CHECK_FALSE(opened->contains("unlisted"));
  CHECK_FALSE(opened->find("unlisted"));
  CHECK(floats(*opened, "a") == std::vector<float>{1, 2});
  CHECK(floats(*opened, "b") == std::vector<float>{4, 5, 6});
  CHECK(floats(*opened, "c") == std::vector<float>{3});
  REQUIRE(opened->files().size() == 2);
  CHECK(opened->files()[0].name == kFirst);
  CHECK(opened->files()[1].name == kSecond);
  CHECK(opened->files()[0].contents.metadata() == Metadata{{"format", "pt"}});
  CHECK(opened->files()[1].contents.metadata() == Metadata{{"part", "2"}});
  CHECK(opened->tensors().at("a").file == 0);
  CHECK(opened->tensors().at("b").file == 1);
  CHECK(opened->tensors().at("b").info.shape == std::vector<uint64_t>{3});
}

TEST_CASE("checkpoint: an index may say more, and need not say a size", "[io]") {
  const ScratchDirectory folder;
  write_shards(folder);
  for (const char* metadata :
       {"", R"("metadata": {},)", R"("metadata": {"total_size": 1.5e9, "x": [[{}], null]},)",
        R"("metadata": null, "more": {"weight_map": {"a": [true, -1, "../x"]}},)"}) {
    CAPTURE(metadata);
    const std::string text =
        std::string("\n{") + metadata + R"("weight_map":{)" + entry("a", kFirst) + "}}\n";
    write_text(folder, kIndex, text);
    const auto opened = Checkpoint::open(folder.file(kIndex));
    REQUIRE(opened);
    CHECK(opened->names() == std::vector<std::string>{"a"});
    CHECK(opened->files().size() == 1);
  }
  write_text(folder, kIndex, R"({"weight_map":{}})");
  CHECK(Checkpoint::open(folder.file(kIndex))->names().empty());
}

TEST_CASE("checkpoint: a folder is what it holds", "[io]") {
  const auto holds = [](const ScratchDirectory& folder) {
    const auto opened = Checkpoint::open(folder.file(""));
    if (!opened) return opened.error().message;
    std::string names;
    for (const std::string& name : opened->names()) names += name;
    return names;
  };
  const ScratchDirectory folder;
  CHECK_THAT(holds(folder), ContainsSubstring("holds no file *.safetensors"));
  write_text(folder, "config.json", "{}");
  write_file(folder, "other.safetensors", {{"o", {1}}});
  CHECK(holds(folder) == "o");
  write_file(folder, "another.safetensors", {{"p", {1}}});
  CHECK_THAT(holds(folder), ContainsSubstring("holds 2 files *.safetensors"));
  write_text(folder, "x.safetensors.index.json",
             index_of(entry("o", "other.safetensors") + "," + entry("p", "another.safetensors")));
  CHECK(holds(folder) == "op");
  write_text(folder, "y.safetensors.index.json", index_of(""));
  CHECK_THAT(holds(folder), ContainsSubstring("holds 2 files *.safetensors.index.json"));
  write_file(folder, "diffusion_pytorch_model.safetensors", {{"d", {1}}});
  CHECK(holds(folder) == "d");
  write_shards(folder);
  CHECK(holds(folder) == "abc");
  write_file(folder, "model.safetensors", {{"m", {1}}});
  CHECK(holds(folder) == "m");
}

TEST_CASE("checkpoint: names of files are UTF-8, and a shard may be a link", "[io]") {
  const ScratchDirectory folder;
  const std::string shard =
      "gew\xC3\xA4"
      "chs.safetensors";
  write_file(folder, shard, {{"a", {1}}});
  write_text(folder, kIndex, index_of(entry("a", shard)));
  REQUIRE(Checkpoint::open(folder.file(kIndex)));
  std::error_code error;  // some systems let nobody make links
  std::filesystem::create_symlink(weft::test::native(folder.file(shard)),
                                  weft::test::native(folder.file("link.safetensors")), error);
  if (error) return;
  write_text(folder, kIndex, index_of(entry("a", "link.safetensors")));
  CHECK(Checkpoint::open(folder.file(kIndex)));
}

TEST_CASE("checkpoint: what can't be opened is named", "[io]") {
  const ScratchDirectory folder;
  write_shards(folder);
  CHECK_THAT(refusal(folder.file("none.safetensors")), ContainsSubstring("none.safetensors"));
  CHECK_THAT(refusal(folder.file("none.index.json")),
             ContainsSubstring("checkpoint: ") && ContainsSubstring("none.index.json"));
  CHECK_THAT(refusal(""), ContainsSubstring("the path is empty"));
  CHECK_THAT(refusal(folder.file("a") + std::string("\0.json", 6)), ContainsSubstring("zero byte"));
  const std::string index = folder.file(kIndex);
  write_text(folder, kIndex, index_of(entry("a", "missing.safetensors")));
  CHECK_THAT(refusal(index), ContainsSubstring("missing.safetensors"));
  std::filesystem::create_directory(weft::test::native(folder.file("folder.safetensors")));
  write_text(folder, kIndex, index_of(entry("a", "folder.safetensors")));
  CHECK_THAT(refusal(index), ContainsSubstring("folder.safetensors: is a directory"));
  write_text(folder, kIndex, index_of(entry("b", kFirst)));
  CHECK_THAT(refusal(index), ContainsSubstring(std::string(kFirst) + "\" does not hold \"b\""));
  // One broken shard breaks all, though no tensor of it is ever asked for.
  const weft::test::Bytes whole = weft::test::read_bytes(folder.file(kSecond));
  weft::test::write_bytes(folder.file(kSecond), std::span(whole).first(whole.size() - 1));
  write_text(folder, kIndex, index_of(entry("a", kFirst) + "," + entry("b", kSecond)));
  CHECK_THAT(refusal(index), ContainsSubstring(kSecond) && ContainsSubstring("bytes of data"));
  const std::string odd = R"({"a":{"dtype":"F3","shape":[0],"data_offsets":[0,0]}})";
  write_text(folder, "odd.safetensors",
             std::string(1, static_cast<char>(odd.size())) + std::string(7, '\0') + odd);
  CHECK_THAT(refusal(folder.file("odd.safetensors"), Code::unsupported),
             ContainsSubstring("unknown dtype \"F3\""));
}

TEST_CASE("checkpoint: an index has a largest size", "[io]") {
  const ScratchDirectory folder;
  write_text(folder, kIndex, R"({"weight_map":{}})");
  const auto path = weft::test::native(folder.file(kIndex));
  std::filesystem::resize_file(path, weft::kMaxCheckpointIndexBytes + 1);
  CHECK_THAT(refusal(folder.file(kIndex)),
             ContainsSubstring("at most 100000000 bytes, found 100000001"));
}

TEST_CASE("checkpoint: a shard is a file beside its index", "[io]") {
  const std::pair<std::string, const char*> kNames[] = {
      {"", "is empty"},
      {".", "is a folder"},
      {"..", "is a folder"},
      {"../a.safetensors", "own folder"},
      {"sub/a.safetensors", "own folder"},
      {"/a.safetensors", "own folder"},
      {"..\\\\a.safetensors", "own folder"},
      {"\\\\\\\\host\\\\a.safetensors", "own folder"},
      {"C:a.safetensors", "own folder"},
      {"a.safetensors:stream", "own folder"},
      {"a\\u0000.safetensors", "control character"},
      {"a.safetensors\\u0000", "control character"},
      {"a\\n.safetensors", "control character"},
      {"a\\u007f.safetensors", "control character"},
      {"pytorch_model.bin", "must end in .safetensors"},
      {"a.SAFETENSORS", "must end in .safetensors"}};
  for (const auto& [name, why] : kNames) {
    CAPTURE(name);
    const std::string message = index_refusal(index_of(entry("t", name)));
    CHECK_THAT(message, ContainsSubstring("the file of \"t\"") && ContainsSubstring(why));
    CHECK(message.find('\n') == std::string::npos);
  }
  CHECK(index_refusal(index_of(entry("t", "a..b.safetensors"))).empty());
  CHECK(index_refusal(index_of(entry("t", ".safetensors"))).empty());
}

TEST_CASE("checkpoint: an index is one JSON object with a map of strings", "[io]") {
  const std::pair<std::string, const char*> kTexts[] = {
      {"", "must be a JSON object"},
      {"  ", "must be a JSON object"},
      {"[]", "must be a JSON object"},
      {"null", "must be a JSON object"},
      {"\xEF\xBB\xBF{\"weight_map\":{}}", "must be a JSON object"},
      {"{}", "has no weight_map"},
      {R"({"metadata":{"weight_map":{}}})", "has no weight_map"},
      {R"({"weight_map":[]})", "weight_map must be an object, found an array"},
      {R"({"weight_map":"a"})", "weight_map must be an object, found a string"},
      {R"({"weight_map":null})", "weight_map must be an object, found null"},
      {R"({"weight_map":1})", "weight_map must be an object, found a number"},
      {R"({"weight_map":{"t":1}})", "\"t\" must be a string, found a number"},
      {R"({"weight_map":{"t":-1.5}})", "\"t\" must be a string, found a number"},
      {R"({"weight_map":{"t":null}})", "\"t\" must be a string, found null"},
      {R"({"weight_map":{"t":true}})", "\"t\" must be a string, found a boolean"},
      {R"({"weight_map":{"t":["a.safetensors"]}})", "\"t\" must be a string, found an array"},
      {R"({"weight_map":{"t":{}}})", "\"t\" must be a string, found an object"},
      {R"({"weight_map":{}} {})", "not valid UTF-8 JSON"},
      {R"({"weight_map":{},})", "not valid UTF-8 JSON"},
      {R"({"weight_map":{)", "not valid UTF-8 JSON"},
      {"{'weight_map':{}}", "not valid UTF-8 JSON"},
      {"{\"weight_map\":{}/**/}", "not valid UTF-8 JSON"},
      {"{\"weight_map\":{\"\xFF\":\"a.safetensors\"}}", "not valid UTF-8 JSON"},
      {"{\"weight_map\":{\"t\":\"\xC0\xAF.safetensors\"}}", "not valid UTF-8 JSON"},
      {"{\"\\ud800\":1,\"weight_map\":{}}", "not valid UTF-8 JSON"},
      {"{\"weight_map\":{},\"x\":1e999999}", "not valid UTF-8 JSON"},
      {std::string("{\"weight_map\":{}}\0", 18), "zero byte"},
      {R"({"weight_map":{"t":"a.safetensors","t":"a.safetensors"}})",
       "weight_map: duplicate key \"t\""},
      {R"({"weight_map":{"t":"a.safetensors","\u0074":"b.safetensors"}})",
       "weight_map: duplicate key \"t\""},
      {R"({"weight_map":{},"weight_map":{}})", "duplicate key \"weight_map\""},
      {R"({"metadata":{"total_size":1,"total_size":2},"weight_map":{}})",
       "duplicate key \"total_size\""}};
  for (const auto& [text, why] : kTexts) {
    CAPTURE(text);
    CHECK_THAT(index_refusal(text), ContainsSubstring(why));
  }
}

TEST_CASE("checkpoint: an index's depth is bounded, and its messages are short", "[io]") {
  const auto nested = [](size_t arrays) {
    return "{\"x\":" + std::string(arrays, '[') + std::string(arrays, ']') + ",\"weight_map\":{}}";
  };
  CHECK(index_refusal(nested(weft::kMaxCheckpointIndexDepth - 1)).empty());
  CHECK_THAT(index_refusal(nested(weft::kMaxCheckpointIndexDepth)),
             ContainsSubstring("deeper than 16"));
  CHECK_THAT(index_refusal(nested(1 << 20)), ContainsSubstring("deeper than 16"));
  std::string objects;
  for (int i = 0; i < 1 << 16; ++i) objects += "{\"x\":";
  CHECK_THAT(index_refusal(objects), ContainsSubstring("deeper than 16"));
  const std::string name(100'000, 'x');
  const std::string message = index_refusal(index_of(entry(name, name)));
  CHECK_FALSE(message.empty());
  CHECK(message.size() < 400);
}

TEST_CASE("checkpoint: copies and views outlive what they came from", "[io]") {
  const ScratchDirectory folder;
  write_shards(folder);
  auto opened = Checkpoint::open(folder.file(kIndex));
  REQUIRE(opened);
  const Checkpoint copy = *opened;
  const auto view = opened->find("b");
  opened = weft::fail(Code::internal, "dropped");
  REQUIRE(view);
  CHECK(weft::to_float(*view) == std::vector<float>{4, 5, 6});
  CHECK(floats(copy, "a") == std::vector<float>{1, 2});
}
