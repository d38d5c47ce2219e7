// The safetensors reader: the format's rules, one hostile file each, and what the writer makes.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "scratch_file.hpp"
#include "weft/safetensors.hpp"

using Catch::Matchers::ContainsSubstring;
using weft::Code;
using weft::ElementType;
using weft::Metadata;
using weft::Safetensors;
using weft::TensorView;
using weft::test::Bytes;
using weft::test::bytes_of;
using weft::test::ScratchDirectory;

namespace {

Bytes file_with_length(uint64_t length, std::string_view header, size_t data_bytes) {
  Bytes bytes(8);
  for (size_t i = 0; i < 8; ++i) bytes[i] = std::byte(length >> (8 * i));
  const Bytes text = bytes_of(header);
  bytes.insert(bytes.end(), text.begin(), text.end());
  for (size_t i = 0; i < data_bytes; ++i) bytes.push_back(std::byte(i & 0xFF));
  return bytes;
}

Bytes file_of(std::string_view header, size_t data_bytes) {
  return file_with_length(header.size(), header, data_bytes);
}

std::string entry(std::string_view name, std::string_view type, std::string_view shape,
                  uint64_t begin, uint64_t end) {
  return "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(type) +
         "\",\"shape\":" + std::string(shape) + ",\"data_offsets\":[" + std::to_string(begin) +
         "," + std::to_string(end) + "]}";
}

// The message of the refusal; empty if the file was accepted.
std::string refusal(const Bytes& bytes, Code expected = Code::invalid_argument) {
  const auto file = Safetensors::parse(bytes);
  if (file) return {};
  CHECK(file.error().code == expected);
  return file.error().message;
}

std::string refusal(std::string_view header, size_t data_bytes) {
  return refusal(file_of(header, data_bytes));
}

bool accepted(std::string_view header, size_t data_bytes) {
  const auto file = Safetensors::parse(file_of(header, data_bytes));
  if (!file) UNSCOPED_INFO(file.error().message);
  return file.has_value();
}

template <class T>
TensorView view_of(ElementType type, std::vector<uint64_t> shape, const std::vector<T>& values) {
  return {type, std::move(shape), std::as_bytes(std::span(values))};
}

}  // namespace

TEST_CASE("safetensors: a small file is read", "[io]") {
  const Bytes bytes =
      file_of("{\"__metadata__\":{\"format\":\"pt\"}," + entry("a", "F32", "[2,2]", 0, 16) + "," +
                  entry("b", "U8", "[3]", 16, 19) + "}   ",
              19);
  const auto file = Safetensors::parse(bytes);
  REQUIRE(file);
  CHECK(file->metadata() == Metadata{{"format", "pt"}});
  REQUIRE(file->tensors().size() == 2);
  const auto b = file->find("b");
  REQUIRE(b);
  CHECK(b->type == ElementType::u8);
  CHECK(b->shape == std::vector<uint64_t>{3});
  CHECK(weft::to_float(*b) == std::vector<float>{16, 17, 18});
  const auto missing = file->find("c");
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().message, ContainsSubstring("no tensor \"c\""));
}

TEST_CASE("safetensors: empty files, empty tensors and single elements are valid", "[io]") {
  CHECK(accepted("{}", 0));
  CHECK(accepted("{}      ", 0));
  CHECK(accepted("{" + entry("scalar", "F32", "[]", 0, 4) + "}", 4));
  CHECK(accepted("{" + entry("none", "F32", "[0]", 0, 0) + "}", 0));
  CHECK(accepted("{" + entry("none", "F32", "[0,18446744073709551615]", 0, 0) + "}", 0));
  // Any number of empty ones may share a place, before or after one that is not.
  CHECK(accepted("{" + entry("e", "F32", "[0]", 4, 4) + "," + entry("d", "F32", "[4,0]", 4, 4) +
                     "," + entry("a", "F32", "[1]", 0, 4) + "," + entry("z", "I8", "[2]", 4, 6) +
                     "}",
                 6));
  CHECK(accepted("{" + entry("", "U8", "[1]", 0, 1) + "}", 1));
}

