#include "vulkan/traits.hpp"

#include <algorithm>
#include <cstring>

#include "base/options.hpp"
#include "decide/quirks.hpp"
#include "vulkan/extension_traits.hpp"

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

void query_properties(const InstanceFunctions& vk, VkPhysicalDevice physical, DeviceTraits& traits) {
  VkPhysicalDeviceVulkan13Properties v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES};
  VkPhysicalDeviceVulkan12Properties v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES, &v13};
  VkPhysicalDeviceVulkan11Properties v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, &v12};
  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  vk.vkGetPhysicalDeviceProperties(physical, &all.properties);
  if (all.properties.apiVersion >= VK_API_VERSION_1_3) {
    all.pNext = &v11;
    vk.vkGetPhysicalDeviceProperties2(physical, &all);
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
  traits.min_subgroup_size = v13.minSubgroupSize;
  traits.max_subgroup_size = v13.maxSubgroupSize;
  traits.max_workgroup_subgroups = v13.maxComputeWorkgroupSubgroups;
  traits.subgroup_size_control = v13.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT;
  if (v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
    traits.subgroup_operations = v11.subgroupSupportedOperations & kAllSubgroupOperations;
  traits.mixed_dot_accelerated = v13.integerDotProduct4x8BitPackedMixedSignednessAccelerated;
  traits.max_workgroup_invocations = limits.maxComputeWorkGroupInvocations;
  std::copy_n(limits.maxComputeWorkGroupCount, 3, traits.max_workgroup_count.begin());
  std::copy_n(limits.maxComputeWorkGroupSize, 3, traits.max_workgroup_size.begin());
  traits.max_push_constants_bytes = limits.maxPushConstantsSize;
  traits.shared_memory_bytes = limits.maxComputeSharedMemorySize;
  traits.max_allocation_bytes = std::min(v11.maxMemoryAllocationSize, v13.maxBufferSize);
  traits.timestamp_period_ns = limits.timestampPeriod;
}

void set_features(const VulkanFeatureChain& chain, DeviceTraits& traits) {
  traits.buffer_device_address = chain.v12.bufferDeviceAddress;
  traits.timeline_semaphore = chain.v12.timelineSemaphore;
  traits.synchronization2 = chain.v13.synchronization2;
  traits.storage_16bit = chain.v11.storageBuffer16BitAccess;
  traits.shader_float16 = chain.v12.shaderFloat16;
  traits.vulkan_memory_model = chain.v12.vulkanMemoryModel;
  traits.subgroup_extended_types = chain.v12.shaderSubgroupExtendedTypes;
  traits.integer_dot_product = chain.v13.shaderIntegerDotProduct;
  traits.subgroup_size_control = traits.subgroup_size_control && chain.v13.subgroupSizeControl;
  traits.full_subgroups = chain.v13.computeFullSubgroups;
}

void query_memory(const InstanceFunctions& vk, VkPhysicalDevice physical, DeviceTraits& traits) {
  VkPhysicalDeviceMemoryProperties memory{};
  vk.vkGetPhysicalDeviceMemoryProperties(physical, &memory);
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

std::string what_is_missing(const DeviceTraits& traits, const VulkanFeatureChain& features, bool has_queue) {
  if (traits.api_version < VK_API_VERSION_1_3)
    return "Vulkan 1.3 is required, the driver has " +
           std::to_string(VK_API_VERSION_MAJOR(traits.api_version)) + "." +
           std::to_string(VK_API_VERSION_MINOR(traits.api_version));
  if (const std::string name = first_missing(features); !name.empty())
    return "the feature " + name + " is required";
  if (!has_queue) return "a queue with compute is required";
  return "";
}

std::vector<VkQueueFamilyProperties> queue_families(const InstanceFunctions& vk, VkPhysicalDevice physical) {
  uint32_t count = 0;
  vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
  return families;
}

DeviceInfo query_with(const InstanceFunctions& vk, VkPhysicalDevice physical, const EnabledFeatures* enabled,
                      uint32_t family) {
  DeviceInfo info;
  query_properties(vk, physical, info.traits);
  query_memory(vk, physical, info.traits);
  EnabledFeatures features;
  if (enabled)
    features = *enabled;
  else if (info.traits.api_version >= VK_API_VERSION_1_3)
    features = {supported_features(vk, physical), supported_matrices(vk, physical)};
  set_features(features.core, info.traits);
  if (info.traits.api_version >= VK_API_VERSION_1_3) {
    query_cores(vk, physical, info.traits);
    if (features.matrix.matrix) info.traits.matrix_shapes = matrix_shapes(vk, physical, features.matrix);
    info.traits.matrix2 = features.matrix.matrix2;
  }
  const bool has_queue = family != VK_QUEUE_FAMILY_IGNORED;
  if (!has_queue || timestamp_mask(vk, physical, family) == 0) info.traits.timestamp_period_ns = 0;
  if (base::environment("WEFT_QUIRKS") != "off") decide::apply_quirks(info.traits);
  info.why_not = what_is_missing(info.traits, features.core, has_queue);
  info.usable = info.why_not.empty();
  return info;
}

}  // namespace

uint32_t compute_queue_family(const InstanceFunctions& vk, VkPhysicalDevice physical) {
  const auto families = queue_families(vk, physical);
  uint32_t found = VK_QUEUE_FAMILY_IGNORED;
  for (uint32_t i = 0; i < families.size(); ++i) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
    if (families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) return i;
    if (found == VK_QUEUE_FAMILY_IGNORED) found = i;
  }
  return found;
}

bool has_compute(const InstanceFunctions& vk, VkPhysicalDevice physical, uint32_t family) {
  const auto families = queue_families(vk, physical);
  return family < families.size() && (families[family].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0;
}

uint64_t timestamp_mask(const InstanceFunctions& vk, VkPhysicalDevice physical, uint32_t family) {
  const uint32_t bits = queue_families(vk, physical)[family].timestampValidBits;
  return bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
}

DeviceInfo query(const InstanceFunctions& vk, VkPhysicalDevice physical) {
  return query_with(vk, physical, nullptr, compute_queue_family(vk, physical));
}

DeviceInfo query(const InstanceFunctions& vk, VkPhysicalDevice physical, const EnabledFeatures& enabled,
                 uint32_t family) {
  return query_with(vk, physical, &enabled, family);
}

}  // namespace weft::vulkan
