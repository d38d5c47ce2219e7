// Vulkan's functions, in tables that belong to their instance or device. No global pointers: an app's loader
// library, its instances and other devices of the process see nothing of ours, nor we of theirs.
#pragma once

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan_core.h>

#include "weft/error.hpp"

#define WEFT_GLOBAL_FUNCTIONS(X)            \
  X(vkCreateInstance)                       \
  X(vkEnumerateInstanceExtensionProperties) \
  X(vkEnumerateInstanceLayerProperties)     \
  X(vkEnumerateInstanceVersion)

#define WEFT_INSTANCE_FUNCTIONS(X)            \
  X(vkCreateDevice)                           \
  X(vkDestroyInstance)                        \
  X(vkEnumerateDeviceExtensionProperties)     \
  X(vkEnumeratePhysicalDevices)               \
  X(vkGetDeviceProcAddr)                      \
  X(vkGetPhysicalDeviceFeatures2)             \
  X(vkGetPhysicalDeviceMemoryProperties)      \
  X(vkGetPhysicalDeviceProperties)            \
  X(vkGetPhysicalDeviceProperties2)           \
  X(vkGetPhysicalDeviceQueueFamilyProperties)

// Of extensions: null where the loader doesn't know them.
#define WEFT_OPTIONAL_INSTANCE_FUNCTIONS(X) \
  X(vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)

#define WEFT_DEVICE_FUNCTIONS(X) \
  X(vkAllocateCommandBuffers)    \
  X(vkBeginCommandBuffer)        \
  X(vkCmdBindPipeline)           \
  X(vkCmdCopyBuffer)             \
  X(vkCmdDispatch)               \
  X(vkCmdDispatchBase)           \
  X(vkCmdPipelineBarrier2)       \
  X(vkCmdPushConstants)          \
  X(vkCmdResetQueryPool)         \
  X(vkCmdWriteTimestamp2)        \
  X(vkCreateCommandPool)         \
  X(vkCreateComputePipelines)    \
  X(vkCreatePipelineCache)       \
  X(vkCreatePipelineLayout)      \
  X(vkCreateQueryPool)           \
  X(vkCreateSemaphore)           \
  X(vkCreateShaderModule)        \
  X(vkDestroyCommandPool)        \
  X(vkDestroyDevice)             \
  X(vkDestroyPipeline)           \
  X(vkDestroyPipelineCache)      \
  X(vkDestroyPipelineLayout)     \
  X(vkDestroyQueryPool)          \
  X(vkDestroySemaphore)          \
  X(vkDestroyShaderModule)       \
  X(vkEndCommandBuffer)          \
  X(vkGetBufferDeviceAddress)    \
  X(vkGetDeviceQueue)            \
  X(vkGetPipelineCacheData)      \
  X(vkGetQueryPoolResults)       \
  X(vkGetSemaphoreCounterValue)  \
  X(vkMergePipelineCaches)       \
  X(vkQueueSubmit2)              \
  X(vkWaitSemaphores)

namespace weft::vulkan {

#define WEFT_FUNCTION_POINTER(name) PFN_##name name = nullptr;
struct GlobalFunctions {
  WEFT_GLOBAL_FUNCTIONS(WEFT_FUNCTION_POINTER)
};
struct InstanceFunctions {
  WEFT_INSTANCE_FUNCTIONS(WEFT_FUNCTION_POINTER)
  WEFT_OPTIONAL_INSTANCE_FUNCTIONS(WEFT_FUNCTION_POINTER)
};
struct DeviceFunctions {
  WEFT_DEVICE_FUNCTIONS(WEFT_FUNCTION_POINTER)
};
#undef WEFT_FUNCTION_POINTER

// The installed loader's entry point; the loader stays loaded until the process ends.
// Errors: no_device (none is installed).
Result<PFN_vkGetInstanceProcAddr> loader();

// Errors: internal, naming the function that is missing.
Result<GlobalFunctions> load_global(PFN_vkGetInstanceProcAddr get_proc);
Result<InstanceFunctions> load_instance(PFN_vkGetInstanceProcAddr get_proc, VkInstance instance);
Result<DeviceFunctions> load_device(PFN_vkGetDeviceProcAddr get_proc, VkDevice device);

}  // namespace weft::vulkan