TEST_CASE("safetensors: every type is known, packed ones by the bit", "[io]") {
  const std::pair<const char*, uint32_t> kTypes[] = {
      {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64},        {"U64", 64}};
  for (const auto& [name, bits] : kTypes) {
    CAPTURE(name);
    const auto type = weft::element_type(name);
    REQUIRE(type);
    CHECK(weft::to_string(*type) == std::string(name));
    CHECK(weft::size_bits(*type) == bits);
    CHECK(accepted("{" + entry("a", name, "[4]", 0, bits / 2) + "}", bits / 2));
    CHECK_FALSE(
        refusal("{" + entry("a", name, "[4]", 0, bits / 2 + 1) + "}", bits / 2 + 1).empty());
  }
  CHECK_THAT(refusal("{" + entry("a", "F4", "[3]", 0, 2) + "}", 2),
             ContainsSubstring("whole number"));
  CHECK_THAT(refusal("{" + entry("a", "F6_E2M3", "[2]", 0, 2) + "}", 2),
             ContainsSubstring("whole number"));
  const Bytes unknown = file_of("{" + entry("a", "F3", "[8]", 0, 3) + "}", 3);
  CHECK_THAT(refusal(unknown, Code::unsupported), ContainsSubstring("unknown dtype \"F3\""));
  const Bytes lower = file_of("{" + entry("a", "f32", "[1]", 0, 4) + "}", 4);
  CHECK_THAT(refusal(lower, Code::unsupported), ContainsSubstring("unknown dtype"));
}

TEST_CASE("safetensors: a file cut off anywhere is refused", "[io]") {
  const Bytes whole =
      file_of("{\"__metadata__\":{\"k\":\"v\"}," + entry("a", "F32", "[2]", 0, 8) + "}", 8);
  REQUIRE(Safetensors::parse(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    // Moved to memory of exactly this size, so that a sanitizer sees a read past it.
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(refusal(cut).empty());
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  CHECK_THAT(refusal(longer), ContainsSubstring("end at byte 8 of 9"));
}

TEST_CASE("safetensors: no change of one byte is read out of bounds", "[io]") {
  const Bytes whole = file_of(
      "{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "BF16", "[1,3]", 8, 14) + "}", 14);
  size_t read = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = whole;
      changed[at] = std::byte(value);
      const auto file = Safetensors::parse(changed);
      if (!file) continue;
      for (const auto& [name, info] : file->tensors()) {
        const auto view = file->find(name);
        REQUIRE(view);
        REQUIRE(view->data.data() + view->data.size() <= changed.data() + changed.size());
        if (weft::to_float(*view)) ++read;
      }
    }
  }
  CHECK(read > 14 * 255 * 2);  // at least whatever stands in the data is accepted
}

TEST_CASE("safetensors: the header's length must be true", "[io]") {
  const std::string header = "{" + entry("a", "U8", "[4]", 0, 4) + "}";
  CHECK_THAT(refusal(file_with_length(header.size() - 1, header, 4)), ContainsSubstring("JSON"));
  CHECK_FALSE(refusal(file_with_length(header.size() + 1, header, 4)).empty());
  CHECK_THAT(refusal(file_with_length(header.size() + 5, header, 4)),
             ContainsSubstring("bytes follow"));
  CHECK_THAT(refusal(file_with_length(100'000'001, header, 4)),
             ContainsSubstring("at most 100000000"));
  CHECK_THAT(refusal(file_with_length(100'000'000, header, 4)), ContainsSubstring("bytes follow"));
  CHECK_THAT(refusal(file_with_length(std::numeric_limits<uint64_t>::max(), header, 4)),
             ContainsSubstring("at most 100000000"));
  CHECK_THAT(refusal(file_with_length(0, "", 0)), ContainsSubstring("begin with '{'"));
}

TEST_CASE("safetensors: the header must be one JSON object", "[io]") {
  for (const char* header :
       {" {}", "\n{}", "\xEF\xBB\xBF{}", "[]", "null", "{", "{}}", "{} {}", "{},", "{}x", "{'a':1}",
        "{\"a\":}", "{\"a\"}", "{,}", "{}\t\v", "// c\n{}", "{}/**/"}) {
    CAPTURE(header);
    CHECK_FALSE(refusal(header, 0).empty());
  }
  CHECK_FALSE(refusal(std::string_view("{}\0", 3), 0).empty());
  CHECK_FALSE(refusal("{\"a\":" + std::string(1 << 20, '['), 0).empty());
  CHECK_FALSE(refusal(std::string(1 << 20, '{'), 0).empty());
}

