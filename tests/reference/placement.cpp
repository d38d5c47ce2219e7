#include "reference/placement.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace weft::cases {
namespace {

struct Axes {
  int64_t item, head, row, column;
};

Axes axes_of(const Dims& dims, int64_t missing) {
  std::array<int64_t, 4> all{missing, missing, missing, missing};
  for (size_t i = 0; i < dims.rank(); ++i) all[4 - dims.rank() + i] = dims[i];
  return {all[0], all[1], all[2], all[3]};
}

Dims dims_of(const Axes& axes, size_t rank) {
  if (rank == 4) return {axes.item, axes.head, axes.row, axes.column};
  if (rank == 3) return {axes.head, axes.row, axes.column};
  if (rank == 2) return {axes.row, axes.column};
  return {axes.column};
}

Axes strides_of(const Axes& shape, Layout layout) {
  switch (layout) {
    case Layout::bhld:
      break;
    case Layout::blhd:
      return {shape.row * shape.head * shape.column, shape.column, shape.head * shape.column, 1};
    case Layout::padded: {
      const int64_t row = (shape.column + 3) / 4 * 4 + 4;
      const int64_t head = shape.row * row + 8;
      return {shape.head * head + 16, head, row, 1};
    }
    case Layout::odd: {
      const int64_t row = (shape.column + 1) | 1;
      const int64_t head = shape.row * row + 3;
      return {shape.head * head + 1, head, row, 1};
    }
  }
  return {shape.head * shape.row * shape.column, shape.row * shape.column, shape.column, 1};
}

// Calls visit(index in the array, byte offset in the buffer) for every element.
template <class Visit>
void for_each_element(const Placement& placement, Visit visit) {
  const Axes shape = axes_of(placement.shape, 1);
  const Axes strides = axes_of(placement.strides, 0);
  size_t index = 0;
  for (int64_t b = 0; b < shape.item; ++b)
    for (int64_t h = 0; h < shape.head; ++h)
      for (int64_t i = 0; i < shape.row; ++i)
        for (int64_t c = 0; c < shape.column; ++c) {
          const int64_t element =
              b * strides.item + h * strides.head + i * strides.row + c * strides.column;
          visit(index++, placement.offset_bytes +
                             static_cast<uint64_t>(element) * size_bytes(placement.dtype));
        }
}

void store(DType dtype, double value, std::byte* to) {
  const auto copy = [to](auto bits) { std::memcpy(to, &bits, sizeof bits); };
  switch (dtype) {
    case DType::f32:
      return copy(static_cast<float>(value));
    case DType::f16:
      return copy(to_f16(static_cast<float>(value)));
    case DType::bf16:
      return copy(to_bf16(static_cast<float>(value)));
    case DType::i32:
      return copy(static_cast<int32_t>(value));
    case DType::u8:
      return copy(static_cast<uint8_t>(value));
  }
}

template <class Bits>
Bits bits_at(const std::byte* from) {
  Bits bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}

double load(DType dtype, const std::byte* from) {
  switch (dtype) {
    case DType::f32:
      return bits_at<float>(from);
    case DType::f16:
      return from_f16(bits_at<uint16_t>(from));
    case DType::bf16:
      return from_bf16(bits_at<uint16_t>(from));
    case DType::i32:
      return bits_at<int32_t>(from);
    case DType::u8:
      return bits_at<uint8_t>(from);
  }
  return 0.0;
}

}  // namespace

Placement place(DType dtype, const Dims& shape, Layout layout) {
  const Axes strides = strides_of(axes_of(shape, 1), layout);
  Placement placement{.dtype = dtype, .shape = shape, .strides = dims_of(strides, shape.rank())};
  placement.offset_bytes = kGuardBytes + (layout == Layout::odd ? size_bytes(dtype) : 0);
  uint64_t end = placement.offset_bytes;
  for_each_element(placement,
                   [&](size_t, uint64_t at) { end = std::max(end, at + size_bytes(dtype)); });
  placement.buffer_bytes = (end + kGuardBytes + 3) / 4 * 4;
  return placement;
}

std::vector<std::byte> encode(const reference::Array& array, const Placement& placement) {
  std::vector<std::byte> bytes(placement.buffer_bytes, kGuardByte);
  for_each_element(placement, [&](size_t index, uint64_t at) {
    store(placement.dtype, array.values[index], bytes.data() + at);
  });
  return bytes;
}

reference::Array decode(const std::vector<std::byte>& bytes, const Placement& placement) {
  const Axes shape = axes_of(placement.shape, 1);
  reference::Array array(shape.item, shape.head, shape.row, shape.column);
  for_each_element(placement, [&](size_t index, uint64_t at) {
    array.values[index] = load(placement.dtype, bytes.data() + at);
  });
  return array;
}

std::string damage(const std::vector<std::byte>& bytes, const Placement& placement,
                   const reference::Array* expected) {
  std::vector<std::byte> rest = bytes;
  for_each_element(placement, [&](size_t index, uint64_t at) {
    if (expected && std::isnan(expected->values[index])) return;
    std::fill_n(rest.begin() + static_cast<ptrdiff_t>(at), size_bytes(placement.dtype), kGuardByte);
  });
  const auto changed =
      std::find_if(rest.begin(), rest.end(), [](std::byte b) { return b != kGuardByte; });
  if (changed == rest.end()) return {};
  return "byte " +
         std::to_string(changed - rest.begin() - static_cast<ptrdiff_t>(placement.offset_bytes)) +
         " from the first element, which must not be written, was written";
}

double round_to(DType dtype, double value) {
  std::byte bytes[4];
  store(dtype, value, bytes);
  return load(dtype, bytes);
}

double smallest_normal(DType dtype) {
  return dtype == DType::f16 ? 0x1p-14 : static_cast<double>(std::numeric_limits<float>::min());
}

double ulp(DType dtype, double value) {
  const int mantissa_bits = dtype == DType::f16 ? 10 : dtype == DType::bf16 ? 7 : 23;
  const double size = std::max(std::abs(value), smallest_normal(dtype));
  return std::ldexp(1.0, std::ilogb(size) - mantissa_bits);
}

}  // namespace weft::cases
