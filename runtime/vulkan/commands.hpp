// Command buffers, submission and waiting.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "vulkan/pipeline.hpp"
#include "weft/error.hpp"

namespace weft::vulkan {

struct BufferState;
struct CommandList;  // recorded command buffers and their timestamps; opaque above this layer

// One dispatch, in the order of recording: an operation, or a part of one.
struct Step {
  const Pipeline* pipeline = nullptr;
  std::span<const std::byte> push;
  std::array<uint32_t, 3> base{};  // the first workgroup
  std::array<uint32_t, 3> groups{1, 1, 1};
  bool continues = false;       // the operation of the step before
  bool barrier_before = false;  // wait for everything recorded before
  bool cut_before = false;      // begin another submission here
};

// Records once; may be submitted any number of times. Errors: out_of_memory.
Result<std::shared_ptr<CommandList>> record(DeviceState& device, std::span<const Step> steps,
                                            bool timestamps);

// Submits, marking `buffers` as in use, and keeps `keep_alive` until the work has run. Returns the
// timeline value to wait for. Errors: device_lost, out_of_memory.
Result<uint64_t> submit(DeviceState& device, const CommandList& list,
                        std::span<const std::shared_ptr<BufferState>> buffers,
                        std::shared_ptr<void> keep_alive);

// Errors: timeout, device_lost.
Result<void> wait(DeviceState& device, uint64_t value, uint64_t timeout_ns);
bool reached(DeviceState& device, uint64_t value) noexcept;

// Nanoseconds from the start of the list to begin and end of every operation; once the list has run.
Result<std::vector<std::array<double, 2>>> operation_times(DeviceState& device, const CommandList& list);

uint32_t submissions(const CommandList& list) noexcept;

}  // namespace weft::vulkan
