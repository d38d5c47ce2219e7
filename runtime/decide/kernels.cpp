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

}  // namespace

std::span<const AttentionRow> attention_rows() noexcept { return kAttentionRows; }
std::span<const LinearRow> linear_rows() noexcept { return kLinearRows; }

uint32_t met_needs(const DeviceTraits& traits) noexcept {
  uint32_t met = kNeedNothing;
  if (traits.storage_16bit) met |= kNeed16bitStorage;
  if (traits.shader_float16) met |= kNeedFloat16;
  if (traits.subgroup_operations & kSubgroupVote) met |= kNeedVote;
  if (traits.subgroup_operations & kSubgroupArithmetic) met |= kNeedArithmetic;
  if (traits.subgroup_operations & kSubgroupShuffle) met |= kNeedShuffle;
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
  }
  return false;
}

}  // namespace weft::decide
