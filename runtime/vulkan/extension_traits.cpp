#include "vulkan/extension_traits.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace weft::vulkan {
namespace {

// VK_COMPONENT_TYPE_BFLOAT16_KHR, which older headers lack.
constexpr auto kBfloat16 = static_cast<VkComponentTypeKHR>(1000141000);

class Extensions {
 public:
  Extensions(const InstanceFunctions& vk, VkPhysicalDevice physical) {
    uint32_t count = 0;
    vk.vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
    all_.resize(count);
    vk.vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, all_.data());
    all_.resize(std::min<size_t>(count, all_.size()));
  }
  bool have(std::string_view name) const {
    return std::ranges::any_of(all_, [&](const auto& one) { return name == one.extensionName; });
  }

 private:
  std::vector<VkExtensionProperties> all_;
};

// A chain of structures to be filled.
template <class Root>
class Chain {
 public:
  explicit Chain(Root& root) : last_(&root.pNext) {}
  template <class Structure>
  void add(Structure& structure) {
    *last_ = &structure;
    last_ = &structure.pNext;
  }

 private:
  void** last_;
};

std::optional<MatrixElement> element_of(VkComponentTypeKHR type) {
  if (type == kBfloat16) return MatrixElement::bf16;
  switch (type) {
    case VK_COMPONENT_TYPE_FLOAT16_KHR:
      return MatrixElement::f16;
    case VK_COMPONENT_TYPE_FLOAT32_KHR:
      return MatrixElement::f32;
    case VK_COMPONENT_TYPE_SINT8_KHR:
      return MatrixElement::i8;
    case VK_COMPONENT_TYPE_UINT8_KHR:
      return MatrixElement::u8;
    case VK_COMPONENT_TYPE_SINT32_KHR:
      return MatrixElement::i32;
    case VK_COMPONENT_TYPE_UINT32_KHR:
      return MatrixElement::u32;
    default:
      return std::nullopt;
  }
}

std::optional<MatrixShape> shape_of(const VkCooperativeMatrixPropertiesKHR& from) {
  const auto input = element_of(from.AType);
  const auto accumulator = element_of(from.ResultType);
  const bool subgroup = from.scope == VK_SCOPE_SUBGROUP_KHR;
  if (!input || !accumulator || from.AType != from.BType || from.CType != from.ResultType ||
      from.saturatingAccumulation || (!subgroup && from.scope != VK_SCOPE_WORKGROUP_KHR))
    return std::nullopt;
  return MatrixShape{from.MSize,   from.NSize,
                     from.KSize,   *input,
                     *accumulator, subgroup ? MatrixScope::subgroup : MatrixScope::workgroup};
}

std::vector<MatrixShape> matrix_shapes(const InstanceFunctions& vk, VkPhysicalDevice physical) {
  const auto query = vk.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR;
  uint32_t count = 0;
  if (!query || query(physical, &count, nullptr) != VK_SUCCESS) return {};
  std::vector<VkCooperativeMatrixPropertiesKHR> all(
      count, {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR});
  if (query(physical, &count, all.data()) != VK_SUCCESS) return {};
  std::vector<MatrixShape> shapes;
  for (const auto& one : all)
    if (const auto shape = shape_of(one);
        shape && std::ranges::find(shapes, *shape) == shapes.end())
      shapes.push_back(*shape);
  return shapes;
}

#if defined(VK_NV_cooperative_matrix2)  // headers from 1.4.300 on
uint32_t matrix2_bits(const VkPhysicalDeviceCooperativeMatrix2FeaturesNV& has) {
  return (has.cooperativeMatrixWorkgroupScope ? kMatrix2WorkgroupScope : 0u) |
         (has.cooperativeMatrixFlexibleDimensions ? kMatrix2FlexibleDimensions : 0u) |
         (has.cooperativeMatrixReductions ? kMatrix2Reductions : 0u) |
         (has.cooperativeMatrixConversions ? kMatrix2Conversions : 0u) |
         (has.cooperativeMatrixPerElementOperations ? kMatrix2PerElement : 0u) |
         (has.cooperativeMatrixTensorAddressing ? kMatrix2TensorAddressing : 0u) |
         (has.cooperativeMatrixBlockLoads ? kMatrix2BlockLoads : 0u);
}
#endif

}  // namespace

void query_matrices(const InstanceFunctions& vk, VkPhysicalDevice physical, DeviceTraits& traits) {
  const Extensions extensions(vk, physical);
  if (!extensions.have(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)) return;
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
  Chain chain(all);
  chain.add(matrix);
#if defined(VK_NV_cooperative_matrix2)
  VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrix2{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV};
  if (extensions.have(VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME)) chain.add(matrix2);
#endif
  vk.vkGetPhysicalDeviceFeatures2(physical, &all);
  if (!matrix.cooperativeMatrix) return;
  traits.matrix_shapes = matrix_shapes(vk, physical);
#if defined(VK_NV_cooperative_matrix2)
  traits.matrix2 = matrix2_bits(matrix2);
#endif
}

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
