// What the app of embed_vulkan has without Weft: plain Vulkan, through a loader library of its own.
#pragma once

#include <volk.h>

#include <string>
#include <vector>

#include "weft/vulkan.h"

namespace embed {

using weft::Result;

Result<void> check(VkResult result, const char* what);

// A buffer of floats that the host sees too, and its place for kernels.
struct AppBuffer {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  VkDeviceAddress address = 0;
  float* data = nullptr;
  uint32_t count = 0;
  VkBufferUsageFlags usage = 0;
};

// As in scale_shift.comp.
struct Push {
  VkDeviceAddress from, to;
  uint32_t count;
  float factor, shift;
};

// The app: everything that it would have without Weft.
struct App {
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  uint32_t family = 0;
  weft::VulkanFeatureChain features;
  std::vector<const char*> extensions;  // of the device
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
  std::vector<AppBuffer> buffers;

  App() = default;
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  ~App();  // closes the device, then the instance
  void close_device();
  Result<void> open(std::vector<const char*> layers = {}, std::vector<const char*> extensions = {});
  Result<void> choose();
  Result<void> make_device();
  Result<void> make_pipeline();
  Result<void> make_commands();
  Result<AppBuffer> make_buffer(int64_t count, VkBufferUsageFlags more_usage = 0);
  void dispatch(const AppBuffer& from, const AppBuffer& to, float factor, float shift) const;
  void barrier(VkPipelineStageFlags2 from, VkPipelineStageFlags2 to) const;
  Result<void> submit_and_wait() const;
  // What adopt_device wants to know; points to `features`.
  weft::VulkanDevice to_adopt() const;
};

}  // namespace embed
