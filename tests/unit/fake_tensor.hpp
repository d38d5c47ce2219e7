// Tensors with buffers that have a size and no memory: enough for every rule, without any device.
#pragma once

#include <memory>
#include <string>

#include "vulkan/device_state.hpp"
#include "weft/tensor.hpp"

namespace weft::test {

inline Buffer fake_buffer(uint64_t bytes) {
  auto state = std::make_shared<vulkan::BufferState>();
  state->size_bytes = bytes;
  return Buffer(nullptr, std::move(state));
}

// A dense tensor in a buffer of exactly its size.
inline Tensor fake_tensor(DType dtype, const Dims& shape) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.strides = dense_strides(shape);
  tensor.buffer = fake_buffer(tensor.extent_bytes());
  return tensor;
}

// The message of a failure, "no error" for a success.
template <class T>
std::string message(const Result<T>& result) {
  return result ? "no error" : result.error().message;
}

}  // namespace weft::test
