#include "vulkan/instance.hpp"

#include <cstring>
#include <mutex>

#include "vulkan/result.hpp"

namespace weft::vulkan {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                          VkDebugUtilsMessageTypeFlagsEXT,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) {
  auto* instance = static_cast<Instance*>(user);
  instance->validation_messages.fetch_add(1);
  if (instance->log) {
    const bool error = (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) != 0;
    instance->log(error ? LogLevel::error : LogLevel::warning, data->pMessage);
  }
  return VK_FALSE;
}

bool has_layer(const char* name) {
  uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  for (const auto& layer : layers)
    if (std::strcmp(layer.layerName, name) == 0) return true;
  return false;
}

bool has_extension(const char* name, const char* layer) {
  uint32_t count = 0;
  vkEnumerateInstanceExtensionProperties(layer, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vkEnumerateInstanceExtensionProperties(layer, &count, extensions.data());
  for (const auto& extension : extensions)
    if (std::strcmp(extension.extensionName, name) == 0) return true;
  return false;
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info(Instance* instance) {
  VkDebugUtilsMessengerCreateInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                         VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                     VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
  info.pfnUserCallback = on_message;
  info.pUserData = instance;
  return info;
}

Result<void> load_vulkan() {
  static const VkResult loaded = volkInitialize();
  if (loaded != VK_SUCCESS)
    return fail(Code::no_device,
                "device: no Vulkan loader was found; install a Vulkan driver and its loader");
  const uint32_t version = volkGetInstanceVersion();
  if (version < VK_API_VERSION_1_3)
    return fail(Code::no_device, "device: the Vulkan loader must be 1.3 or newer, found " +
                                     std::to_string(VK_API_VERSION_MAJOR(version)) + "." +
                                     std::to_string(VK_API_VERSION_MINOR(version)));
  return {};
}

}  // namespace

Instance::~Instance() {
  if (messenger) {
    auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(instance, "vkDestroyDebugUtilsMessengerEXT"));
    destroy(instance, messenger, nullptr);
  }
  if (instance) vkDestroyInstance(instance, nullptr);
}

std::vector<VkPhysicalDevice> Instance::physical_devices() const {
  uint32_t count = 0;
  if (vkEnumeratePhysicalDevices(instance, &count, nullptr) != VK_SUCCESS) return {};
  std::vector<VkPhysicalDevice> devices(count);
  const VkResult result = vkEnumeratePhysicalDevices(instance, &count, devices.data());
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) return {};
  devices.resize(count);
  return devices;
}

Result<std::unique_ptr<Instance>> make_instance(bool validation, const LogCallback& log) {
  WEFT_TRY(load_vulkan());
  if (validation && !has_layer(kValidationLayer))
    return fail(Code::unsupported, std::string("device: validation is asked for, but the layer ") +
                                       kValidationLayer + " is not installed");
  auto owner = std::make_unique<Instance>();
  owner->log = log;

  std::vector<const char*> extensions;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  if (has_extension(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME, nullptr)) {
    extensions.push_back(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
    info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
  }
  VkDebugUtilsMessengerCreateInfoEXT debug = messenger_info(owner.get());
  if (validation) {
    extensions.push_back(VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
    info.ppEnabledLayerNames = &kValidationLayer;
    info.enabledLayerCount = 1;
    info.pNext = &debug;
  }
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pEngineName = "weft";
  application.apiVersion = VK_API_VERSION_1_3;
  info.pApplicationInfo = &application;
  info.ppEnabledExtensionNames = extensions.data();
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  VkResult result = vkCreateInstance(&info, nullptr, &owner->instance);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER)  // the loader's own answer when no driver loads
    return fail(Code::no_device,
                "device: the Vulkan loader found no usable driver; install one for your device");
  if (result != VK_SUCCESS) return vk_fail(result, "device: vkCreateInstance");

  // The pointers are the loader's entry points, valid for every instance: loaded once.
  static std::once_flag once;
  std::call_once(once, [&] { volkLoadInstanceOnly(owner->instance); });
  if (validation) {
    auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(owner->instance, "vkCreateDebugUtilsMessengerEXT"));
    result = create(owner->instance, &debug, nullptr, &owner->messenger);
    if (result != VK_SUCCESS)
      return vk_fail(result, "device: vkCreateDebugUtilsMessengerEXT");
  }
  return owner;
}

}  // namespace weft::vulkan
