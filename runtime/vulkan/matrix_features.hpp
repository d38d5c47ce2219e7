// Cooperative matrices among a device's extensions: what it has, and how a VkDevice asks for them.
#pragma once

#include <vector>

#include "vulkan/functions.hpp"
#include "weft/traits.hpp"
#include "weft/vulkan.h"

namespace weft::vulkan {

struct MatrixFeatures {
  bool matrix = false;   // VK_KHR_cooperative_matrix
  uint32_t matrix2 = 0;  // kMatrix2... bits
  bool bfloat16 = false;  // of VK_KHR_shader_bfloat16: the type, and matrices of it
};

// VkPhysicalDeviceShaderBfloat16FeaturesKHR, which older headers lack.
struct Bfloat16Features {
  VkStructureType sType = static_cast<VkStructureType>(1000141000);
  void* pNext = nullptr;
  VkBool32 shaderBFloat16Type = VK_FALSE;
  VkBool32 shaderBFloat16DotProduct = VK_FALSE;
  VkBool32 shaderBFloat16CooperativeMatrix = VK_FALSE;
};

// Adds what one structure of a pNext chain sets.
void read_matrix(const VkBaseInStructure* link, MatrixFeatures& features);

// What the physical device has. Needs Vulkan 1.3.
MatrixFeatures supported_matrices(const InstanceFunctions& vk, VkPhysicalDevice physical);
// The shapes that it lists, of those that DeviceTraits::matrix_shapes can say and these features
// allow.
std::vector<MatrixShape> matrix_shapes(const InstanceFunctions& vk, VkPhysicalDevice physical,
                                       const MatrixFeatures& features);

// The structures and extension names with which a VkDevice gets the matrices that `traits` has.
// Must live, and stay where it is, until the device is made.
class MatrixRequest {
 public:
  MatrixRequest(const DeviceTraits& traits, VulkanFeatureChain& chain,
                std::vector<const char*>& extensions);
  MatrixRequest(const MatrixRequest&) = delete;
  MatrixRequest& operator=(const MatrixRequest&) = delete;

 private:
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix_{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
  Bfloat16Features bfloat16_;
#if defined(VK_NV_cooperative_matrix2)  // headers from 1.4.300 on
  VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrix2_{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV};
#endif
};

}  // namespace weft::vulkan
