#include "io/convert.hpp"

#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "base/text.hpp"

namespace weft::io {
namespace {

// A number on the way from one type to another: a float or int64_t where that is exact, else a
// double. Where even a double is not exact (64-bit integers, beyond 2^53) its last bit is set
// instead of rounding, which leaves enough for rounding once, correctly, to any shorter type
// ("round to odd": Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).

double to_double_odd(uint64_t value) {
  if (value >> 53 == 0) return static_cast<double>(value);
  constexpr uint64_t kDropped = (1u << 11) - 1;
  const uint64_t kept =
      (value & ~kDropped) | (static_cast<uint64_t>((value & kDropped) != 0) << 11);
  return static_cast<double>(kept);
}

double to_double_odd(int64_t value) {
  if (value >= 0) return to_double_odd(static_cast<uint64_t>(value));
  return -to_double_odd(uint64_t{0} - static_cast<uint64_t>(value));
}

float to_float_odd(float value) { return value; }

float to_float_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(nearest) == value) return nearest;
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --bits;  // now towards zero
  return std::bit_cast<float>(bits | 1u);
}

float to_float_odd(int64_t value) { return to_float_odd(to_double_odd(value)); }
float to_float_odd(uint64_t value) { return to_float_odd(to_double_odd(value)); }

float to_float_nearest(float value) { return value; }
float to_float_nearest(double value) { return static_cast<float>(value); }
float to_float_nearest(int64_t value) { return static_cast<float>(value); }
float to_float_nearest(uint64_t value) { return static_cast<float>(value); }

template <class Number>
bool is_finite(Number value) {
  if constexpr (std::floating_point<Number>) return std::isfinite(value);
  return true;
}

// Puts `value` into *out as DType; false where it does not fit.
template <DType kTarget, class Number>
bool put(Number value, std::byte* out) {
  if constexpr (kTarget == DType::i32) {
    if (!std::in_range<int32_t>(value)) return false;
    const auto number = static_cast<int32_t>(value);
    std::memcpy(out, &number, sizeof number);
    return true;
  } else if constexpr (kTarget == DType::f32) {
    const float number = to_float_nearest(value);
    std::memcpy(out, &number, sizeof number);
    return std::isfinite(number) || !is_finite(value);
  } else {
    constexpr bool kHalf = kTarget == DType::f16;
    constexpr uint16_t kExponent = kHalf ? 0x7c00 : 0x7f80;
    const float number = to_float_odd(value);
    const uint16_t bits = kHalf ? to_f16(number) : to_bf16(number);
    std::memcpy(out, &bits, sizeof bits);
    return (bits & kExponent) != kExponent || !is_finite(value);
  }
}

// One element of a file: how many bytes, and its value.
template <class T>
struct Stored {
  using Bits = T;
  static auto value(T bits) {
    if constexpr (std::floating_point<T>)
      return bits;
    else if constexpr (std::is_signed_v<T>)
      return static_cast<int64_t>(bits);
    else
      return static_cast<uint64_t>(bits);
  }
};
struct StoredBoolean {
  using Bits = uint8_t;
  static uint64_t value(uint8_t bits) { return bits != 0; }
};
struct StoredHalf {
  using Bits = uint16_t;
  static float value(uint16_t bits) { return from_f16(bits); }
};
struct StoredBrain {
  using Bits = uint16_t;
  static float value(uint16_t bits) { return from_bf16(bits); }
};

template <class Element, DType kTarget>
Result<void> convert_all(const std::byte* in, uint64_t count, std::byte* out, uint64_t first) {
  constexpr size_t kOutBytes = kTarget == DType::f32 || kTarget == DType::i32 ? 4 : 2;
  for (uint64_t i = 0; i < count; ++i, in += sizeof(typename Element::Bits), out += kOutBytes) {
    typename Element::Bits bits;
    std::memcpy(&bits, in, sizeof bits);
    const auto value = Element::value(bits);
    if (!put<kTarget>(value, out))
      return fail(Code::unsupported,
                  text("element ", first + i, " is ", value, ", beyond ", kTarget));
  }
  return {};
}

