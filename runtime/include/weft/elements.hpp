// Tensors as files hold them: element types, views of raw bytes, conversion to float. Part of
// weft_io, which needs no device. weft::DType (weft/tensor.hpp) is the shorter list that kernels
// take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "weft/error.hpp"
#include "weft/export.hpp"

namespace weft {

// Every element type of the safetensors format, from the loosest alignment to the strictest.
enum class ElementType : uint8_t {
  boolean,  // one byte: 0 false, anything else true
  f4,       // two to a byte
  f6_e2m3,  // six bits, packed; also the next one
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,  // a pair of f32
  f64,
  i64,
  u64,
};

// The name that safetensors files use: "F32", "F8_E4M3", "BOOL".
WEFT_IO_EXPORT const char* to_string(ElementType type) noexcept;
// The type of such a name; names are upper case.
WEFT_IO_EXPORT std::optional<ElementType> element_type(std::string_view name) noexcept;
// Bits of one element, 4 to 64.
WEFT_IO_EXPORT uint32_t size_bits(ElementType type) noexcept;

// Raw elements of someone else's memory: row-major, dense, little-endian, at any alignment (copy
// with memcpy). Valid as long as that memory is.
struct TensorView {
  ElementType type = ElementType::f32;
  std::vector<uint64_t> shape;  // empty for a single element; a 0 makes the tensor empty
  std::span<const std::byte> data;
};

// Bytes of a dense tensor. invalid_argument if that doesn't fit 64 bits or, for packed types,
// isn't a whole number of bytes. The message has no prefix.
WEFT_IO_EXPORT Result<uint64_t> size_bytes(ElementType type, std::span<const uint64_t> shape);

// All elements as float, rounded to nearest where float is too narrow; boolean becomes 0 or 1.
// invalid_argument: data of another size than the shape asks for.
// unsupported: types below 8 bits, the 8-bit floats and c64.
WEFT_IO_EXPORT Result<std::vector<float>> to_float(const TensorView& view);

}  // namespace weft
