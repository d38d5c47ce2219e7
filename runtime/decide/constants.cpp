#include "decide/constants.hpp"

#include <algorithm>
#include <bit>

#include "params.h"

namespace weft::decide {
namespace {

static_assert(element_type(DType::f32) == WEFT_TYPE_F32 &&
              element_type(DType::f16) == WEFT_TYPE_F16 &&
              element_type(DType::bf16) == WEFT_TYPE_BF16);
static_assert(static_cast<int>(MaskKind::none) == WEFT_MASK_NONE &&
              static_cast<int>(MaskKind::keep) == WEFT_MASK_KEEP &&
              static_cast<int>(MaskKind::drop) == WEFT_MASK_DROP);
static_assert(mask_type(DType::u8) == WEFT_MASK_U8 && mask_type(DType::i32) == WEFT_MASK_I32);
static_assert(kFeatureKvLengths == WEFT_FEATURE_KV_LENGTHS &&
              kFeatureLogsumexp == WEFT_FEATURE_LOGSUMEXP &&
              kFeatureWindow == WEFT_FEATURE_WINDOW &&
              kFeaturePositionOffsets == WEFT_FEATURE_POSITION_OFFSETS &&
              kFeaturePackedQuery == WEFT_FEATURE_PACKED_QUERY &&
              kFeaturePackedKv == WEFT_FEATURE_PACKED_KV &&
              kFeatureRegions == WEFT_FEATURE_REGIONS &&
              kFeatureRegionMask == WEFT_FEATURE_REGION_MASK &&
              kFeatureSoftcap == WEFT_FEATURE_SOFTCAP && kFeatureSinks == WEFT_FEATURE_SINKS &&
              kFeatureNullKeys == WEFT_FEATURE_NULL_KEYS &&
              kFeatureScoreItems == WEFT_FEATURE_SCORE_ITEMS &&
              kFeatureValueItems == WEFT_FEATURE_VALUE_ITEMS &&
              kFeatureWeights == WEFT_FEATURE_WEIGHTS);
static_assert(kAttentionConstants == WEFT_ATTENTION_FINISHED + 1);
static_assert(kLinearConstants == WEFT_LINEAR_READ_TOGETHER + 1);

constexpr uint32_t kReadTogetherDim = 96;

}  // namespace

uint32_t value_chunk(const AttentionRow& row, uint32_t value_dim) noexcept {
  const uint32_t most = row.value_chunk != 0 ? row.value_chunk : value_dim;
  const uint32_t chunks = (value_dim + most - 1) / most;
  return ((value_dim + chunks - 1) / chunks + 3) / 4 * 4;
}

std::array<uint32_t, kAttentionConstants> attention_constants(const AttentionRow& row,
                                                              const AttentionDesc& desc,
                                                              const DeviceTraits& traits,
                                                              bool aligned) {
  std::array<uint32_t, kAttentionConstants> constants{};
  const auto set = [&](size_t id, uint32_t value) { constants[id] = value; };
  set(WEFT_ATTENTION_LOCAL_SIZE, local_size(row, traits));
  set(WEFT_ATTENTION_HEAD_DIM, desc.head_dim);
  set(WEFT_ATTENTION_VALUE_DIM, desc.value_dim);
  set(WEFT_ATTENTION_ROWS, row.rows);
  set(WEFT_ATTENTION_BLOCK_KV, row.block_kv);
  set(WEFT_ATTENTION_VALUE_CHUNK, value_chunk(row, desc.value_dim));
  set(WEFT_ATTENTION_HOLD_QUERY, row.hold_query);
  set(WEFT_ATTENTION_QUERY_TYPE, element_type(desc.query_dtype));
  set(WEFT_ATTENTION_KV_TYPE, element_type(row.unpack ? DType::f32 : desc.kv_dtype));
  set(WEFT_ATTENTION_OUTPUT_TYPE, element_type(desc.output_dtype));
  set(WEFT_ATTENTION_MASK_KIND, static_cast<uint32_t>(desc.mask));
  set(WEFT_ATTENTION_MASK_TYPE, mask_type(desc.mask_dtype));
  set(WEFT_ATTENTION_HAS_BIAS, desc.bias);
  set(WEFT_ATTENTION_BIAS_TYPE, element_type(desc.bias_dtype));
  set(WEFT_ATTENTION_FEATURES, desc.features);
  set(WEFT_ATTENTION_ALIGNED, aligned);
  set(WEFT_ATTENTION_BLOCK_Q, block_q(row));
  set(WEFT_ATTENTION_SUBGROUP_SIZE, subgroup_size(row, traits));
  set(WEFT_ATTENTION_SUBGROUPS, row.subgroups.count);
  set(WEFT_ATTENTION_MATRIX_M, row.matrix.m);
  set(WEFT_ATTENTION_MATRIX_N, row.matrix.n);
  set(WEFT_ATTENTION_MATRIX_K, row.matrix.k);
  // Reads of a CPU driver at addresses that differ between invocations take seven times as long, but the code of
  // wide rows outgrows the core's cache.
  set(WEFT_ATTENTION_READ_TOGETHER, row.where == Where::cpu && row.rows == 1 && aligned &&
                                        desc.query_dtype == DType::f32 && desc.head_dim <= kReadTogetherDim);
  return constants;
}

SimpleChoice choose_simple(Simple kind, const DeviceTraits& traits) noexcept {
  struct Row {
    SimpleChoice base;
    Shader native16;
    const char* native16_name;
    uint32_t cpu_local_size;
  };
  static constexpr Row kRows[] = {
      {{"attention_weights", Shader::attention_weights, 64},
       Shader::attention_weights_native16,
       "attention_weights_native16",
       8},
      {{"attention_merge", Shader::attention_merge, 64},
       Shader::attention_merge_native16,
       "attention_merge_native16",
       8},
      {{"norm", Shader::norm, 64}, Shader::norm_native16, "norm_native16", 8},
      {{"add", Shader::add, 64}, Shader::add_native16, "add_native16", 8},
      {{"gather", Shader::gather, 64}, Shader::gather_native16, "gather_native16", 8},
      {{"attention_combine", Shader::attention_combine, 64},
       Shader::attention_combine_native16,
       "attention_combine_native16",
       8},
      {{"attention_pack", Shader::attention_pack, 64},
       Shader::attention_pack_native16,
       "attention_pack_native16",
       8},
      {{"multiply", Shader::multiply, 64}, Shader::multiply_native16, "multiply_native16", 8},
      {{"mix_keys", Shader::mix_keys, 64}, Shader::mix_keys_native16, "mix_keys_native16", 8},
      {{"rotary", Shader::rotary, 64}, Shader::rotary_native16, "rotary_native16", 8},
  };
  const Row& row = kRows[static_cast<size_t>(kind)];
  SimpleChoice choice = row.base;
  if (traits.storage_16bit) {
    choice.name = row.native16_name;
    choice.shader = row.native16;
  }
  if (traits.type == DeviceType::cpu) choice.local_size = row.cpu_local_size;
  return choice;
}

uint32_t norm_lanes(const DeviceTraits& traits, uint32_t dim, uint32_t local_size) noexcept {
  if (traits.type == DeviceType::cpu) return 1;
  return std::min(std::bit_ceil((dim + 3) / 4), local_size);
}

}  // namespace weft::decide
