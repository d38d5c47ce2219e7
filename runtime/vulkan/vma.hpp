// Vulkan Memory Allocator behind four functions. Its code stands in a namespace of ours, with
// internal linkage, so that an app may link another copy, of any version and configuration.
#pragma once

#include "vulkan/functions.hpp"
#include "weft/error.hpp"

namespace weft::vulkan {

struct DeviceState;

namespace vma {
struct VmaAllocator_T;
struct VmaAllocation_T;
}  // namespace vma

enum class HostAccess { none, write, read_write };

struct PlacedBuffer {
  VkBuffer buffer = VK_NULL_HANDLE;
  vma::VmaAllocation_T* allocation = nullptr;
  void* mapped = nullptr;  // null without host access
  VkMemoryPropertyFlags properties = 0;
};

Result<vma::VmaAllocator_T*> make_allocator(DeviceState& device);
void destroy_allocator(vma::VmaAllocator_T* allocator) noexcept;

// A buffer in memory that is coherent where the host has access. `device_local` is a preference.
VkResult place_buffer(vma::VmaAllocator_T* allocator, const VkBufferCreateInfo& info,
                      bool device_local, HostAccess access, VkDeviceSize alignment_bytes,
                      PlacedBuffer& placed) noexcept;
void free_buffer(vma::VmaAllocator_T* allocator, VkBuffer buffer,
                 vma::VmaAllocation_T* allocation) noexcept;

}  // namespace weft::vulkan
