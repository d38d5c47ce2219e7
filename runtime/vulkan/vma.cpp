// The implementation of Vulkan Memory Allocator. What its header includes comes first, because the
// header itself is included inside a namespace.
#include "vulkan/vma.hpp"

#include <vulkan/vulkan.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <type_traits>
#include <utility>
#if defined(__APPLE__)
#include <AvailabilityMacros.h>
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#endif

#include "vulkan/device_state.hpp"
#include "vulkan/result.hpp"

#define VMA_STATIC_VULKAN_FUNCTIONS 0
#define VMA_DYNAMIC_VULKAN_FUNCTIONS 1
#define VMA_VULKAN_VERSION 1003000
#define VMA_CALL_PRE static
#define VMA_IMPLEMENTATION
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
namespace weft::vulkan::vma {
#include <vk_mem_alloc.h>
}  // namespace weft::vulkan::vma
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace weft::vulkan {

using namespace vma;

Result<VmaAllocator_T*> make_allocator(DeviceState& device) {
  VmaVulkanFunctions functions{};
  functions.vkGetInstanceProcAddr = device.instance->get_proc;
  functions.vkGetDeviceProcAddr = device.instance->vk.vkGetDeviceProcAddr;
  VmaAllocatorCreateInfo info{};
  info.flags = VMA_ALLOCATOR_CREATE_BUFFER_DEVICE_ADDRESS_BIT;
  info.physicalDevice = device.physical;
  info.device = device.device;
  info.instance = device.instance->instance;
  info.vulkanApiVersion = VK_API_VERSION_1_3;
  info.pVulkanFunctions = &functions;
  info.pAllocationCallbacks = device.host();
  VmaAllocator allocator = nullptr;
  if (VkResult result = vmaCreateAllocator(&info, &allocator); result != VK_SUCCESS)
    return vk_fail(result, "device: memory allocator");
  return allocator;
}

void destroy_allocator(VmaAllocator_T* allocator) noexcept { vmaDestroyAllocator(allocator); }

VkResult place_buffer(VmaAllocator_T* allocator, const VkBufferCreateInfo& info, bool device_local,
                      HostAccess access, VkDeviceSize alignment_bytes,
                      PlacedBuffer& placed) noexcept {
  VmaAllocationCreateInfo wanted{};
  wanted.usage = device_local ? VMA_MEMORY_USAGE_AUTO_PREFER_DEVICE : VMA_MEMORY_USAGE_AUTO;
  if (access != HostAccess::none) {
    wanted.flags = VMA_ALLOCATION_CREATE_MAPPED_BIT;
    wanted.flags |= access == HostAccess::write
                        ? VMA_ALLOCATION_CREATE_HOST_ACCESS_SEQUENTIAL_WRITE_BIT
                        : VMA_ALLOCATION_CREATE_HOST_ACCESS_RANDOM_BIT;
    wanted.requiredFlags = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  }
  VmaAllocationInfo made{};
  const VkResult result = vmaCreateBufferWithAlignment(allocator, &info, &wanted, alignment_bytes,
                                                       &placed.buffer, &placed.allocation, &made);
  if (result != VK_SUCCESS) return result;
  placed.mapped = made.pMappedData;
  vmaGetAllocationMemoryProperties(allocator, placed.allocation, &placed.properties);
  return result;
}

void free_buffer(VmaAllocator_T* allocator, VkBuffer buffer, VmaAllocation_T* allocation) noexcept {
  vmaDestroyBuffer(allocator, buffer, allocation);
}

}  // namespace weft::vulkan
