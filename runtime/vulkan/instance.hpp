// The Vulkan instance, made or adopted: its functions, layers, messages and host memory.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "vulkan/functions.hpp"
#include "vulkan/host_memory.hpp"
#include "weft/device.hpp"

namespace weft::vulkan {

// Destroys the instance when it goes, if Weft made it. Must not move: the messenger points to it.
struct Instance {
  PFN_vkGetInstanceProcAddr get_proc = nullptr;
  VkInstance instance = VK_NULL_HANDLE;
  InstanceFunctions vk;
  bool adopted = false;
  HostMemory host;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
  std::atomic<uint64_t> validation_messages{0};
  LogCallback log;

  Instance() = default;
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance();

  std::vector<VkPhysicalDevice> physical_devices() const;
};

// Errors: no_device (no loader, or one older than Vulkan 1.3), unsupported (no validation layer),
// invalid_argument (an incomplete HostAllocator).
Result<std::unique_ptr<Instance>> make_instance(bool validation, const DeviceOptions& options);
// The app's. Errors: internal (not an instance of Vulkan 1.3), invalid_argument.
Result<std::unique_ptr<Instance>> adopt_instance(PFN_vkGetInstanceProcAddr get_proc,
                                                 VkInstance instance, const DeviceOptions& options);

}  // namespace weft::vulkan
