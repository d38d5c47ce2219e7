// Files from strangers: element types, safetensors, npy, images.
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "bad_input/faults.hpp"
#include "bad_input/host_tables.hpp"
#include "unit/scratch_file.hpp"
#include "weft/image.hpp"
#include "weft/npy.hpp"
#include "weft/safetensors.hpp"

namespace weft::test {
namespace {

constexpr ElementType kNoType = static_cast<ElementType>(200);
constexpr uint64_t kMost = UINT64_MAX;

struct View {
  ElementType type = ElementType::f32;
  std::vector<uint64_t> shape{2, 3};
  size_t bytes = 24;

  // Of memory that lives as long as the program.
  TensorView view() const {
    static const std::array<std::byte, 256> zeros{};
    return {type, shape, std::span(zeros).first(bytes)};
  }
};

// What neither conversion nor a writer takes.
void add_view_rows(Breaker<View>& wrong) {
  wrong.add("too few bytes", {"ask", "for 24 bytes", "data has 23"}, [](View& v) { v.bytes = 23; });
  wrong.add("too many bytes", {"ask", "for 24 bytes", "data has 25"},
            [](View& v) { v.bytes = 25; });
  wrong.add("no bytes", {"ask", "for 24 bytes", "data has 0"}, [](View& v) { v.bytes = 0; });
  wrong.add("2^128 elements", {"number of elements exceeds 64 bits"}, [](View& v) {
    v.shape = {kMost, kMost};
  });
  wrong.add("2^64 elements, none of them", {"number of elements exceeds 64 bits"}, [](View& v) {
    v.shape = {kMost, kMost, 0};
  });
  wrong.add("2^66 bits", {"size in bits exceeds 64 bits"},
            [](View& v) { v.shape = {uint64_t{1} << 61}; });
  wrong.add("half a byte", {"3 elements of F4", "whole number of bytes"}, [](View& v) {
    v.type = ElementType::f4;
    v.shape = {3};
  });
  wrong.add("a type that is none", {"type is 200", "must be an ElementType"},
            [](View& v) { v.type = kNoType; });
}

std::string little_endian(uint64_t value, size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string safetensors(const std::string& header, size_t data_bytes) {
  return little_endian(header.size(), 8) + header + std::string(data_bytes, '\0');
}

std::string entry(const std::string& name, const char* type, const char* shape,
                  const char* offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

std::string npy(const std::string& header, size_t data_bytes, char major = 1) {
  std::string text = "\x93NUMPY";
  text += {major, '\0'};
  return text + little_endian(header.size(), major == 1 ? 2 : 4) + header +
         std::string(data_bytes, '\0');
}

// A text in place of a file, parsed; and files that can't be read.
struct Source {
  std::string text;
};

template <class Parse>
void add_truncations(Rows& rows, const char* operation, const std::string& whole, Parse parse) {
  for (size_t length = 0; length < whole.size(); length += 3)
    rows.push_back({"cut after " + std::to_string(length) + " bytes", {operation}, [=] {
                      return parse({whole.substr(0, length)});
                    }});
}

template <class Read>
void add_path_rows(Rows& rows, const std::string& operation, const ScratchDirectory& scratch,
                   Read read) {
  const std::string missing = scratch.file("missing"), folder = scratch.file("");
  rows.push_back(
      {"no file", {operation + ": ", missing, "o such file"}, [=] { return read(missing); }});
  rows.push_back(
      {"a folder", {operation + ": ", folder, "directory"}, [=] { return read(folder); }});
  rows.push_back(
      {"no path", {operation + ": ", "the path is empty", "must name"}, [=] { return read(""); }});
  rows.push_back({"a path with a zero byte",
                  {operation + ": ", "the path has a zero byte", "must have none"},
                  [=] { return read(missing + std::string("\0.png", 5)); }});
}

template <class Write>
void add_target_rows(Rows& rows, const std::string& operation, const ScratchDirectory& scratch,
                     Write write) {
  const std::string folder = scratch.file(""), nowhere = scratch.file("no folder/file");
  rows.push_back({"onto a folder", {operation + ": ", folder, "is a directory"}, [=] {
                    return write(folder);
                  }});
  rows.push_back({"into no folder", {operation + ": ", nowhere, "cannot be written"}, [=] {
                    return write(nowhere);
                  }});
  rows.push_back({"to no path", {operation + ": ", "the path is empty", "must name"}, [=] {
                    return write("");
                  }});
  rows.push_back({"to a path with a zero byte", {operation + ": ", "zero byte"}, [=] {
                    return write(nowhere + std::string("\0b", 2));
                  }});
}

}  // namespace

size_t check_elements() {
  Breaker<View> wrong{
      "to_float", {}, [](const View& v) { return outcome(to_float(v.view())); }, {}};
  REQUIRE(wrong.make({}).has_value());
  add_view_rows(wrong);
  for (const ElementType type :
       {ElementType::f4, ElementType::f6_e2m3, ElementType::f6_e3m2, ElementType::f8_e5m2,
        ElementType::f8_e4m3, ElementType::f8_e8m0, ElementType::f8_e4m3fnuz,
        ElementType::f8_e5m2fnuz, ElementType::c64})
    wrong.add(
        to_string(type), {std::string("elements of type ") + to_string(type)},
        [type](View& v) {
          v.type = type;
          v.shape = {8};
          v.bytes = size_bits(type);
        },
        Code::unsupported);
  CHECK(size_bits(kNoType) == 0);
  CHECK(std::string(to_string(kNoType)) == "unknown");
  CHECK(!size_bytes(kNoType, wrong.valid.shape).has_value());
  return check_rows("to_float", wrong.rows);
}

size_t check_safetensors() {
  const auto parse = [](const Source& source) {
    return outcome(Safetensors::parse(std::as_bytes(std::span(source.text)), "x"));
  };
  const std::string a = entry("a", "F32", "[2]", "[0,8]");
  const std::string valid = safetensors("{" + a + "}", 8);
  REQUIRE(parse({valid}).has_value());
  Breaker<Source> wrong{"safetensors: x", {valid}, parse, {}};
  const auto file = [&](const char* name, const std::string& header, size_t bytes,
                        std::vector<std::string> says, Code code = Code::invalid_argument) {
    wrong.add(
        name, std::move(says), [=](Source& s) { s.text = safetensors(header, bytes); }, code);
  };
  file("another type", "{" + entry("a", "F33", "[2]", "[0,8]") + "}", 8,
       {"tensor \"a\"", "unknown dtype \"F33\""}, Code::unsupported);
  file("no object", "[]", 0, {"must begin with '{'"});
  file("nothing", "", 0, {"must begin with '{'"});
  file("an open object", "{" + a, 8, {"not valid UTF-8 JSON"});
  file("more after it", "{" + a + "}x", 8, {"not valid UTF-8 JSON"});
  file("a zero byte", "{" + a + "}" + std::string(1, '\0'), 8, {"zero byte"});
  file("bad UTF-8", "{\"\xff\":1}", 0, {"not valid UTF-8 JSON"});
  file("the same name twice", "{" + a + "," + a + "}", 8, {"duplicate key \"a\""});
  file("an unknown key", "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1}}",
       4, {"unknown key \"x\""});
  file("no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0,
       {"must have dtype, shape and data_offsets"});
  file("one offset", "{" + entry("a", "F32", "[2]", "[0]") + "}", 8,
       {"data_offsets", "two numbers", "fewer"});
  file("three offsets", "{" + entry("a", "F32", "[2]", "[0,8,9]") + "}", 8,
       {"data_offsets", "two numbers", "more"});
  file("a negative length", "{" + entry("a", "F32", "[-2]", "[0,8]") + "}", 8,
       {"shape", "a negative number"});
  file("a broken number", "{" + entry("a", "F32", "[2.5]", "[0,8]") + "}", 8, {"shape", "2.5"});
  file("2^64", "{" + entry("a", "F32", "[18446744073709551616]", "[0,8]") + "}", 8,
       {"shape", "18446744073709551616"});
  file("2^128 elements",
       "{" + entry("a", "F32", "[18446744073709551615,18446744073709551615]", "[0,8]") + "}", 8,
       {"tensor \"a\"", "exceeds 64 bits"});
  file("another size", "{" + entry("a", "F32", "[3]", "[0,8]") + "}", 8,
       {"ask for 12 bytes", "[0, 8]"});
  file("backwards", "{" + entry("a", "F32", "[0]", "[8,0]") + "}", 8, {"leaves a hole", "[8, 0]"});
  file("beyond the end", "{" + entry("a", "F32", "[4]", "[0,16]") + "}", 8,
       {"[0, 16]", "has 8 bytes of data"});
  file("a hole", "{" + entry("a", "F32", "[1]", "[4,8]") + "}", 8, {"leaves a hole", "[4, 8]"});
  file("an overlap", "{" + a + "," + entry("b", "F32", "[2]", "[4,12]") + "}", 12,
       {"tensor \"b\"", "overlaps", "[4, 12]"});
  file("bytes left over", "{" + a + "}", 9, {"end at byte 8 of 9"});
  file("metadata of numbers", "{\"__metadata__\":{\"k\":1}," + a + "}", 8,
       {"__metadata__", "unexpected number"});
  file("deep nesting", "{\"a\":" + std::string(100000, '['), 0, {"unexpected array"});
  std::string axes = "[1";
  for (int i = 0; i < 64; ++i) axes += ",1";
  file("65 axes", "{" + entry("a", "F32", (axes + "]").c_str(), "[0,4]") + "}", 4,
       {"more than 64 axes"});
  wrong.add("a header of 2^64 - 1 bytes", {"at most 100000000 bytes", "18446744073709551615"},
            [](Source& s) { s.text = little_endian(kMost, 8) + "{}"; });
  wrong.add("a header beyond the file", {"header's length is 90", "only 2 bytes follow"},
            [](Source& s) { s.text = little_endian(90, 8) + "{}"; });
  add_truncations(wrong.rows, "safetensors: x: ", valid, parse);
  ScratchDirectory scratch;
  add_path_rows(wrong.rows, "safetensors", scratch,
                [](const std::string& path) { return outcome(Safetensors::open(path)); });
  wrong.rows.push_back({"find what is not there", {"safetensors: x: ", "no tensor \"b\""}, [valid] {
                          const auto opened =
                              Safetensors::parse(std::as_bytes(std::span(valid)), "x");
                          return outcome(opened->find("b"));
                        }});

  const std::string path = scratch.file("written");
  const auto write = [path](const View& v) { return write_safetensors(path, {{"a", v.view()}}); };
  Breaker<View> writing{"write_safetensors", View{}, write, {}};
  add_view_rows(writing);
  const TensorView good = View{}.view();
  const auto named = [&](const char* name, std::map<std::string, TensorView> tensors,
                         Metadata metadata, const char* says) {
    writing.rows.push_back({name, {"write_safetensors: ", says}, [=] {
                              return write_safetensors(path, tensors, metadata);
                            }});
  };
  named("a reserved name", {{"__metadata__", good}}, {}, "no tensor may be named __metadata__");
  named("a name that isn't UTF-8", {{"\xff", good}}, {}, "is not UTF-8");
  named("metadata that isn't UTF-8", {}, {{"k", "\xc3"}}, "is not UTF-8");
  add_target_rows(writing.rows, "write_safetensors", scratch, [good](const std::string& to) {
    return write_safetensors(to, {{"a", good}});
  });
  const size_t rows =
      check_rows("safetensors", wrong.rows) + check_rows("write_safetensors", writing.rows);
  CHECK(scratch.files() == 0);
  REQUIRE(write({}).has_value());
  return rows;
}

size_t check_npy() {
  const auto parse = [](const Source& source) {
    return outcome(parse_npy(std::as_bytes(std::span(source.text)), "x"));
  };
  const auto header = [](const char* descr, const char* order, const char* shape) {
    return std::string("{'descr': ") + descr + ", 'fortran_order': " + order +
           ", 'shape': " + shape + ", }\n";
  };
  const std::string valid = npy(header("'<f4'", "False", "(2,)"), 8);
  REQUIRE(parse({valid}).has_value());
  Breaker<Source> wrong{"read_npy: x", {valid}, parse, {}};
  const auto file = [&](const char* name, const std::string& text, size_t bytes,
                        std::vector<std::string> says, Code code = Code::invalid_argument) {
    wrong.add(
        name, std::move(says), [=](Source& s) { s.text = npy(text, bytes); }, code);
  };
  const auto unsupported = Code::unsupported;
  file("objects", header("'|O'", "False", "(2,)"), 8, {"'|O'", "never read"}, unsupported);
  file("big-endian", header("'>f4'", "False", "(2,)"), 8, {"'>f4'", "big-endian"}, unsupported);
  file("a type that is none", header("'<q9'", "False", "(2,)"), 8, {"'<q9'", "no type"},
       unsupported);
  file("structures", header("[('a', '<f4')]", "False", "(2,)"), 8, {"structured"}, unsupported);
  file("columns first", header("'<f4'", "True", "(1, 2)"), 8, {"column-major"}, unsupported);
  file("no tuple", header("'<f4'", "False", "(2)"), 8, {"no proper value for 'shape'"});
  file("a negative length", header("'<f4'", "False", "(-2,)"), 8, {"no proper value for 'shape'"});
  file("2^64", header("'<f4'", "False", "(18446744073709551616,)"), 8,
       {"no proper value for 'shape'"});
  file("2^128 elements", header("'<f4'", "False", "(18446744073709551615, 18446744073709551615)"),
       8, {"exceeds 64 bits"});
  file("fewer bytes", header("'<f4'", "False", "(2,)"), 7, {"ask for 8 bytes", "7 follow"});
  file("more bytes", header("'<f4'", "False", "(2,)"), 9, {"ask for 8 bytes", "9 follow"});
  file("no dictionary", "[]\n", 0, {"must begin with '{'"});
  file("an order that is none", header("'<f4'", "Maybe", "(2,)"), 8,
       {"no proper value for 'fortran_order'"});
  file("an unknown key", "{'x': 1}\n", 0, {"unknown key 'x'"});
  file("a key twice", "{'shape': (), 'shape': ()}\n", 0, {"'shape' twice"});
  file("more after it", header("'<f4'", "False", "(2,)") + "x", 8, {"more after its '}'"});
  file("a long header", header("'<f4'", "False", "(2,)") + std::string(10000, ' '), 8,
       {"at most 10000 bytes"});
  wrong.add(
      "version 9", {"versions 1.0, 2.0 and 3.0", "9.0"}, [](Source& s) { s.text[6] = 9; },
      unsupported);
  wrong.add("another magic", {"does not begin as an .npy file"},
            [](Source& s) { s.text[0] = 'x'; });
  wrong.add("a header of 2^32 - 1 bytes", {"at most 10000 bytes", "4294967295"}, [](Source& s) {
    s.text = npy("", 0, 2);
    for (size_t i = 8; i < 12; ++i) s.text[i] = '\xff';
  });
  add_truncations(wrong.rows, "read_npy: x: ", valid, parse);
  ScratchDirectory scratch;
  add_path_rows(wrong.rows, "read_npy", scratch,
                [](const std::string& path) { return outcome(read_npy(path)); });

  const std::string path = scratch.file("written");
  Breaker<View> writing{
      "write_npy: " + path, View{}, [path](const View& v) { return write_npy(path, v.view()); }, {}};
  add_view_rows(writing);
  writing.add(
      "a type that NumPy lacks", {"NumPy has no type BF16"},
      [](View& v) {
        v.type = ElementType::bf16;
        v.bytes = 12;
      },
      unsupported);
  writing.add("too many axes", {"too many axes", "5000"}, [](View& v) {
    v.shape.assign(5000, 1);
    v.bytes = 4;
  });
  add_target_rows(writing.rows, "write_npy", scratch,
                  [](const std::string& to) { return write_npy(to, View{}.view()); });
  const size_t rows = check_rows("npy", wrong.rows) + check_rows("write_npy", writing.rows);
  CHECK(scratch.files() == 0);
  return rows;
}

size_t check_images() {
  ScratchDirectory scratch;
  const std::string path = scratch.file("picture.png");
  const Image picture{4, 3, 3, std::vector<uint8_t>(36, 7)};
  REQUIRE(write_png(path, picture).has_value());
  const Bytes read = read_bytes(path);
  const std::string png(reinterpret_cast<const char*>(read.data()), read.size());
  const auto decode = [](const Source& s) {
    return outcome(
        decode_image({reinterpret_cast<const uint8_t*>(s.text.data()), s.text.size()}, 3, "x"));
  };
  REQUIRE(decode({png}).has_value());
  Breaker<Source> wrong{"read_image: x", {png}, decode, {}};
  add_truncations(wrong.rows, "read_image: x: ", png, decode);
  std::erase_if(wrong.rows, [](const Row& row) {
    return row.name == "cut after 3 bytes" || row.name == "cut after 6 bytes";
  });
  wrong.add(
      "neither PNG nor JPEG", {"neither PNG nor JPEG", "47 49 46"},
      [](Source& s) { s.text = "GIF89a"; }, Code::unsupported);
  wrong.add("a changed byte", {"wrong checksum", "at byte 8"}, [](Source& s) { s.text[20] ^= 1; });
  wrong.add("a JPEG that ends", {"truncated JPEG", "after 4 bytes"},
            [](Source& s) { s.text = "\xff\xd8\xff\xe0"; });
  wrong.add("a JPEG without markers", {"no marker", "at byte 6"},
            [](Source& s) { s.text = std::string("\xff\xd8\xff\xe0\x00\x02zzzz", 10); });
  Rows rows = std::move(wrong.rows);
  for (const uint32_t channels : {0u, 5u, UINT32_MAX})
    rows.push_back({"channels", {"read_image: x: ", "1 to 4", std::to_string(channels)}, [=] {
                      return outcome(
                          decode_image({reinterpret_cast<const uint8_t*>(png.data()), png.size()},
                                       channels, "x"));
                    }});
  add_path_rows(rows, "read_image", scratch,
                [](const std::string& from) { return outcome(read_image(from)); });

  const std::string target = scratch.file("other.png");
  for (const auto& [operation, make] :
       {std::pair<std::string, std::function<Result<void>(const Image&)>>{
            "write_png", [target](const Image& image) { return write_png(target, image); }},
        {"resize", [](const Image& image) { return outcome(resize(image, 2, 2)); }}}) {
    Breaker<Image> image{operation, picture, make, {}};
    image.add("no width", {"1 to 8192", "0 x 3"}, [](Image& i) { i.width = 0; });
    image.add("no height", {"1 to 8192", "4 x 0"}, [](Image& i) { i.height = 0; });
    image.add("too wide", {"1 to 8192", "8193 x 3"}, [](Image& i) { i.width = 8193; });
    image.add("2^64 pixels", {"1 to 8192", "4294967295 x 4294967295"},
              [](Image& i) { i.width = i.height = UINT32_MAX; });
    image.add("no channel", {"1 to 4", "found 0"}, [](Image& i) { i.channels = 0; });
    image.add("5 channels", {"1 to 4", "found 5"}, [](Image& i) { i.channels = 5; });
    image.add("too few bytes", {"= 36 bytes", "found 35"}, [](Image& i) { i.pixels.pop_back(); });
    image.add("too many bytes", {"= 36 bytes", "found 37"},
              [](Image& i) { i.pixels.push_back(0); });
    rows.insert(rows.end(), image.rows.begin(), image.rows.end());
  }
  for (const auto& [width, height] : {std::pair{0u, 2u}, {2u, 0u}, {8193u, 2u}, {2u, UINT32_MAX}})
    rows.push_back(
        {"resize to " + std::to_string(width),
         {"resize: ", "1 to 8192", std::to_string(width) + " x " + std::to_string(height)},
         [=] { return outcome(resize(picture, width, height)); }});
  add_target_rows(rows, "write_png", scratch,
                  [picture](const std::string& to) { return write_png(to, picture); });
  const size_t count = check_rows("images", rows);
  CHECK(scratch.files() == 1);
  return count;
}

}  // namespace weft::test
