#define VOLK_IMPLEMENTATION  // in this file and not in the library: each has its own functions
#include "peak_device.hpp"

#include <chrono>
#include <cstring>

namespace weft::bench {
namespace {

Result<void> check(VkResult result, const char* what) {
  if (result == VK_SUCCESS) return {};
  return fail(Code::internal,
              std::string("peak test: ") + what + " answered " + std::to_string(result));
}

bool has_matrices(const DeviceTraits& traits) { return !traits.matrix_shapes.empty(); }

}  // namespace

PeakDevice::~PeakDevice() {
  if (device) {
    vkDeviceWaitIdle(device);
    for (const VkPipeline made : pipelines) vkDestroyPipeline(device, made, nullptr);
    for (const PeakBuffer& made : buffers) {
      vkDestroyBuffer(device, made.buffer, nullptr);
      vkFreeMemory(device, made.memory, nullptr);
    }
    vkDestroyPipelineLayout(device, layout, nullptr);
    vkDestroyCommandPool(device, pool, nullptr);
    vkDestroyDevice(device, nullptr);
  }
  if (instance) vkDestroyInstance(instance, nullptr);
}

Result<void> PeakDevice::open(const DeviceTraits& traits) {
  WEFT_TRY(check(volkInitialize(), "the Vulkan loader"));
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "weft_bench";
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  WEFT_TRY(check(vkCreateInstance(&info, nullptr, &instance), "vkCreateInstance"));
  volkLoadInstance(instance);
  WEFT_TRY(choose(traits));
  WEFT_TRY(make_device(traits));
  VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(PeakPush)};
  VkPipelineLayoutCreateInfo layout_info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout_info.pushConstantRangeCount = 1;
  layout_info.pPushConstantRanges = &range;
  WEFT_TRY(check(vkCreatePipelineLayout(device, &layout_info, nullptr, &layout),
                 "vkCreatePipelineLayout"));
  VkCommandPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool_info.queueFamilyIndex = family;
  pool_info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  WEFT_TRY(check(vkCreateCommandPool(device, &pool_info, nullptr, &pool), "vkCreateCommandPool"));
  VkCommandBufferAllocateInfo commands_info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  commands_info.commandPool = pool;
  commands_info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  commands_info.commandBufferCount = 1;
  return check(vkAllocateCommandBuffers(device, &commands_info, &commands),
               "vkAllocateCommandBuffers");
}

Result<void> PeakDevice::choose(const DeviceTraits& traits) {
  uint32_t count = 0;
  WEFT_TRY(
      check(vkEnumeratePhysicalDevices(instance, &count, nullptr), "vkEnumeratePhysicalDevices"));
  std::vector<VkPhysicalDevice> found(count);
  WEFT_TRY(check(vkEnumeratePhysicalDevices(instance, &count, found.data()),
                 "vkEnumeratePhysicalDevices"));
  for (const VkPhysicalDevice candidate : found) {
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(candidate, &properties);
    if (properties.deviceName != traits.name ||
        std::memcmp(properties.pipelineCacheUUID, traits.pipeline_cache_uuid.data(), VK_UUID_SIZE))
      continue;
    physical = candidate;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
    while (family < count && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT)) ++family;
    if (family < count) return {};
  }
  return fail(Code::no_device, "peak test: '" + traits.name + "' is not among the devices");
}

Result<void> PeakDevice::make_device(const DeviceTraits& traits) {
  VulkanFeatureChain features;
  WEFT_TRY(request_vulkan_features(vkGetInstanceProcAddr, instance, physical, features));
  features.v12.shaderFloat16 = traits.shader_float16;
  features.v12.vulkanMemoryModel = traits.vulkan_memory_model;
  features.v13.subgroupSizeControl = traits.subgroup_size_control;
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
  matrices.cooperativeMatrix = VK_TRUE;
  if (has_matrices(traits)) features.v13.pNext = &matrices;
  const char* extension = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
  const float priority = 1;
  VkDeviceQueueCreateInfo queue_info{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue_info.queueFamilyIndex = family;
  queue_info.queueCount = 1;
  queue_info.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features.features2};
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue_info;
  info.enabledExtensionCount = has_matrices(traits) ? 1 : 0;
  info.ppEnabledExtensionNames = &extension;
  WEFT_TRY(check(vkCreateDevice(physical, &info, nullptr, &device), "vkCreateDevice"));
  vkGetDeviceQueue(device, family, 0, &queue);
  return {};
}

