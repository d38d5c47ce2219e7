// Weft inside an app that has Vulkan already: on the app's device and queue, with the app's
// buffers, in the app's command buffers, ordered by the app's semaphores. The only public header
// with Vulkan types; weft.hpp leaves it out.
//
// Ownership: Weft never destroys what the app made, waits for nothing but its own work, and keeps
// no global state: other instances, devices and loader libraries in the process, and other Weft
// devices, go undisturbed. What the app gives (device, queue, buffers, semaphores) must outlive the
// weft objects that use it.
//
// Threads: Device, Buffer, Program and Attention may be shared by any threads. A Recorder and the
// command buffer it records into belong to one thread at a time. The queue of an adopted device is
// guarded by the app's lock.
#pragma once

#include <vulkan/vulkan_core.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "weft/device.hpp"
#include "weft/export.hpp"
#include "weft/recorder.hpp"
#include "weft/tensor.hpp"

namespace weft {

// ---- Features ----

struct VulkanFeature {
  const char* structure;  // "VkPhysicalDeviceVulkan12Features"
  const char* name;       // its member, "bufferDeviceAddress"
  bool required;          // without it a device can't be used; else some kernel rows are left out
  const char* why;
};

// Every feature that Weft requires or recommends. No extension is needed beyond Vulkan 1.3.
WEFT_EXPORT std::span<const VulkanFeature> vulkan_features() noexcept;

// Extensions that add kernel rows: where the device has one, enable it, and hang its structure with
// the features set on the chain below (chain.v13.pNext).
struct VulkanExtension {
  const char* name;       // "VK_KHR_cooperative_matrix"
  const char* structure;  // "VkPhysicalDeviceCooperativeMatrixFeaturesKHR"
  const char* feature;    // its members, "cooperativeMatrix"; several are separated by ", "
  const char* why;
};
WEFT_EXPORT std::span<const VulkanExtension> vulkan_extensions() noexcept;

// The features of Vulkan 1.0 to 1.3, linked: `&chain.features2` is ready to be a pNext of
// VkDeviceCreateInfo or the argument of vkGetPhysicalDeviceFeatures2. An app sets more members for
// itself, and hangs structures of its own on chain.v13.pNext. Copies link themselves and keep
// v13.pNext.
struct WEFT_EXPORT VulkanFeatureChain {
  VkPhysicalDeviceFeatures2 features2{};
  VkPhysicalDeviceVulkan11Features v11{};
  VkPhysicalDeviceVulkan12Features v12{};
  VkPhysicalDeviceVulkan13Features v13{};

  VulkanFeatureChain() noexcept { link(); }
  VulkanFeatureChain(const VulkanFeatureChain& other) noexcept
      : features2(other.features2), v11(other.v11), v12(other.v12), v13(other.v13) {
    link();
  }
  VulkanFeatureChain& operator=(const VulkanFeatureChain& other) noexcept {
    features2 = other.features2;
    v11 = other.v11;
    v12 = other.v12;
    v13 = other.v13;
    link();
    return *this;
  }

