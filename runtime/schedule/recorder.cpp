#include "weft/recorder.hpp"

#include <atomic>

#include "schedule/recorder_state.hpp"
#include "vulkan/device.hpp"

namespace weft {
namespace schedule {
namespace {

uint64_t next_recording() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

Result<void> check(const RecorderState& state, const Operation& operation) {
  WEFT_TRY(vulkan::check_not_lost(*state.device.state(), operation.name));
  const std::string name = operation.name;
  const auto& most = state.device.traits().max_workgroup_count;
  for (size_t axis = 0; axis < 3; ++axis)
    if (operation.groups[axis] > most[axis])
      return fail(Code::unsupported, name + ": needs " + std::to_string(operation.groups[axis]) +
                                         " workgroups along axis " + std::to_string(axis) +
                                         ", the device allows " + std::to_string(most[axis]));
  for (const Access& access : operation.accesses)
    WEFT_TRY(check_buffer(state, operation.name, *access.buffer));
  return {};
}

}  // namespace

Result<void> check_buffer(const RecorderState& state, const std::string& name,
                          const vulkan::BufferState& buffer) {
  if (vulkan::device_of(buffer) != state.device.state().get())
    return fail(Code::invalid_argument, name + ": a tensor belongs to another device");
  const uint64_t recording = vulkan::recording_of(buffer);
  if (recording == 0 || recording == state.recording) return {};
  return fail(Code::invalid_argument,
              name + ": a transient tensor of " + std::to_string(vulkan::size_of(buffer)) +
                  " bytes belongs to another recording; it must be of this one");
}

RecorderState::RecorderState(const Device& device) : device(device), recording(next_recording()) {}

void RecorderState::clear() { *this = RecorderState(device); }

}  // namespace schedule

Recorder::Recorder(const Device& device)
    : state_(std::make_unique<schedule::RecorderState>(device)) {}
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder& Recorder::operator=(Recorder&&) noexcept = default;
Recorder::~Recorder() = default;

const Device& Recorder::device() const noexcept { return state_->device; }

Tensor Recorder::transient(DType dtype, const Dims& shape) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.strides = dense_strides(shape);
  const auto& device = state_->device.state();
  tensor.buffer =
      Buffer(device, vulkan::make_transient(*device, tensor.extent_bytes(), state_->recording));
  return tensor;
}

void Recorder::label(std::string name) { state_->label = std::move(name); }

Result<void> Recorder::add(schedule::Operation&& operation) {
  WEFT_TRY(schedule::check(*state_, operation));
  operation.label = state_->label;
  state_->operations.push_back(std::move(operation));
  return {};
}

Result<Program> Recorder::finish(const ProgramOptions& options) {
  const auto& device = state_->device.state();
  schedule::Destination destination;
  destination.max_flops = vulkan::max_flops_per_submission(*device);
  destination.timestamps = options.timestamps;
  destination.record = [&](vulkan::DeviceState& target, std::span<const vulkan::Step> steps) {
    return vulkan::record(target, steps, options.timestamps);
  };
  WEFT_ASSIGN(auto program, schedule::compile(*state_, destination));
  return Program(device, std::move(program));
}

Result<Ticket> Recorder::submit() {
  WEFT_ASSIGN(const Program program, finish());
  return program.run();
}

Result<Ticket> Program::run() const {
  return schedule::run(device_, state_,
                       [](auto& device, auto& commands, auto& buffers, auto& program) {
                         return vulkan::submit(device, commands, buffers, program);
                       });
}
const ProgramStats& Program::stats() const noexcept { return state_->stats; }

Result<std::vector<OperationTime>> Program::times() const {
  if (!state_->timestamps)
    return fail(Code::invalid_argument, "program: times need ProgramOptions::timestamps");
  const uint64_t last = state_->last_run;
  if (last == 0) return fail(Code::invalid_argument, "program: times need a run first");
  WEFT_TRY(vulkan::wait(*device_, last, UINT64_MAX));
  WEFT_ASSIGN(const auto measured, vulkan::operation_times(*device_, *state_->commands));
  std::vector<OperationTime> times = state_->operations;
  for (size_t i = 0; i < times.size(); ++i) {
    times[i].begin_ns = measured[i][0];
    times[i].end_ns = measured[i][1];
  }
  return times;
}

bool Ticket::done() const noexcept { return !device_ || vulkan::reached(*device_, value_); }

Result<void> Ticket::wait(uint64_t timeout_ns) const {
  if (!device_) return {};
  return vulkan::wait(*device_, value_, timeout_ns);
}

}  // namespace weft
