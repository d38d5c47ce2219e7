#include "weft/tensor.hpp"

#include <algorithm>

#include "base/overflow.hpp"
#include "base/text.hpp"

namespace weft {
namespace {

// Axes whose numbers are kept: Dims of a higher rank hold the first four only.
size_t kept_rank(const Dims& dims) { return std::min(dims.rank(), Dims::kMaxRank); }

bool usable(const Dims& shape) { return shape.rank() >= 1 && shape.rank() <= Dims::kMaxRank; }

Result<void> check_view(const char* operation, const Tensor& tensor) {
  if (!usable(tensor.shape))
    return fail(Code::invalid_argument, text(operation, ": the rank is ", tensor.rank(),
                                             "; it must be 1 to ", Dims::kMaxRank));
  if (tensor.strides.rank() != tensor.rank())
    return fail(Code::invalid_argument, text(operation, ": strides ", tensor.strides, " and shape ",
                                             tensor.shape, " must have the same rank"));
  for (size_t i = 0; i < tensor.rank(); ++i)
    if (tensor.shape[i] < 0)
      return fail(Code::invalid_argument,
                  text(operation, ": shape ", tensor.shape,
                       " has a negative dimension; each must be 0 or more"));
  return {};
}

}  // namespace

const char* to_string(DType dtype) noexcept {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i32:
      return "i32";
    case DType::u8:
      return "u8";
  }
  return "unknown";
}

uint32_t size_bytes(DType dtype) noexcept {
  switch (dtype) {
    case DType::f32:
      return 4;
    case DType::f16:
      return 2;
    case DType::bf16:
      return 2;
    case DType::i32:
      return 4;
    case DType::u8:
      return 1;
  }
  return 1;
}

std::string Dims::text() const {
  std::string out = "[";
  for (size_t i = 0; i < kept_rank(*this); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(values_[i]);
  }
  if (rank_ > kMaxRank) out += ", ...";
  return out + "]";
}

Dims dense_strides(const Dims& shape) noexcept {
  Dims strides = shape;  // of the same rank
  uint64_t stride = 1;   // wraps where the shape is too large for any buffer
  for (size_t i = kept_rank(shape); i-- > 0;) {
    strides[i] = static_cast<int64_t>(stride);
    stride *= static_cast<uint64_t>(std::max<int64_t>(shape[i], 1));
  }
  return strides;
}

int64_t Tensor::elements() const noexcept {
  if (!usable(shape)) return 0;
  int64_t count = 1;
  for (size_t i = 0; i < rank(); ++i)
    if (shape[i] <= 0) return 0;
  for (size_t i = 0; i < rank(); ++i)
    if (base::multiply_overflows(count, shape[i], &count)) return INT64_MAX;
  return count;
}

uint64_t Tensor::extent_bytes() const noexcept {
  if (elements() == 0) return 0;
  uint64_t last = 0;  // the largest element index
  for (size_t i = 0; i < rank(); ++i) {
    if (shape[i] == 1) continue;
    uint64_t step = 0;
    // A negative stride becomes so large that no buffer holds it.
    if (base::multiply_overflows(static_cast<uint64_t>(shape[i] - 1),
                                 static_cast<uint64_t>(strides[i]), &step) ||
        base::add_overflows(last, step, &last))
      return UINT64_MAX;
  }
  uint64_t extent = 0;
  if (last == UINT64_MAX ||
      base::multiply_overflows(last + 1, uint64_t{weft::size_bytes(dtype)}, &extent))
    return UINT64_MAX;
  return extent;
}

bool Tensor::is_dense() const noexcept {
  if (!usable(shape) || strides.rank() != rank()) return false;
  if (elements() == 0) return true;
  const Dims dense = dense_strides(shape);
  for (size_t i = 0; i < rank(); ++i)
    if (shape[i] != 1 && strides[i] != dense[i]) return false;
  return true;
}

