// The app's side of commands and submission: command buffers and semaphores that Weft did not make.
#pragma once

#include <memory>
#include <span>

#include "vulkan/commands.hpp"
#include "weft/vulkan.h"

namespace weft::vulkan {

// The steps as commands of the app's command buffer; their cuts are not looked at.
void record_into(const DeviceState& device, VkCommandBuffer commands, std::span<const Step> steps,
                 const RecordIntoOptions& options);

// As submit in commands.hpp; the first part waits and the last one signals. Errors: also
// invalid_argument.
Result<uint64_t> submit(DeviceState& device, const CommandList& list,
                        std::span<const std::shared_ptr<BufferState>> buffers,
                        std::shared_ptr<void> keep_alive, std::span<const SemaphoreValue> waits,
                        std::span<const SemaphoreValue> signals);

}  // namespace weft::vulkan
