// Checkpoint::read: every type to every other, rounded once; every range, and none outside the
// tensor.
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>

#include "scratch_file.hpp"
#include "weft/checkpoint.hpp"

using Catch::Matchers::ContainsSubstring;
using weft::Checkpoint;
using weft::Code;
using weft::DType;
using weft::ElementType;
using weft::test::Bytes;
using weft::test::bytes_of;

namespace {

// A file that lives as long as the checkpoint of it: one tensor, or a byte before it that puts it
// at an odd address.
struct Source {
  Bytes bytes;
  Checkpoint checkpoint;

  Source(const char* type, const std::string& shape, std::span<const std::byte> data,
         bool misaligned = false)
      : bytes(file(type, shape, data, misaligned)),
        checkpoint(weft::Safetensors::parse(bytes).value(), "x") {}

  static Bytes file(const char* type, const std::string& shape, std::span<const std::byte> data,
                    bool misaligned) {
    const size_t begin = misaligned ? 1 : 0;
    std::string header = "{";
    if (misaligned) header += R"("before":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)";
    header += R"("t":{"dtype":")" + std::string(type) + R"(","shape":)" + shape +
              R"(,"data_offsets":[)" + std::to_string(begin) + "," +
              std::to_string(begin + data.size()) + "]}}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    Bytes file(8);
    for (size_t i = 0; i < 8; ++i) file[i] = std::byte(uint64_t{header.size()} >> (8 * i));
    const Bytes text = bytes_of(header);
    file.insert(file.end(), text.begin(), text.end());
    file.resize(file.size() + begin);
    file.insert(file.end(), data.begin(), data.end());
    return file;
  }
};

template <class T>
Source source(const char* type, const std::vector<T>& values, bool misaligned = false) {
  return {type, "[" + std::to_string(values.size()) + "]", std::as_bytes(std::span(values)),
          misaligned};
}

template <class T>
weft::Result<std::vector<T>> read(const Checkpoint& checkpoint, DType dtype, uint64_t first,
                                  size_t count) {
  std::vector<T> values(count);
  WEFT_TRY(checkpoint.read("t", dtype, first, std::as_writable_bytes(std::span(values))));
  return values;
}

template <class T>
std::vector<T> read_all(const Source& file, DType dtype, size_t count) {
  const auto values = read<T>(file.checkpoint, dtype, 0, count);
  INFO((values ? "" : values.error().message));
  REQUIRE(values);
  return *values;
}

std::string refusal(const Source& file, DType dtype, uint64_t first, size_t bytes, Code expected) {
  Bytes out(bytes);
  const auto done = file.checkpoint.read("t", dtype, first, out);
  if (done) return {};
  CHECK(done.error().code == expected);
  CHECK_THAT(done.error().message, ContainsSubstring("checkpoint: x: tensor \"t\": "));
  return done.error().message;
}

// For each number of a short type: half way to the next, and just below and above that. Which of
// the two is right follows from the definition of rounding to nearest even, whatever the code does.
void check_rounding(DType dtype, uint16_t infinity, float (*value_of)(uint16_t)) {
  std::vector<double> numbers;
  std::vector<uint16_t> expected;
  for (uint16_t bits = 0; bits + 1 < infinity; ++bits) {
    const auto next = static_cast<uint16_t>(bits + 1);
    const double middle = (double{value_of(bits)} + double{value_of(next)}) / 2;
    const uint16_t even = bits % 2 == 0 ? bits : next;
    for (const auto& [number, nearest] :
         {std::pair(middle, even), std::pair(std::nextafter(middle, 0.0), bits),
          std::pair(std::nextafter(middle, 1e300), next)}) {
      numbers.push_back(number);
      expected.push_back(nearest);
      numbers.push_back(-number);
      expected.push_back(nearest | 0x8000);
    }
  }
  const auto found = read_all<uint16_t>(source("F64", numbers), dtype, numbers.size());
  size_t wrong = 0;
  for (size_t i = 0; i < found.size(); ++i) wrong += found[i] != expected[i];
  CHECK(wrong == 0);
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

}  // namespace

TEST_CASE("checkpoint: doubles are rounded once, to nearest even", "[io]") {
  check_rounding(DType::f16, 0x7c00, weft::from_f16);
  check_rounding(DType::bf16, 0x7f80, weft::from_bf16);
  // By way of an f32 this would be half way, and go to the even 1.
  const std::vector<double> numbers = {1 + 0x1p-11 + 0x1p-40, 0x1p-24 + 0x1p-60, -0.0};
  CHECK(read_all<uint16_t>(source("F64", numbers), DType::f16, 3) ==
        std::vector<uint16_t>{0x3c01, 0x0001, 0x8000});
  CHECK(read_all<float>(source("F64", std::vector<double>{0.1, 1 + 0x1p-24, -1e-300}), DType::f32,
                        3) == std::vector<float>{0.1f, 1.0f, -0.0f});
}

TEST_CASE("checkpoint: large integers are rounded once, to nearest even", "[io]") {
  const std::vector<int64_t> signed_numbers = {
      (int64_t{1} << 62) + (int64_t{1} << 54) + 1, -(int64_t{1} << 62) - (int64_t{1} << 54) - 1,
      (int64_t{1} << 62) + (int64_t{1} << 54), kLeast, kLeast + 1};
  CHECK(read_all<uint16_t>(source("I64", signed_numbers), DType::bf16, 5) ==
        std::vector<uint16_t>{0x5e81, 0xde81, 0x5e80, 0xdf00, 0xdf00});
  const std::vector<uint64_t> numbers = {(uint64_t{1} << 63) + (uint64_t{1} << 55) + 1,
                                         (uint64_t{1} << 53) + (uint64_t{1} << 45) + 1,
                                         std::numeric_limits<uint64_t>::max()};
  CHECK(read_all<uint16_t>(source("U64", numbers), DType::bf16, 3) ==
        std::vector<uint16_t>{0x5f01, 0x5a01, 0x5f80});
  CHECK(read_all<float>(source("U64", numbers), DType::f32, 3) ==
        std::vector<float>{0x1.01p63f, 0x1.01p53f, 0x1p64f});
  CHECK(read_all<float>(source("I32", std::vector<int32_t>{16777217, 16777219, -5}), DType::f32,
                        3) == std::vector<float>{16777216, 16777220, -5});
  CHECK(read_all<uint16_t>(source("U32", std::vector<uint32_t>{2049, 2051, 65519}), DType::f16,
                           3) == std::vector<uint16_t>{0x6800, 0x6802, 0x7bff});
}

TEST_CASE("checkpoint: shorter types become longer ones exactly", "[io]") {
  std::vector<uint16_t> all;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) all.push_back(static_cast<uint16_t>(bits));
  for (const auto& [type, dtype, value_of] : {std::tuple("F16", DType::f16, &weft::from_f16),
                                              std::tuple("BF16", DType::bf16, &weft::from_bf16)}) {
    CAPTURE(type);
    const Source file = source(type, all);
    const auto floats = read_all<uint32_t>(file, DType::f32, all.size());
    size_t wrong = 0;
    for (size_t i = 0; i < all.size(); ++i)
      wrong += floats[i] != std::bit_cast<uint32_t>(value_of(all[i]));
    CHECK(wrong == 0);
    // The same type is copied, NaN and all.
    CHECK(read_all<uint16_t>(file, dtype, all.size()) == all);
  }
  CHECK(read_all<float>(source("I8", std::vector<int8_t>{-128, 127}), DType::f32, 2) ==
        std::vector<float>{-128, 127});
  CHECK(read_all<float>(source("U16", std::vector<uint16_t>{65535}), DType::f32, 1) ==
        std::vector<float>{65535});
  CHECK(read_all<float>(source("I16", std::vector<int16_t>{-32768}), DType::f32, 1) ==
        std::vector<float>{-32768});
  CHECK(read_all<float>(source("BOOL", std::vector<uint8_t>{0, 1, 255}), DType::f32, 3) ==
        std::vector<float>{0, 1, 1});
  CHECK(read_all<uint16_t>(source("U8", std::vector<uint8_t>{0, 1, 255}), DType::f16, 3) ==
        std::vector<uint16_t>{0, 0x3c00, 0x5bf8});
}

