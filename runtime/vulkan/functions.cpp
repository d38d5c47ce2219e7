#include "vulkan/functions.hpp"

#include <array>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace weft::vulkan {
namespace {

PFN_vkGetInstanceProcAddr open_loader() {
#if defined(_WIN32)
  HMODULE library = LoadLibraryA("vulkan-1.dll");
  if (!library) return nullptr;
  return reinterpret_cast<PFN_vkGetInstanceProcAddr>(
      reinterpret_cast<void*>(GetProcAddress(library, "vkGetInstanceProcAddr")));
#else
#if defined(__APPLE__)
  constexpr std::array kNames = {"libvulkan.dylib", "libvulkan.1.dylib", "libMoltenVK.dylib"};
#else
  constexpr std::array kNames = {"libvulkan.so.1", "libvulkan.so"};
#endif
  for (const char* name : kNames)
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL))
      if (void* get_proc = dlsym(library, "vkGetInstanceProcAddr"))
        return reinterpret_cast<PFN_vkGetInstanceProcAddr>(get_proc);
  return nullptr;
#endif
}

std::unexpected<Error> missing(const char* name) {
  return fail(Code::internal, std::string("device: the driver lacks the function ") + name);
}

}  // namespace

Result<PFN_vkGetInstanceProcAddr> loader() {
  static const PFN_vkGetInstanceProcAddr get_proc = open_loader();
  if (get_proc) return get_proc;
  return fail(Code::no_device,
              "device: no Vulkan loader was found; install a Vulkan driver and its loader");
}

#define WEFT_LOAD_FUNCTION(name)                                         \
  table.name = reinterpret_cast<PFN_##name>(get_proc(parent, #name));    \
  if (!table.name) return missing(#name);
#define WEFT_LOAD_OPTIONAL_FUNCTION(name) \
  table.name = reinterpret_cast<PFN_##name>(get_proc(parent, #name));

Result<GlobalFunctions> load_global(PFN_vkGetInstanceProcAddr get_proc) {
  GlobalFunctions table;
  constexpr VkInstance parent = VK_NULL_HANDLE;
  WEFT_GLOBAL_FUNCTIONS(WEFT_LOAD_FUNCTION)
  return table;
}

Result<InstanceFunctions> load_instance(PFN_vkGetInstanceProcAddr get_proc, VkInstance parent) {
  InstanceFunctions table;
  WEFT_INSTANCE_FUNCTIONS(WEFT_LOAD_FUNCTION)
  WEFT_OPTIONAL_INSTANCE_FUNCTIONS(WEFT_LOAD_OPTIONAL_FUNCTION)
  return table;
}

Result<DeviceFunctions> load_device(PFN_vkGetDeviceProcAddr get_proc, VkDevice parent) {
  DeviceFunctions table;
  WEFT_DEVICE_FUNCTIONS(WEFT_LOAD_FUNCTION)
  return table;
}

}  // namespace weft::vulkan
