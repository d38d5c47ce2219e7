// The compiled kernels against the C++ side of params.h: member names and offsets, constant names
// and ids.
#include "decide/constants.hpp"
#include "params.h"

#include <catch2/catch_test_macros.hpp>
#include <cctype>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "spirv_reader.hpp"
#include "vulkan/shaders.hpp"

using namespace weft::params;
using weft::decide::Shader;
using weft::test::SpirvReader;
using weft::test::SpirvStruct;

namespace {

struct Member {
  const char* name;
  size_t offset;
};
struct Block {
  const char* name;
  std::vector<Member> members;
};
struct Constant {
  const char* name;
  uint32_t id;
};
struct Kernel {
  std::vector<Shader> shaders;
  std::vector<Block> blocks;
  std::vector<Constant> constants;
};

#define MEMBER(type, name) \
  { #name, offsetof(type, name) }
#define CONSTANT(kernel, name) \
  { #name, WEFT_##kernel##_##name }

Block attention_push() {
  using T = AttentionPush;
  return {"AttentionPush",
          {MEMBER(T, query), MEMBER(T, key), MEMBER(T, value), MEMBER(T, output_values),
           MEMBER(T, logsumexp), MEMBER(T, args), MEMBER(T, q_len), MEMBER(T, kv_len),
           MEMBER(T, group_size), MEMBER(T, scale_log2)}};
}

Block attention_args() {
  using T = AttentionArgs;
  return {"AttentionArgs",
          {MEMBER(T, query_stride_batch), MEMBER(T, query_stride_head),
           MEMBER(T, key_stride_batch), MEMBER(T, key_stride_head),
           MEMBER(T, value_stride_batch), MEMBER(T, value_stride_head),
           MEMBER(T, output_stride_batch), MEMBER(T, output_stride_head),
           MEMBER(T, logsumexp_stride_batch), MEMBER(T, logsumexp_stride_head),
           MEMBER(T, weights_stride_batch), MEMBER(T, weights_stride_head),
           MEMBER(T, mask_stride_batch), MEMBER(T, mask_stride_head),
           MEMBER(T, bias_stride_batch), MEMBER(T, bias_stride_head),
           MEMBER(T, query_regions_stride_batch), MEMBER(T, key_regions_stride_batch),
           MEMBER(T, null_key_stride_head), MEMBER(T, null_value_stride_head), MEMBER(T, mask),
           MEMBER(T, bias), MEMBER(T, kv_lengths), MEMBER(T, position_offsets),
           MEMBER(T, q_starts), MEMBER(T, kv_starts), MEMBER(T, query_regions),
           MEMBER(T, key_regions), MEMBER(T, region_mask), MEMBER(T, sinks),
           MEMBER(T, null_key), MEMBER(T, null_value), MEMBER(T, score_items),
           MEMBER(T, value_items), MEMBER(T, weights), MEMBER(T, query_stride_row), MEMBER(T, key_stride_row),
           MEMBER(T, value_stride_row), MEMBER(T, output_stride_row),
           MEMBER(T, mask_stride_row), MEMBER(T, bias_stride_row),
           MEMBER(T, null_key_stride_row), MEMBER(T, null_value_stride_row),
           MEMBER(T, null_len), MEMBER(T, kv_limit), MEMBER(T, query_rows),
           MEMBER(T, key_rows), MEMBER(T, item_count), MEMBER(T, value_count),
           MEMBER(T, query_ids), MEMBER(T, key_ids), MEMBER(T, region_stride_row),
           MEMBER(T, position_offset), MEMBER(T, window_left), MEMBER(T, window_right),
           MEMBER(T, softcap_log2), MEMBER(T, weights_stride_row),
           MEMBER(T, parts), MEMBER(T, batch)}};
}

Block split_push() {
  using T = SplitPush;
  return {"SplitPush",
          {MEMBER(T, sums), MEMBER(T, states), MEMBER(T, parts), MEMBER(T, rows),
           MEMBER(T, fold_heads), MEMBER(T, fold_items), MEMBER(T, fold_rows),
           MEMBER(T, head_folds)}};
}

Block weights_push() {
  using T = WeightsPush;
  return {"WeightsPush",
          {MEMBER(T, query), MEMBER(T, key), MEMBER(T, logsumexp), MEMBER(T, weights),
           MEMBER(T, args), MEMBER(T, head_list), MEMBER(T, key_list),
           MEMBER(T, weights_stride_batch), MEMBER(T, weights_stride_head),
           MEMBER(T, weights_stride_row), MEMBER(T, head_count), MEMBER(T, key_count),
           MEMBER(T, q_len), MEMBER(T, kv_len), MEMBER(T, group_size), MEMBER(T, scale_log2),
           MEMBER(T, null_first)}};
}

Block pack_push() {
  using T = PackPush;
  return {"PackPush",
          {MEMBER(T, data), MEMBER(T, result), MEMBER(T, data_stride_batch),
           MEMBER(T, data_stride_head), MEMBER(T, result_stride_batch),
           MEMBER(T, result_stride_head), MEMBER(T, rows), MEMBER(T, dim),
           MEMBER(T, data_stride_row), MEMBER(T, reserved)}};
}

Block merge_push() {
  using T = MergePush;
  return {"MergePush",
          {MEMBER(T, left), MEMBER(T, right), MEMBER(T, left_logsumexp),
           MEMBER(T, right_logsumexp), MEMBER(T, result), MEMBER(T, logsumexp),
           MEMBER(T, args), MEMBER(T, q_len), MEMBER(T, value_dim)}};
}

Block merge_args() {
  using T = MergeArgs;
  return {"MergeArgs",
          {MEMBER(T, left_stride_batch), MEMBER(T, left_stride_head),
           MEMBER(T, right_stride_batch), MEMBER(T, right_stride_head),
           MEMBER(T, left_logsumexp_stride_batch), MEMBER(T, left_logsumexp_stride_head),
           MEMBER(T, right_logsumexp_stride_batch), MEMBER(T, right_logsumexp_stride_head),
           MEMBER(T, result_stride_batch), MEMBER(T, result_stride_head),
           MEMBER(T, logsumexp_stride_batch), MEMBER(T, logsumexp_stride_head),
           MEMBER(T, left_stride_row), MEMBER(T, right_stride_row),
           MEMBER(T, result_stride_row), MEMBER(T, reserved)}};
}

Block linear_push() {
  using T = LinearPush;
  return {"LinearPush",
          {MEMBER(T, data), MEMBER(T, weight), MEMBER(T, bias), MEMBER(T, result), MEMBER(T, rows),
           MEMBER(T, in_features), MEMBER(T, out_features), MEMBER(T, data_stride_row),
           MEMBER(T, weight_stride_row), MEMBER(T, result_stride_row)}};
}

Block norm_push() {
  using T = NormPush;
  return {"NormPush",
          {MEMBER(T, data), MEMBER(T, weight), MEMBER(T, bias), MEMBER(T, result), MEMBER(T, rows),
           MEMBER(T, dim), MEMBER(T, data_stride_row), MEMBER(T, result_stride_row),
           MEMBER(T, epsilon)}};
}

Block add_push() {
  using T = AddPush;
  return {"AddPush",
          {MEMBER(T, left), MEMBER(T, right), MEMBER(T, result), MEMBER(T, gate),
           MEMBER(T, row_factors), MEMBER(T, rows), MEMBER(T, dim), MEMBER(T, right_rows),
           MEMBER(T, left_stride_row), MEMBER(T, right_stride_row), MEMBER(T, result_stride_row)}};
}

Block gather_push() {
  using T = GatherPush;
  return {
      "GatherPush",
      {MEMBER(T, table), MEMBER(T, indices), MEMBER(T, result), MEMBER(T, count), MEMBER(T, dim),
       MEMBER(T, table_rows), MEMBER(T, table_stride_row), MEMBER(T, result_stride_row)}};
}

Block multiply_push() {
  using T = MultiplyPush;
  return {"MultiplyPush",
          {MEMBER(T, left), MEMBER(T, right), MEMBER(T, result), MEMBER(T, rows), MEMBER(T, dim),
           MEMBER(T, right_rows), MEMBER(T, left_stride_row), MEMBER(T, right_stride_row),
           MEMBER(T, result_stride_row)}};
}

Block mix_keys_push() {
  using T = MixKeysPush;
  return {"MixKeysPush",
          {MEMBER(T, data), MEMBER(T, factors), MEMBER(T, matrix), MEMBER(T, result),
           MEMBER(T, data_stride_batch), MEMBER(T, data_stride_head),
           MEMBER(T, factors_stride_batch), MEMBER(T, factors_stride_head),
           MEMBER(T, matrix_stride_batch), MEMBER(T, matrix_stride_head),
           MEMBER(T, result_stride_batch), MEMBER(T, result_stride_head), MEMBER(T, heads),
           MEMBER(T, rows), MEMBER(T, kv_len), MEMBER(T, dim), MEMBER(T, data_stride_row),
           MEMBER(T, matrix_stride_row), MEMBER(T, result_stride_row), MEMBER(T, reserved)}};
}

Block rotary_push() {
  using T = RotaryPush;
  return {"RotaryPush",
          {MEMBER(T, data), MEMBER(T, angles), MEMBER(T, result), MEMBER(T, data_stride_batch),
           MEMBER(T, data_stride_head), MEMBER(T, result_stride_batch),
           MEMBER(T, result_stride_head), MEMBER(T, heads), MEMBER(T, rows), MEMBER(T, dim),
           MEMBER(T, turned), MEMBER(T, data_stride_row), MEMBER(T, angles_stride_row),
           MEMBER(T, result_stride_row), MEMBER(T, reserved)}};
}

std::vector<Constant> attention_constants() {
  return {CONSTANT(ATTENTION, LOCAL_SIZE), CONSTANT(ATTENTION, HEAD_DIM),
          CONSTANT(ATTENTION, VALUE_DIM), CONSTANT(ATTENTION, ROWS),
          CONSTANT(ATTENTION, BLOCK_KV), CONSTANT(ATTENTION, VALUE_CHUNK),
          CONSTANT(ATTENTION, HOLD_QUERY), CONSTANT(ATTENTION, QUERY_TYPE),
          CONSTANT(ATTENTION, KV_TYPE), CONSTANT(ATTENTION, OUTPUT_TYPE),
          CONSTANT(ATTENTION, MASK_KIND), CONSTANT(ATTENTION, MASK_TYPE),
          CONSTANT(ATTENTION, HAS_BIAS), CONSTANT(ATTENTION, BIAS_TYPE),
          CONSTANT(ATTENTION, FEATURES), CONSTANT(ATTENTION, ALIGNED),
          CONSTANT(ATTENTION, READ_TOGETHER)};
}

std::vector<Constant> tile_constants() {
  std::vector<Constant> constants = attention_constants();
  constants.resize(WEFT_ATTENTION_ALIGNED + 1);
  constants.push_back(CONSTANT(ATTENTION, BLOCK_Q));
  return constants;
}

std::vector<Constant> coopmat_constants() {
  std::vector<Constant> constants = tile_constants();
  std::erase_if(constants, [](const Constant& constant) {
    return constant.id == WEFT_ATTENTION_QUERY_TYPE || constant.id == WEFT_ATTENTION_KV_TYPE;
  });
  constants.insert(constants.end(),
                   {CONSTANT(ATTENTION, SUBGROUP_SIZE), CONSTANT(ATTENTION, SUBGROUPS),
                    CONSTANT(ATTENTION, MATRIX_M), CONSTANT(ATTENTION, MATRIX_N),
                    CONSTANT(ATTENTION, MATRIX_K)});
  return constants;
}

std::vector<Constant> split_constants() {
  std::vector<Constant> constants = tile_constants();
  std::erase_if(constants, [](const Constant& constant) {
    return constant.id == WEFT_ATTENTION_ROWS || constant.id == WEFT_ATTENTION_HOLD_QUERY;
  });
  return constants;
}

// Of the module that finds its own steps, and knows no chunks.
std::vector<Constant> split_gpu_constants(bool shuffles) {
  std::vector<Constant> constants = split_constants();
  std::erase_if(constants, [](const Constant& constant) {
    return constant.id == WEFT_ATTENTION_BLOCK_KV || constant.id == WEFT_ATTENTION_VALUE_CHUNK;
  });
  if (shuffles) constants.push_back(CONSTANT(ATTENTION, SUBGROUP_SIZE));
  return constants;
}

std::vector<Constant> combine_constants() {
  return {CONSTANT(ATTENTION, LOCAL_SIZE), CONSTANT(ATTENTION, VALUE_DIM),
          CONSTANT(ATTENTION, OUTPUT_TYPE), CONSTANT(ATTENTION, FEATURES),
          CONSTANT(ATTENTION, ALIGNED), CONSTANT(ATTENTION, FINISHED)};
}

std::vector<Constant> weights_constants() {
  return {CONSTANT(WEIGHTS, LOCAL_SIZE), CONSTANT(WEIGHTS, HEAD_DIM),
          CONSTANT(WEIGHTS, BLOCK_KEYS), CONSTANT(WEIGHTS, QUERY_TYPE),
          CONSTANT(WEIGHTS, KEY_TYPE), CONSTANT(WEIGHTS, MASK_KIND), CONSTANT(WEIGHTS, MASK_TYPE),
          CONSTANT(WEIGHTS, HAS_BIAS), CONSTANT(WEIGHTS, BIAS_TYPE), CONSTANT(WEIGHTS, FEATURES),
          CONSTANT(WEIGHTS, STAGE), CONSTANT(WEIGHTS, MEAN), CONSTANT(WEIGHTS, ACCUMULATE),
          CONSTANT(WEIGHTS, ALIGNED), CONSTANT(WEIGHTS, ROWS), CONSTANT(WEIGHTS, STEP_GROUPS),
          CONSTANT(WEIGHTS, KEY_LANES)};
}

std::vector<Constant> merge_constants() {
  return {CONSTANT(MERGE, LOCAL_SIZE), CONSTANT(MERGE, LEFT_TYPE), CONSTANT(MERGE, RIGHT_TYPE),
          CONSTANT(MERGE, RESULT_TYPE), CONSTANT(MERGE, LOGSUMEXP), CONSTANT(MERGE, ALIGNED)};
}

std::vector<Constant> linear_constants() {
  return {CONSTANT(LINEAR, LOCAL_SIZE),  CONSTANT(LINEAR, ROWS),
          CONSTANT(LINEAR, COLUMNS),     CONSTANT(LINEAR, DATA_TYPE),
          CONSTANT(LINEAR, WEIGHT_TYPE), CONSTANT(LINEAR, RESULT_TYPE),
          CONSTANT(LINEAR, BIAS_TYPE),   CONSTANT(LINEAR, HAS_BIAS),
          CONSTANT(LINEAR, ACTIVATION),  CONSTANT(LINEAR, ALIGNED)};
}

std::vector<Constant> linear_lane_constants() {
  std::vector<Constant> constants = linear_constants();
  constants.push_back(CONSTANT(LINEAR, READ_TOGETHER));
  return constants;
}

std::vector<Constant> linear_tile_constants() {
  std::vector<Constant> constants = linear_constants();
  constants.insert(constants.end(),
                   {CONSTANT(LINEAR, BLOCK_ROWS), CONSTANT(LINEAR, BLOCK_COLUMNS)});
  return constants;
}

// Data and weight have the matrices' type.
std::vector<Constant> coopmat2_constants() {
  std::vector<Constant> constants = tile_constants();
  std::erase_if(constants, [](const Constant& constant) {
    return constant.id == WEFT_ATTENTION_ROWS || constant.id == WEFT_ATTENTION_HOLD_QUERY ||
           constant.id == WEFT_ATTENTION_QUERY_TYPE || constant.id == WEFT_ATTENTION_KV_TYPE ||
           constant.id == WEFT_ATTENTION_ALIGNED;
  });
  return constants;
}

std::vector<Constant> linear_coopmat_constants() {
  std::vector<Constant> constants = linear_tile_constants();
  std::erase_if(constants, [](const Constant& constant) {
    return constant.id == WEFT_LINEAR_DATA_TYPE || constant.id == WEFT_LINEAR_WEIGHT_TYPE;
  });
  constants.insert(constants.end(),
                   {CONSTANT(LINEAR, SUBGROUP_SIZE), CONSTANT(LINEAR, SUBGROUPS),
                    CONSTANT(LINEAR, MATRIX_M), CONSTANT(LINEAR, MATRIX_N),
                    CONSTANT(LINEAR, MATRIX_K)});
  return constants;
}

std::vector<Constant> norm_constants() {
  return {CONSTANT(NORM, LOCAL_SIZE),     CONSTANT(NORM, KIND),        CONSTANT(NORM, DATA_TYPE),
          CONSTANT(NORM, PARAMETER_TYPE), CONSTANT(NORM, RESULT_TYPE), CONSTANT(NORM, HAS_WEIGHT),
          CONSTANT(NORM, HAS_BIAS),       CONSTANT(NORM, ALIGNED),     CONSTANT(NORM, LANES)};
}

std::vector<Kernel> kernels() {
  return {
      {{Shader::attention_lane, Shader::attention_lane_native16},
       {attention_push(), attention_args()},
       attention_constants()},
      {{Shader::attention_tile, Shader::attention_tile_native16, Shader::attention_short_native16},
       {attention_push(), attention_args()},
       tile_constants()},
      {{Shader::attention_coopmat, Shader::attention_coopmat_rolled, Shader::attention_coopmat_bf16},
       {attention_push(), attention_args()},
       coopmat_constants()},
      {{Shader::attention_coopmat2}, {attention_push(), attention_args()}, coopmat2_constants()},
      {{Shader::attention_split, Shader::attention_split_native16},
       {attention_push(), split_push(), attention_args()},
       split_gpu_constants(false)},
      {{Shader::attention_split_shuffle},
       {attention_push(), split_push(), attention_args()},
       split_gpu_constants(true)},
      {{Shader::attention_split_lane},
       {attention_push(), split_push(), attention_args()},
       split_constants()},
      {{Shader::attention_combine, Shader::attention_combine_native16},
       {attention_push(), split_push(), attention_args()},
       combine_constants()},
      {{Shader::attention_pack, Shader::attention_pack_native16},
       {pack_push()},
       {CONSTANT(PACK, LOCAL_SIZE), CONSTANT(PACK, TYPE), CONSTANT(PACK, ALIGNED),
        CONSTANT(PACK, RESULT_TYPE)}},
      {{Shader::attention_weights, Shader::attention_weights_native16},
       {weights_push(), attention_args()},
       weights_constants()},
      {{Shader::attention_merge, Shader::attention_merge_native16},
       {merge_push(), merge_args()},
       merge_constants()},
      {{Shader::linear, Shader::linear_native16}, {linear_push()}, linear_lane_constants()},
      {{Shader::linear_tile, Shader::linear_tile_native16},
       {linear_push()},
       linear_tile_constants()},
      {{Shader::linear_coopmat, Shader::linear_coopmat_rolled, Shader::linear_coopmat_bf16},
       {linear_push()},
       linear_coopmat_constants()},
      {{Shader::norm, Shader::norm_native16}, {norm_push()}, norm_constants()},
      {{Shader::add, Shader::add_native16},
       {add_push()},
       {CONSTANT(ADD, LOCAL_SIZE), CONSTANT(ADD, LEFT_TYPE), CONSTANT(ADD, RIGHT_TYPE),
        CONSTANT(ADD, RESULT_TYPE), CONSTANT(ADD, ALIGNED), CONSTANT(ADD, HAS_LEFT),
        CONSTANT(ADD, GATE), CONSTANT(ADD, GATE_TYPE), CONSTANT(ADD, GATE_COLUMNS),
        CONSTANT(ADD, ROW_FACTORS)}},
      {{Shader::multiply, Shader::multiply_native16},
       {multiply_push()},
       {CONSTANT(MULTIPLY, LOCAL_SIZE), CONSTANT(MULTIPLY, LEFT_TYPE),
        CONSTANT(MULTIPLY, RIGHT_TYPE), CONSTANT(MULTIPLY, RESULT_TYPE),
        CONSTANT(MULTIPLY, ACTIVATION), CONSTANT(MULTIPLY, ALIGNED)}},
      {{Shader::gather, Shader::gather_native16},
       {gather_push()},
       {CONSTANT(GATHER, LOCAL_SIZE), CONSTANT(GATHER, TABLE_TYPE), CONSTANT(GATHER, RESULT_TYPE),
        CONSTANT(GATHER, ALIGNED)}},
      {{Shader::mix_keys, Shader::mix_keys_native16},
       {mix_keys_push()},
       {CONSTANT(MIX_KEYS, LOCAL_SIZE), CONSTANT(MIX_KEYS, DATA_TYPE),
        CONSTANT(MIX_KEYS, RESULT_TYPE), CONSTANT(MIX_KEYS, HAS_FACTORS),
        CONSTANT(MIX_KEYS, HAS_MATRIX), CONSTANT(MIX_KEYS, ALIGNED)}},
      {{Shader::rotary, Shader::rotary_native16},
       {rotary_push()},
       {CONSTANT(ROTARY, LOCAL_SIZE), CONSTANT(ROTARY, DATA_TYPE), CONSTANT(ROTARY, RESULT_TYPE),
        CONSTANT(ROTARY, INTERLEAVED), CONSTANT(ROTARY, ALIGNED)}},
  };
}

void check_block(const SpirvReader& module, const Block& block) {
  INFO(block.name);
  const std::vector<SpirvStruct> found = module.structs(block.name);
  REQUIRE_FALSE(found.empty());
  for (const SpirvStruct& type : found) {
    REQUIRE(type.members.size() == block.members.size());
    for (size_t i = 0; i < type.members.size(); ++i) {
      INFO("member " << i);
      CHECK(type.members[i].name == block.members[i].name);
      CHECK(type.members[i].offset == block.members[i].offset);
    }
  }
}

// "kBlockKv" -> "BLOCK_KV": the name that params.h uses.
std::set<std::string> host_names(const std::set<std::string>& names) {
  std::set<std::string> result;
  for (const std::string& name : names) {
    std::string upper;
    for (size_t i = 1; i < name.size(); ++i) {
      const auto c = static_cast<unsigned char>(name[i]);
      if (i > 1 && std::isupper(c)) upper += '_';
      upper += static_cast<char>(std::toupper(c));
    }
    result.insert(upper);
  }
  return result;
}

void check_constants(const SpirvReader& module, const std::vector<Constant>& constants) {
  const auto found = module.constants();
  CHECK(found.size() == constants.size());  // none that the host doesn't know
  for (const Constant& constant : constants) {  // their ids index the array that the host passes
    INFO("constant " << constant.name);
    REQUIRE(found.contains(constant.id));
    CHECK(host_names(found.at(constant.id)) == std::set<std::string>{constant.name});
  }
}

}  // namespace

TEST_CASE("kernels and host agree on parameters and constants") {
  size_t checked = 0;
  for (const Kernel& kernel : kernels())
    for (const Shader shader : kernel.shaders) {
      INFO("module " << static_cast<uint32_t>(shader) << " of kernels.def");
      ++checked;
      if (weft::vulkan::spirv(shader).empty()) continue;  // what this build's compiler can't compile
      const SpirvReader module(weft::vulkan::spirv(shader));
      REQUIRE(module.valid());
      for (const Block& block : kernel.blocks) check_block(module, block);
      check_constants(module, kernel.constants);
    }
  CHECK(checked == static_cast<size_t>(Shader::count));  // a new module must be listed here
}

TEST_CASE("the reader refuses what is no module") {
  CHECK_FALSE(SpirvReader({}).valid());
  const uint32_t cut[] = {0x07230203, 0, 0, 0, 0, 4u << 16 | 5};
  CHECK_FALSE(SpirvReader(cut).valid());
}
