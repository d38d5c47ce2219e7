// Opening a device: choice, features, and taking everything down again.
#include <algorithm>
#include <cctype>

#include "base/options.hpp"
#include "base/text.hpp"
#include "decide/submission.hpp"
#include "vulkan/commands.hpp"
#include "vulkan/device_state.hpp"
#include "vulkan/extensions.hpp"
#include "vulkan/result.hpp"
#include "vulkan/traits.hpp"
#include "vulkan/transfer.hpp"

namespace weft {
namespace vulkan {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

int preference(const DeviceInfo& info) {
  if (!info.usable) return -1;
  switch (info.traits.type) {
    case DeviceType::discrete:
      return 4;
    case DeviceType::integrated:
      return 3;
    case DeviceType::virtual_gpu:
      return 2;
    case DeviceType::cpu:
      return 1;
    default:
      return 0;
  }
}

std::string table(const std::vector<DeviceInfo>& devices) {
  std::string text;
  for (size_t i = 0; i < devices.size(); ++i)
    text += "\n  " + std::to_string(i) + ": " + devices[i].traits.name + " (" +
            to_string(devices[i].traits.type) + ")" +
            (devices[i].usable ? "" : ": " + devices[i].why_not);
  return text;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 6 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

Result<size_t> choose(const std::vector<DeviceInfo>& devices, const std::string& wanted) {
  if (devices.empty()) return fail(Code::no_device, "device: no Vulkan driver offers a device");
  if (wanted.empty()) {
    size_t best = 0;
    for (size_t i = 1; i < devices.size(); ++i)
      if (preference(devices[i]) > preference(devices[best])) best = i;
    if (!devices[best].usable)
      return fail(Code::no_device, "device: no device can be used:" + table(devices));
    return best;
  }
  size_t found = devices.size();
  if (is_number(wanted)) found = std::min(static_cast<size_t>(std::stoul(wanted)), devices.size());
  if (found == devices.size()) {  // a number beyond the list may be part of a name
    for (size_t i = 0; i < devices.size() && found == devices.size(); ++i)
      if (lower(devices[i].traits.name).find(lower(wanted)) != std::string::npos) found = i;
  }
  if (found == devices.size())
    return fail(Code::no_device,
                "device: none matches \"" + wanted + "\"; found:" + table(devices));
  if (!devices[found].usable)
    return fail(Code::unsupported,
                "device: " + devices[found].traits.name + ": " + devices[found].why_not);
  return found;
}

std::vector<DeviceInfo> query_all(const Instance& instance,
                                  const std::vector<VkPhysicalDevice>& physical) {
  std::vector<DeviceInfo> infos;
  for (VkPhysicalDevice device : physical) infos.push_back(query(instance.vk, device));
  return infos;
}

Result<void> make_device(DeviceState& state) {
  const InstanceFunctions& vk = state.instance->vk;
  const float priority = 1.0f;
  state.queue_family = compute_queue_family(vk, state.physical);
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = state.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;

  VulkanFeatureChain features;
  enable(supported_features(vk, state.physical), features);
  // Quirks and options may take a recommended feature away.
  features.v11.storageBuffer16BitAccess = state.traits.storage_16bit;

  std::vector<const char*> extensions;
  const MatrixRequest matrices(state.traits, features, extensions);
  constexpr const char* kPortabilitySubset = "VK_KHR_portability_subset";
  if (Extensions(vk, state.physical).have(kPortabilitySubset))
    extensions.push_back(kPortabilitySubset);
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features.features2};
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  if (VkResult result = vk.vkCreateDevice(state.physical, &info, state.host(), &state.device);
      result != VK_SUCCESS)
    return vk_fail(result, "device: opening " + state.traits.name);
  auto functions = load_device(vk.vkGetDeviceProcAddr, state.device);
  if (!functions) {
    const auto destroy = reinterpret_cast<PFN_vkDestroyDevice>(
        vk.vkGetDeviceProcAddr(state.device, "vkDestroyDevice"));
    if (destroy) destroy(state.device, state.host());
    state.device = VK_NULL_HANDLE;
    return std::unexpected(std::move(functions).error());
  }
  state.vk = *functions;
  state.vk.vkGetDeviceQueue(state.device, state.queue_family, 0, &state.queue);
  return {};
}

}  // namespace

Result<void> make_shared_objects(DeviceState& state) {
  state.timestamp_mask = timestamp_mask(state.instance->vk, state.physical, state.queue_family);
  VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo semaphore{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type};
  if (VkResult result =
          state.vk.vkCreateSemaphore(state.device, &semaphore, state.host(), &state.timeline);
      result != VK_SUCCESS)
    return vk_fail(result, "device: timeline semaphore");

  VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, 128};
  VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &range;
  if (VkResult result =
          state.vk.vkCreatePipelineLayout(state.device, &layout, state.host(), &state.layout);
      result != VK_SUCCESS)
    return vk_fail(result, "device: pipeline layout");
  WEFT_ASSIGN(state.allocator, make_allocator(state));
  WEFT_TRY(open_pipeline_cache(state));
  open_notes(state);
  state.transfer = std::make_unique<Transfer>(state);
  return {};
}

