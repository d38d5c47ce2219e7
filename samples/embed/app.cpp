#define VOLK_IMPLEMENTATION  // in this file and not in the library: each has its own functions
#include "embed/app.hpp"

#include "scale_shift.spv.h"

namespace embed {

Result<void> check(VkResult result, const char* what) {
  if (result == VK_SUCCESS) return {};
  return weft::fail(weft::Code::internal,
                    std::string(what) + " answered " + std::to_string(result));
}

App::~App() {
  close_device();
  if (instance) vkDestroyInstance(instance, nullptr);
}

void App::close_device() {
  if (!device) return;
  vkDeviceWaitIdle(device);
  for (const AppBuffer& buffer : buffers) {
    vkDestroyBuffer(device, buffer.buffer, nullptr);
    vkFreeMemory(device, buffer.memory, nullptr);
  }
  vkDestroyPipeline(device, pipeline, nullptr);
  vkDestroyPipelineLayout(device, layout, nullptr);
  vkDestroyCommandPool(device, pool, nullptr);
  vkDestroyDevice(device, nullptr);
  device = VK_NULL_HANDLE;
}

Result<void> App::open(std::vector<const char*> layers, std::vector<const char*> extensions) {
  WEFT_TRY(check(volkInitialize(), "the Vulkan loader"));
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "embed_vulkan";
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  info.enabledLayerCount = static_cast<uint32_t>(layers.size());
  info.ppEnabledLayerNames = layers.data();
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  WEFT_TRY(check(vkCreateInstance(&info, nullptr, &instance), "vkCreateInstance"));
  volkLoadInstance(instance);
  WEFT_TRY(choose());
  WEFT_TRY(make_device());
  WEFT_TRY(make_pipeline());
  return make_commands();
}

// The first device that Weft can use and that has a queue with compute; `features` is then what
// Weft asks for.
Result<void> App::choose() {
  uint32_t count = 0;
  WEFT_TRY(
      check(vkEnumeratePhysicalDevices(instance, &count, nullptr), "vkEnumeratePhysicalDevices"));
  std::vector<VkPhysicalDevice> found(count);
  WEFT_TRY(check(vkEnumeratePhysicalDevices(instance, &count, found.data()),
                 "vkEnumeratePhysicalDevices"));
  std::string reasons = "no device can be used";
  for (VkPhysicalDevice candidate : found) {
    if (auto asked =
            weft::request_vulkan_features(vkGetInstanceProcAddr, instance, candidate, features);
        !asked) {
      reasons += "; " + asked.error().message;
      continue;
    }
    physical = candidate;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
    while (!(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
      ++family;  // there is one: Weft looked
    return {};
  }
  return weft::fail(weft::Code::no_device, reasons);
}

Result<void> App::make_device() {
  const float priority = 1;
  VkDeviceQueueCreateInfo queue_info{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue_info.queueFamilyIndex = family;
  queue_info.queueCount = 1;
  queue_info.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features.features2};
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue_info;
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  WEFT_TRY(check(vkCreateDevice(physical, &info, nullptr, &device), "vkCreateDevice"));
  vkGetDeviceQueue(device, family, 0, &queue);
  return {};
}

Result<void> App::make_pipeline() {
  VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(Push)};
  VkPipelineLayoutCreateInfo layout_info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout_info.pushConstantRangeCount = 1;
  layout_info.pPushConstantRanges = &range;
  WEFT_TRY(check(vkCreatePipelineLayout(device, &layout_info, nullptr, &layout),
                 "vkCreatePipelineLayout"));
  VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = sizeof scale_shift_spirv;
  module_info.pCode = scale_shift_spirv;
  VkShaderModule module = VK_NULL_HANDLE;
  WEFT_TRY(
      check(vkCreateShaderModule(device, &module_info, nullptr, &module), "vkCreateShaderModule"));
  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO};
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.layout = layout;
  const VkResult made =
      vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, nullptr, &pipeline);
  vkDestroyShaderModule(device, module, nullptr);
  return check(made, "vkCreateComputePipelines");
}

