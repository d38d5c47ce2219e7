#include "vulkan/pipeline.hpp"

#include "vulkan/device_state.hpp"
#include "vulkan/result.hpp"
#include "vulkan/shaders.hpp"

namespace weft::vulkan {
namespace {

Result<VkPipeline> make_pipeline(DeviceState& device, decide::Shader shader,
                                 std::span<const uint32_t> constants, uint32_t subgroup_size) {
  const std::span<const uint32_t> code = spirv(shader);
  VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = code.size_bytes();
  module_info.pCode = code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  if (VkResult result =
          device.vk.vkCreateShaderModule(device.device, &module_info, device.host(), &module);
      result != VK_SUCCESS)
    return vk_fail(result, "pipeline: shader module");

  std::vector<VkSpecializationMapEntry> entries(constants.size());
  for (uint32_t i = 0; i < entries.size(); ++i)
    entries[i] = {i, i * uint32_t{sizeof(uint32_t)}, sizeof(uint32_t)};
  VkSpecializationInfo specialization{};
  specialization.mapEntryCount = static_cast<uint32_t>(entries.size());
  specialization.pMapEntries = entries.data();
  specialization.dataSize = constants.size_bytes();
  specialization.pData = constants.data();

  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT;  // long operations run in parts
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroups{
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
  subgroups.requiredSubgroupSize = subgroup_size;
  if (subgroup_size != 0) {
    // Without it all subgroups have one size, else the row would not have been chosen.
    if (device.traits.subgroup_size_control) info.stage.pNext = &subgroups;
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  }
  info.layout = device.layout;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result = device.vk.vkCreateComputePipelines(device.device, device.pipeline_cache,
                                                             1, &info, device.host(), &pipeline);
  device.vk.vkDestroyShaderModule(device.device, module, device.host());
  if (result != VK_SUCCESS) return vk_fail(result, "pipeline: compute pipeline");
  return pipeline;
}

}  // namespace

Result<const Pipeline*> pipeline(DeviceState& device, decide::Shader shader,
                                 std::span<const uint32_t> constants, uint32_t subgroup_size) {
  std::vector<uint32_t> key{static_cast<uint32_t>(shader), subgroup_size};
  key.insert(key.end(), constants.begin(), constants.end());
  {
    std::lock_guard lock(device.pipeline_mutex);
    if (auto found = device.pipelines.find(key); found != device.pipelines.end())
      return found->second.get();
  }
  WEFT_TRY(check_not_lost(device, "pipeline"));
  // Made outside the lock: it may take seconds, and others may go on meanwhile.
  auto kept = std::make_unique<Pipeline>();
  WEFT_ASSIGN(kept->pipeline, make_pipeline(device, shader, constants, subgroup_size));
  std::lock_guard lock(device.pipeline_mutex);
  device.pipeline_cache_changed = true;
  auto& slot = device.pipelines[std::move(key)];
  if (slot)  // another thread was faster
    device.vk.vkDestroyPipeline(device.device, kept->pipeline, device.host());
  else
    slot = std::move(kept);
  return slot.get();
}

}  // namespace weft::vulkan
