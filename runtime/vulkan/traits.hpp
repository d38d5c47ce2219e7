// Asking a driver what its device can do.
#pragma once

#include "vulkan/volk.hpp"
#include "weft/device.hpp"

namespace weft::vulkan {

// The traits as the driver says, quirks applied, and whether Weft can use the device.
DeviceInfo query(VkPhysicalDevice physical);

// The first queue family with compute, preferring one that has graphics too (the best supported one).
uint32_t compute_queue_family(VkPhysicalDevice physical);

// A one for every valid bit of a timestamp of that family.
uint64_t timestamp_mask(VkPhysicalDevice physical, uint32_t family);

}  // namespace weft::vulkan
