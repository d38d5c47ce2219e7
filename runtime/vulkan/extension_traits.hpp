// Traits that extensions tell: the cores of a device.
#pragma once

#include "vulkan/functions.hpp"
#include "weft/traits.hpp"

namespace weft::vulkan {

// Fills core_count and subgroups_per_core. Needs Vulkan 1.1.
void query_cores(const InstanceFunctions& vk, VkPhysicalDevice physical, DeviceTraits& traits);

}  // namespace weft::vulkan
