// Devices: choosing one, its memory, and copies between host and device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.hpp"
#include "weft/export.hpp"
#include "weft/tensor.hpp"
#include "weft/traits.hpp"

namespace weft {

namespace vulkan {
struct DeviceState;
}

enum class LogLevel : int32_t { error = 0, warning = 1, info = 2 };
// May be called from any thread that uses the device; must not call back into it.
using LogCallback = std::function<void(LogLevel, std::string_view)>;

// Takes the place of the driver's own allocation of host memory: given to every Vulkan call that
// makes or frees an object of the device. All three functions or none. They may be called from any
// thread that uses the device, and must not call back into it.
struct HostAllocator {
  void* user = nullptr;
  // `bytes` of memory at a multiple of `alignment` (a power of two); null when there is none.
  void* (*allocate)(void* user, size_t bytes, size_t alignment) = nullptr;
  // As realloc: `memory` null allocates; `bytes` 0 frees and returns null; on failure (null)
  // `memory` stays valid.
  void* (*reallocate)(void* user, void* memory, size_t bytes, size_t alignment) = nullptr;
  void (*free)(void* user, void* memory) = nullptr;  // `memory` may be null
};

struct DeviceOptions {
  // Its index in Device::list, or part of a device's name (any case).
  // Empty: the environment variable WEFT_DEVICE; if that is empty too, the best by type
  // (discrete, integrated, virtual, CPU).
  std::string name;
  // Folder of the on-disk pipeline cache and, beside it, of what was found out about the device: self-tests
  // and measurements. Empty: WEFT_CACHE_DIR; if that is empty too, no file.
  std::string cache_dir;
  // Kernel rows to force, and beginnings of the names of rows to leave out; comma separated. Empty: WEFT_KERNEL,
  // WEFT_DISABLE.
  std::string kernel;
  std::string disable;
  // Rows that use what drivers get wrong (matrix units) run a small problem on the device against the host
  // before they are first chosen: once for a device, driver and library where there is a cache folder, else
  // once for every open device. "off": not run, and such rows are not chosen. "trust": not run, and they may
  // be chosen (to compile without running). "on": run. Empty: WEFT_SELF_TEST; if that is empty too, on.
  // invalid_argument for another word.
  std::string self_test;
  // Above 0: an attention whose lengths are known and that was never measured on this device is measured
  // when it is first planned, for about so many seconds (weft/tune.hpp). 0: only tune() measures.
  double tune_seconds = 0;
  // Loads the validation layer; also by WEFT_VALIDATION=1. unsupported where the layer is missing.
  bool validation = false;
  // Pretends that the device has no 16-bit memory access, to test what such devices run.
  bool without_16bit = false;
  // Pretends that the host can't see device memory, to test the copies that discrete devices make.
  bool without_direct_access = false;
  // Work recorded in one submission is cut above this much arithmetic, so that no driver's watchdog
  // fires and other work gets its turn; an operation that has more runs in parts, cut between workgroups.
  // Counts attention, weights and linear. 0: what takes a tenth of a second at a slow pace: 1e9 for every core
  // where the driver counts them (DeviceTraits::core_count), else 200e9 on discrete and 50e9 on other
  // GPUs; no limit on CPU devices. What is recorded into an app's command buffer is never cut.
  double max_flops_per_submission = 0;
  LogCallback log;  // must stay usable until everything made from the device is gone
  // Must stay usable until everything made from the device is gone.
  HostAllocator host_allocator;
};

enum class Memory : int32_t {
  device = 0,    // fastest for kernels; host-visible only where that costs nothing
  upload = 1,    // host-visible, written by the host, read by kernels
  readback = 2,  // host-visible and cached, read by the host
};

// One entry of Device::list.
struct DeviceInfo {
  DeviceTraits traits;
  bool usable = false;
  std::string why_not;  // what is missing, when not usable
};

class Ticket;

// A handle to an open device; copies share it, and everything made from it keeps it open.
// Thread safety: every member may be called from any thread.
class WEFT_EXPORT Device {
 public:
  // Errors: no_device (no loader, no driver, no device that fits; the message lists each and why),
  // unsupported (the named device lacks Vulkan 1.3 or a required feature).
  static Result<Device> open(const DeviceOptions& options = {});
  // All devices of all drivers, usable or not. no_device without a loader.
  static Result<std::vector<DeviceInfo>> list();

  const DeviceTraits& traits() const noexcept;

  // At least `bytes` of memory (1 or more). Contents are undefined. Errors: out_of_memory, invalid_argument.
  Result<Buffer> buffer(uint64_t bytes, Memory memory = Memory::device) const;
  // A dense tensor with a buffer of its own; every dimension >= 0, rank 1 to 4.
  Result<Tensor> tensor(DType dtype, const Dims& shape, Memory memory = Memory::device) const;

  // Copies host bytes into a dense tensor; the data may be changed on return. Ordered after work
  // submitted before. invalid_argument unless the sizes match exactly.
  Result<void> upload(const Tensor& tensor, std::span<const std::byte> data) const;
  // Copies a dense tensor to the host, after all work submitted before. Waits.
  Result<void> download(const Tensor& tensor, std::span<std::byte> data) const;

  template <class T>
  Result<void> upload(const Tensor& tensor, const std::vector<T>& data) const {
    return upload(tensor, std::as_bytes(std::span(data)));
  }
  template <class T>
  Result<std::vector<T>> download(const Tensor& tensor) const {
    WEFT_ASSIGN(const uint64_t bytes, download_bytes(tensor));  // checked before memory is taken
    std::vector<T> data(static_cast<size_t>(bytes) / sizeof(T));
    WEFT_TRY(download(tensor, std::as_writable_bytes(std::span(data))));
    return data;
  }

  // Waits for everything submitted so far.
  Result<void> wait_idle() const;
  // Writes the pipeline cache file now (it is also written when the device closes).
  Result<void> save_pipeline_cache() const;
  // Messages of the validation layer so far; 0 without it.
  uint64_t validation_messages() const noexcept;

  const std::shared_ptr<vulkan::DeviceState>& state() const noexcept { return state_; }
  explicit Device(std::shared_ptr<vulkan::DeviceState> state) noexcept : state_(std::move(state)) {}

 private:
  Result<uint64_t> download_bytes(const Tensor& tensor) const;

  std::shared_ptr<vulkan::DeviceState> state_;
};

}  // namespace weft
