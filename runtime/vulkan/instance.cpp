#include "vulkan/instance.hpp"

#include <cstring>

#include "vulkan/result.hpp"

namespace weft::vulkan {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                          VkDebugUtilsMessageTypeFlagsEXT,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data,
                                          void* user) {
  auto* instance = static_cast<Instance*>(user);
  instance->validation_messages.fetch_add(1);
  if (instance->log) {
    const bool error = (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) != 0;
    instance->log(error ? LogLevel::error : LogLevel::warning, data->pMessage);
  }
  return VK_FALSE;
}

bool has_layer(const GlobalFunctions& vk, const char* name) {
  uint32_t count = 0;
  vk.vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vk.vkEnumerateInstanceLayerProperties(&count, layers.data());
  for (const auto& layer : layers)
    if (std::strcmp(layer.layerName, name) == 0) return true;
  return false;
}

bool has_extension(const GlobalFunctions& vk, const char* name) {
  uint32_t count = 0;
  vk.vkEnumerateInstanceExtensionProperties(nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vk.vkEnumerateInstanceExtensionProperties(nullptr, &count, extensions.data());
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

Result<GlobalFunctions> load_vulkan(PFN_vkGetInstanceProcAddr get_proc) {
  auto functions = load_global(get_proc);
  uint32_t version = VK_API_VERSION_1_0;  // of a loader that lacks vkEnumerateInstanceVersion
  if (functions) functions->vkEnumerateInstanceVersion(&version);
  if (version < VK_API_VERSION_1_3)
    return fail(Code::no_device, "device: the Vulkan loader must be 1.3 or newer, found " +
                                     std::to_string(VK_API_VERSION_MAJOR(version)) + "." +
                                     std::to_string(VK_API_VERSION_MINOR(version)));
  return functions;
}

Result<void> make_messenger(Instance& owner, const VkDebugUtilsMessengerCreateInfoEXT& debug) {
  const auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
      owner.get_proc(owner.instance, "vkCreateDebugUtilsMessengerEXT"));
  const VkResult result = create(owner.instance, &debug, owner.host.callbacks(), &owner.messenger);
  if (result != VK_SUCCESS) return vk_fail(result, "device: vkCreateDebugUtilsMessengerEXT");
  return {};
}

}  // namespace

Instance::~Instance() {
  if (adopted || !instance) return;
  if (messenger) {
    const auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        get_proc(instance, "vkDestroyDebugUtilsMessengerEXT"));
    destroy(instance, messenger, host.callbacks());
  }
  const auto destroy =
      reinterpret_cast<PFN_vkDestroyInstance>(get_proc(instance, "vkDestroyInstance"));
  destroy(instance, host.callbacks());
}

std::vector<VkPhysicalDevice> Instance::physical_devices() const {
  uint32_t count = 0;
  if (vk.vkEnumeratePhysicalDevices(instance, &count, nullptr) != VK_SUCCESS) return {};
  std::vector<VkPhysicalDevice> devices(count);
  const VkResult result = vk.vkEnumeratePhysicalDevices(instance, &count, devices.data());
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) return {};
  devices.resize(count);
  return devices;
}

Result<std::unique_ptr<Instance>> make_instance(bool validation, const DeviceOptions& options) {
  auto owner = std::make_unique<Instance>();
  WEFT_TRY(owner->host.use(options.host_allocator));
  WEFT_ASSIGN(owner->get_proc, loader());
  WEFT_ASSIGN(const GlobalFunctions vk, load_vulkan(owner->get_proc));
  if (validation && !has_layer(vk, kValidationLayer))
    return fail(Code::unsupported, std::string("device: validation is asked for, but the layer ") +
                                       kValidationLayer + " is not installed");
  owner->log = options.log;

  std::vector<const char*> extensions;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  if (has_extension(vk, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
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
  const VkResult result = vk.vkCreateInstance(&info, owner->host.callbacks(), &owner->instance);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER)  // the loader's own answer when no driver loads
    return fail(Code::no_device,
                "device: the Vulkan loader found no usable driver; install one for your device");
  if (result != VK_SUCCESS) return vk_fail(result, "device: vkCreateInstance");
  WEFT_ASSIGN(owner->vk, load_instance(owner->get_proc, owner->instance));
  if (validation) WEFT_TRY(make_messenger(*owner, debug));
  return owner;
}

Result<std::unique_ptr<Instance>> adopt_instance(PFN_vkGetInstanceProcAddr get_proc,
                                                 VkInstance instance,
                                                 const DeviceOptions& options) {
  auto owner = std::make_unique<Instance>();
  WEFT_TRY(owner->host.use(options.host_allocator));
  owner->adopted = true;
  owner->get_proc = get_proc;
  owner->instance = instance;
  owner->log = options.log;
  WEFT_ASSIGN(owner->vk, load_instance(get_proc, instance));
  return owner;
}

}  // namespace weft::vulkan
