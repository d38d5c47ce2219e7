// What a driver says of its device, after known faults are taken out. Plain data: selection reads
// nothing else, so it can be tested without any device.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "weft/export.hpp"

namespace weft {

enum class DeviceType : int32_t { other = 0, integrated = 1, discrete = 2, virtual_gpu = 3, cpu = 4 };

WEFT_EXPORT const char* to_string(DeviceType type) noexcept;

// What invocations of a subgroup may do together, as bits of DeviceTraits::subgroup_operations. The values are
// VkSubgroupFeatureFlagBits'.
enum SubgroupOperation : uint32_t {
  kSubgroupBasic = 1u << 0,
  kSubgroupVote = 1u << 1,
  kSubgroupArithmetic = 1u << 2,
  kSubgroupBallot = 1u << 3,
  kSubgroupShuffle = 1u << 4,
  kSubgroupShuffleRelative = 1u << 5,
  kSubgroupClustered = 1u << 6,
  kSubgroupQuad = 1u << 7,
};
inline constexpr uint32_t kAllSubgroupOperations = (1u << 8) - 1;

// Cooperative matrices: matrices that the invocations of a subgroup or of a workgroup hold together.
enum class MatrixElement : int32_t { f16 = 0, bf16 = 1, f32 = 2, i8 = 3, u8 = 4, i32 = 5, u32 = 6 };
enum class MatrixScope : int32_t { subgroup = 0, workgroup = 1 };

WEFT_EXPORT const char* to_string(MatrixElement element) noexcept;
WEFT_EXPORT const char* to_string(MatrixScope scope) noexcept;

// result [m, n] = a [m, k] b [k, n] + c [m, n]
struct MatrixShape {
  uint32_t m = 0;
  uint32_t n = 0;
  uint32_t k = 0;
  MatrixElement input = MatrixElement::f16;        // of a and b
  MatrixElement accumulator = MatrixElement::f32;  // of c and the result
  MatrixScope scope = MatrixScope::subgroup;
  bool operator==(const MatrixShape&) const = default;
};

// What VK_NV_cooperative_matrix2 adds, as bits of DeviceTraits::matrix2, in the order of its features.
enum Matrix2Feature : uint32_t {
  kMatrix2WorkgroupScope = 1u << 0,
  kMatrix2FlexibleDimensions = 1u << 1,
  kMatrix2Reductions = 1u << 2,
  kMatrix2Conversions = 1u << 3,
  kMatrix2PerElement = 1u << 4,
  kMatrix2TensorAddressing = 1u << 5,
  kMatrix2BlockLoads = 1u << 6,
};

// Features of an adopted device are those that it was made with, as far as Weft looks for them.
struct DeviceTraits {
  std::string name;         // VkPhysicalDeviceProperties::deviceName
  std::string driver_name;  // VkPhysicalDeviceDriverProperties
  std::string driver_info;
  DeviceType type = DeviceType::other;
  uint32_t vendor_id = 0;
  uint32_t device_id = 0;
  uint32_t driver_id = 0;  // VkDriverId
  uint32_t driver_version = 0;
  uint32_t api_version = 0;  // VK_MAKE_API_VERSION
  std::array<uint8_t, 16> pipeline_cache_uuid{};

  bool buffer_device_address = false;
  bool timeline_semaphore = false;
  bool synchronization2 = false;
  bool storage_16bit = false;  // storageBuffer16BitAccess
  bool shader_float16 = false;
  bool vulkan_memory_model = false;
  bool integer_dot_product = false;
  bool mixed_dot_accelerated = false;  // dot products of 4 signed by 4 unsigned bytes, in hardware

  uint32_t subgroup_size = 0;  // the usual one
  uint32_t min_subgroup_size = 0;
  uint32_t max_subgroup_size = 0;
  bool subgroup_size_control = false;  // a compute pipeline may ask for a size in this range
  bool full_subgroups = false;         // a compute pipeline may ask for subgroups without idle invocations
  uint32_t max_workgroup_subgroups = 0;
  uint32_t subgroup_operations = 0;      // kSubgroup... bits, in compute shaders
  bool subgroup_extended_types = false;  // these operations on 8, 16 and 64 bits too

  std::vector<MatrixShape> matrix_shapes;  // those whose a and b, and whose c and result, have one type
  uint32_t matrix2 = 0;                    // kMatrix2... bits

  uint32_t core_count = 0;          // multiprocessors, compute units, shader cores; 0: unknown
  uint32_t subgroups_per_core = 0;  // most that a core runs at a time; 0: unknown

  uint32_t max_workgroup_invocations = 0;
  std::array<uint32_t, 3> max_workgroup_count{};
  std::array<uint32_t, 3> max_workgroup_size{};
  uint32_t max_push_constants_bytes = 0;
  uint32_t shared_memory_bytes = 0;
  float timestamp_period_ns = 0;  // 0: no timestamps on the compute queue
  uint64_t max_allocation_bytes = 0;
  bool unified_memory = false;  // device-local memory is host-visible

  // No driver tells these, quirks do.
  bool few_registers = false;  // fewer an invocation than others have
  bool short_offsets = false;  // kernels reach 2 GiB from an address: rows further apart are refused
  std::vector<std::string> quirks;  // ids of the quirks applied; none with WEFT_QUIRKS=off
};

}  // namespace weft
