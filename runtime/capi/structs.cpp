#include "capi/structs.hpp"

#include <algorithm>

namespace weft::capi {
namespace {

constexpr uint32_t kMaxBytes = 4096;  // beyond it, struct_size was never set

}  // namespace

Result<void> check_size(Function function, const char* argument, const void* in, size_t required) {
  WEFT_TRY(function.given(argument, in));
  uint32_t bytes = 0;
  std::memcpy(&bytes, in, sizeof bytes);
  if (bytes < required || bytes > kMaxBytes || bytes % 4 != 0)
    return function.broken(argument, ".struct_size is ", bytes, "; it must be ", required, " to ",
                           kMaxBytes, " and a multiple of 4");
  return {};
}

Result<void> copy_in(Function function, const char* argument, const void* in, void* out,
                     size_t required, size_t known) {
  WEFT_TRY(check_size(function, argument, in, required));
  uint32_t bytes = 0;
  std::memcpy(&bytes, in, sizeof bytes);
  std::memcpy(out, in, std::min<size_t>(bytes, known));
  for (size_t i = known; i < bytes; ++i)
    if (static_cast<const unsigned char*>(in)[i] != 0)
      return function.unknown(argument, " uses byte ", i, " of ", bytes, "; this library knows ",
                              known);
  return {};
}

Result<DType> read_dtype(Function function, const char* argument, weft_dtype value) {
  return read_enum(function, argument, value, DType::u8);
}

Result<Memory> read_memory(Function function, weft_memory value) {
  return read_enum(function, "memory", value, Memory::readback);
}

Result<Dims> read_shape(Function function, const char* argument, uint32_t rank, const int64_t* v) {
  WEFT_TRY(function.given(argument, v));
  switch (rank) {
    case 0:
      return Dims{};
    case 1:
      return Dims{v[0]};
    case 2:
      return Dims{v[0], v[1]};
    case 3:
      return Dims{v[0], v[1], v[2]};
    case 4:
      return Dims{v[0], v[1], v[2], v[3]};
    default:
      return function.broken(argument, " has rank ", rank, "; it must be 4 at most");
  }
}

Result<Tensor> read_tensor(Function function, const char* argument, const weft_tensor* in) {
  Tensor out;
  if (!in) return out;
  WEFT_ASSIGN(const weft_tensor tensor, read(function, argument, in));
  if (!tensor.buffer) return out;
  out.buffer = tensor.buffer->buffer;
  out.offset_bytes = tensor.offset_bytes;
  WEFT_ASSIGN(out.dtype, read_dtype(function, text(argument, ".dtype").c_str(), tensor.dtype));
  WEFT_ASSIGN(out.shape,
              read_shape(function, text(argument, ".shape").c_str(), tensor.rank, tensor.shape));
  WEFT_TRY(
      read_enum(function, text(argument, ".layout").c_str(), tensor.layout, WEFT_LAYOUT_STRIDED));
  if (tensor.layout == WEFT_LAYOUT_DENSE) {
    out.strides = dense_strides(out.shape);
  } else {
    WEFT_ASSIGN(out.strides, read_shape(function, text(argument, ".strides").c_str(), tensor.rank,
                                        tensor.strides));
  }
  return out;
}

Result<void> read_tensors(Function function, const char* in,
                          std::initializer_list<TensorField> fields) {
  for (const TensorField& field : fields) {
    if (!field.from) continue;
    WEFT_ASSIGN(*field.to, read_tensor(function, text(in, ".", field.name).c_str(), field.from));
  }
  return {};
}

Result<void> check_not_lent(Function function, const weft_recorder* recorder) {
  WEFT_TRY(function.given("recorder", recorder));
  if (recorder->lent)
    return function.broken("recorder records a block; a callback can't end the recording");
  return {};
}

Result<void> write_tensor(Function function, const HostAllocator& allocator, const Tensor& tensor,
                          weft_tensor* out) {
  weft_tensor filled{};
  filled.dtype = static_cast<weft_dtype>(tensor.dtype);
  filled.offset_bytes = tensor.offset_bytes;
  filled.rank = static_cast<uint32_t>(tensor.rank());
  filled.layout = WEFT_LAYOUT_STRIDED;
  for (size_t i = 0; i < tensor.rank(); ++i) {
    filled.shape[i] = tensor.shape[i];
    filled.strides[i] = tensor.strides[i];
  }
  if (out->struct_size < sizeof(weft_tensor))
    filled.layout = WEFT_LAYOUT_DENSE;  // no strides there
  WEFT_TRY(make(function, allocator, &filled.buffer, tensor.buffer));
  write(filled, out);
  return {};
}

Result<void> TensorPair::begin(Function function) const {
  for (const auto& [name, out] : {std::pair(first_name, first), std::pair(second_name, second)}) {
    WEFT_TRY(begin_output(function, name, out));
    write(weft_tensor{}, out);
  }
  return {};
}

Result<void> TensorPair::fill(Function function, const HostAllocator& allocator,
                              const Tensor& first_tensor, const Tensor& second_tensor) const {
  WEFT_TRY(write_tensor(function, allocator, first_tensor, first));
  const Result<void> filled = write_tensor(function, allocator, second_tensor, second);
  if (!filled) {
    release(first->buffer);
    write(weft_tensor{}, first);
  }
  return filled;
}

}  // namespace weft::capi
