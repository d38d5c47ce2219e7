// Traits that extensions tell: cooperative matrices, and the cores of a device.
#pragma once

#include "vulkan/functions.hpp"
#include "weft/traits.hpp"

namespace weft::vulkan {

// Fill matrix_shapes and matrix2, and core_count and subgroups_per_core. Need Vulkan 1.1.
void query_matrices(const InstanceFunctions& vk, VkPhysicalDevice physical, DeviceTraits& traits);
void query_cores(const InstanceFunctions& vk, VkPhysicalDevice physical, DeviceTraits& traits);

}  // namespace weft::vulkan
