// The app's device and memory as Weft's.
#include "vulkan/device_state.hpp"
#include "vulkan/features.hpp"
#include "vulkan/result.hpp"
#include "vulkan/traits.hpp"
#include "vulkan/transfer.hpp"
#include "weft/vulkan.h"

namespace weft {
namespace {

using vulkan::BufferState;
using vulkan::DeviceState;
using vulkan::kReadBytes;

std::string version_text(uint32_t version) {
  return std::to_string(VK_API_VERSION_MAJOR(version)) + "." +
         std::to_string(VK_API_VERSION_MINOR(version));
}

Result<void> check_handle(const char* what, const char* name, bool given) {
  if (given) return {};
  return fail(Code::invalid_argument,
              std::string(what) + ": " + name + " must be given, found null");
}

Result<void> check(const VulkanDevice& device, const DeviceOptions& options) {
  constexpr const char* kWhat = "adopt_device";
  WEFT_TRY(check_handle(kWhat, "get_instance_proc_addr", device.get_instance_proc_addr));
  WEFT_TRY(check_handle(kWhat, "instance", device.instance));
  WEFT_TRY(check_handle(kWhat, "physical_device", device.physical_device));
  WEFT_TRY(check_handle(kWhat, "device", device.device));
  WEFT_TRY(check_handle(kWhat, "queue", device.queue));
  if (static_cast<bool>(device.lock_queue) != static_cast<bool>(device.unlock_queue))
    return fail(Code::invalid_argument,
                "adopt_device: lock_queue and unlock_queue must be given together, found only " +
                    std::string(device.lock_queue ? "lock_queue" : "unlock_queue"));
  if (!options.name.empty())
    return fail(Code::invalid_argument,
                "adopt_device: DeviceOptions::name must be empty, found \"" + options.name +
                    "\"; the device is the one given");
  if (options.validation)
    return fail(Code::invalid_argument,
                "adopt_device: DeviceOptions::validation must be false; the app's instance has the "
                "layers that it has");
  if (device.api_version < VK_API_VERSION_1_3)
    return fail(
        Code::unsupported,
        "adopt_device: the instance must be made for Vulkan 1.3 or newer, found api_version " +
            version_text(device.api_version));
  return {};
}

Result<void> check_range(const std::string& what, uint64_t address, uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % kReadBytes != 0)
    return fail(Code::invalid_argument,
                what + ": the size must be a multiple of " + std::to_string(kReadBytes) +
                    " bytes and not 0, found " + std::to_string(size_bytes));
  if (address == 0 || address % kReadBytes != 0)
    return fail(Code::invalid_argument, what + ": the device address must be a multiple of " +
                                            std::to_string(kReadBytes) + " and not 0, found " +
                                            std::to_string(address));
  if (address > UINT64_MAX - size_bytes)
    return fail(Code::invalid_argument, what + ": address " + std::to_string(address) +
                                            " and size " + std::to_string(size_bytes) +
                                            " must fit 64 bits");
  return {};
}

Buffer wrapped(const Device& device, const VulkanBuffer& given, uint64_t address) {
  auto state = std::make_shared<BufferState>();
  state->device = device.state().get();
  state->buffer = given.buffer;
  state->buffer_offset = given.offset_bytes;
  state->usage = given.usage;
  state->address = address;
  state->size_bytes = given.size_bytes;
  return Buffer(device.state(), std::move(state));
}

}  // namespace

Result<void> request_vulkan_features(PFN_vkGetInstanceProcAddr get_instance_proc_addr,
                                     VkInstance instance, VkPhysicalDevice physical_device,
                                     VulkanFeatureChain& chain) {
  constexpr const char* kWhat = "request_vulkan_features";
  WEFT_TRY(check_handle(kWhat, "get_instance_proc_addr", get_instance_proc_addr));
  WEFT_TRY(check_handle(kWhat, "instance", instance));
  WEFT_TRY(check_handle(kWhat, "physical_device", physical_device));
  WEFT_ASSIGN(const auto vk, vulkan::load_instance(get_instance_proc_addr, instance));
  const DeviceInfo info = vulkan::query(vk, physical_device);
  if (!info.usable)
    return fail(Code::unsupported,
                std::string(kWhat) + ": " + info.traits.name + ": " + info.why_not);
  vulkan::enable(vulkan::supported_features(vk, physical_device), chain);
  return {};
}

