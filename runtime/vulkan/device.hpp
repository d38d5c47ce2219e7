// What the layers above may ask of an open device. No Vulkan types.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/checks.hpp"
#include "decide/select.hpp"
#include "weft/device.hpp"

namespace weft::vulkan {

// Forced and disabled kernel rows, from the options or the environment.
const decide::Overrides& overrides(const DeviceState& device) noexcept;

// What to do with rows that must prove themselves: run their self-tests, leave the rows out, or
// believe in them.
enum class SelfTest { run, off, trust };
SelfTest self_test(const DeviceState& device) noexcept;
double tune_seconds(const DeviceState& device) noexcept;  // DeviceOptions::tune_seconds

// What was found out about the device, by name: lines of text that outlive the process where a cache
// folder is given, and begin anew with another driver or library. Thread safety: any thread.
std::string note(DeviceState& device, const std::string& name);  // empty: none
void keep_note(DeviceState& device, const std::string& name, const std::string& text);
std::string notes_file(const DeviceState& device);  // for messages; empty: none
void log(const DeviceState& device, LogLevel level, std::string_view text);

// device_lost "operation: the device is lost" once it is.
Result<void> check_not_lost(const DeviceState& device, std::string_view operation);

// A place where attention/ keeps its plans for as long as the device lives. What is kept must not
// hold the device.
struct Attachment {
  std::mutex mutex;
  std::shared_ptr<void> value;
};
Attachment& attention_plans(DeviceState& device) noexcept;

// Memory made, placed and described for schedule/, which sees no Vulkan types.
Result<std::shared_ptr<BufferState>> make_buffer(DeviceState& device, uint64_t bytes,
                                                 Memory memory);
// A buffer without memory: a transient tensor of a recording. Its address comes later.
std::shared_ptr<BufferState> make_transient(DeviceState& device, uint64_t bytes,
                                            uint64_t recording);
Result<void> write_buffer(const std::shared_ptr<BufferState>& buffer,
                          std::span<const std::byte> data);
uint64_t address_of(const BufferState& buffer) noexcept;
uint64_t size_of(const BufferState& buffer) noexcept;
uint64_t recording_of(const BufferState& buffer) noexcept;  // 0: real memory
const DeviceState* device_of(const BufferState& buffer) noexcept;
const DeviceTraits& traits_of(const DeviceState& device) noexcept;
// Arithmetic that one submission may hold; infinite where no watchdog is known.
double max_flops_per_submission(const DeviceState& device) noexcept;

bool same_device(const Buffer& buffer, const Device& device) noexcept;
// What is given is of the device, and the rows, at most most_rows together, are within its reach (Rules::reach).
Result<void> check_operands(const checks::Rules& rules, std::span<const checks::Operand> operands, const Device& device,
                            int64_t most_rows);
bool is_transient(const Buffer& buffer) noexcept;

}  // namespace weft::vulkan
