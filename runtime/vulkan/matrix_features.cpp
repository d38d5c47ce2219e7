#include "vulkan/matrix_features.hpp"

#include <algorithm>
#include <optional>

#include "vulkan/extensions.hpp"

namespace weft::vulkan {
namespace {

// VK_COMPONENT_TYPE_BFLOAT16_KHR, which older headers lack.
constexpr auto kBfloat16 = static_cast<VkComponentTypeKHR>(1000141000);
constexpr const char* kBfloat16Extension = "VK_KHR_shader_bfloat16";

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

bool of_bfloat16(const MatrixShape& shape) { return shape.input == MatrixElement::bf16; }

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

void read_matrix(const VkBaseInStructure* link, MatrixFeatures& features) {
  if (link->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR)
    features.matrix |=
        reinterpret_cast<const VkPhysicalDeviceCooperativeMatrixFeaturesKHR*>(link)
            ->cooperativeMatrix != VK_FALSE;
  if (link->sType == Bfloat16Features{}.sType) {
    const auto& has = *reinterpret_cast<const Bfloat16Features*>(link);
    features.bfloat16 |= has.shaderBFloat16Type && has.shaderBFloat16CooperativeMatrix;
  }
#if defined(VK_NV_cooperative_matrix2)
  if (link->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV)
    features.matrix2 |=
        matrix2_bits(*reinterpret_cast<const VkPhysicalDeviceCooperativeMatrix2FeaturesNV*>(link));
#endif
}

MatrixFeatures supported_matrices(const InstanceFunctions& vk, VkPhysicalDevice physical) {
  const Extensions extensions(vk, physical);
  if (!extensions.have(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)) return {};
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
  Chain chain(all);
  chain.add(matrix);
  Bfloat16Features bfloat16;
  if (extensions.have(kBfloat16Extension)) chain.add(bfloat16);
#if defined(VK_NV_cooperative_matrix2)
  VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrix2{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV};
  if (extensions.have(VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME)) chain.add(matrix2);
#endif
  vk.vkGetPhysicalDeviceFeatures2(physical, &all);
  MatrixFeatures features;
  for (auto link = static_cast<const VkBaseInStructure*>(all.pNext); link; link = link->pNext)
    read_matrix(link, features);
  return features.matrix ? features : MatrixFeatures{};
}

std::vector<MatrixShape> matrix_shapes(const InstanceFunctions& vk, VkPhysicalDevice physical,
                                       const MatrixFeatures& features) {
  const auto query = vk.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR;
  uint32_t count = 0;
  if (!query || query(physical, &count, nullptr) != VK_SUCCESS) return {};
  std::vector<VkCooperativeMatrixPropertiesKHR> all(
      count, {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR});
  if (query(physical, &count, all.data()) != VK_SUCCESS) return {};
  std::vector<MatrixShape> shapes;
  for (const auto& one : all)
    if (const auto shape = shape_of(one);
        shape && (features.bfloat16 || !of_bfloat16(*shape)) &&
        std::ranges::find(shapes, *shape) == shapes.end())
      shapes.push_back(*shape);
  return shapes;
}

MatrixRequest::MatrixRequest(const DeviceTraits& traits, VulkanFeatureChain& chain,
                             std::vector<const char*>& extensions) {
  if (traits.matrix_shapes.empty() && traits.matrix2 == 0) return;
  matrix_.cooperativeMatrix = VK_TRUE;
  matrix_.pNext = chain.v13.pNext;
  chain.v13.pNext = &matrix_;
  extensions.push_back(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  if (std::ranges::any_of(traits.matrix_shapes, of_bfloat16)) {
    bfloat16_.shaderBFloat16Type = bfloat16_.shaderBFloat16CooperativeMatrix = VK_TRUE;
    bfloat16_.pNext = chain.v13.pNext;
    chain.v13.pNext = &bfloat16_;
    extensions.push_back(kBfloat16Extension);
  }
#if defined(VK_NV_cooperative_matrix2)
  if (traits.matrix2 == 0) return;
  const auto has = [&](uint32_t bit) -> VkBool32 { return (traits.matrix2 & bit) != 0; };
  matrix2_.cooperativeMatrixWorkgroupScope = has(kMatrix2WorkgroupScope);
  matrix2_.cooperativeMatrixFlexibleDimensions = has(kMatrix2FlexibleDimensions);
  matrix2_.cooperativeMatrixReductions = has(kMatrix2Reductions);
  matrix2_.cooperativeMatrixConversions = has(kMatrix2Conversions);
  matrix2_.cooperativeMatrixPerElementOperations = has(kMatrix2PerElement);
  matrix2_.cooperativeMatrixTensorAddressing = has(kMatrix2TensorAddressing);
  matrix2_.cooperativeMatrixBlockLoads = has(kMatrix2BlockLoads);
  matrix2_.pNext = chain.v13.pNext;
  chain.v13.pNext = &matrix2_;
  extensions.push_back(VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME);
#endif
}

}  // namespace weft::vulkan
