#include "vulkan/extension_traits.hpp"

#include <algorithm>

#include "vulkan/extensions.hpp"

namespace weft::vulkan {

void query_cores(const InstanceFunctions& vk, VkPhysicalDevice physical, DeviceTraits& traits) {
  const Extensions extensions(vk, physical);
  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  VkPhysicalDeviceShaderSMBuiltinsPropertiesNV sm{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
  VkPhysicalDeviceShaderCorePropertiesAMD cu{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};
  VkPhysicalDeviceShaderCoreProperties2AMD active{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_2_AMD};
  VkPhysicalDeviceShaderCoreBuiltinsPropertiesARM core{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_BUILTINS_PROPERTIES_ARM};
  Chain chain(all);
  if (extensions.have(VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) chain.add(sm);
  if (extensions.have(VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME)) chain.add(cu);
  if (extensions.have(VK_AMD_SHADER_CORE_PROPERTIES_2_EXTENSION_NAME)) chain.add(active);
  if (extensions.have(VK_ARM_SHADER_CORE_BUILTINS_EXTENSION_NAME)) chain.add(core);
  vk.vkGetPhysicalDeviceProperties2(physical, &all);
  traits.core_count =
      std::max({sm.shaderSMCount, active.activeComputeUnitCount, core.shaderCoreCount});
  traits.subgroups_per_core = std::max(
      {sm.shaderWarpsPerSM, cu.simdPerComputeUnit * cu.wavefrontsPerSimd, core.shaderWarpsPerCore});
}

}  // namespace weft::vulkan
