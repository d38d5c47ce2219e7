// An app with a volk and a VMA of its own beside Weft: both work, before and after each other's use.
#include <volk.h>

#define VMA_STATIC_VULKAN_FUNCTIONS 0
#define VMA_DYNAMIC_VULKAN_FUNCTIONS 1
#include <vk_mem_alloc.h>

#include "../attend.hpp"

namespace {

struct OwnDevice {
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  VmaAllocator allocator = nullptr;
};

bool open(OwnDevice& own) {
  if (volkInitialize() != VK_SUCCESS) return false;
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.apiVersion = VK_API_VERSION_1_1;
  VkInstanceCreateInfo instance_info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  instance_info.pApplicationInfo = &application;
  if (vkCreateInstance(&instance_info, nullptr, &own.instance) != VK_SUCCESS) return false;
  volkLoadInstance(own.instance);
  uint32_t count = 1;
  vkEnumeratePhysicalDevices(own.instance, &count, &own.physical);
  if (count == 0) return false;

  const float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo device_info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  device_info.queueCreateInfoCount = 1;
  device_info.pQueueCreateInfos = &queue;
  if (vkCreateDevice(own.physical, &device_info, nullptr, &own.device) != VK_SUCCESS) return false;
  volkLoadDevice(own.device);  // the globals now belong to this device alone

  VmaVulkanFunctions functions{};
  functions.vkGetInstanceProcAddr = vkGetInstanceProcAddr;
  functions.vkGetDeviceProcAddr = vkGetDeviceProcAddr;
  VmaAllocatorCreateInfo info{};
  info.instance = own.instance;
  info.physicalDevice = own.physical;
  info.device = own.device;
  info.pVulkanFunctions = &functions;
  info.vulkanApiVersion = VK_API_VERSION_1_1;
  return vmaCreateAllocator(&info, &own.allocator) == VK_SUCCESS;
}

// Writes and reads a byte of a buffer of the app's own device.
bool use(const OwnDevice& own) {
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = 256;
  info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT;
  VmaAllocationCreateInfo how{};
  how.usage = VMA_MEMORY_USAGE_AUTO;
  how.flags = VMA_ALLOCATION_CREATE_MAPPED_BIT | VMA_ALLOCATION_CREATE_HOST_ACCESS_RANDOM_BIT;
  VkBuffer buffer = VK_NULL_HANDLE;
  VmaAllocation allocation = nullptr;
  VmaAllocationInfo placed{};
  if (vmaCreateBuffer(own.allocator, &info, &how, &buffer, &allocation, &placed) != VK_SUCCESS) return false;
  static_cast<unsigned char*>(placed.pMappedData)[7] = 42;
  const bool kept = static_cast<unsigned char*>(placed.pMappedData)[7] == 42;
  vmaDestroyBuffer(own.allocator, buffer, allocation);
  return kept && vkDeviceWaitIdle(own.device) == VK_SUCCESS;
}

}  // namespace

int main() {
  OwnDevice own;
  if (!open(own)) {
    std::fprintf(stderr, "no_device: the app could not open one of its own\n");
    return 77;
  }
  const PFN_vkCreateBuffer before = vkCreateBuffer;
  const bool first = use(own);
  const int attention = consumer::check_attention();
  const bool unchanged = vkCreateBuffer == before && volkGetLoadedDevice() == own.device;
  const bool second = use(own);
  std::printf("own device works: %d before, %d after; own volk unchanged: %d\n", first, second, unchanged);
  vmaDestroyAllocator(own.allocator);
  vkDestroyDevice(own.device, nullptr);
  vkDestroyInstance(own.instance, nullptr);
  return first && second && unchanged ? attention : 1;
}
