// The inside of a CommandList, for commands.cpp and transfer.cpp.
#pragma once

#include <memory>
#include <vector>

#include "vulkan/commands.hpp"
#include "vulkan/device_state.hpp"

namespace weft::vulkan {

struct CommandList {
  DeviceState* device = nullptr;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkQueryPool queries = VK_NULL_HANDLE;
  uint32_t operations = 0;
  std::vector<VkCommandBuffer> buffers;  // one a submission

  CommandList() = default;
  CommandList(const CommandList&) = delete;
  CommandList& operator=(const CommandList&) = delete;
  ~CommandList();
};

Result<std::shared_ptr<CommandList>> make_command_list(DeviceState& device);
// Begins one more command buffer of the list. Its first command orders it after all earlier work.
Result<VkCommandBuffer> begin(CommandList& list);
Result<void> end(DeviceState& device, VkCommandBuffer commands);
// Makes all earlier writes visible to kernels, copies and the host.
void full_barrier(const DeviceState& device, VkCommandBuffer commands);

}  // namespace weft::vulkan
