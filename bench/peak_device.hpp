// Plain Vulkan for the peak test: one device, one queue, buffers, and kernels timed by the host.
#pragma once

#include <volk.h>

#include <span>
#include <string>
#include <vector>

#include "weft/traits.hpp"
#include "weft/vulkan.h"

namespace weft::bench {

// As in shaders/*.comp.
struct PeakPush {
  VkDeviceAddress from = 0, to = 0;
  uint32_t rounds = 0;
  float factor = 0.999f, shift = 1e-3f;
};

struct PeakBuffer {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  VkDeviceAddress address = 0;
};

struct PeakDevice {
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  uint32_t family = 0;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  std::vector<VkPipeline> pipelines;
  std::vector<PeakBuffer> buffers;

  PeakDevice() = default;
  PeakDevice(const PeakDevice&) = delete;
  PeakDevice& operator=(const PeakDevice&) = delete;
  ~PeakDevice();
  // The physical device that these traits are of. Errors: no_device, internal.
  Result<void> open(const DeviceTraits& traits);
  // In the device's own memory.
  Result<PeakBuffer> buffer(VkDeviceSize bytes);
  // `constants` are those with ids 0, 1, 2...; `subgroup_size` 0: as the driver likes.
  Result<VkPipeline> pipeline(std::span<const uint32_t> spirv,
                              const std::vector<uint32_t>& constants = {},
                              uint32_t subgroup_size = 0);
  // Seconds from submitting until it is done.
  Result<double> dispatch(VkPipeline pipeline, const PeakPush& push, uint32_t groups) const;
  Result<double> copy(const PeakBuffer& from, const PeakBuffer& to, VkDeviceSize bytes) const;

 private:
  Result<void> choose(const DeviceTraits& traits);
  Result<void> make_device(const DeviceTraits& traits);
  Result<void> begin() const;
  Result<double> submit() const;
};

}  // namespace weft::bench
