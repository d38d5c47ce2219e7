#include "decide/kernels.hpp"

namespace weft::decide {
namespace {

constexpr AttentionRow kAttentionRows[] = {
#define WEFT_ATTENTION_ROW(name, module, needs, ...) {#name, Shader::module, needs, __VA_ARGS__},
#define WEFT_ATTENTION_PATH(row_name, module, ...) {.name = #row_name, .shader = Shader::module, __VA_ARGS__},
#include "decide/kernels.def"
};

constexpr LinearRow kLinearRows[] = {
#define WEFT_LINEAR_ROW(name, module, needs, ...) {#name, Shader::module, needs, __VA_ARGS__},
#define WEFT_LINEAR_PATH(row_name, module, ...) {.name = #row_name, .shader = Shader::module, __VA_ARGS__},
#include "decide/kernels.def"
};

// Block loads are left out: they serve quantized elements.
constexpr uint32_t kMatrix2Used = kMatrix2WorkgroupScope | kMatrix2FlexibleDimensions |
                                  kMatrix2Reductions | kMatrix2Conversions | kMatrix2PerElement |
                                  kMatrix2TensorAddressing;

}  // namespace

std::span<const AttentionRow> attention_rows() noexcept { return kAttentionRows; }
std::span<const LinearRow> linear_rows() noexcept { return kLinearRows; }

// The macros come from cmake/weft_shaders.cmake.
const char* not_compiled([[maybe_unused]] Shader shader) noexcept {
#if defined(WEFT_NO_ATTENTION_COOPMAT_BF16)
  if (shader == Shader::attention_coopmat_bf16) return "bfloat16";
#endif
#if defined(WEFT_NO_LINEAR_COOPMAT_BF16)
  if (shader == Shader::linear_coopmat_bf16) return "bfloat16";
#endif
#if defined(WEFT_NO_ATTENTION_COOPMAT2)
  if (shader == Shader::attention_coopmat2) return "cooperative_matrix2";
#endif
  return nullptr;
}

uint32_t met_needs(const DeviceTraits& traits) noexcept {
  uint32_t met = kNeedNothing;
  if (traits.storage_16bit) met |= kNeed16bitStorage;
  if (traits.shader_float16) met |= kNeedFloat16;
  if (traits.subgroup_operations & kSubgroupVote) met |= kNeedVote;
  if (traits.subgroup_operations & kSubgroupShuffle) met |= kNeedShuffle;
  if (traits.vulkan_memory_model && (traits.matrix2 & kMatrix2Used) == kMatrix2Used)
    met |= kNeedMatrix2;
  return met;
}

bool fits(Where where, const DeviceTraits& traits) noexcept {
  const DeviceType type = traits.type;
  switch (where) {
    case Where::any:
      return true;
    case Where::cpu:
      return type == DeviceType::cpu;
    case Where::gpu:
      return type != DeviceType::cpu;
    case Where::discrete:
      return type == DeviceType::discrete &&
             (traits.min_subgroup_size == 0 || traits.min_subgroup_size >= kWideSubgroup);
    case Where::small:
      return type == DeviceType::integrated && traits.max_subgroup_size != 0 &&
             traits.max_subgroup_size <= kSmallSubgroup;
    case Where::large:
      return type != DeviceType::cpu && !fits(Where::small, traits);
    case Where::wide:
      return type != DeviceType::cpu && traits.min_subgroup_size >= kWideSubgroup;
    case Where::narrow:
      return fits(Where::large, traits) && !fits(Where::wide, traits);
    case Where::ample:
      return fits(Where::wide, traits) && !traits.few_registers;
  }
  return false;
}

}  // namespace weft::decide
