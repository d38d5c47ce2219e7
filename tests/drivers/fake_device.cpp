#include "drivers/fake_device.hpp"

#include <string>
#include <vector>

#include "drivers/capture.hpp"
#include "vulkan/extensions.hpp"
#include "vulkan/functions.hpp"
#include "vulkan/traits.hpp"

namespace weft::drivers {
namespace {

Result<void> check(VkResult result, const char* what) {
  if (result == VK_SUCCESS) return {};
  return fail(Code::no_device, std::string(what) + " answered " + std::to_string(result));
}

template <class Function>
Function instance_function(const VulkanDevice& given, const char* name) {
  return reinterpret_cast<Function>(given.get_instance_proc_addr(given.instance, name));
}

}  // namespace

Result<void> FakeDevice::make_instance() {
  WEFT_ASSIGN(given_.get_instance_proc_addr, vulkan::loader());
  given_.api_version = VK_API_VERSION_1_3;
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.apiVersion = given_.api_version;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  const auto create = instance_function<PFN_vkCreateInstance>(given_, "vkCreateInstance");
  return check(create(&info, nullptr, &given_.instance), "vkCreateInstance");
}

Result<void> FakeDevice::choose() {
  WEFT_ASSIGN(const auto vk, vulkan::load_instance(given_.get_instance_proc_addr, given_.instance));
  uint32_t count = 0;
  WEFT_TRY(check(vk.vkEnumeratePhysicalDevices(given_.instance, &count, nullptr),
                 "vkEnumeratePhysicalDevices"));
  std::vector<VkPhysicalDevice> found(count);
  WEFT_TRY(check(vk.vkEnumeratePhysicalDevices(given_.instance, &count, found.data()),
                 "vkEnumeratePhysicalDevices"));
  std::string reasons = "no device can be used";
  for (VkPhysicalDevice physical : found) {
    if (auto asked = request_vulkan_features(given_.get_instance_proc_addr, given_.instance,
                                             physical, features_);
        !asked) {
      reasons += "; " + asked.error().message;
      continue;
    }
    given_.physical_device = physical;
    given_.queue_family = vulkan::compute_queue_family(vk, physical);
    has_statistics_ =
        vulkan::Extensions(vk, physical).have(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
    return {};
  }
  return fail(Code::no_device, reasons);
}

Result<void> FakeDevice::make_device() {
  WEFT_ASSIGN(const auto vk, vulkan::load_instance(given_.get_instance_proc_addr, given_.instance));
  const float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = given_.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR statistics{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
  statistics.pipelineExecutableInfo = VK_TRUE;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features_.features2};
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  std::vector<const char*> extensions;
  matrices_.emplace(vulkan::query(vk, given_.physical_device).traits, features_, extensions);
  void* const kept = features_.v13.pNext;
  if (has_statistics_) {
    statistics.pNext = kept;
    features_.v13.pNext = &statistics;
    extensions.push_back(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
  }
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  WEFT_TRY(check(vk.vkCreateDevice(given_.physical_device, &info, nullptr, &given_.device),
                 "vkCreateDevice"));
  features_.v13.pNext = kept;
  const auto get_queue = reinterpret_cast<PFN_vkGetDeviceQueue>(
      vk.vkGetDeviceProcAddr(given_.device, "vkGetDeviceQueue"));
  get_queue(given_.device, given_.queue_family, 0, &given_.queue);
  return {};
}

Result<void> FakeDevice::open(const DeviceOptions& options) {
  WEFT_TRY(make_instance());
  WEFT_TRY(choose());
  WEFT_TRY(make_device());
  VulkanDevice seen = given_;
  seen.get_instance_proc_addr = capture(given_.get_instance_proc_addr, has_statistics_);
  seen.enabled_features = &features_.features2;
  DeviceOptions believing = options;
  believing.self_test = "trust";  // nothing runs here
  WEFT_ASSIGN(device_, adopt_device(seen, believing));
  return {};
}

FakeDevice::~FakeDevice() {
  device_.reset();
  if (!given_.instance) return;
  if (given_.device) {
    const auto device_proc =
        instance_function<PFN_vkGetDeviceProcAddr>(given_, "vkGetDeviceProcAddr");
    reinterpret_cast<PFN_vkDestroyDevice>(device_proc(given_.device, "vkDestroyDevice"))(
        given_.device, nullptr);
  }
  instance_function<PFN_vkDestroyInstance>(given_, "vkDestroyInstance")(given_.instance, nullptr);
}

}  // namespace weft::drivers