Result<Tensor> Tensor::slice(size_t axis, int64_t begin, int64_t length) const {
  WEFT_TRY(check_view("slice", *this));
  if (axis >= rank())
    return fail(Code::invalid_argument,
                text("slice: axis is ", axis, "; it must be below the rank, ", rank()));
  if (begin < 0 || length < 0 || begin > shape[axis] || length > shape[axis] - begin)
    return fail(Code::invalid_argument,
                text("slice: begin ", begin, " and length ", length, " reach outside shape[", axis,
                     "], which is ", shape[axis]));
  Tensor part = *this;
  part.shape[axis] = length;
  int64_t skipped = 0;
  uint64_t bytes = 0;
  if ((begin > 0 && base::multiply_overflows(begin, strides[axis], &skipped)) ||
      base::multiply_overflows(static_cast<uint64_t>(skipped), uint64_t{weft::size_bytes(dtype)},
                               &bytes) ||
      base::add_overflows(offset_bytes, bytes, &part.offset_bytes))
    return fail(Code::invalid_argument,
                text("slice: begin ", begin, " with strides[", axis, "], which is ", strides[axis],
                     ", is an offset that does not fit 64 bits"));
  return part;
}

Result<Tensor> Tensor::reshape(const Dims& new_shape) const {
  WEFT_TRY(check_view("reshape", *this));
  if (!is_dense())
    return fail(Code::invalid_argument, text("reshape: strides ", strides, " of shape ", shape,
                                             " are not dense; only dense tensors can be reshaped"));
  Tensor result = *this;
  result.shape = new_shape;
  result.strides = dense_strides(new_shape);
  WEFT_TRY(check_view("reshape", result));
  if (result.elements() != elements() || elements() == INT64_MAX)  // which stands for more too
    return fail(Code::invalid_argument,
                text("reshape: shape ", new_shape, " has ", result.elements(), " elements, shape ",
                     shape, " has ", elements(), "; they must match"));
  return result;
}

Result<Tensor> Tensor::split_heads(int64_t heads) const {
  WEFT_TRY(check_view("split_heads", *this));
  if (rank() != 2 && rank() != 3)
    return fail(Code::invalid_argument,
                text("split_heads: the rank is ", rank(), "; it must be 2 or 3"));
  if (heads < 1 || shape.back() % heads != 0)
    return fail(Code::invalid_argument,
                text("split_heads: heads is ", heads, "; it must be at least 1 and divide shape[",
                     rank() - 1, "], which is ", shape.back()));
  const bool batched = rank() == 3;
  const int64_t dim = shape.back() / heads;
  const int64_t length = shape[rank() - 2];
  const int64_t row_stride = strides[rank() - 2];
  // The stride of a batch of one is never followed: it may wrap.
  const auto product = [](int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  };
  Tensor result = *this;
  result.shape = {batched ? shape[0] : 1, heads, length, dim};
  result.strides = {batched ? strides[0] : product(length, row_stride),
                    product(dim, strides.back()), row_stride, strides.back()};
  return result;
}

Result<Tensor> Tensor::broadcast_front(int64_t count) const {
  WEFT_TRY(check_view("broadcast_front", *this));
  if (rank() == Dims::kMaxRank)
    return fail(Code::invalid_argument, text("broadcast_front: the rank is ", rank(),
                                             "; it must be below ", Dims::kMaxRank));
  if (count < 0)
    return fail(Code::invalid_argument,
                text("broadcast_front: count is ", count, "; it must not be negative"));
  const auto prepend = [](int64_t first, const Dims& rest) {
    switch (rest.rank()) {
      case 1:
        return Dims{first, rest[0]};
      case 2:
        return Dims{first, rest[0], rest[1]};
      default:
        return Dims{first, rest[0], rest[1], rest[2]};
    }
  };
  Tensor result = *this;
  result.shape = prepend(count, shape);
  result.strides = prepend(0, strides);
  return result;
}

}  // namespace weft
