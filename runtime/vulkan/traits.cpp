#include "vulkan/traits.hpp"

#include <algorithm>
#include <cstring>

#include "decide/quirks.hpp"

namespace weft::vulkan {
namespace {

DeviceType device_type(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return DeviceType::integrated;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return DeviceType::discrete;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return DeviceType::virtual_gpu;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return DeviceType::cpu;
    default: return DeviceType::other;
  }
}

void query_properties(VkPhysicalDevice physical, DeviceTraits& traits) {
  VkPhysicalDeviceVulkan13Properties v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES};
  VkPhysicalDeviceVulkan12Properties v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES, &v13};
  VkPhysicalDeviceVulkan11Properties v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, &v12};
  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  vkGetPhysicalDeviceProperties(physical, &all.properties);
  if (all.properties.apiVersion >= VK_API_VERSION_1_3) {
    all.pNext = &v11;
    vkGetPhysicalDeviceProperties2(physical, &all);
  }
  const VkPhysicalDeviceProperties& core = all.properties;
  const VkPhysicalDeviceLimits& limits = core.limits;
  traits.name = core.deviceName;
  traits.driver_name = v12.driverName;
  traits.driver_info = v12.driverInfo;
  traits.type = device_type(core.deviceType);
  traits.vendor_id = core.vendorID;
  traits.device_id = core.deviceID;
  traits.driver_id = v12.driverID;
  traits.driver_version = core.driverVersion;
  traits.api_version = core.apiVersion;
  std::copy_n(core.pipelineCacheUUID, VK_UUID_SIZE, traits.pipeline_cache_uuid.begin());
  traits.subgroup_size = v11.subgroupSize;
  traits.max_workgroup_invocations = limits.maxComputeWorkGroupInvocations;
  std::copy_n(limits.maxComputeWorkGroupCount, 3, traits.max_workgroup_count.begin());
  std::copy_n(limits.maxComputeWorkGroupSize, 3, traits.max_workgroup_size.begin());
  traits.max_push_constants_bytes = limits.maxPushConstantsSize;
  traits.shared_memory_bytes = limits.maxComputeSharedMemorySize;
  traits.max_allocation_bytes = std::min(v11.maxMemoryAllocationSize, v13.maxBufferSize);
  traits.timestamp_period_ns = limits.timestampPeriod;
}

void query_features(VkPhysicalDevice physical, DeviceTraits& traits) {
  if (traits.api_version < VK_API_VERSION_1_3) return;
  VkPhysicalDeviceVulkan13Features v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &v13};
  VkPhysicalDeviceVulkan11Features v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &v12};
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &v11};
  vkGetPhysicalDeviceFeatures2(physical, &all);
  traits.buffer_device_address = v12.bufferDeviceAddress;
  traits.timeline_semaphore = v12.timelineSemaphore;
  traits.synchronization2 = v13.synchronization2;
  traits.storage_16bit = v11.storageBuffer16BitAccess;
}

void query_memory(VkPhysicalDevice physical, DeviceTraits& traits) {
  VkPhysicalDeviceMemoryProperties memory{};
  vkGetPhysicalDeviceMemoryProperties(physical, &memory);
  VkDeviceSize largest = 0;
  for (uint32_t i = 0; i < memory.memoryHeapCount; ++i)
    if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      largest = std::max(largest, memory.memoryHeaps[i].size);
  constexpr VkMemoryPropertyFlags kUnified = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                             VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                             VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    const VkMemoryType& type = memory.memoryTypes[i];
    if ((type.propertyFlags & kUnified) == kUnified && memory.memoryHeaps[type.heapIndex].size == largest)
      traits.unified_memory = true;
  }
}

std::string what_is_missing(const DeviceTraits& traits, bool has_queue) {
  if (traits.api_version < VK_API_VERSION_1_3)
    return "Vulkan 1.3 is required, the driver has " +
           std::to_string(VK_API_VERSION_MAJOR(traits.api_version)) + "." +
           std::to_string(VK_API_VERSION_MINOR(traits.api_version));
  if (!traits.buffer_device_address) return "the feature bufferDeviceAddress is required";
  if (!traits.timeline_semaphore) return "the feature timelineSemaphore is required";
  if (!traits.synchronization2) return "the feature synchronization2 is required";
  if (!has_queue) return "a queue with compute is required";
  return "";
}

std::vector<VkQueueFamilyProperties> queue_families(VkPhysicalDevice physical) {
  uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
  return families;
}

}  // namespace

uint32_t compute_queue_family(VkPhysicalDevice physical) {
  const auto families = queue_families(physical);
  uint32_t found = VK_QUEUE_FAMILY_IGNORED;
  for (uint32_t i = 0; i < families.size(); ++i) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
    if (families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) return i;
    if (found == VK_QUEUE_FAMILY_IGNORED) found = i;
  }
  return found;
}

uint64_t timestamp_mask(VkPhysicalDevice physical, uint32_t family) {
  const uint32_t bits = queue_families(physical)[family].timestampValidBits;
  return bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
}

DeviceInfo query(VkPhysicalDevice physical) {
  DeviceInfo info;
  query_properties(physical, info.traits);
  query_features(physical, info.traits);
  query_memory(physical, info.traits);
  const uint32_t family = compute_queue_family(physical);
  const bool has_queue = family != VK_QUEUE_FAMILY_IGNORED;
  if (!has_queue || timestamp_mask(physical, family) == 0)
    info.traits.timestamp_period_ns = 0;
  decide::apply_quirks(info.traits);
  info.why_not = what_is_missing(info.traits, has_queue);
  info.usable = info.why_not.empty();
  return info;
}

}  // namespace weft::vulkan