TEST_CASE("safetensors: text must be UTF-8", "[io]") {
  for (const char* name : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82",
                           "\\ud800", "\\udc00x", "\x01"}) {
    CAPTURE(name);
    CHECK_THAT(refusal("{" + entry(name, "U8", "[1]", 0, 1) + "}", 1),
               ContainsSubstring("not valid UTF-8 JSON"));
    CHECK_FALSE(refusal("{\"__metadata__\":{\"k\":\"" + std::string(name) + "\"}}", 0).empty());
  }
  CHECK(accepted(
      "{" + entry("gr\xC3\xBC\xC3\x9F \xF0\x9F\xA7\xB5 \\ud83e\\uddf5", "U8", "[1]", 0, 1) + "}",
      1));
}

TEST_CASE("safetensors: no key may come twice", "[io]") {
  const std::string a = entry("a", "U8", "[1]", 0, 1);
  CHECK_THAT(refusal("{" + a + "," + a + "}", 1), ContainsSubstring("duplicate key \"a\""));
  CHECK_THAT(refusal("{" + a + "," + entry("\\u0061", "U8", "[1]", 1, 2) + "}", 2),
             ContainsSubstring("duplicate key \"a\""));
  CHECK_THAT(refusal("{\"__metadata__\":{},\"__metadata__\":{}}", 0),
             ContainsSubstring("duplicate key \"__metadata__\""));
  CHECK_THAT(refusal("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0),
             ContainsSubstring("duplicate key \"k\""));
  for (const char* repeated : {"\"dtype\":\"U8\"", "\"shape\":[1]", "\"data_offsets\":[0,1]"}) {
    CAPTURE(repeated);
    CHECK_THAT(refusal("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]," +
                           std::string(repeated) + "}}",
                       1),
               ContainsSubstring("duplicate key"));
  }
}

TEST_CASE("safetensors: metadata is strings to strings", "[io]") {
  CHECK(accepted("{\"__metadata__\":{}}", 0));
  CHECK(accepted("{\"__metadata__\":{\"\":\"\"}}", 0));
  for (const char* value : {"null", "1", "-1", "1.5", "true", "{}", "[]", "[\"a\"]"}) {
    CAPTURE(value);
    CHECK_FALSE(refusal("{\"__metadata__\":{\"k\":" + std::string(value) + "}}", 0).empty());
    CHECK_FALSE(refusal("{\"__metadata__\":" +
                            std::string(value == std::string("{}") ? "\"\"" : value) + "}",
                        0)
                    .empty());
  }
}

TEST_CASE("safetensors: an entry has exactly its three fields, of the right kind", "[io]") {
  for (const char* body : {"1",
                           "null",
                           "[]",
                           "\"U8\"",
                           "{}",
                           R"({"dtype":"U8"})",
                           R"({"dtype":"U8","shape":[1]})",
                           R"({"shape":[1],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1})",
                           R"({"dtype":1,"shape":[1],"data_offsets":[0,1]})",
                           R"({"dtype":["U8"],"shape":[1],"data_offsets":[0,1]})",
                           R"({"dtype":{"U8":1},"shape":[1],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":1,"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":"[1]","data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":["1"],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[[1]],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[{}],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[1.0],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[1e0],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[null],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[true],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]})",
                           R"({"dtype":"U8","shape":[1],"data_offsets":[]})",
                           R"({"dtype":"U8","shape":[1],"data_offsets":[1]})",
                           R"({"dtype":"U8","shape":[1],"data_offsets":[0,1,1]})",
                           R"({"dtype":"U8","shape":[1],"data_offsets":[0,[1]]})",
                           R"({"dtype":"U8","shape":[1],"data_offsets":[-1,0]})",
                           R"({"dtype":"U8","shape":[1],"data_offsets":{"begin":0,"end":1}})"}) {
    CAPTURE(body);
    CHECK_FALSE(refusal("{\"a\":" + std::string(body) + "}", 1).empty());
  }
  // Any order of the three is fine.
  CHECK(accepted(R"({"a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}})", 1));
}