TEST_CASE("checkpoint: f32 becomes f16 and bf16 as elsewhere in the library", "[io]") {
  std::vector<float> numbers;
  for (uint32_t i = 0; i < 4096; ++i)
    numbers.push_back(std::ldexp(1.0f + i * 0x1p-13f, int(i % 30) - 15));
  const auto halves = read_all<uint16_t>(source("F32", numbers), DType::f16, numbers.size());
  const auto brains = read_all<uint16_t>(source("F32", numbers), DType::bf16, numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    CAPTURE(numbers[i]);
    REQUIRE(halves[i] == weft::to_f16(numbers[i]));
    REQUIRE(brains[i] == weft::to_bf16(numbers[i]));
  }
  CHECK(read_all<float>(source("F32", numbers), DType::f32, numbers.size()) == numbers);
}

TEST_CASE("checkpoint: i32 is read of integers that fit", "[io]") {
  const std::vector<int64_t> numbers = {2147483647, -2147483648, 2147483648, -2147483649};
  const Source file = source("I64", numbers);
  CHECK(read<int32_t>(file.checkpoint, DType::i32, 0, 2) ==
        std::vector<int32_t>{2147483647, -2147483647 - 1});
  CHECK_THAT(refusal(file, DType::i32, 1, 8, Code::unsupported),
             ContainsSubstring("element 2 is 2147483648, beyond i32"));
  CHECK_THAT(refusal(file, DType::i32, 3, 4, Code::unsupported),
             ContainsSubstring("element 3 is -2147483649, beyond i32"));
  CHECK_THAT(refusal(source("U32", std::vector<uint32_t>{0x80000000u}), DType::i32, 0, 4,
                     Code::unsupported),
             ContainsSubstring("element 0 is 2147483648"));
  CHECK(read_all<int32_t>(source("I32", std::vector<int32_t>{-7}), DType::i32, 1)[0] == -7);
  CHECK(read_all<int32_t>(source("BOOL", std::vector<uint8_t>{9}), DType::i32, 1)[0] == 1);
  for (const char* type : {"F32", "F16", "BF16", "F64"}) {
    CAPTURE(type);
    const size_t bytes = weft::size_bits(*weft::element_type(type)) / 8;
    CHECK_THAT(refusal({type, "[1]", Bytes(bytes)}, DType::i32, 0, 4, Code::unsupported),
               ContainsSubstring("of integers only"));
  }
}

