// A recording in the app's command buffer, and runs between the app's semaphores.
#include <limits>

#include "schedule/recorder_state.hpp"
#include "vulkan/device.hpp"
#include "vulkan/external.hpp"
#include "weft/vulkan.h"

namespace weft {
namespace {

// Members go in reverse order: the program before its device.
struct Kept {
  Device device;
  std::shared_ptr<schedule::ProgramState> program;
};

}  // namespace

Result<ExternalRecording> record_into(Recorder& recorder, VkCommandBuffer commands,
                                      const RecordIntoOptions& options) {
  if (!commands)
    return fail(Code::invalid_argument,
                "record_into: the command buffer must be given, found null");
  const Device device = recorder.device();
  schedule::Destination destination;
  destination.max_flops = std::numeric_limits<double>::infinity();
  destination.args_memory = Memory::upload;  // written by the host: nothing may be submitted
  destination.record = [&](vulkan::DeviceState& target, std::span<const vulkan::Step> steps) {
    vulkan::record_into(target, commands, steps, options);
    return Result<std::shared_ptr<vulkan::CommandList>>();
  };
  WEFT_ASSIGN(auto program, schedule::compile(recorder.state(), destination));
  const ProgramStats* stats = &program->stats;
  return ExternalRecording(std::make_shared<Kept>(Kept{device, std::move(program)}), stats);
}

Result<Ticket> run(const Program& program, std::span<const SemaphoreValue> waits,
                   std::span<const SemaphoreValue> signals) {
  return schedule::run(program.device(), program.state(),
                       [&](auto& device, auto& list, auto& buffers, auto& kept) {
                         return vulkan::submit(device, list, buffers, kept, waits, signals);
                       });
}

Result<Ticket> submit(Recorder& recorder, std::span<const SemaphoreValue> waits,
                      std::span<const SemaphoreValue> signals) {
  WEFT_ASSIGN(const Program program, recorder.finish());
  return run(program, waits, signals);
}

}  // namespace weft
