// Device memory, through Vulkan Memory Allocator.
#include <cstring>

#include "vulkan/device_state.hpp"
#include "vulkan/result.hpp"
#include "vulkan/transfer.hpp"

namespace weft {
namespace vulkan {
namespace {

constexpr VkDeviceSize kBufferAlignmentBytes = 256;

VmaAllocationCreateFlags host_access(const DeviceState& device, Memory memory) {
  constexpr VmaAllocationCreateFlags kMapped = VMA_ALLOCATION_CREATE_MAPPED_BIT;
  switch (memory) {
    case Memory::upload: return kMapped | VMA_ALLOCATION_CREATE_HOST_ACCESS_SEQUENTIAL_WRITE_BIT;
    case Memory::readback: return kMapped | VMA_ALLOCATION_CREATE_HOST_ACCESS_RANDOM_BIT;
    case Memory::device: break;
  }
  const bool direct = device.traits.unified_memory && !device.options.without_direct_access;
  return direct ? kMapped | VMA_ALLOCATION_CREATE_HOST_ACCESS_RANDOM_BIT : 0;
}

}  // namespace

BufferState::~BufferState() {
  if (buffer) vmaDestroyBuffer(device->allocator, buffer, allocation);
}

Result<void> make_allocator(DeviceState& device) {
  VmaVulkanFunctions functions{};
  functions.vkGetInstanceProcAddr = vkGetInstanceProcAddr;
  functions.vkGetDeviceProcAddr = vkGetDeviceProcAddr;
  VmaAllocatorCreateInfo info{};
  info.flags = VMA_ALLOCATOR_CREATE_BUFFER_DEVICE_ADDRESS_BIT;
  info.physicalDevice = device.physical;
  info.device = device.device;
  info.instance = device.instance->instance;
  info.vulkanApiVersion = VK_API_VERSION_1_3;
  info.pVulkanFunctions = &functions;
  if (VkResult result = vmaCreateAllocator(&info, &device.allocator); result != VK_SUCCESS)
    return vk_fail(result, "device: memory allocator");
  return {};
}

Result<std::shared_ptr<BufferState>> make_buffer(DeviceState& device, uint64_t bytes, Memory memory) {
  const std::string what = "buffer of " + std::to_string(bytes) + " bytes";
  if (bytes == 0) return fail(Code::invalid_argument, what + ": the size must be 1 or more");
  if (device.lost) return fail(Code::device_lost, what + ": the device is lost");
  if (bytes > device.traits.max_allocation_bytes)
    return fail(Code::out_of_memory, what + ": the device allows at most " +
                                         std::to_string(device.traits.max_allocation_bytes));
  auto state = std::make_shared<BufferState>();
  state->device = &device;
  state->size_bytes = bytes;

  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = (bytes + 15) / 16 * 16;  // kernels may read the whole word or 4-element group of the last element
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  VmaAllocationCreateInfo allocation{};
  allocation.usage = memory == Memory::device ? VMA_MEMORY_USAGE_AUTO_PREFER_DEVICE : VMA_MEMORY_USAGE_AUTO;
  allocation.flags = host_access(device, memory);
  allocation.requiredFlags = allocation.flags ? VK_MEMORY_PROPERTY_HOST_COHERENT_BIT : 0;
  VmaAllocationInfo placed{};
  if (VkResult result =
          vmaCreateBufferWithAlignment(device.allocator, &info, &allocation, kBufferAlignmentBytes,
                                       &state->buffer, &state->allocation, &placed);
      result != VK_SUCCESS)
    return vk_fail(result, what);

  VkMemoryPropertyFlags properties = 0;
  vmaGetAllocationMemoryProperties(device.allocator, state->allocation, &properties);
  state->mapped = placed.pMappedData;
  state->host_cached = (properties & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
  VkBufferDeviceAddressInfo address{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
  address.buffer = state->buffer;
  state->address = device.vk.vkGetBufferDeviceAddress(device.device, &address);
  return state;
}

std::shared_ptr<BufferState> make_transient(DeviceState& device, uint64_t bytes, uint64_t recording) {
  auto state = std::make_shared<BufferState>();
  state->device = &device;
  state->size_bytes = bytes;
  state->recording = recording;
  return state;
}

Result<void> write_buffer(const std::shared_ptr<BufferState>& buffer, std::span<const std::byte> data) {
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
void* Buffer::mapped() const noexcept { return state_ ? state_->mapped : nullptr; }

Result<Buffer> Device::buffer(uint64_t bytes, Memory memory) const {
  WEFT_ASSIGN(auto state, vulkan::make_buffer(*state_, bytes, memory));
  return Buffer(state_, std::move(state));
}

Result<Tensor> Device::tensor(DType dtype, const Dims& shape, Memory memory) const {
  if (shape.rank() < 1 || shape.rank() > Dims::kMaxRank)
    return fail(Code::invalid_argument,
                "tensor: the rank must be 1 to 4, found " + std::to_string(shape.rank()));
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
