// Device memory, through Vulkan Memory Allocator.
#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "vulkan/device_state.hpp"
#include "vulkan/result.hpp"
#include "vulkan/transfer.hpp"

namespace weft {
namespace vulkan {
namespace {

constexpr VkDeviceSize kBufferAlignmentBytes = 256;

HostAccess host_access(const DeviceState& device, Memory memory) {
  if (memory == Memory::upload) return HostAccess::write;
  if (memory == Memory::readback) return HostAccess::read_write;
  const bool direct = device.traits.unified_memory && !device.options.without_direct_access;
  return direct ? HostAccess::read_write : HostAccess::none;
}

}  // namespace

BufferState::~BufferState() {
  if (allocation) free_buffer(device->allocator, buffer, allocation);
}

Result<std::shared_ptr<BufferState>> make_buffer(DeviceState& device, uint64_t bytes,
                                                 Memory memory) {
  const std::string what = "buffer of " + std::to_string(bytes) + " bytes";
  if (bytes == 0)
    return fail(Code::invalid_argument, what + ": the size must be 1 or more, found 0");
  if (memory < Memory::device || memory > Memory::readback)
    return fail(Code::invalid_argument, what + ": memory is " +
                                            std::to_string(static_cast<int32_t>(memory)) +
                                            "; it must be a Memory");
  WEFT_TRY(check_not_lost(device, what));
  const uint64_t most = std::min(device.traits.max_allocation_bytes, UINT64_MAX - kReadBytes);
  if (bytes > most)
    return fail(Code::out_of_memory, what + ": the device allows at most " + std::to_string(most));
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  // Kernels may read the whole word or 4-element group of the last element.
  info.size = (bytes + kReadBytes - 1) / kReadBytes * kReadBytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  auto state = std::make_shared<BufferState>();
  PlacedBuffer placed;
  if (VkResult result = place_buffer(device.allocator, info, memory == Memory::device,
                                     host_access(device, memory), kBufferAlignmentBytes, placed);
      result != VK_SUCCESS)
    return vk_fail(result, what);
  state->device = &device;
  state->size_bytes = bytes;
  state->buffer = placed.buffer;
  state->usage = info.usage;
  state->allocation = placed.allocation;
  state->mapped = placed.mapped;
  state->host_cached = (placed.properties & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
  VkBufferDeviceAddressInfo address{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
  address.buffer = state->buffer;
  state->address = device.vk.vkGetBufferDeviceAddress(device.device, &address);
  return state;
}

std::shared_ptr<BufferState> make_transient(DeviceState& device, uint64_t bytes,
                                            uint64_t recording) {
  auto state = std::make_shared<BufferState>();
  state->device = &device;
  state->size_bytes = bytes;
  state->recording = recording;
  return state;
}

Result<void> write_buffer(const std::shared_ptr<BufferState>& buffer,
                          std::span<const std::byte> data) {
  if (!buffer->mapped) return buffer->device->transfer->upload(buffer, 0, data);
  std::memcpy(buffer->mapped, data.data(), data.size());
  return {};
}

uint64_t address_of(const BufferState& buffer) noexcept { return buffer.address; }
uint64_t size_of(const BufferState& buffer) noexcept { return buffer.size_bytes; }
uint64_t recording_of(const BufferState& buffer) noexcept { return buffer.recording; }
const DeviceState* device_of(const BufferState& buffer) noexcept { return buffer.device; }

}  // namespace vulkan

uint64_t Buffer::size_bytes() const noexcept { return state_ ? state_->size_bytes : 0; }
uint64_t Buffer::device_address() const noexcept { return state_ ? state_->address : 0; }
void* Buffer::mapped() const noexcept { return state_ ? state_->mapped : nullptr; }

Result<Buffer> Device::buffer(uint64_t bytes, Memory memory) const {
  WEFT_ASSIGN(auto state, vulkan::make_buffer(*state_, bytes, memory));
  return Buffer(state_, std::move(state));
}

Result<Tensor> Device::tensor(DType dtype, const Dims& shape, Memory memory) const {
  if (shape.rank() < 1 || shape.rank() > Dims::kMaxRank)
    return fail(Code::invalid_argument,
                "tensor: the rank must be 1 to 4, found " + std::to_string(shape.rank()));
  if (!is_dtype(dtype))
    return fail(Code::invalid_argument, text("tensor: dtype is ", dtype, "; it must be a DType"));
  uint64_t bytes = weft::size_bytes(dtype);
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (shape[i] < 0)
      return fail(Code::invalid_argument,
                  "tensor: every dimension must be 0 or more, found " + shape.text());
    const auto length = static_cast<uint64_t>(shape[i]);
    if (length != 0 && bytes > UINT64_MAX / length)
      return fail(Code::invalid_argument,
                  "tensor: the size in bytes must fit 64 bits, found shape " + shape.text());
    bytes *= length;
  }
  Tensor tensor;
  WEFT_ASSIGN(tensor.buffer, buffer(bytes ? bytes : 1, memory));
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.strides = dense_strides(shape);
  return tensor;
}

}  // namespace weft
