// Conversions to and from 16-bit floats, against their definitions, for every bit pattern.
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#include "weft/tensor.hpp"

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool is_nan_f16(uint32_t bits) { return (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff) != 0; }
bool is_nan_bf16(uint32_t bits) { return (bits & 0x7f80) == 0x7f80 && (bits & 0x7f) != 0; }

float f16_by_definition(uint32_t bits) {
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  const int exponent = (bits >> 10) & 31;
  const float mantissa = static_cast<float>(bits & 0x3ff);
  if (exponent == 31) return sign * kInfinity;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024.0f + mantissa, exponent - 25);
}

bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

// Rounding between neighbours: below, at and above the midpoint. Counts wrong results.
template <class From, class To>
int wrong_roundings(uint32_t largest_finite, From from, To to) {
  int wrong = 0;
  for (uint32_t sign : {0u, 0x8000u})
    for (uint32_t low = 0; low < largest_finite; ++low) {
      const float a = from(static_cast<uint16_t>(sign | low));
      const float b = from(static_cast<uint16_t>(sign | (low + 1)));
      const float middle =
          static_cast<float>((static_cast<double>(a) + static_cast<double>(b)) / 2);
      const uint32_t even = low % 2 == 0 ? low : low + 1;
      wrong += to(middle) != (sign | even);
      wrong += to(std::nextafter(middle, a)) != (sign | low);
      wrong += to(std::nextafter(middle, b)) != (sign | (low + 1));
    }
  return wrong;
}

}  // namespace

TEST_CASE("from_f16 gives every half's value") {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = weft::from_f16(static_cast<uint16_t>(bits));
    wrong += is_nan_f16(bits) ? !std::isnan(value) : !same_bits(value, f16_by_definition(bits));
  }
  CHECK(wrong == 0);
}

TEST_CASE("to_f16 undoes from_f16") {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t back = weft::to_f16(weft::from_f16(static_cast<uint16_t>(bits)));
    wrong += back != (is_nan_f16(bits) ? bits | 0x200 : bits);  // NaN becomes quiet
  }
  CHECK(wrong == 0);
}

TEST_CASE("to_f16 rounds to nearest, ties to even") {
  CHECK(wrong_roundings(0x7bff, weft::from_f16, weft::to_f16) == 0);
  CHECK(weft::to_f16(65519.996f) == 0x7bff);
  CHECK(weft::to_f16(65520.0f) == 0x7c00);
  CHECK(weft::to_f16(-1e30f) == 0xfc00);
  CHECK(weft::to_f16(0x1p-25f) == 0);
  CHECK(weft::to_f16(-0x1p-140f) == 0x8000);
}

TEST_CASE("bf16 is the upper half of a float") {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = weft::from_bf16(static_cast<uint16_t>(bits));
    wrong += std::bit_cast<uint32_t>(value) != bits << 16;
    wrong += weft::to_bf16(value) != (is_nan_bf16(bits) ? bits | 0x40 : bits);
  }
  CHECK(wrong == 0);
}

TEST_CASE("to_bf16 rounds to nearest, ties to even") {
  CHECK(wrong_roundings(0x7f7f, weft::from_bf16, weft::to_bf16) == 0);
  CHECK(weft::to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
}

TEST_CASE("NaN stays NaN, whichever bits carry it") {
  for (uint32_t payload : {1u, 0x1000u, 0x400000u, 0x7fffffu})
    for (uint32_t sign : {0u, 0x80000000u}) {
      const float nan = std::bit_cast<float>(sign | 0x7f800000u | payload);
      CHECK(is_nan_f16(weft::to_f16(nan)));
      CHECK(is_nan_bf16(weft::to_bf16(nan)));
      CHECK(weft::to_f16(nan) >> 15 == sign >> 31);
      CHECK(weft::to_bf16(nan) >> 15 == sign >> 31);
    }
}