Result<PeakBuffer> PeakDevice::buffer(VkDeviceSize bytes) {
  PeakBuffer made;
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  WEFT_TRY(check(vkCreateBuffer(device, &info, nullptr, &made.buffer), "vkCreateBuffer"));
  buffers.push_back(made);  // taken down with the device from here on
  VkMemoryRequirements needs;
  vkGetBufferMemoryRequirements(device, made.buffer, &needs);
  VkPhysicalDeviceMemoryProperties types;
  vkGetPhysicalDeviceMemoryProperties(physical, &types);
  uint32_t type = 0;
  while (type < types.memoryTypeCount &&
         (!(needs.memoryTypeBits >> type & 1) ||
          !(types.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)))
    ++type;
  if (type == types.memoryTypeCount) return fail(Code::internal, "peak test: no device memory");
  VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO};
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &flags, needs.size, type};
  WEFT_TRY(check(vkAllocateMemory(device, &allocate, nullptr, &made.memory), "vkAllocateMemory"));
  buffers.back() = made;
  WEFT_TRY(check(vkBindBufferMemory(device, made.buffer, made.memory, 0), "vkBindBufferMemory"));
  const VkBufferDeviceAddressInfo address{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, nullptr,
                                          made.buffer};
  made.address = vkGetBufferDeviceAddress(device, &address);
  buffers.back() = made;
  // Written once, so that every page is there: about 0.01 as f16.
  WEFT_TRY(begin());
  vkCmdFillBuffer(commands, made.buffer, 0, VK_WHOLE_SIZE, 0x211F211F);
  WEFT_TRY(submit());
  return made;
}

Result<VkPipeline> PeakDevice::pipeline(std::span<const uint32_t> spirv,
                                        const std::vector<uint32_t>& constants,
                                        uint32_t subgroup_size) {
  VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = spirv.size_bytes();
  module_info.pCode = spirv.data();
  VkShaderModule module = VK_NULL_HANDLE;
  WEFT_TRY(
      check(vkCreateShaderModule(device, &module_info, nullptr, &module), "vkCreateShaderModule"));
  std::vector<VkSpecializationMapEntry> entries;
  for (uint32_t i = 0; i < constants.size(); ++i) entries.push_back({i, 4 * i, 4});
  const VkSpecializationInfo specialization{static_cast<uint32_t>(entries.size()), entries.data(),
                                            4 * constants.size(), constants.data()};
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size{
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
  size.requiredSubgroupSize = subgroup_size;
  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO};
  if (subgroup_size) info.stage.pNext = &size;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = layout;
  VkPipeline made = VK_NULL_HANDLE;
  const VkResult result =
      vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, nullptr, &made);
  vkDestroyShaderModule(device, module, nullptr);
  WEFT_TRY(check(result, "vkCreateComputePipelines"));
  pipelines.push_back(made);
  return made;
}

Result<void> PeakDevice::begin() const {
  VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  return check(vkBeginCommandBuffer(commands, &info), "vkBeginCommandBuffer");
}

Result<double> PeakDevice::submit() const {
  WEFT_TRY(check(vkEndCommandBuffer(commands), "vkEndCommandBuffer"));
  VkCommandBufferSubmitInfo buffer{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO, nullptr, commands};
  VkSubmitInfo2 info{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  info.commandBufferInfoCount = 1;
  info.pCommandBufferInfos = &buffer;
  const auto begin = std::chrono::steady_clock::now();
  WEFT_TRY(check(vkQueueSubmit2(queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit2"));
  WEFT_TRY(check(vkQueueWaitIdle(queue), "vkQueueWaitIdle"));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Result<double> PeakDevice::dispatch(VkPipeline pipeline, const PeakPush& push,
                                    uint32_t groups) const {
  WEFT_TRY(begin());
  vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof push, &push);
  vkCmdDispatch(commands, groups, 1, 1);
  return submit();
}

Result<double> PeakDevice::copy(const PeakBuffer& from, const PeakBuffer& to,
                                VkDeviceSize bytes) const {
  WEFT_TRY(begin());
  const VkBufferCopy region{0, 0, bytes};
  vkCmdCopyBuffer(commands, from.buffer, to.buffer, 1, &region);
  return submit();
}

}  // namespace weft::bench
