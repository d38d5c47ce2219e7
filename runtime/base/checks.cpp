#include "base/checks.hpp"

#include <algorithm>

#include "base/overflow.hpp"
#include "base/text.hpp"

namespace weft::checks {
namespace {

uint64_t end_bytes(const Tensor& tensor) {
  uint64_t end = 0;
  return base::add_overflows(tensor.offset_bytes, tensor.extent_bytes(), &end) ? UINT64_MAX
                                                                                  : end;
}

}  // namespace

std::unexpected<Error> Rules::broken(std::string message) const {
  return fail(Code::invalid_argument, text(operation, ": ", message));
}

Result<void> Rules::given(const Operand& operand) const {
  if (!operand.tensor) return broken(text(operand.name, " is not given"));
  return {};
}

Result<void> Rules::rank(const Operand& operand, size_t rank) const {
  if (operand.tensor.rank() != rank)
    return broken(
        text(operand.name, ".shape is ", operand.tensor.shape, "; its rank must be ", rank));
  return {};
}

Result<void> Rules::dtype(const Operand& operand, DType dtype) const {
  if (operand.tensor.dtype != dtype)
    return broken(text(operand.name, ".dtype is ", operand.tensor.dtype, "; it must be ", dtype));
  return {};
}

Result<void> Rules::floating(const Operand& operand) const {
  if (!is_floating(operand.tensor.dtype))
    return broken(
        text(operand.name, ".dtype is ", operand.tensor.dtype, "; it must be f32, f16 or bf16"));
  return {};
}

Result<void> Rules::layout(const Operand& operand) const {
  const auto& [name, tensor] = operand;
  const size_t rank = tensor.rank();
  if (rank < 1 || rank > Dims::kMaxRank)
    return broken(
        text(name, ".shape is ", tensor.shape, "; its rank must be 1 to ", Dims::kMaxRank));
  if (tensor.strides.rank() != rank)
    return broken(text(name, ".strides is ", tensor.strides, ", ", name, ".shape is ", tensor.shape,
                       "; they must have the same rank"));
  for (size_t i = 0; i < rank; ++i) {
    if (tensor.shape[i] < 0 || tensor.shape[i] > kMaxCount)
      return broken(
          text(name, ".shape[", i, "] is ", tensor.shape[i], "; it must be 0 to ", kMaxCount));
    if (tensor.shape[i] > 1 && tensor.strides[i] < 0)
      return broken(
          text(name, ".strides[", i, "] is ", tensor.strides[i], "; it must not be negative"));
  }
  if (tensor.shape.back() > 1 && tensor.strides.back() != 1)
    return broken(
        text(name, ".strides[", rank - 1, "] is ", tensor.strides.back(), "; it must be 1"));
  if (tensor.offset_bytes % size_bytes(tensor.dtype) != 0)
    return broken(text(name, ".offset_bytes is ", tensor.offset_bytes,
                       "; it must be a multiple of ", size_bytes(tensor.dtype), ", the size of ",
                       tensor.dtype));
  return {};
}

Result<void> Rules::match(const Operand& left, size_t axis, const Operand& right,
                          size_t right_axis) const {
  const int64_t found = left.tensor.shape[axis];
  const int64_t wanted = right.tensor.shape[right_axis];
  if (found != wanted)
    return broken(text(left.name, ".shape[", axis, "] is ", found, ", ", right.name, ".shape[",
                       right_axis, "] is ", wanted, "; they must match"));
  return {};
}

Result<void> Rules::slice_range(const Operand& operand, int64_t rows, int64_t row_stride) const {
  const int64_t dim = operand.tensor.shape.back();
  if (rows <= 0 || dim <= 0) return {};
  int64_t span = 0;
  if (base::multiply_overflows(rows - 1, row_stride, &span) || span > kMaxCount - dim)
    return broken(text(operand.name, " has ", rows, " rows with stride ", row_stride,
                       "; rows of one slice must span at most ", kMaxCount, " elements"));
  return {};
}

Result<void> Rules::match_or_1(const Operand& operand, size_t axis, int64_t wanted,
                               const char* what) const {
  const int64_t found = operand.tensor.shape[axis];
  if (found != wanted && found != 1)
    return broken(text(operand.name, ".shape[", axis, "] is ", found, "; it must be ", wanted, ", ",
                       what, ", or 1"));
  return {};
}

Result<void> Rules::block_range(const Operand& operand) const {
  const size_t axis = operand.tensor.rank() - 2;
  const int64_t rows = std::min(operand.tensor.shape[axis], kMaxBlockRows);
  const int64_t dim = operand.tensor.shape.back();
  const auto stride = static_cast<int64_t>(stride_elements(operand.tensor, axis));
  if (rows <= 0 || dim <= 0) return {};
  int64_t span = 0;
  if (base::multiply_overflows(rows - 1, stride, &span) || span > kMaxCount - dim)
    return broken(text(operand.name, ".strides[", axis, "] is ", stride, "; ", rows,
                       " rows must span at most ", kMaxCount, " elements"));
  return {};
}

Result<void> Rules::reach(const Operand& operand, const DeviceTraits& traits, int64_t most_rows) const {
  const auto& [name, tensor] = operand;
  if (!traits.short_offsets || tensor.rank() < 2) return {};
  const size_t axis = tensor.rank() - 2;
  const auto rows = static_cast<double>(std::clamp(tensor.shape[axis], int64_t{1}, most_rows));
  const auto stride = static_cast<double>(stride_elements(tensor, axis));
  const double bytes = ((rows - 1) * stride + static_cast<double>(tensor.shape.back())) *
                       size_bytes(tensor.dtype);
  if (bytes <= static_cast<double>(INT32_MAX)) return {};
  return fail(Code::unsupported,
              text(operation, ": ", name, ".strides[", axis, "] is ", stride_elements(tensor, axis), "; ", rows,
                   " rows span more than the 2 GiB that ", traits.name, " reaches from an address"));
}

Result<void> Rules::numbers(const Operand& operand, int64_t length, const char* what) const {
  WEFT_TRY(rank(operand, 1));
  WEFT_TRY(dtype(operand, DType::i32));
  WEFT_TRY(layout(operand));
  if (operand.tensor.shape[0] != length)
    return broken(text(operand.name, ".shape[0] is ", operand.tensor.shape[0], "; it must be ",
                       length, ", ", what));
  return {};
}

Result<void> Rules::distinct(const Operand& operand) const {
  const auto& [name, tensor] = operand;
  if (tensor.elements() == 0) return {};
  struct Axis {
    int64_t stride, size;
  };
  std::array<Axis, Dims::kMaxRank> axes{};  // by stride, smallest first
  size_t count = 0;
  for (size_t i = 0; i < tensor.rank(); ++i) {
    if (tensor.shape[i] <= 1) continue;
    size_t at = count++;
    for (; at > 0 && axes[at - 1].stride > tensor.strides[i]; --at) axes[at] = axes[at - 1];
    axes[at] = {tensor.strides[i], tensor.shape[i]};
  }
  // Each axis steps over all that the axes with smaller strides reach.
  int64_t reach = 0;
  for (size_t i = 0; i < count; ++i) {
    int64_t step = 0;
    if (axes[i].stride <= reach)
      return broken(text(name, ".strides ", tensor.strides, " let elements of ", name, ".shape ",
                         tensor.shape, " share memory; an output must not"));
    if (base::multiply_overflows(axes[i].size - 1, axes[i].stride, &step) ||
        base::add_overflows(reach, step, &reach))
      return broken(text(name, ".strides ", tensor.strides, " with ", name, ".shape ", tensor.shape,
                         " reach beyond any buffer"));
  }
  return {};
}

Result<void> Rules::apart(const Operand& output, const Operand& other) const {
  const Tensor& a = output.tensor;
  const Tensor& b = other.tensor;
  if (!a || !b || a.extent_bytes() == 0 || b.extent_bytes() == 0) return {};
  if (a.buffer.state() != b.buffer.state()) {  // wrapped memory may be wrapped more than once
    const uint64_t a_buffer = a.buffer.device_address(), b_buffer = b.buffer.device_address();
    if (a_buffer != 0 && b_buffer != 0 && a_buffer + a.offset_bytes < b_buffer + end_bytes(b) &&
        b_buffer + b.offset_bytes < a_buffer + end_bytes(a))
      return broken(text(output.name, " and ", other.name, " lie in buffers that share memory, at addresses ",
                         a_buffer + a.offset_bytes, " and ", b_buffer + b.offset_bytes,
                         "; they must not overlap"));
    return {};
  }
  if (a.offset_bytes < end_bytes(b) && b.offset_bytes < end_bytes(a))
    return broken(text(output.name, " is bytes ", a.offset_bytes, " to ", end_bytes(a), " and ",
                       other.name, " bytes ", b.offset_bytes, " to ", end_bytes(b),
                       " of the same buffer; they must not overlap"));
  return {};
}

Result<void> Rules::inside(const Operand& operand) const {
  const uint64_t buffer_bytes = operand.tensor.buffer.size_bytes();
  if (operand.tensor.extent_bytes() > 0 && end_bytes(operand.tensor) > buffer_bytes)
    return broken(text(operand.name, " ends at byte ", end_bytes(operand.tensor),
                       ", its buffer has ", buffer_bytes, "; it must lie inside"));
  return {};
}

std::unexpected<Error> Rules::foreign(const Operand& operand) const {
  return broken(text(operand.name, ".buffer is of another device; all must be of the recorder's"));
}

Result<void> Rules::grid(const DeviceTraits& traits, const std::array<uint64_t, 3>& groups,
                         const std::array<const char*, 3>& axes) const {
  for (size_t i = 0; i < groups.size(); ++i)
    if (groups[i] > traits.max_workgroup_count[i])
      return fail(Code::unsupported,
                  text(operation, ": needs ", groups[i], " workgroups for ", axes[i],
                       ", the device allows ", traits.max_workgroup_count[i]));
  return {};
}

bool same_view(const Tensor& left, const Tensor& right) noexcept {
  if (left.buffer.state() != right.buffer.state() || left.offset_bytes != right.offset_bytes ||
      left.dtype != right.dtype || left.shape != right.shape)
    return false;
  for (size_t axis = 0; axis < left.rank() && axis < Dims::kMaxRank; ++axis)
    if (stride_elements(left, axis) != stride_elements(right, axis)) return false;
  return true;
}

uint64_t stride_elements(const Tensor& tensor, size_t axis) noexcept {
  return tensor.shape[axis] > 1 ? static_cast<uint64_t>(tensor.strides[axis]) : 0;
}

uint64_t stride_bytes(const Tensor& tensor, size_t axis) noexcept {
  return stride_elements(tensor, axis) * size_bytes(tensor.dtype);
}

bool starts_on_4(const Tensor& tensor) noexcept {
  if (tensor.offset_bytes % (4 * size_bytes(tensor.dtype)) != 0) return false;
  for (size_t i = 0; i + 1 < tensor.rank(); ++i)
    if (stride_elements(tensor, i) % 4 != 0) return false;
  return true;
}

}  // namespace weft::checks
