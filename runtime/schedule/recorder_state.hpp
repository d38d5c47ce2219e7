// What a recorder has collected, and the program made of it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "schedule/operation.hpp"
#include "vulkan/commands.hpp"
#include "weft/recorder.hpp"

namespace weft::schedule {

struct RecorderState {
  explicit RecorderState(const Device& device);

  Device device;
  uint64_t recording;  // identifies this recording's transient tensors
  std::string label;
  std::vector<Operation> operations;
};

// Holds no device: it may itself be held by the device while it runs.
struct ProgramState {
  vulkan::DeviceState* device = nullptr;
  std::shared_ptr<vulkan::CommandList> commands;
  std::vector<std::shared_ptr<vulkan::BufferState>> buffers;  // everything that it touches
  std::vector<OperationTime> operations;                      // in the order of the steps, without times
  ProgramStats stats;
  bool timestamps = false;
  std::atomic<uint64_t> last_run{0};
};

// Derives order, barriers, memory and submissions, and records the commands. Errors as Recorder::finish.
Result<std::shared_ptr<ProgramState>> compile(RecorderState& recorder, const ProgramOptions& options);

Result<Ticket> run(const std::shared_ptr<vulkan::DeviceState>& device,
                   const std::shared_ptr<ProgramState>& program);

}  // namespace weft::schedule