TEST_CASE("safetensors: sizes are those of shape and type, without overflow", "[io]") {
  CHECK_FALSE(refusal("{" + entry("a", "F32", "[2]", 0, 4) + "}", 4).empty());
  CHECK_FALSE(refusal("{" + entry("a", "U8", "[2]", 0, 1) + "}", 1).empty());
  // The product is 0 modulo 2^64, so unchecked it would be an empty tensor.
  CHECK_THAT(refusal("{" + entry("a", "U8", "[4294967296,4294967296]", 0, 0) + "}", 0),
             ContainsSubstring("exceeds 64 bits"));
  // 2^61 elements of 64 bits are 2^67 bits, which unchecked is 0.
  CHECK_THAT(refusal("{" + entry("a", "F64", "[2305843009213693952]", 0, 0) + "}", 0),
             ContainsSubstring("exceeds 64 bits"));
  CHECK_THAT(refusal("{" + entry("a", "U8", "[4294967296,4294967296,0]", 0, 0) + "}", 0),
             ContainsSubstring("exceeds 64 bits"));
  std::string axes = "[1";
  for (int i = 1; i < 64; ++i) axes += ",1";
  CHECK(accepted("{" + entry("a", "U8", axes + "]", 0, 1) + "}", 1));
  CHECK_THAT(refusal("{" + entry("a", "U8", axes + ",1]", 0, 1) + "}", 1),
             ContainsSubstring("more than 64 axes"));
}

TEST_CASE("safetensors: tensors tile the data", "[io]") {
  const auto two = [](uint64_t begin, uint64_t end, size_t data_bytes) {
    return refusal("{" + entry("a", "U8", "[4]", 0, 4) + "," +
                       entry("b", "U8", "[" + std::to_string(end - begin) + "]", begin, end) + "}",
                   data_bytes);
  };
  CHECK(two(4, 8, 8).empty());
  CHECK_THAT(two(3, 7, 7), ContainsSubstring("overlaps"));
  CHECK_THAT(two(0, 4, 4), ContainsSubstring("overlaps"));
  CHECK_THAT(two(5, 8, 8), ContainsSubstring("leaves a hole"));
  CHECK_THAT(two(4, 9, 8), ContainsSubstring("8 bytes of data"));
  CHECK_THAT(two(4, 7, 8), ContainsSubstring("end at byte 7 of 8"));
  CHECK_THAT(two(4, std::numeric_limits<uint64_t>::max(), 8), ContainsSubstring("8 bytes of data"));
  CHECK_THAT(refusal("{" + entry("a", "U8", "[4]", 1, 5) + "}", 5), ContainsSubstring("hole"));
  CHECK_THAT(
      refusal("{" + entry("a", "U8", "[0]", 0, 0) + "," + entry("b", "U8", "[0]", 4, 0) + "}", 4),
      ContainsSubstring("hole"));
  CHECK_THAT(
      refusal("{" + entry("a", "U8", "[4]", 0, 4) + "," + entry("b", "U8", "[4]", 4, 0) + "}", 4),
      ContainsSubstring("[4, 0]"));
  CHECK_THAT(refusal("{}", 1), ContainsSubstring("end at byte 0 of 1"));
  // Many names for one range would make a small file a large one.
  std::string header = "{";
  for (char name = '0'; name <= '9'; ++name) {
    header += (name > '0' ? "," : "") + entry(std::string(1, name), "U8", "[16]", 0, 16);
  }
  CHECK_THAT(refusal(header + "}", 16), ContainsSubstring("overlaps"));
}

TEST_CASE("safetensors: messages stay short and printable", "[io]") {
  const std::string name = std::string(100'000, 'x');
  const std::string message = refusal("{" + entry(name, "U8", "[2]", 0, 1) + "}", 1);
  CHECK_FALSE(message.empty());
  CHECK(message.size() < 400);
  const std::string control = refusal("{" + entry("\\u001b[2J", "U8", "[2]", 0, 1) + "}", 1);
  CHECK_FALSE(control.empty());
  CHECK(control.find('\x1b') == std::string::npos);
}

TEST_CASE("safetensors: files are opened, and what can't be is named", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file(
      "gew\xC3\xA4"
      "chs.safetensors");
  const auto missing = Safetensors::open(path);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::invalid_argument);
  CHECK_THAT(missing.error().message, ContainsSubstring(path));
  CHECK_FALSE(Safetensors::open(directory.file("")));
  weft::test::write_bytes(path, {});
  CHECK_THAT(Safetensors::open(path).error().message, ContainsSubstring("at least 8 bytes"));
  weft::test::write_bytes(path, file_of("{" + entry("a", "U8", "[2]", 0, 2) + "}", 2));
  const auto file = Safetensors::open(path);
  REQUIRE(file);
  CHECK(weft::to_float(*file->find("a")) == std::vector<float>{0, 1});
}

