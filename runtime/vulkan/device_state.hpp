// What an open device holds. Everything made from it keeps it open; nothing inside it keeps itself.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vulkan/device.hpp"
#include "vulkan/instance.hpp"
#include "vulkan/pipeline.hpp"
#include "vulkan/vma.hpp"
#include "weft/device.hpp"

namespace weft::vulkan {

// Kernels read groups of this many bytes, the last one as a whole.
inline constexpr uint64_t kReadBytes = 16;

struct Pipeline {
  VkPipeline pipeline = VK_NULL_HANDLE;
};

struct BufferState {
  DeviceState* device = nullptr;
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t buffer_offset = 0;  // of byte 0 in `buffer`; not 0 only where an app's buffer is wrapped
  VkBufferUsageFlags usage = 0;
  vma::VmaAllocation_T* allocation = nullptr;  // null: the memory is not ours
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  void* mapped = nullptr;
  bool host_cached = false;           // reading through `mapped` is fast
  uint64_t recording = 0;             // of a transient tensor: the recording it belongs to; else 0
  std::atomic<uint64_t> last_use{0};  // timeline value after which the device no longer uses it

  BufferState() = default;
  BufferState(const BufferState&) = delete;
  BufferState& operator=(const BufferState&) = delete;
  ~BufferState();
};

class Transfer;

struct DeviceState {
  std::unique_ptr<Instance> instance;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  DeviceFunctions vk;
  bool adopted = false;                            // the device and its queue are the app's
  std::function<void()> lock_queue, unlock_queue;  // the app's, around submissions; may be empty
  vma::VmaAllocator_T* allocator = nullptr;
  DeviceTraits traits;
  DeviceOptions options;
  decide::Overrides overrides;

  // Submission: the queue and everything that is ordered by it.
  std::mutex queue_mutex;
  VkQueue queue = VK_NULL_HANDLE;
  uint32_t queue_family = 0;
  uint64_t timestamp_mask = 0;  // the bits that the queue's timestamps have
  VkSemaphore timeline = VK_NULL_HANDLE;
  uint64_t submitted = 0;  // the last value that submitted work will reach
  struct InFlight {
    uint64_t value;
    std::shared_ptr<void> keep_alive;
  };
  std::deque<InFlight> in_flight;
  std::atomic<bool> lost{false};

  std::mutex pipeline_mutex;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipelineCache pipeline_cache = VK_NULL_HANDLE;
  bool pipeline_cache_changed = false;
  std::string pipeline_cache_path;  // empty: not kept on disk
  std::map<std::vector<uint32_t>, std::unique_ptr<Pipeline>> pipelines;

  SelfTest self_test = SelfTest::run;
  std::mutex notes_mutex;
  std::map<std::string, std::string> notes;
  std::string notes_path;  // empty: not kept on disk

  std::unique_ptr<Transfer> transfer;
  Attachment plans;

  DeviceState() = default;
  DeviceState(const DeviceState&) = delete;
  DeviceState& operator=(const DeviceState&) = delete;
  ~DeviceState();

  const VkAllocationCallbacks* host() const noexcept { return instance->host.callbacks(); }
  void log(LogLevel level, std::string_view text) const {
    if (options.log) options.log(level, text);
  }
};

// device.cpp: what every device needs, opened or adopted, once its queue is known.
Result<void> make_shared_objects(DeviceState& device);
// What the options say; invalid_argument where they break a rule.
Result<void> set_overrides(DeviceState& device);

// pipeline_cache.cpp: a missing or unusable file is a warning in the log, never an error.
Result<void> open_pipeline_cache(DeviceState& device);
Result<void> save_pipeline_cache(DeviceState& device);

// notes.cpp: once the pipeline cache is open, whose folder it shares. A missing or unusable file is a
// warning in the log.
void open_notes(DeviceState& device);

}  // namespace weft::vulkan