Result<void> set_overrides(DeviceState& state) {
  const double most = state.options.max_flops_per_submission;
  if (!(most >= 0))
    return fail(Code::invalid_argument, text("device: max_flops_per_submission is ", most,
                                             "; it must be 0 (a default) or more"));
  if (const double seconds = state.options.tune_seconds; !(seconds >= 0))
    return fail(Code::invalid_argument,
                text("device: tune_seconds is ", seconds, "; it must be 0 (never) or more"));
  if (state.options.without_16bit) state.traits.storage_16bit = false;
  state.overrides.kernel = base::option(state.options.kernel, "WEFT_KERNEL");
  state.overrides.disable = base::option(state.options.disable, "WEFT_DISABLE");
  const std::string self_test = base::option(state.options.self_test, "WEFT_SELF_TEST");
  if (self_test == "off") state.self_test = SelfTest::off;
  if (self_test == "trust") state.self_test = SelfTest::trust;
  if (self_test.empty() || self_test == "on" || state.self_test != SelfTest::run) return {};
  return fail(Code::invalid_argument,
              text("device: self_test is \"", self_test, "\"; it must be on, off or trust"));
}

DeviceState::~DeviceState() {
  if (!device) return;
  // Its own work only: the app's may go on, and may wait for something that comes later.
  if (timeline) (void)wait(*this, submitted, UINT64_MAX);
  in_flight.clear();
  transfer.reset();
  plans.value.reset();
  if (pipeline_cache) {
    if (auto saved = save_pipeline_cache(*this); !saved)
      log(LogLevel::warning, saved.error().message);
    vk.vkDestroyPipelineCache(device, pipeline_cache, host());
  }
  for (auto& [key, pipeline] : pipelines) vk.vkDestroyPipeline(device, pipeline->pipeline, host());
  if (layout) vk.vkDestroyPipelineLayout(device, layout, host());
  if (timeline) vk.vkDestroySemaphore(device, timeline, host());
  if (allocator) destroy_allocator(allocator);
  if (!adopted && vk.vkDestroyDevice) vk.vkDestroyDevice(device, host());
}

Result<void> check_not_lost(const DeviceState& device, std::string_view operation) {
  if (!device.lost) return {};
  return fail(Code::device_lost, std::string(operation) + ": the device is lost");
}

const decide::Overrides& overrides(const DeviceState& device) noexcept { return device.overrides; }
Attachment& attention_plans(DeviceState& device) noexcept { return device.plans; }
SelfTest self_test(const DeviceState& device) noexcept { return device.self_test; }
double tune_seconds(const DeviceState& device) noexcept { return device.options.tune_seconds; }

const DeviceTraits& traits_of(const DeviceState& device) noexcept { return device.traits; }

double max_flops_per_submission(const DeviceState& device) noexcept {
  if (device.options.max_flops_per_submission > 0) return device.options.max_flops_per_submission;
  return decide::flops_per_submission(device.traits);
}

bool same_device(const Buffer& buffer, const Device& device) noexcept {
  return buffer.state()->device == device.state().get();
}
Result<void> check_operands(const checks::Rules& rules, std::span<const checks::Operand> operands, const Device& device,
                            int64_t most_rows) {
  for (const checks::Operand& operand : operands) {
    if (!operand.tensor) continue;
    if (!same_device(operand.tensor.buffer, device)) return rules.foreign(operand);
    WEFT_TRY(rules.reach(operand, device.traits(), most_rows));
  }
  return {};
}
bool is_transient(const Buffer& buffer) noexcept { return buffer.state()->recording != 0; }

}  // namespace vulkan

Result<std::vector<DeviceInfo>> Device::list() {
  WEFT_ASSIGN(auto instance, vulkan::make_instance(false, {}));
  return vulkan::query_all(*instance, instance->physical_devices());
}

Result<Device> Device::open(const DeviceOptions& options) {
  auto state = std::make_shared<vulkan::DeviceState>();
  state->options = options;
  const bool validation = options.validation || base::environment("WEFT_VALIDATION") == "1";
  WEFT_ASSIGN(state->instance, vulkan::make_instance(validation, options));
  const auto physical = state->instance->physical_devices();
  const auto infos = vulkan::query_all(*state->instance, physical);
  WEFT_ASSIGN(const size_t index, vulkan::choose(infos, base::option(options.name, "WEFT_DEVICE")));

  state->physical = physical[index];
  state->traits = infos[index].traits;
  WEFT_TRY(vulkan::set_overrides(*state));
  WEFT_TRY(vulkan::make_device(*state));
  WEFT_TRY(vulkan::make_shared_objects(*state));
  return Device(std::move(state));
}

const DeviceTraits& Device::traits() const noexcept { return state_->traits; }

uint64_t Device::validation_messages() const noexcept {
  return state_->instance->validation_messages;
}

Result<void> Device::wait_idle() const {
  uint64_t last = 0;
  {
    std::lock_guard lock(state_->queue_mutex);
    last = state_->submitted;
  }
  return vulkan::wait(*state_, last, UINT64_MAX);
}

Result<void> Device::save_pipeline_cache() const {
  WEFT_TRY(vulkan::check_not_lost(*state_, "pipeline cache"));
  return vulkan::save_pipeline_cache(*state_);
}

}  // namespace weft
