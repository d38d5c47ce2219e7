// Recording and running work: operations in program order, everything else derived.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/device.hpp"
#include "weft/error.hpp"
#include "weft/export.hpp"
#include "weft/tensor.hpp"

namespace weft {

namespace schedule {
struct Operation;
struct RecorderState;
struct ProgramState;
}  // namespace schedule

// A point in a device's work. Cheap to copy. Thread safety: any thread.
class WEFT_EXPORT Ticket {
 public:
  Ticket() = default;
  Ticket(std::shared_ptr<vulkan::DeviceState> device, uint64_t value) noexcept
      : device_(std::move(device)), value_(value) {}

  // True once the work and everything submitted before it has finished, or the device is lost.
  bool done() const noexcept;
  // Errors: timeout (the work goes on), device_lost.
  Result<void> wait(uint64_t timeout_ns = UINT64_MAX) const;
  // The value that the device's timeline semaphore reaches.
  uint64_t value() const noexcept { return value_; }

 private:
  std::shared_ptr<vulkan::DeviceState> device_;
  uint64_t value_ = 0;
};

struct ProgramOptions {
  bool timestamps = false;  // measure every operation; needs DeviceTraits::timestamp_period_ns > 0
};

// What scheduling made of the recorded operations.
struct ProgramStats {
  uint32_t operations = 0;
  uint32_t barriers = 0;     // between operations; the one that orders submissions is not counted
  uint32_t submissions = 0;  // command buffers that one run submits
  uint64_t transient_bytes = 0;         // memory that transient tensors share
  uint64_t transient_bytes_summed = 0;  // what they would take without sharing
};

// Device time of one operation, from timestamps. Of operations that overlap, the later one's time begins where
// the earlier one's ends; of one that is cut into several submissions, what lies between them counts.
struct OperationTime {
  std::string name;    // "linear image.0.attn.query"
  std::string kernel;  // the kernel row that ran
  double begin_ns = 0;  // from the start of the run
  double end_ns = 0;
  double flops = 0;  // arithmetic that the operation's formula counts
  double bytes = 0;  // tensor bytes read and written once
};

// Work recorded once, run any number of times without recording again. Copies share it.
// Thread safety: run may be called from any thread; runs of one program follow each other on the device.
class WEFT_EXPORT Program {
 public:
  Program(std::shared_ptr<vulkan::DeviceState> device, std::shared_ptr<schedule::ProgramState> state) noexcept
      : device_(std::move(device)), state_(std::move(state)) {}
  Program(const Program&) = default;
  Program(Program&&) noexcept = default;
  // Swapped, so that the old program goes before its device does.
  Program& operator=(Program other) noexcept {
    std::swap(device_, other.device_);
    std::swap(state_, other.state_);
    return *this;
  }

  // Submits and returns at once. Errors: device_lost, out_of_memory.
  Result<Ticket> run() const;
  const ProgramStats& stats() const noexcept;
  // Times of the last run; waits for it, and no other thread may run it meanwhile. invalid_argument unless made
  // with timestamps and run before.
  Result<std::vector<OperationTime>> times() const;

  const std::shared_ptr<vulkan::DeviceState>& device() const noexcept { return device_; }
  const std::shared_ptr<schedule::ProgramState>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<vulkan::DeviceState> device_;
  std::shared_ptr<schedule::ProgramState> state_;
};

// Takes operations in program order, knows what each reads and writes, and derives the rest: which may
// overlap, the fewest barriers, and which transient tensors share memory.
// Thread safety: one thread at a time; any number of recorders on a device.
class WEFT_EXPORT Recorder {
 public:
  explicit Recorder(const Device& device);
  Recorder(Recorder&&) noexcept;
  Recorder& operator=(Recorder&&) noexcept;
  ~Recorder();

  const Device& device() const noexcept;

  // A dense tensor that lives from its first to its last use in this recording and shares memory with
  // others. Must be written before it is read (finish checks that the first use is a write, not that it covers
  // every element); can't be used by the host or by another recorder, which is checked on use.
  Tensor transient(DType dtype, const Dims& shape);

  // A name that operations recorded from now on carry in times and traces.
  void label(std::string name);

  // Ends the recording, keeping it as a program. The recorder is empty afterwards.
  // Errors: out_of_memory, invalid_argument (a transient tensor read before written), unsupported (timestamps
  // that the device lacks), device_lost.
  Result<Program> finish(const ProgramOptions& options = {});
  // Ends the recording and runs it once. Everything it uses stays alive until it has run.
  Result<Ticket> submit();

  // For the operations themselves (attention, ops): adds one dispatch.
  Result<void> add(schedule::Operation&& operation);
  schedule::RecorderState& state() noexcept { return *state_; }

 private:
  std::unique_ptr<schedule::RecorderState> state_;
};

// Times as a Chrome trace (chrome://tracing, Perfetto): a JSON text.
WEFT_EXPORT std::string chrome_trace(std::span<const OperationTime> times, const std::string& device_name);

}  // namespace weft