Result<Device> adopt_device(const VulkanDevice& given, const DeviceOptions& options) {
  WEFT_TRY(check(given, options));
  auto state = std::make_shared<DeviceState>();
  state->options = options;
  WEFT_ASSIGN(state->instance,
              vulkan::adopt_instance(given.get_instance_proc_addr, given.instance, options));
  const vulkan::InstanceFunctions& vk = state->instance->vk;
  if (!vulkan::has_compute(vk, given.physical_device, given.queue_family))
    return fail(Code::invalid_argument, "adopt_device: queue_family must have compute, family " +
                                            std::to_string(given.queue_family) + " has not");
  const DeviceInfo info = vulkan::query(
      vk, given.physical_device, vulkan::read_chain(given.enabled_features), given.queue_family);
  if (!info.usable)
    return fail(Code::unsupported,
                "adopt_device: " + info.traits.name + ": " + info.why_not +
                    "; enable what vulkan_features lists when the device is made");
  state->adopted = true;
  state->physical = given.physical_device;
  state->traits = info.traits;
  WEFT_ASSIGN(state->vk, vulkan::load_device(vk.vkGetDeviceProcAddr, given.device));
  state->device = given.device;
  state->queue = given.queue;
  state->queue_family = given.queue_family;
  state->lock_queue = given.lock_queue;
  state->unlock_queue = given.unlock_queue;
  WEFT_TRY(vulkan::set_overrides(*state));
  WEFT_TRY(vulkan::make_shared_objects(*state));
  return Device(std::move(state));
}

VulkanHandles vulkan_handles(const Device& device) noexcept {
  const DeviceState& state = *device.state();
  return {state.instance->instance, state.physical, state.device, state.queue,
          state.queue_family,       state.timeline};
}

Result<Buffer> wrap_buffer(const Device& device, const VulkanBuffer& given) {
  const std::string what = "wrap_buffer";
  WEFT_TRY(check_handle("wrap_buffer", "buffer", given.buffer));
  if (!(given.usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT))
    return fail(Code::invalid_argument,
                what + ": usage must have VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, found " +
                    std::to_string(given.usage));
  const DeviceState& state = *device.state();
  WEFT_TRY(vulkan::check_not_lost(state, what));
  VkBufferDeviceAddressInfo info{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
  info.buffer = given.buffer;
  const uint64_t base = state.vk.vkGetBufferDeviceAddress(state.device, &info);
  if (base > UINT64_MAX - given.offset_bytes)
    return fail(Code::invalid_argument, what + ": the offset must lie in the buffer, found " +
                                            std::to_string(given.offset_bytes));
  WEFT_TRY(check_range(what, base + given.offset_bytes, given.size_bytes));
  return wrapped(device, given, base + given.offset_bytes);
}

Result<Buffer> wrap_address(const Device& device, VkDeviceAddress address, uint64_t size_bytes) {
  WEFT_TRY(check_range("wrap_address", address, size_bytes));
  WEFT_TRY(vulkan::check_not_lost(*device.state(), "wrap_address"));
  return wrapped(device, {.size_bytes = size_bytes}, address);
}

VulkanBuffer vulkan_buffer(const Buffer& buffer) noexcept {
  if (!buffer || vulkan::is_transient(buffer)) return {};
  const BufferState& state = *buffer.state();
  return {state.buffer, state.buffer_offset, state.size_bytes, state.usage};
}

}  // namespace weft
