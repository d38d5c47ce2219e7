// What a recorder has collected, and the program made of it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schedule/operation.hpp"
#include "vulkan/commands.hpp"
#include "weft/recorder.hpp"

namespace weft::schedule {

struct RecorderState {
  explicit RecorderState(const Device& device);
  void clear();  // to begin another recording

  Device device;
  uint64_t recording;  // identifies this recording's transient tensors
  std::string label;
  std::vector<Operation> operations;
};

// Whether an operation of the recording may touch the buffer. Errors: invalid_argument, beginning with `name`.
Result<void> check_buffer(const RecorderState& state, const std::string& name,
                          const vulkan::BufferState& buffer);

// Holds no device: it may itself be held by the device while it runs.
struct ProgramState {
  std::shared_ptr<vulkan::CommandList> commands;
  std::vector<std::shared_ptr<vulkan::BufferState>> buffers;  // everything that it touches
  std::vector<OperationTime> operations;  // in the order of the steps, without times
  ProgramStats stats;
  bool timestamps = false;
  std::atomic<uint64_t> last_run{0};
};

// Where the commands of a recording go.
struct Destination {
  double max_flops = 0;  // that one submission may hold
  Memory args_memory = Memory::device;
  bool timestamps = false;
  // Writes the commands; a list of them, or null where they are the app's.
  std::function<Result<std::shared_ptr<vulkan::CommandList>>(vulkan::DeviceState&,
                                                             std::span<const vulkan::Step>)>
      record;
};

// Derives order, barriers, memory and submissions, and writes the commands; empties the recorder.
// Errors as Recorder::finish.
Result<std::shared_ptr<ProgramState>> compile(RecorderState& recorder,
                                              const Destination& destination);

// Submits a program with `send`, which returns the timeline value to wait for.
template <class Send>
Result<Ticket> run(const std::shared_ptr<vulkan::DeviceState>& device,
                   const std::shared_ptr<ProgramState>& program, const Send& send) {
  WEFT_ASSIGN(const uint64_t value, send(*device, *program->commands, program->buffers, program));
  uint64_t last = program->last_run;
  while (last < value && !program->last_run.compare_exchange_weak(last, value)) {
  }
  return Ticket(device, value);
}

}  // namespace weft::schedule
