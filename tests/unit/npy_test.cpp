// The .npy reader and writer.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "scratch_file.hpp"
#include "weft/npy.hpp"

using Catch::Matchers::ContainsSubstring;
using weft::Code;
using weft::ElementType;
using weft::test::Bytes;
using weft::test::bytes_of;
using weft::test::ScratchDirectory;

namespace {

Bytes file_with_length(int major, size_t length, const std::string& header, size_t data_bytes) {
  std::string text = "\x93NUMPY";
  text += {static_cast<char>(major), '\0'};
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i)
    text += static_cast<char>(length >> (8 * i) & 0xFF);
  text += header;
  for (size_t i = 0; i < data_bytes; ++i) text += static_cast<char>(i);
  return bytes_of(text);
}

Bytes file_of(const std::string& header, size_t data_bytes, int major = 1) {
  return file_with_length(major, header.size(), header, data_bytes);
}

std::string header_of(const std::string& descr, const std::string& shape,
                      const std::string& fortran_order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran_order + ", 'shape': " + shape +
         ", }\n";
}

// The message of the refusal; empty if the file was accepted.
std::string refusal(const Bytes& bytes, Code expected = Code::invalid_argument) {
  const auto array = weft::parse_npy(bytes);
  if (array) return {};
  CHECK(array.error().code == expected);
  return array.error().message;
}

std::string refusal(const std::string& header, size_t data_bytes,
                    Code expected = Code::invalid_argument) {
  return refusal(file_of(header, data_bytes), expected);
}

}  // namespace

TEST_CASE("npy: versions 1 to 3 are read", "[io]") {
  for (int major = 1; major <= 3; ++major) {
    CAPTURE(major);
    const auto array = weft::parse_npy(file_of(header_of("|u1", "(2, 3)"), 6, major));
    REQUIRE(array);
    CHECK(array->type == ElementType::u8);
    CHECK(array->shape == std::vector<uint64_t>{2, 3});
    CHECK(weft::to_float(array->view()) == std::vector<float>{0, 1, 2, 3, 4, 5});
  }
  CHECK_FALSE(refusal(file_of(header_of("|u1", "(1,)"), 1, 0), Code::unsupported).empty());
  CHECK_FALSE(refusal(file_of(header_of("|u1", "(1,)"), 1, 4), Code::unsupported).empty());
}

TEST_CASE("npy: headers in other words", "[io]") {
  for (const char* header : {"{'descr':'<f4','fortran_order':False,'shape':(1,)}",
                             "{\"shape\": (1,), \"fortran_order\": False, \"descr\": \"<f4\"}\n",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }        \n",
                             " {\n'descr' : '<f4' , 'shape' : ( 1 , ) , 'fortran_order' : True }\n",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n",
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,), }\n"}) {
    CAPTURE(header);
    CHECK(refusal(header, 4).empty());
  }
}

TEST_CASE("npy: broken headers are refused", "[io]") {
  for (const char* header :
       {"",
        "\n",
        "{",
        "{}",
        "{'descr'",
        "{'descr':",
        "{'descr': '<f4",
        "{'descr': '<f4'",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4',, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': 'False', 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ((1,),)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (1,)}",
        "{descr: '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': 4, 'fortran_order': False, 'shape': (1,)}"}) {
    CAPTURE(header);
    CHECK_FALSE(refusal(header, 4).empty());
  }
  std::string inner_zero = header_of("<f4", "(1,)");
  inner_zero += '\0';
  CHECK_FALSE(refusal(inner_zero, 4).empty());
}

TEST_CASE("npy: types that are not read are named", "[io]") {
  CHECK_THAT(refusal(header_of(">f4", "(1,)"), 4, Code::unsupported),
             ContainsSubstring("big-endian"));
  CHECK_THAT(refusal(header_of("|O", "(1,)"), 8, Code::unsupported), ContainsSubstring("objects"));
  for (const char* descr :
       {"<U4", "|S4", "<c16", "<f16", "|V4", "<M8[ns]", "", "f4", "|f4", "<f3"}) {
    CAPTURE(descr);
    CHECK_FALSE(refusal(header_of(descr, "(1,)"), 4, Code::unsupported).empty());
  }
  CHECK_THAT(refusal("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4,
                     Code::unsupported),
             ContainsSubstring("structured"));
  CHECK_THAT(refusal(header_of("<f4", "(1, 2)", "True"), 8, Code::unsupported),
             ContainsSubstring("column-major"));
  CHECK(refusal(header_of("<f4", "(2,)", "True"), 8).empty());
}