TEST_CASE("checkpoint: a finite number never becomes infinite", "[io]") {
  const auto refuses = [](const Source& file, DType dtype, size_t bytes) {
    const std::string message = refusal(file, dtype, 0, bytes, Code::unsupported);
    UNSCOPED_INFO(message);
    return message.find("element 1 is ") != std::string::npos &&
           message.find("beyond ") != std::string::npos;
  };
  using Doubles = std::vector<double>;
  CHECK(read_all<uint16_t>(source("F64", Doubles{65519.99, -65519.99}), DType::f16, 2) ==
        std::vector<uint16_t>{0x7bff, 0xfbff});
  CHECK(refuses(source("F64", Doubles{0, 65520}), DType::f16, 4));
  CHECK(refuses(source("F64", Doubles{0, -1e300}), DType::f16, 4));
  CHECK(refuses(source("F64", Doubles{0, 3.4e38 * 1.01}), DType::bf16, 4));
  CHECK(refuses(source("F64", Doubles{0, 1e39}), DType::f32, 8));
  CHECK(refuses(source("F32", std::vector<float>{0, 65520}), DType::f16, 4));
  CHECK(refuses(source("F32", std::vector<float>{0, 0x1.ffp127f}), DType::bf16, 4));
  CHECK(refuses(source("BF16", std::vector<uint16_t>{0, 0x7f00}), DType::f16, 4));
  CHECK(refuses(source("I32", std::vector<int32_t>{0, 65520}), DType::f16, 4));
  CHECK(refuses(source("U64", std::vector<uint64_t>{0, 1ull << 63}), DType::f16, 4));
  // Those that are infinite stay so, and NaN stays NaN.
  const Doubles odd = {INFINITY, -INFINITY, NAN};
  const auto halves = read_all<uint16_t>(source("F64", odd), DType::f16, 3);
  CHECK(halves[0] == 0x7c00);
  CHECK(halves[1] == 0xfc00);
  CHECK(std::isnan(weft::from_f16(halves[2])));
  const auto brains = read_all<uint16_t>(source("F64", odd), DType::bf16, 3);
  CHECK(brains[1] == 0xff80);
  CHECK(std::isnan(weft::from_bf16(brains[2])));
  const auto floats = read_all<float>(source("F64", odd), DType::f32, 3);
  CHECK(floats[0] == kInfinity);
  CHECK(std::isnan(floats[2]));
}

