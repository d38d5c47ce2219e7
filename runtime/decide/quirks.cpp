#include "decide/quirks.hpp"

#include <string_view>

namespace weft::decide {
namespace {

constexpr uint32_t kVendorAmd = 0x1002;
constexpr uint32_t kVendorIntel = 0x8086;
constexpr uint32_t kVendorArm = 0x13b5;
constexpr uint32_t kVendorQualcomm = 0x5143;

// VkDriverId.
constexpr uint32_t kAmdProprietary = 1;
constexpr uint32_t kNvidiaProprietary = 4;
constexpr uint32_t kIntelMesa = 6;
constexpr uint32_t kSwiftShader = 10;
constexpr uint32_t kLlvmpipe = 13;
constexpr uint32_t kMoltenVk = 14;

// Versions as drivers pack them: Vulkan's own and Mesa's, MoltenVK's, NVIDIA's.
constexpr uint32_t version(uint32_t major, uint32_t minor, uint32_t patch) {
  return (major << 22) | (minor << 12) | patch;
}
constexpr uint32_t moltenvk_version(uint32_t major, uint32_t minor, uint32_t patch) {
  return major * 10000 + minor * 100 + patch;
}
constexpr uint32_t nvidia_version(uint32_t major, uint32_t minor) {
  return (major << 22) | (minor << 14);
}

// Operations by which lanes exchange values
constexpr uint32_t kExchanges = kSubgroupArithmetic | kSubgroupBallot | kSubgroupShuffle |
                               kSubgroupShuffleRelative | kSubgroupClustered;

constexpr Quirk kQuirks[] = {
    // The source compares the API version. Devices that Weft can use report 1.3 or later, so the
    // row keeps Device::list truthful and never changes what runs.
    {"arm-storage-16bit",
     {.vendor_id = kVendorArm, .api_version_below = version(1, 0, 82)},
     {.clear_storage_16bit = true},
     "wrong results from 16-bit storage on early Mali drivers; ncnn src/gpu.cpp"},
    {"llvmpipe-512-matrix",
     {.driver_id = kLlvmpipe, .name_part = "512 bits"},
     {.clear_matrices = true},
     "cooperative matrices are listed at 512 bits, creating a pipeline with them crashes the "
     "driver; seen with Mesa 26.1.6"},
    {"swiftshader-offsets",
     {.driver_id = kSwiftShader},
     {.set_short_offsets = true},
     "offsets from an address are computed in 32 bits: elements 4 GiB from the first row of a block "
     "are read and written elsewhere; seen with chromium 156, device_far_test"},
    // Nothing names the generation; the third was the first to multiply signed by unsigned bytes.
    {"amd-proprietary-matrix-emulated",
     {.vendor_id = kVendorAmd, .driver_id = kAmdProprietary, .mixed_dot_accelerated = false},
     {.clear_matrices = true},
     "cooperative matrices are listed on every GPU and emulated before RDNA3; llama.cpp "
     "ggml_vk_khr_cooperative_matrix_support and get_device_architecture, ncnn src/gpu.cpp"},
    // No row shuffles 16-bit values: this keeps the traits truthful for those to come.
    {"amd-proprietary-shuffle-f16",
     {.vendor_id = kVendorAmd, .driver_id = kAmdProprietary, .mixed_dot_accelerated = false},
     {.clear_subgroup_extended_types = true},
     "wrong results from subgroupShuffleXor of f16vec4 on RDNA2 and older; llama.cpp pull request "
     "19921"},
    {"moltenvk-amd-subgroups",
     {.vendor_id = kVendorAmd, .driver_id = kMoltenVk},
     {.clear_subgroup_operations = kExchanges},
     "wrong results where lanes exchange values: subgroups are reported as 64 and run as 32; "
     "llama.cpp issue 15846, pull requests 15886 and 23218, MoltenVK issues 1553 and 2756. What "
     "1.4.2 changed is disputed in MoltenVK pull request 2755, so the range has no end"},
    // Nor does any reduce by subgroup arithmetic.
    {"moltenvk-uhd630-reductions",
     {.vendor_id = kVendorIntel,
      .driver_id = kMoltenVk,
      .name_part = "UHD Graphics 630",
      .driver_version_below = moltenvk_version(1, 4, 2)},
     {.clear_subgroup_operations = kSubgroupArithmetic | kSubgroupClustered},
     "wrong sums; 1.4.2 no longer offers them; MoltenVK issue 2757 and pull request 2755"},
    // Later generations run 48 or 64 warps a multiprocessor.
    {"nvidia-turing-matrix",
     {.driver_id = kNvidiaProprietary, .subgroups_per_core = 32},
     {.clear_matrices = true},
     "attention with cooperative matrices gives wrong results on Turing; llama.cpp pull requests "
     "19075 and 19290"},
    {"nvidia-575.64-matrix2",
     {.driver_id = kNvidiaProprietary,
      .driver_version_from = nvidia_version(575, 64),
      .driver_version_below = nvidia_version(575, 65)},
     {.clear_matrix2 = true},
     "NaN from attention with VK_NV_cooperative_matrix2, not with VK_KHR_cooperative_matrix; "
     "ik_llama.cpp pull request 598"},
    // 26.0.8 was tested and right, 26.2.3 wrong; no fix is known.
    {"intel-mesa-uneven-matrix",
     {.vendor_id = kVendorIntel, .driver_id = kIntelMesa, .driver_version_from = version(26, 0, 9)},
     {.clear_matrices = true},
     "wrong results where workgroups on one core run different numbers of matrix products, as "
     "lengths of items make them; llama.cpp pull request 24406"},
    {"intel-mesa-xe3-matrix",
     {.vendor_id = kVendorIntel, .driver_id = kIntelMesa, .name_part = "(PTL)"},
     {.clear_matrices = true},
     "cooperative matrices loaded from shared memory at different offsets are all the first one; "
     "cubecl pull request 1444, Mesa issue 15932"},
    {"intel-mesa-wildcat-lake-matrix",
     {.vendor_id = kVendorIntel, .driver_id = kIntelMesa, .name_part = "(WCL)"},
     {.clear_matrices = true},
     "the same architecture as (PTL), same fault; cubecl pull request 1444"},
    // All of the generation, by the first number of its chips: some of it is named otherwise
    // (Adreno 7c+ Gen 3). Those of it that have more registers lack 16-bit storage, which the rows
    // need too.
    {"adreno-6xx-registers",
     {.vendor_id = kVendorQualcomm, .device_id_from = 0x06000000, .device_id_below = 0x07000000},
     {.set_few_registers = true},
     "64 registers of four words where the generations after it have 96; Mesa "
     "src/freedreno/common/freedreno_devices.py, reg_size_vec4 and chip_id. Tiles of heads from 80 "
     "on spill there: tests/drivers, turnip_660"},
};

bool in_range(uint32_t value, uint32_t from, uint32_t below) {
  return value >= from && (below == 0 || value < below);
}

void edit(const TraitsEdit& edit, DeviceTraits& traits) {
  if (edit.clear_storage_16bit) traits.storage_16bit = false;
  if (edit.clear_matrices) traits.matrix_shapes.clear();
  if (edit.clear_matrices || edit.clear_matrix2) traits.matrix2 = 0;
  if (edit.clear_subgroup_extended_types) traits.subgroup_extended_types = false;
  if (edit.set_few_registers) traits.few_registers = true;
  if (edit.set_short_offsets) traits.short_offsets = true;
  traits.subgroup_operations &= ~edit.clear_subgroup_operations;
}

}  // namespace

std::span<const Quirk> quirks() noexcept { return kQuirks; }

bool matches(const DeviceMatch& match, const DeviceTraits& traits) noexcept {
  if (match.vendor_id != 0 && match.vendor_id != traits.vendor_id) return false;
  if (match.driver_id != 0 && match.driver_id != traits.driver_id) return false;
  if (match.name_part && !std::string_view(traits.name).contains(match.name_part)) return false;
  if (match.mixed_dot_accelerated && *match.mixed_dot_accelerated != traits.mixed_dot_accelerated)
    return false;
  if (match.subgroups_per_core != 0 && match.subgroups_per_core != traits.subgroups_per_core)
    return false;
  if (!in_range(traits.device_id, match.device_id_from, match.device_id_below)) return false;
  return in_range(traits.driver_version, match.driver_version_from, match.driver_version_below) &&
         in_range(traits.api_version, 0, match.api_version_below);
}

void apply_quirks(DeviceTraits& traits, std::span<const Quirk> rows) {
  for (const Quirk& quirk : rows) {
    if (!matches(quirk.match, traits)) continue;
    edit(quirk.edit, traits);
    traits.quirks.push_back(quirk.id);
  }
}

}  // namespace weft::decide