TEST_CASE("npy: the data is exactly the shape's", "[io]") {
  CHECK(refusal(header_of("<f4", "(2,)"), 8).empty());
  CHECK(refusal(header_of("<f4", "()"), 4).empty());
  CHECK(refusal(header_of("<f4", "(0, 5)"), 0).empty());
  CHECK_THAT(refusal(header_of("<f4", "(2,)"), 7), ContainsSubstring("ask for 8 bytes, 7 follow"));
  CHECK_THAT(refusal(header_of("<f4", "(2,)"), 9), ContainsSubstring("ask for 8 bytes, 9 follow"));
  CHECK_THAT(refusal(header_of("<f4", "(4294967296, 4294967296)"), 0),
             ContainsSubstring("exceeds 64 bits"));
  CHECK_THAT(refusal(header_of("<f4", "(4611686018427387904,)"), 0),
             ContainsSubstring("exceeds 64 bits"));
  CHECK_THAT(refusal(header_of("<f4", "(1000000000000,)"), 4), ContainsSubstring("4 follow"));
}

TEST_CASE("npy: lengths that lie", "[io]") {
  const std::string header = header_of("|u1", "(4,)");
  CHECK_THAT(refusal(file_with_length(2, 10'001, header, 4)), ContainsSubstring("at most 10000"));
  CHECK_THAT(refusal(file_with_length(2, 0xFFFFFFFF, header, 4)),
             ContainsSubstring("at most 10000"));
  CHECK_THAT(refusal(file_with_length(1, header.size() + 5, header, 4)),
             ContainsSubstring("truncated"));
  CHECK_FALSE(refusal(file_with_length(1, header.size() - 5, header, 4)).empty());
  const Bytes padded = file_of(header + std::string(10'000 - header.size(), ' '), 4);
  CHECK(refusal(padded).empty());
}

TEST_CASE("npy: a file cut off or changed anywhere is refused or read within bounds", "[io]") {
  const Bytes whole = file_of(header_of("<f4", "(3,)"), 12);
  REQUIRE(weft::parse_npy(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(
        refusal(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))).empty());
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = whole;
      changed[at] = std::byte(value);
      const auto array = weft::parse_npy(changed);
      if (array) REQUIRE(array->data.size() == 12);
    }
  }
}

TEST_CASE("npy: what is written is read back, aligned", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.npy");
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  for (const std::vector<uint64_t>& shape :
       {std::vector<uint64_t>{6}, {2, 3}, {1, 6, 1}, {3, 2, 1, 1}}) {
    const weft::TensorView view{ElementType::f32, shape, std::as_bytes(std::span(values))};
    REQUIRE(weft::write_npy(path, view));
    const auto array = weft::read_npy(path);
    REQUIRE(array);
    CHECK(array->shape == shape);
    CHECK(weft::to_float(array->view()) == values);
    const Bytes bytes = weft::test::read_bytes(path);
    CHECK((bytes.size() - 24) % 64 == 0);
    CHECK(bytes[bytes.size() - 25] == std::byte{'\n'});
  }
  for (const ElementType type :
       {ElementType::boolean, ElementType::u8, ElementType::i8, ElementType::u16, ElementType::i16,
        ElementType::f16, ElementType::u32, ElementType::i32, ElementType::f32, ElementType::c64,
        ElementType::u64, ElementType::i64, ElementType::f64}) {
    CAPTURE(weft::to_string(type));
    const Bytes one(weft::size_bits(type) / 8, std::byte{1});
    REQUIRE(weft::write_npy(path, {type, {}, one}));
    const auto array = weft::read_npy(path);
    REQUIRE(array);
    CHECK(array->type == type);
    CHECK(array->shape.empty());
    CHECK(array->data == one);
  }
  CHECK(directory.files() == 1);
}

TEST_CASE("npy: what can't be written or opened", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.npy");
  const Bytes data(4);
  CHECK(weft::write_npy(path, {ElementType::bf16, {2}, data}).error().code == Code::unsupported);
  CHECK(weft::write_npy(path, {ElementType::f32, {2}, data}).error().code ==
        Code::invalid_argument);
  CHECK_FALSE(weft::write_npy(path, {ElementType::f32, std::vector<uint64_t>(5000, 1), data}));
  CHECK_FALSE(weft::write_npy(directory.file("none/a.npy"), {ElementType::f32, {1}, data}));
  CHECK(directory.files() == 0);
  CHECK_THAT(weft::read_npy(path).error().message, ContainsSubstring(path));
  CHECK_FALSE(weft::read_npy(directory.file("")));
}
