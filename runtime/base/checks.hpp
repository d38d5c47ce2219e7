// The rules that operations check on their tensors, with one wording for all of them.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "weft/tensor.hpp"
#include "weft/traits.hpp"

namespace weft::checks {

// A tensor and the name that messages use for it.
struct Operand {
  const char* name;
  const Tensor& tensor;
};

// Kernels count lengths, and elements inside one slice, in 31 bits.
inline constexpr int64_t kMaxCount = INT32_MAX;

// Every check returns invalid_argument "operation: rule and value found" for the first rule broken.
struct Rules {
  const char* operation;

  std::unexpected<Error> broken(std::string message) const;

  Result<void> given(const Operand& operand) const;
  Result<void> rank(const Operand& operand, size_t rank) const;
  Result<void> dtype(const Operand& operand, DType dtype) const;
  Result<void> floating(const Operand& operand) const;
  // Rank 1 to 4, dimensions 0 to 2^31 - 1, strides not negative and the last 1, offset on an
  // element.
  Result<void> layout(const Operand& operand) const;
  // left.shape[axis] == right.shape[right_axis]
  Result<void> match(const Operand& left, size_t axis, const Operand& right,
                     size_t right_axis) const;
  // Rows of the last dimension, the axis before it counting them, within kMaxCount elements.
  Result<void> slice_range(const Operand& operand, int64_t rows, int64_t row_stride) const;
  // left.shape[axis] is `wanted`, or 1; `what` names it.
  Result<void> match_or_1(const Operand& operand, size_t axis, int64_t wanted, const char* what) const;
  // Rows that one workgroup of an attention kernel reads together, within kMaxCount elements.
  Result<void> block_range(const Operand& operand) const;
  // Rows, at most most_rows, that kernels reach by an index from one address, as far as the device does (unsupported).
  Result<void> reach(const Operand& operand, const DeviceTraits& traits, int64_t most_rows) const;
  // Rank 1, i32, `length` elements; `what` names them.
  Result<void> numbers(const Operand& operand, int64_t length, const char* what) const;
  // An output: no two elements share memory.
  Result<void> distinct(const Operand& operand) const;
  // No byte of the output's extent lies in the other's.
  Result<void> apart(const Operand& output, const Operand& other) const;
  // All of the operand lies in its buffer.
  Result<void> inside(const Operand& operand) const;
  std::unexpected<Error> foreign(const Operand& operand) const;  // its buffer is of another device
  // Workgroups against the device's limits (unsupported); `axes` names what each counts.
  Result<void> grid(const DeviceTraits& traits, const std::array<uint64_t, 3>& groups,
                    const std::array<const char*, 3>& axes) const;
};

// Most rows that Rules::block_range takes together; kernels keep to it.
inline constexpr int64_t kMaxBlockRows = 128;

// The same elements in the same order of the same memory.
bool same_view(const Tensor& left, const Tensor& right) noexcept;

// An axis' stride in elements or bytes; 0 where the axis has one element at most.
uint64_t stride_elements(const Tensor& tensor, size_t axis) noexcept;
uint64_t stride_bytes(const Tensor& tensor, size_t axis) noexcept;

// Of [batch, heads, length, dim], as kernels take them: batch and head strides in bytes, left as they are where the
// tensor is not given;
inline void set_slice(const Tensor& tensor, uint64_t& batch, uint64_t& head) {
  if (!tensor) return;
  batch = stride_bytes(tensor, 0);
  head = stride_bytes(tensor, 1);
}
// and elements from one row to the next, which validation makes fit.
inline uint32_t row_stride(const Tensor& tensor) {
  return static_cast<uint32_t>(stride_elements(tensor, tensor.rank() - 2));
}

// Every row starts on a multiple of 4 elements, given that buffers do.
bool starts_on_4(const Tensor& tensor) noexcept;

// Types that kernels compute with.
constexpr bool is_floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

constexpr uint64_t ceil_div(uint64_t value, uint64_t step) { return (value + step - 1) / step; }

}  // namespace weft::checks
