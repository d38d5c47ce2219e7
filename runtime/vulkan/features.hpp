// The features that Weft requires and recommends, on chains of Vulkan structures.
#pragma once

#include <string>

#include "vulkan/functions.hpp"
#include "vulkan/matrix_features.hpp"
#include "weft/vulkan.h"

namespace weft::vulkan {

// What the physical device has. Needs Vulkan 1.3.
VulkanFeatureChain supported_features(const InstanceFunctions& vk, VkPhysicalDevice physical);
// What a pNext chain sets, of the features that Weft knows: in VkPhysicalDeviceFeatures2,
// Vulkan11Features and so on, or the single structures that came before these.
struct EnabledFeatures {
  VulkanFeatureChain core;
  MatrixFeatures matrix;
};
EnabledFeatures read_chain(const void* chain);

// The name of the first required feature that is not set; empty: all are.
std::string first_missing(const VulkanFeatureChain& chain);
// Sets in `chain` those of the required and recommended features that `supported` has.
void enable(const VulkanFeatureChain& supported, VulkanFeatureChain& chain);

}  // namespace weft::vulkan
