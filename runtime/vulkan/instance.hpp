// The Vulkan instance: loader, layers, messages.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "vulkan/volk.hpp"
#include "weft/device.hpp"

namespace weft::vulkan {

// Destroys the instance when it goes. Must not move: the messenger points to it.
struct Instance {
  VkInstance instance = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
  std::atomic<uint64_t> validation_messages{0};
  LogCallback log;

  Instance() = default;
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance();

  std::vector<VkPhysicalDevice> physical_devices() const;
};

// Errors: no_device (no loader, or one older than Vulkan 1.3), unsupported (no validation layer).
Result<std::unique_ptr<Instance>> make_instance(bool validation, const LogCallback& log);

}  // namespace weft::vulkan
