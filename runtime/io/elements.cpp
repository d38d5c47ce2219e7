#include "weft/elements.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string>

#include "weft/tensor.hpp"

namespace weft {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they are");

struct TypeFacts {
  ElementType type;
  const char* name;
  uint32_t bits;
};

constexpr std::array<TypeFacts, 22> kTypes = {{
    {ElementType::boolean, "BOOL", 8},
    {ElementType::f4, "F4", 4},
    {ElementType::f6_e2m3, "F6_E2M3", 6},
    {ElementType::f6_e3m2, "F6_E3M2", 6},
    {ElementType::u8, "U8", 8},
    {ElementType::i8, "I8", 8},
    {ElementType::f8_e5m2, "F8_E5M2", 8},
    {ElementType::f8_e4m3, "F8_E4M3", 8},
    {ElementType::f8_e8m0, "F8_E8M0", 8},
    {ElementType::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
    {ElementType::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
    {ElementType::i16, "I16", 16},
    {ElementType::u16, "U16", 16},
    {ElementType::f16, "F16", 16},
    {ElementType::bf16, "BF16", 16},
    {ElementType::i32, "I32", 32},
    {ElementType::u32, "U32", 32},
    {ElementType::f32, "F32", 32},
    {ElementType::c64, "C64", 64},
    {ElementType::f64, "F64", 64},
    {ElementType::i64, "I64", 64},
    {ElementType::u64, "U64", 64},
}};

constexpr bool in_enum_order() {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (static_cast<size_t>(kTypes[i].type) != i) return false;
  }
  return true;
}
static_assert(in_enum_order(), "kTypes is indexed by ElementType");

template <class Stored, class Convert>
std::vector<float> converted(std::span<const std::byte> data, Convert convert) {
  std::vector<float> values(data.size() / sizeof(Stored));
  for (size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, data.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = convert(stored);
  }
  return values;
}

template <class Stored>
std::vector<float> converted(std::span<const std::byte> data) {
  return converted<Stored>(data, [](Stored value) { return static_cast<float>(value); });
}

}  // namespace

const char* to_string(ElementType type) noexcept {
  const auto index = static_cast<size_t>(type);
  return index < kTypes.size() ? kTypes[index].name : "unknown";
}

std::optional<ElementType> element_type(std::string_view name) noexcept {
  for (const TypeFacts& facts : kTypes) {
    if (name == facts.name) return facts.type;
  }
  return std::nullopt;
}

uint32_t size_bits(ElementType type) noexcept {
  const auto index = static_cast<size_t>(type);
  return index < kTypes.size() ? kTypes[index].bits : 0;
}

Result<uint64_t> size_bytes(ElementType type, std::span<const uint64_t> shape) {
  // Every factor is checked, also before a 0: what must not overflow is the product of any prefix.
  uint64_t elements = 1;
  for (const uint64_t length : shape) {
    if (length != 0 && elements > std::numeric_limits<uint64_t>::max() / length) {
      return fail(Code::invalid_argument, "the shape's number of elements exceeds 64 bits");
    }
    elements *= length;
  }
  const uint32_t bits = size_bits(type);
  if (bits == 0)
    return fail(Code::invalid_argument, "type is " + std::to_string(static_cast<int>(type)) +
                                            "; it must be an ElementType");
  if (elements > std::numeric_limits<uint64_t>::max() / bits) {
    return fail(Code::invalid_argument, "the shape's size in bits exceeds 64 bits");
  }
  if (elements * bits % 8 != 0) {
    return fail(Code::invalid_argument, std::to_string(elements) + " elements of " +
                                            to_string(type) + " are no whole number of bytes");
  }
  return elements * bits / 8;
}

Result<std::vector<float>> to_float(const TensorView& view) {
  const auto expected = size_bytes(view.type, view.shape);
  if (!expected) return fail(expected.error().code, "to_float: " + expected.error().message);
  if (*expected != view.data.size()) {
    return fail(Code::invalid_argument, "to_float: the shape asks for " +
                                            std::to_string(*expected) + " bytes, data has " +
                                            std::to_string(view.data.size()));
  }
  switch (view.type) {
    case ElementType::boolean:
      return converted<uint8_t>(view.data, [](uint8_t value) { return value != 0 ? 1.0f : 0.0f; });
    case ElementType::u8:
      return converted<uint8_t>(view.data);
    case ElementType::i8:
      return converted<int8_t>(view.data);
    case ElementType::u16:
      return converted<uint16_t>(view.data);
    case ElementType::i16:
      return converted<int16_t>(view.data);
    case ElementType::f16:
      return converted<uint16_t>(view.data, from_f16);
    case ElementType::bf16:
      return converted<uint16_t>(view.data, from_bf16);
    case ElementType::u32:
      return converted<uint32_t>(view.data);
    case ElementType::i32:
      return converted<int32_t>(view.data);
    case ElementType::f32:
      return converted<float>(view.data);
    case ElementType::u64:
      return converted<uint64_t>(view.data);
    case ElementType::i64:
      return converted<int64_t>(view.data);
    case ElementType::f64:
      return converted<double>(view.data);
    default:
      return fail(Code::unsupported,
                  std::string("to_float: elements of type ") + to_string(view.type));
  }
}

}  // namespace weft