template <class Element>
Result<void> convert_to(DType dtype, const std::byte* in, uint64_t count, std::byte* out,
                        uint64_t first) {
  using Value = decltype(Element::value({}));
  switch (dtype) {
    case DType::f32:
      return convert_all<Element, DType::f32>(in, count, out, first);
    case DType::f16:
      return convert_all<Element, DType::f16>(in, count, out, first);
    case DType::bf16:
      return convert_all<Element, DType::bf16>(in, count, out, first);
    case DType::i32:
      if constexpr (std::integral<Value>)
        return convert_all<Element, DType::i32>(in, count, out, first);
      else
        return fail(Code::unsupported, "i32 is read of integers only");
    case DType::u8:
      break;
  }
  return fail(Code::invalid_argument, text("dtype must be f32, f16, bf16 or i32, is ", dtype));
}

bool is_same(ElementType type, DType dtype) {
  return (type == ElementType::f32 && dtype == DType::f32) ||
         (type == ElementType::f16 && dtype == DType::f16) ||
         (type == ElementType::bf16 && dtype == DType::bf16) ||
         (type == ElementType::i32 && dtype == DType::i32);
}

Result<void> convert(ElementType type, DType dtype, const std::byte* in, uint64_t count,
                     std::byte* out, uint64_t first) {
  switch (type) {
    case ElementType::boolean:
      return convert_to<StoredBoolean>(dtype, in, count, out, first);
    case ElementType::u8:
      return convert_to<Stored<uint8_t>>(dtype, in, count, out, first);
    case ElementType::i8:
      return convert_to<Stored<int8_t>>(dtype, in, count, out, first);
    case ElementType::u16:
      return convert_to<Stored<uint16_t>>(dtype, in, count, out, first);
    case ElementType::i16:
      return convert_to<Stored<int16_t>>(dtype, in, count, out, first);
    case ElementType::u32:
      return convert_to<Stored<uint32_t>>(dtype, in, count, out, first);
    case ElementType::i32:
      return convert_to<Stored<int32_t>>(dtype, in, count, out, first);
    case ElementType::u64:
      return convert_to<Stored<uint64_t>>(dtype, in, count, out, first);
    case ElementType::i64:
      return convert_to<Stored<int64_t>>(dtype, in, count, out, first);
    case ElementType::f16:
      return convert_to<StoredHalf>(dtype, in, count, out, first);
    case ElementType::bf16:
      return convert_to<StoredBrain>(dtype, in, count, out, first);
    case ElementType::f32:
      return convert_to<Stored<float>>(dtype, in, count, out, first);
    case ElementType::f64:
      return convert_to<Stored<double>>(dtype, in, count, out, first);
    default:
      return fail(Code::unsupported,
                  text("elements of type ", to_string(type), " are not converted"));
  }
}

}  // namespace

Result<void> convert_elements(const TensorView& view, DType dtype, uint64_t first,
                              std::span<std::byte> out) {
  if (!is_dtype(dtype) || dtype == DType::u8)
    return fail(Code::invalid_argument, text("dtype must be f32, f16, bf16 or i32, is ", dtype));
  if (out.size() % size_bytes(dtype) != 0)
    return fail(
        Code::invalid_argument,
        text("out has ", out.size(), " bytes, no multiple of an element's ", size_bytes(dtype)));
  // Types below 8 bits do not convert; their count, rounded down, is not used.
  const uint64_t element_bits = size_bits(view.type);
  const uint64_t elements = element_bits < 8 ? 0 : view.data.size() / (element_bits / 8);
  const uint64_t count = out.size() / size_bytes(dtype);
  if (element_bits >= 8 && (first > elements || count > elements - first))
    return fail(Code::invalid_argument,
                text("elements from ", first, " on, ", count, " of them, asked of ", elements));
  if (count != 0 && is_same(view.type, dtype)) {
    std::memcpy(out.data(), view.data.data() + first * (element_bits / 8), out.size());
    return {};
  }
  const std::byte* in = view.data.data() + (element_bits < 8 ? 0 : first * (element_bits / 8));
  return convert(view.type, dtype, in, count, out.data(), first);
}

}  // namespace weft::io