TEST_CASE("checkpoint: any piece may be read, to and from any address", "[io]") {
  const std::vector<float> numbers = {0.5f, 1.5f, 2.5f, 3.5f, 4.5f};
  for (const bool misaligned : {false, true}) {
    const Source file = source("F32", numbers, misaligned);
    for (size_t first = 0; first <= numbers.size(); ++first) {
      for (size_t count = 0; first + count <= numbers.size(); ++count) {
        Bytes out(count * 4 + 2, std::byte{0xaa});
        const std::span odd(out.data() + 1, count * 4);
        REQUIRE(file.checkpoint.read("t", DType::f32, first, odd));
        CHECK(std::memcmp(odd.data(), numbers.data() + first, odd.size()) == 0);
        REQUIRE(file.checkpoint.read("t", DType::bf16, first, odd.first(count * 2)));
        for (size_t i = 0; i < count; ++i) {
          uint16_t bits = 0;
          std::memcpy(&bits, odd.data() + 2 * i, 2);
          CHECK(bits == weft::to_bf16(numbers[first + i]));
        }
        CHECK(out.front() == std::byte{0xaa});
        CHECK(out.back() == std::byte{0xaa});
      }
    }
  }
}

TEST_CASE("checkpoint: single elements, empty tensors and odd axes", "[io]") {
  const std::vector<float> one = {2.5f};
  const Source scalar("F32", "[]", std::as_bytes(std::span(one)));
  CHECK(scalar.checkpoint.shape("t") == std::vector<int64_t>{});
  CHECK(read_all<float>(scalar, DType::f32, 1) == one);
  const Source empty("F16", "[3,0]", {});
  CHECK(empty.checkpoint.shape("t") == std::vector<int64_t>{3, 0});
  CHECK(empty.checkpoint.read("t", DType::f32, 0, {}));
  CHECK_FALSE(refusal(empty, DType::f32, 0, 4, Code::invalid_argument).empty());
  const Source vast("U8", "[0,9223372036854775808]", {});
  const auto shape = vast.checkpoint.shape("t");
  REQUIRE_FALSE(shape);
  CHECK(shape.error().code == Code::unsupported);
  CHECK_THAT(shape.error().message, ContainsSubstring("an axis of 9223372036854775808"));
}

TEST_CASE("checkpoint: nothing outside a tensor is read, and no other dtype", "[io]") {
  const Source file = source("F32", std::vector<float>{1, 2, 3});
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  const auto wrong = Code::invalid_argument;
  CHECK_THAT(refusal(file, DType::f32, 0, 16, wrong), ContainsSubstring("elements from 0 on, 4"));
  CHECK_THAT(refusal(file, DType::f32, 3, 4, wrong), ContainsSubstring("asked of 3"));
  CHECK_THAT(refusal(file, DType::f16, 2, 4, wrong), ContainsSubstring("elements from 2 on, 2"));
  CHECK_FALSE(refusal(file, DType::f32, 4, 0, wrong).empty());
  CHECK_FALSE(refusal(file, DType::f32, kMost, 4, wrong).empty());
  CHECK_FALSE(refusal(file, DType::f32, kMost - 1, 8, wrong).empty());
  CHECK_FALSE(refusal(file, DType::f32, uint64_t{1} << 62, 4, wrong).empty());
  CHECK_THAT(refusal(file, DType::f32, 0, 6, wrong), ContainsSubstring("out has 6 bytes"));
  CHECK_THAT(refusal(file, DType::f16, 0, 3, wrong), ContainsSubstring("out has 3 bytes"));
  CHECK_THAT(refusal(file, DType::u8, 0, 1, wrong), ContainsSubstring("dtype must be"));
  CHECK_THAT(refusal(file, static_cast<DType>(9), 0, 4, wrong), ContainsSubstring("dtype must be"));
  for (const char* type : {"F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0",
                           "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64"}) {
    CAPTURE(type);
    const size_t bytes = weft::size_bits(*weft::element_type(type));
    const Source packed(type, "[8]", Bytes(bytes));
    CHECK_THAT(refusal(packed, DType::f32, 0, 32, Code::unsupported),
               ContainsSubstring(std::string("elements of type ") + type));
  }
}
