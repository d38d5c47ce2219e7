#include <bit>

#include "weft/tensor.hpp"

namespace weft {
namespace {

constexpr uint32_t kSignBit = 0x80000000u;
constexpr uint32_t kInfinityBits = 0x7f800000u;

// Drops the low bits of a number, to nearest, ties to even. Carries run on into higher bits.
uint32_t round_off(uint32_t bits, uint32_t dropped) {
  const uint32_t odd = (bits >> dropped) & 1u;
  return (bits + (1u << (dropped - 1)) - 1u + odd) >> dropped;
}

}  // namespace

uint16_t to_f16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits & kSignBit) >> 16;
  const uint32_t magnitude = bits & ~kSignBit;
  if (magnitude > kInfinityBits)  // NaN: made quiet, keeping the upper bits
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // from 65536 on
  if (magnitude >= 0x38800000u)  // from 2^-14 on: a normal half, the exponent's bias moved by 112
    return static_cast<uint16_t>(sign | round_off(magnitude - (112u << 23), 13));
  if (magnitude < 0x33000000u) return static_cast<uint16_t>(sign);  // below half of the smallest
  const uint32_t exponent = magnitude >> 23;
  const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  return static_cast<uint16_t>(sign | round_off(mantissa, 126u - exponent));
}

float from_f16(uint16_t bits) noexcept {
  const uint32_t sign = (bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1fu) return std::bit_cast<float>(sign | kInfinityBits | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint16_t to_bf16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & ~kSignBit) > kInfinityBits) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>(round_off(bits, 16));
}

float from_bf16(uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

}  // namespace weft