TEST_CASE("safetensors: views live as long as a copy of the file does", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.safetensors");
  weft::test::write_bytes(path, file_of("{" + entry("a", "U8", "[3]", 0, 3) + "}", 3));
  auto file = Safetensors::open(path);
  REQUIRE(file);
  const Safetensors copy = *file;
  const auto view = file->find("a");
  file = weft::fail(Code::internal, "dropped");
  REQUIRE(view);
  CHECK(weft::to_float(*view) == std::vector<float>{0, 1, 2});
}

TEST_CASE("safetensors: what is written is the reference writer's layout", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.safetensors");
  const std::vector<float> floats = {1.0f, -2.5f};
  const std::vector<uint8_t> bytes = {7, 8, 9};
  const std::vector<double> doubles = {0.5};
  REQUIRE(weft::write_safetensors(path,
                                  {{"b", view_of(ElementType::f32, {2}, floats)},
                                   {"a", view_of(ElementType::u8, {3, 1}, bytes)},
                                   {"c", view_of(ElementType::f64, {}, doubles)},
                                   {"\"\n", view_of<float>(ElementType::f32, {0}, {})}},
                                  {{"k", "v"}}));
  const std::string header =
      R"({"__metadata__":{"k":"v"},"c":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
      R"("\"\n":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},)"
      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
      R"("a":{"dtype":"U8","shape":[3,1],"data_offsets":[16,19]}})";
  const Bytes written = weft::test::read_bytes(path);
  REQUIRE(written.size() > 8);
  const size_t length = std::to_integer<size_t>(written[0]) | std::to_integer<size_t>(written[1])
                                                                  << 8;
  CHECK(length % 8 == 0);
  CHECK(length - header.size() < 8);
  REQUIRE(written.size() == 8 + length + 19);
  const std::string text(reinterpret_cast<const char*>(written.data()) + 8, length);
  CHECK(text == header + std::string(length - header.size(), ' '));
  CHECK(directory.files() == 1);  // no partial file stays

  const auto file = Safetensors::open(path);
  REQUIRE(file);
  CHECK(file->metadata() == Metadata{{"k", "v"}});
  CHECK(weft::to_float(*file->find("b")) == floats);
  CHECK(weft::to_float(*file->find("a")) == std::vector<float>{7, 8, 9});
  CHECK(weft::to_float(*file->find("c")) == std::vector<float>{0.5f});
  CHECK(weft::to_float(*file->find("\"\n")) == std::vector<float>{});
}

TEST_CASE("safetensors: what can't be written is refused, and no file appears", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.safetensors");
  const std::vector<uint8_t> bytes = {1, 2, 3};
  const auto refused = [&](const std::string& name, const TensorView& view,
                           const Metadata& metadata) {
    const auto result = weft::write_safetensors(path, {{name, view}}, metadata);
    return !result && result.error().code == Code::invalid_argument;
  };
  CHECK(refused("a", view_of(ElementType::u8, {2}, bytes), {}));
  CHECK(refused("a", view_of(ElementType::f4, {3}, bytes), {}));
  CHECK(refused("a", view_of(ElementType::u8, {1ull << 63, 2}, bytes), {}));
  CHECK(refused("a", view_of(ElementType::u8, std::vector<uint64_t>(65, 1), bytes), {}));
  CHECK(refused("\xFF", view_of(ElementType::u8, {3}, bytes), {}));
  CHECK(refused("__metadata__", view_of(ElementType::u8, {3}, bytes), {}));
  CHECK(refused("a", view_of(ElementType::u8, {3}, bytes), {{"k", "\xC3"}}));
  CHECK(refused("a", view_of(ElementType::u8, {3}, bytes), {{"\xC3", "v"}}));
  const auto long_header =
      weft::write_safetensors(path, {}, {{"k", std::string(100'000'001, 'v')}});
  REQUIRE_FALSE(long_header);
  CHECK_THAT(long_header.error().message, ContainsSubstring("at most 100000000 bytes, needed are at"));
  CHECK_FALSE(weft::write_safetensors(directory.file("none/a.safetensors"), {}));
  CHECK_FALSE(weft::write_safetensors(directory.file(""), {}));
  CHECK(directory.files() == 0);
}

