// Buffers and tensors: strided views of device memory, cheap to copy, kept alive by what uses them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "weft/error.hpp"
#include "weft/export.hpp"

namespace weft {

namespace vulkan {
struct BufferState;
struct DeviceState;
}  // namespace vulkan

// Types of elements in memory. Arithmetic is fp32 whatever the storage. The values are fixed.
enum class DType : int32_t { f32 = 0, f16 = 1, bf16 = 2, i32 = 3, u8 = 4 };

WEFT_EXPORT const char* to_string(DType dtype) noexcept;
WEFT_EXPORT uint32_t size_bytes(DType dtype) noexcept;

// IEEE half and bfloat16 of a float, rounded to nearest even, and back (exact).
WEFT_EXPORT uint16_t to_f16(float value) noexcept;
WEFT_EXPORT float from_f16(uint16_t bits) noexcept;
WEFT_EXPORT uint16_t to_bf16(float value) noexcept;
WEFT_EXPORT float from_bf16(uint16_t bits) noexcept;

// Up to four numbers, outermost first: a shape or strides, both in elements.
class WEFT_EXPORT Dims {
 public:
  static constexpr size_t kMaxRank = 4;

  Dims() = default;
  // More than kMaxRank values keep their count only, so that validation can refuse them by rank.
  Dims(std::initializer_list<int64_t> values) noexcept : rank_(values.size()) {
    size_t i = 0;
    for (int64_t value : values)
      if (i < kMaxRank) values_[i++] = value;
  }

  size_t rank() const noexcept { return rank_; }
  int64_t operator[](size_t i) const noexcept { return values_[i]; }
  int64_t& operator[](size_t i) noexcept { return values_[i]; }
  int64_t back() const noexcept { return values_[rank_ - 1]; }
  bool operator==(const Dims&) const = default;

  // "[2, 8, 77, 64]"
  std::string text() const;

 private:
  std::array<int64_t, kMaxRank> values_{};
  size_t rank_ = 0;
};

// The strides of a dense row-major tensor of this shape.
WEFT_EXPORT Dims dense_strides(const Dims& shape) noexcept;

// A handle to device memory; copies share it. Empty when default-made. Made by Device::buffer.
// Thread safety: handles may be copied and dropped on any thread.
class WEFT_EXPORT Buffer {
 public:
  Buffer() = default;
  Buffer(std::shared_ptr<vulkan::DeviceState> device, std::shared_ptr<vulkan::BufferState> state) noexcept
      : device_(std::move(device)), state_(std::move(state)) {}
  Buffer(const Buffer&) = default;
  Buffer(Buffer&&) noexcept = default;
  // Swapped, so that the old memory goes before its device does.
  Buffer& operator=(Buffer other) noexcept {
    std::swap(device_, other.device_);
    std::swap(state_, other.state_);
    return *this;
  }

  explicit operator bool() const noexcept { return state_ != nullptr; }
  uint64_t size_bytes() const noexcept;
  // Host address of the memory, where the host can see it, else null. Not synchronised with the device.
  void* mapped() const noexcept;
  // Where kernels find the memory; 0 for a transient tensor's, which has no place of its own.
  uint64_t device_address() const noexcept;
  const std::shared_ptr<vulkan::BufferState>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<vulkan::DeviceState> device_;  // before state_: the memory goes first, then its device
  std::shared_ptr<vulkan::BufferState> state_;
};

// A strided view of a buffer. A tensor without a buffer means "not given" where one is optional.
// Strides are in elements, not negative; 0 repeats (broadcast) along that axis; the last one must be 1
// wherever a kernel reads or writes rows.
struct WEFT_EXPORT Tensor {
  Buffer buffer;
  uint64_t offset_bytes = 0;  // of element 0; a multiple of the element size
  DType dtype = DType::f32;
  Dims shape;
  Dims strides;

  explicit operator bool() const noexcept { return static_cast<bool>(buffer); }
  size_t rank() const noexcept { return shape.rank(); }
  int64_t elements() const noexcept;
  // Bytes from element 0 to the end of the last element reached; 0 for an empty tensor.
  uint64_t extent_bytes() const noexcept;
  bool is_dense() const noexcept;

  // Elements [begin, begin + length) of an axis. invalid_argument outside the shape.
  Result<Tensor> slice(size_t axis, int64_t begin, int64_t length) const;
  // The same elements in another shape; the tensor must be dense.
  Result<Tensor> reshape(const Dims& shape) const;
  // [length, heads * dim] or [batch, length, heads * dim] seen as [batch, heads, length, dim].
  Result<Tensor> split_heads(int64_t heads) const;
  // Adds a leading axis of `count` that repeats the whole tensor (stride 0). Rank below 4.
  Result<Tensor> broadcast_front(int64_t count) const;
};

}  // namespace weft