 private:
  void link() noexcept {
    features2.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    v11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    v13.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES;
    features2.pNext = &v11;
    v11.pNext = &v12;
    v12.pNext = &v13;
  }
};

// Sets in `chain` every required feature, and every recommended one that the physical device has;
// what the app has set stays. Call it before vkCreateDevice. Errors: invalid_argument (a null
// handle), unsupported (Vulkan below 1.3 or a required feature missing; `chain` is unchanged).
WEFT_EXPORT Result<void> request_vulkan_features(PFN_vkGetInstanceProcAddr get_instance_proc_addr,
                                                 VkInstance instance,
                                                 VkPhysicalDevice physical_device,
                                                 VulkanFeatureChain& chain);

// ---- The app's device ----

struct VulkanDevice {
  // The loader's, or that of a layer of the app.
  PFN_vkGetInstanceProcAddr get_instance_proc_addr = nullptr;
  VkInstance instance = VK_NULL_HANDLE;
  // VkApplicationInfo::apiVersion that the instance was made with; 1.3 or newer.
  uint32_t api_version = 0;
  VkPhysicalDevice physical_device = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;  // of `queue_family`, which must have compute
  uint32_t queue_family = 0;
  // The features that the device was made with: the pNext chain of its VkDeviceCreateInfo. Any
  // mixture of VkPhysicalDeviceFeatures2, Vulkan11 to Vulkan13Features and the single structures
  // that these took over, and of vulkan_extensions(); others are passed over. Read during the call only.
  const void* enabled_features = nullptr;
  // Called around every vkQueueSubmit2, from the thread that submits; both or none. Needed where
  // anything else may use the queue meanwhile, another adopted Device included. Must not call Weft,
  // and no thread may hold the lock while it calls Weft: Weft has a lock of its own around this
  // one.
  std::function<void()> lock_queue;
  std::function<void()> unlock_queue;
};

// A Device on the app's VkDevice; any number of them may share one. It adds a timeline semaphore, a
// pipeline cache, pipelines, command pools and memory of its own, and takes them down with the last
// handle, after its own work has run. DeviceOptions::name and validation must be left alone: the
// device is chosen, and the app's instance has the layers that it has; validation_messages() is 0.
// Planning, and recording what was never planned, may submit a self-test to the queue and wait for it
// (DeviceOptions::self_test), as uploads and downloads submit.
// Errors: invalid_argument (a null handle, a queue family without compute, one lock function
// without the other), unsupported (Vulkan below 1.3, a required feature that is not enabled),
// out_of_memory.
WEFT_EXPORT Result<Device> adopt_device(const VulkanDevice& device,
                                        const DeviceOptions& options = {});

// The handles of any Device, opened or adopted; valid as long as it lives.
struct VulkanHandles {
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical_device = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  // Of an opened device: only to be used while no other thread calls Weft with this device.
  VkQueue queue = VK_NULL_HANDLE;
  uint32_t queue_family = 0;
  // Reaches Ticket::value() when that work has run. To wait for, on host or device; never to be
  // signalled.
  VkSemaphore timeline = VK_NULL_HANDLE;
};
WEFT_EXPORT VulkanHandles vulkan_handles(const Device& device) noexcept;

// ---- The app's memory ----

// A range of a VkBuffer that was made with VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT.
struct VulkanBuffer {
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
  // As the buffer was made. TRANSFER_DST allows upload, TRANSFER_SRC download.
  VkBufferUsageFlags usage = 0;
};

// The range as a Buffer, without a copy. It must start at a device address that is a multiple of
// 16, and have a size that is one: kernels read whole groups of 16 bytes. `buffer` must be of this
// VkDevice, bound to memory, and owned by the device's queue family where it is not shared between
// families. Buffers over the same memory are told apart from others by address, so operations on
// them are ordered as they should be. Weft orders its own work only: see record_into and
// SemaphoreValue for the app's. Errors: invalid_argument.
WEFT_EXPORT Result<Buffer> wrap_buffer(const Device& device, const VulkanBuffer& buffer);

// Memory of this VkDevice of which only the address is known; the same rules. upload and download
// refuse it.
WEFT_EXPORT Result<Buffer> wrap_address(const Device& device, VkDeviceAddress address,
                                        uint64_t size_bytes);

// What lies behind a Buffer. An empty answer for a transient tensor's; no `buffer` after
// wrap_address. The address is Buffer::device_address.
WEFT_EXPORT VulkanBuffer vulkan_buffer(const Buffer& buffer) noexcept;

// ---- The app's command buffer ----

struct RecordIntoOptions {
  // A memory barrier from all commands before to the first operation, and from the last operation
  // to all commands after. Switch one off where the app has a narrower one: before, to
  // COMPUTE_SHADER reading and writing; after, from COMPUTE_SHADER writing. Barriers between Weft's
  // operations are always Weft's.
  bool barrier_before = true;
  bool barrier_after = true;
};

// Keeps what recorded commands need: pipelines, transient memory and the tensors' buffers. Must
// live until the commands have run for the last time. Copies share it. Thread safety: any thread.
class WEFT_EXPORT ExternalRecording {
 public:
  ExternalRecording() = default;
  explicit ExternalRecording(std::shared_ptr<const void> kept, const ProgramStats* stats) noexcept
      : stats_(std::move(kept), stats) {}
  // Of a recording that record_into gave. submissions is 0: they are the app's.
  const ProgramStats& stats() const noexcept { return *stats_; }
  explicit operator bool() const noexcept { return stats_ != nullptr; }

 private:
  std::shared_ptr<const ProgramStats> stats_;  // shares the ownership of all that is kept
};

// Ends the recording by writing its commands into the app's command buffer: the same commands as
// Recorder::finish makes, in one piece however long (mind the device's watchdog), without
// timestamps. Nothing is submitted. The recorder is empty afterwards.
//  - `commands` must be in the recording state, outside a render pass, of this VkDevice and of
//    VulkanHandles::queue_family, which owns Weft's memory.
//  - Afterwards the bound compute pipeline and the push constants are Weft's; nothing else changes.
//  - It may be submitted to any queue of its family, any number of times, but must not run twice at
//    once: transient tensors have one place in memory.
//  - Device::upload and download, and Buffer::mapped, know nothing of work that the app submits:
//    wait for it first. An upload may still be copying when it returns: wait_idle before submitting to
//    another queue than Weft's.
//
// Errors: as Recorder::finish, and invalid_argument for a null command buffer.
WEFT_EXPORT Result<ExternalRecording> record_into(Recorder& recorder, VkCommandBuffer commands,
                                                  const RecordIntoOptions& options = {});

// ---- The app's semaphores ----

// A value of a timeline semaphore of this VkDevice.
struct SemaphoreValue {
  VkSemaphore semaphore = VK_NULL_HANDLE;
  uint64_t value = 0;
};

// As Program::run and Recorder::submit, starting after all `waits` are reached and raising
// `signals` at the end. Wait and signal cover all commands and all memory. Without
// a semaphore Weft's work follows the compute and copy commands that were submitted to the same
// queue before; anything else needs one. Errors: also invalid_argument (a null semaphore;
// VulkanHandles::timeline among `signals`, or among `waits` with a value that no submitted work reaches). After an
// error no signal is raised. A wait that nothing ever signals keeps the device from closing.
WEFT_EXPORT Result<Ticket> run(const Program& program, std::span<const SemaphoreValue> waits,
                               std::span<const SemaphoreValue> signals);
WEFT_EXPORT Result<Ticket> submit(Recorder& recorder, std::span<const SemaphoreValue> waits,
                                  std::span<const SemaphoreValue> signals);

}  // namespace weft
