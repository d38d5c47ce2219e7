// Asking a driver what its device can do.
#pragma once

#include "vulkan/features.hpp"
#include "vulkan/functions.hpp"
#include "weft/device.hpp"

namespace weft::vulkan {

// The traits as the driver says, quirks applied, and whether Weft can use the device.
DeviceInfo query(const InstanceFunctions& vk, VkPhysicalDevice physical);
// The same for a device that exists: with the features that it was made with, for its queue family. The error of a
// device that can't be used is in `why_not`.
DeviceInfo query(const InstanceFunctions& vk, VkPhysicalDevice physical, const EnabledFeatures& enabled,
                 uint32_t family);

// The first queue family with compute, preferring one that has graphics too (the best supported one).
uint32_t compute_queue_family(const InstanceFunctions& vk, VkPhysicalDevice physical);
bool has_compute(const InstanceFunctions& vk, VkPhysicalDevice physical, uint32_t family);

// A one for every valid bit of a timestamp of that family.
uint64_t timestamp_mask(const InstanceFunctions& vk, VkPhysicalDevice physical, uint32_t family);

}  // namespace weft::vulkan
