#include "vulkan/features.hpp"

#include <algorithm>
#include <array>

namespace weft {
namespace vulkan {
namespace {

struct Row {
  VulkanFeature feature;
  VkBool32& (*flag)(VulkanFeatureChain&);
};

#define WEFT_FEATURE(part, version, name, required, why)                       \
  Row {                                                                        \
    {"VkPhysicalDeviceVulkan" #version "Features", #name, required, why},      \
        [](VulkanFeatureChain& chain) -> VkBool32& { return chain.part.name; } \
  }
constexpr std::array kRows = {
    WEFT_FEATURE(v12, 12, bufferDeviceAddress, true, "kernels reach all tensors through addresses"),
    WEFT_FEATURE(v12, 12, timelineSemaphore, true, "a ticket is a value of a timeline semaphore"),
    WEFT_FEATURE(v13, 13, synchronization2, true,
                 "barriers and submissions are written in its terms"),
    WEFT_FEATURE(v13, 13, maintenance4, true, "workgroup sizes are specialization constants"),
    WEFT_FEATURE(v11, 11, storageBuffer16BitAccess, false,
                 "tensors of f16, bf16 and u8 in their fast rows"),
    WEFT_FEATURE(v12, 12, shaderFloat16, false, "cooperative matrices of 16-bit elements"),
    WEFT_FEATURE(v12, 12, vulkanMemoryModel, false, "cooperative matrices are defined in its terms"),
    WEFT_FEATURE(v12, 12, vulkanMemoryModelDeviceScope, false,
                 "with vulkanMemoryModel: atomics, in rows without 16-bit access"),
    WEFT_FEATURE(v13, 13, subgroupSizeControl, false, "rows that count in subgroups"),
    WEFT_FEATURE(v13, 13, computeFullSubgroups, false, "rows that count in subgroups"),
};
#undef WEFT_FEATURE

bool is_set(const Row& row, VulkanFeatureChain chain) { return row.flag(chain) != VK_FALSE; }

// The structure at `link` as what its type says.
template <class Structure>
const Structure& as(const VkBaseInStructure* link) {
  return *reinterpret_cast<const Structure*>(link);
}

// Structures of whole versions.
bool read_version(const VkBaseInStructure* link, VulkanFeatureChain& chain) {
  switch (link->sType) {
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES: {
      chain.v11.storageBuffer16BitAccess |=
          as<VkPhysicalDeviceVulkan11Features>(link).storageBuffer16BitAccess;
      return true;
    }
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES: {
      const auto& v12 = as<VkPhysicalDeviceVulkan12Features>(link);
      chain.v12.bufferDeviceAddress |= v12.bufferDeviceAddress;
      chain.v12.timelineSemaphore |= v12.timelineSemaphore;
      chain.v12.shaderFloat16 |= v12.shaderFloat16;
      chain.v12.vulkanMemoryModel |= v12.vulkanMemoryModel;
      chain.v12.vulkanMemoryModelDeviceScope |= v12.vulkanMemoryModelDeviceScope;
      return true;
    }
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES: {
      const auto& v13 = as<VkPhysicalDeviceVulkan13Features>(link);
      chain.v13.synchronization2 |= v13.synchronization2;
      chain.v13.maintenance4 |= v13.maintenance4;
      chain.v13.subgroupSizeControl |= v13.subgroupSizeControl;
      chain.v13.computeFullSubgroups |= v13.computeFullSubgroups;
      return true;
    }
    default:
      return false;
  }
}

// The single structures that came before these.
void read_single(const VkBaseInStructure* link, VulkanFeatureChain& chain) {
  switch (link->sType) {
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES:
      chain.v11.storageBuffer16BitAccess |=
          as<VkPhysicalDevice16BitStorageFeatures>(link).storageBuffer16BitAccess;
      break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES:
      chain.v12.bufferDeviceAddress |=
          as<VkPhysicalDeviceBufferDeviceAddressFeatures>(link).bufferDeviceAddress;
      break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES:
      chain.v12.timelineSemaphore |=
          as<VkPhysicalDeviceTimelineSemaphoreFeatures>(link).timelineSemaphore;
      break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES:
      chain.v12.shaderFloat16 |= as<VkPhysicalDeviceShaderFloat16Int8Features>(link).shaderFloat16;
      break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES: {
      const auto& model = as<VkPhysicalDeviceVulkanMemoryModelFeatures>(link);
      chain.v12.vulkanMemoryModel |= model.vulkanMemoryModel;
      chain.v12.vulkanMemoryModelDeviceScope |= model.vulkanMemoryModelDeviceScope;
      break;
    }
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES:
      chain.v13.synchronization2 |=
          as<VkPhysicalDeviceSynchronization2Features>(link).synchronization2;
      break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES:
      chain.v13.maintenance4 |= as<VkPhysicalDeviceMaintenance4Features>(link).maintenance4;
      break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES: {
      const auto& control = as<VkPhysicalDeviceSubgroupSizeControlFeatures>(link);
      chain.v13.subgroupSizeControl |= control.subgroupSizeControl;
      chain.v13.computeFullSubgroups |= control.computeFullSubgroups;
      break;
    }
    default:
      break;
  }
}

}  // namespace

VulkanFeatureChain supported_features(const InstanceFunctions& vk, VkPhysicalDevice physical) {
  VulkanFeatureChain chain;
  vk.vkGetPhysicalDeviceFeatures2(physical, &chain.features2);
  return chain;
}

EnabledFeatures read_chain(const void* chain) {
  EnabledFeatures read;
  for (auto link = static_cast<const VkBaseInStructure*>(chain); link; link = link->pNext) {
    if (read_version(link, read.core)) continue;
    read_single(link, read.core);
    read_matrix(link, read.matrix);
  }
  return read;
}

std::string first_missing(const VulkanFeatureChain& chain) {
  for (const Row& row : kRows)
    if (row.feature.required && !is_set(row, chain)) return row.feature.name;
  return "";
}

void enable(const VulkanFeatureChain& supported, VulkanFeatureChain& chain) {
  for (const Row& row : kRows)
    if (is_set(row, supported)) row.flag(chain) = VK_TRUE;
}

}  // namespace vulkan

std::span<const VulkanExtension> vulkan_extensions() noexcept {
  static constexpr VulkanExtension kExtensions[] = {
      {VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME, "VkPhysicalDeviceCooperativeMatrixFeaturesKHR",
       "cooperativeMatrix", "the fastest rows of f16 tensors"},
      {"VK_KHR_shader_bfloat16", "VkPhysicalDeviceShaderBfloat16FeaturesKHR",
       "shaderBFloat16Type, shaderBFloat16CooperativeMatrix", "the fastest rows of bf16 tensors"},
      {"VK_NV_cooperative_matrix2", "VkPhysicalDeviceCooperativeMatrix2FeaturesNV",
       "cooperativeMatrixWorkgroupScope, cooperativeMatrixFlexibleDimensions, "
       "cooperativeMatrixReductions, cooperativeMatrixConversions, "
       "cooperativeMatrixPerElementOperations, cooperativeMatrixTensorAddressing",
       "the fastest rows of f16 tensors on devices that have it"},
  };
  return kExtensions;
}

std::span<const VulkanFeature> vulkan_features() noexcept {
  static const auto features = [] {
    std::array<VulkanFeature, vulkan::kRows.size()> all;
    std::transform(vulkan::kRows.begin(), vulkan::kRows.end(), all.begin(),
                   [](const auto& row) { return row.feature; });
    return all;
  }();
  return features;
}

}  // namespace weft