Result<void> App::make_commands() {
  VkCommandPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool_info.queueFamilyIndex = family;
  WEFT_TRY(check(vkCreateCommandPool(device, &pool_info, nullptr, &pool), "vkCreateCommandPool"));
  VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  info.commandPool = pool;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  return check(vkAllocateCommandBuffers(device, &info, &commands), "vkAllocateCommandBuffers");
}

Result<AppBuffer> App::make_buffer(int64_t count, VkBufferUsageFlags more_usage) {
  AppBuffer made;
  made.usage =
      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT | more_usage;
  made.count = static_cast<uint32_t>(count);
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = made.count * sizeof(float);
  info.usage = made.usage;
  WEFT_TRY(check(vkCreateBuffer(device, &info, nullptr, &made.buffer), "vkCreateBuffer"));
  VkMemoryRequirements needs;
  vkGetBufferMemoryRequirements(device, made.buffer, &needs);
  VkPhysicalDeviceMemoryProperties types;
  vkGetPhysicalDeviceMemoryProperties(physical, &types);
  constexpr VkMemoryPropertyFlags kVisible =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  uint32_t type = 0;  // every device has one like this for buffers
  while (!(needs.memoryTypeBits >> type & 1) ||
         (types.memoryTypes[type].propertyFlags & kVisible) != kVisible)
    ++type;
  VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO};
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &flags, needs.size, type};
  buffers.push_back(made);  // taken down with the app from here on
  WEFT_TRY(check(vkAllocateMemory(device, &allocate, nullptr, &made.memory), "vkAllocateMemory"));
  buffers.back() = made;
  WEFT_TRY(check(vkBindBufferMemory(device, made.buffer, made.memory, 0), "vkBindBufferMemory"));
  void* data = nullptr;
  WEFT_TRY(check(vkMapMemory(device, made.memory, 0, VK_WHOLE_SIZE, 0, &data), "vkMapMemory"));
  made.data = static_cast<float*>(data);
  const VkBufferDeviceAddressInfo address{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, nullptr,
                                          made.buffer};
  made.address = vkGetBufferDeviceAddress(device, &address);
  return made;
}

void App::dispatch(const AppBuffer& from, const AppBuffer& to, float factor, float shift) const {
  const Push push{from.address, to.address, from.count, factor, shift};
  vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  vkCmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof push, &push);
  vkCmdDispatch(commands, (from.count + 63) / 64, 1, 1);
}

void App::barrier(VkPipelineStageFlags2 from, VkPipelineStageFlags2 to) const {
  const VkMemoryBarrier2 memory{
      VK_STRUCTURE_TYPE_MEMORY_BARRIER_2, nullptr, from,
      VK_ACCESS_2_MEMORY_WRITE_BIT,       to,      VK_ACCESS_2_MEMORY_READ_BIT};
  VkDependencyInfo info{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  info.memoryBarrierCount = 1;
  info.pMemoryBarriers = &memory;
  vkCmdPipelineBarrier2(commands, &info);
}

weft::VulkanDevice App::to_adopt() const {
  weft::VulkanDevice ours;
  ours.get_instance_proc_addr = vkGetInstanceProcAddr;
  ours.instance = instance;
  ours.api_version = VK_API_VERSION_1_3;
  ours.physical_device = physical;
  ours.device = device;
  ours.queue = queue;
  ours.queue_family = family;
  ours.enabled_features = &features.features2;
  return ours;
}

Result<void> App::submit_and_wait() const {
  VkCommandBufferSubmitInfo buffer{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO, nullptr, commands};
  VkSubmitInfo2 info{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  info.commandBufferInfoCount = 1;
  info.pCommandBufferInfos = &buffer;
  WEFT_TRY(check(vkQueueSubmit2(queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit2"));
  return check(vkQueueWaitIdle(queue), "vkQueueWaitIdle");
}

}  // namespace embed