TEST_CASE("safetensors: a file is replaced, by none and by packed tensors", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.safetensors");
  REQUIRE(weft::write_safetensors(path, {}));
  CHECK(weft::test::read_bytes(path) == file_of("{}      ", 0));
  const std::vector<uint8_t> packed = {0x12, 0x34, 0x56};
  const std::vector<uint16_t> shorts = {1, 2};
  REQUIRE(weft::write_safetensors(path, {{"a", view_of(ElementType::f4, {2, 3}, packed)},
                                         {"b", view_of(ElementType::f6_e3m2, {4}, packed)},
                                         {"c", view_of(ElementType::i16, {2}, shorts)}}));
  const auto file = Safetensors::open(path);
  REQUIRE(file);
  CHECK(file->tensors().find("c")->second.begin == 0);  // what needs to be aligned comes first
  const auto a = file->find("a");
  REQUIRE(a);
  CHECK(a->type == ElementType::f4);
  CHECK(std::ranges::equal(a->data, std::as_bytes(std::span(packed))));
}

TEST_CASE("to_float: every type that has a value", "[io]") {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<uint16_t> halves = {0x0000, 0x3C00, 0xC000, 0x7BFF, 0x0001,
                                        0x8001, 0x0400, 0x7C00, 0xFC00, 0x3555};
  CHECK(weft::to_float(view_of(ElementType::f16, {10}, halves)) ==
        std::vector<float>{0.0f, 1.0f, -2.0f, 65504.0f, 0x1p-24f, -0x1p-24f, 0x1p-14f, infinity,
                           -infinity, 0x1.554p-2f});
  const std::vector<uint16_t> brains = {0x3F80, 0xC000, 0x7F80, 0x0001};
  CHECK(weft::to_float(view_of(ElementType::bf16, {2, 2}, brains)) ==
        std::vector<float>{1.0f, -2.0f, infinity, 0x1p-133f});
  const auto nan = weft::to_float(view_of<uint16_t>(ElementType::f16, {1}, {0x7E00}));
  REQUIRE(nan);
  CHECK(std::isnan(nan->front()));
  CHECK(weft::to_float(view_of<double>(ElementType::f64, {2}, {0.1, -1e-300})) ==
        std::vector<float>{0.1f, -0.0f});
  CHECK(weft::to_float(view_of<int8_t>(ElementType::i8, {2}, {-128, 127})) ==
        std::vector<float>{-128, 127});
  CHECK(weft::to_float(view_of<int16_t>(ElementType::i16, {1}, {-32768})) ==
        std::vector<float>{-32768});
  CHECK(weft::to_float(view_of<uint16_t>(ElementType::u16, {1}, {65535})) ==
        std::vector<float>{65535});
  CHECK(weft::to_float(view_of<int32_t>(ElementType::i32, {2}, {-5, 16777217})) ==
        std::vector<float>{-5, 16777216});
  CHECK(weft::to_float(view_of<uint32_t>(ElementType::u32, {1}, {0xFFFFFFFFu})) ==
        std::vector<float>{0x1p32f});
  CHECK(weft::to_float(
            view_of<int64_t>(ElementType::i64, {1}, {std::numeric_limits<int64_t>::min()})) ==
        std::vector<float>{-0x1p63f});
  CHECK(weft::to_float(view_of<uint64_t>(ElementType::u64, {1}, {1})) == std::vector<float>{1});
  CHECK(weft::to_float(view_of<uint8_t>(ElementType::boolean, {3}, {0, 1, 255})) ==
        std::vector<float>{0, 1, 1});
}

TEST_CASE("to_float: unaligned data, wrong sizes, types without a value", "[io]") {
  alignas(8) std::array<std::byte, 9> memory = {};
  const std::array<float, 2> values = {1.5f, -3.0f};
  std::memcpy(memory.data() + 1, values.data(), 8);
  CHECK(weft::to_float({ElementType::f32, {2}, std::span(memory).subspan(1)}) ==
        std::vector<float>{1.5f, -3.0f});
  const auto wrong = weft::to_float({ElementType::f32, {2}, std::span(memory)});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Code::invalid_argument);
  const auto packed = weft::to_float({ElementType::f8_e4m3, {9}, std::span(memory)});
  REQUIRE_FALSE(packed);
  CHECK(packed.error().code == Code::unsupported);
}
