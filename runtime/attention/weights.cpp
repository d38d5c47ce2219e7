// The weights of an attention, recomputed from its logsumexp.
#include <cstddef>

#include "attention/record.hpp"
#include "attention/validate.hpp"
#include "decide/constants.hpp"
#include "params.h"
#include "schedule/operation.hpp"
#include "vulkan/device.hpp"

namespace weft {
namespace {

using attention_detail::row_stride;
using attention_detail::set_slice;
using attention_detail::WeightsShape;
using checks::ceil_div;
using params::AttentionArgs;
using params::WeightsPush;

constexpr checks::Rules kRules{"attention_weights"};
constexpr size_t kConstants = WEFT_WEIGHTS_KEY_LANES + 1;
static_assert(static_cast<int>(WeightsStage::scaled) == WEFT_STAGE_SCALED &&
              static_cast<int>(WeightsStage::capped) == WEFT_STAGE_CAPPED &&
              static_cast<int>(WeightsStage::masked) == WEFT_STAGE_MASKED &&
              static_cast<int>(WeightsStage::probabilities) == WEFT_STAGE_PROBABILITIES);

// Keys and rows of an invocation, and groups of four elements that it reads together: as many as no
// compiler at hand spills (tests/drivers). A CPU driver reads fast what all invocations of a
// workgroup share: keys where invocations are rows; rows where they are keys, which many rows then
// use. Not in subgroups of 16, for which the driver crashes over addresses that differ
// (lib/memory.glsl).
struct Block {
  uint32_t keys = 4, rows = 1, step_groups = 4;
  bool key_lanes = false;
};
Block block_of(const DeviceTraits& traits, const WeightsShape& shape, uint32_t local_size) {
  if (traits.type == DeviceType::cpu) {
    constexpr Block kKeyLanes{.keys = 1, .rows = 16, .step_groups = 8, .key_lanes = true};
    const uint64_t lanes = ceil_div(shape.key_count, local_size) * local_size;
    const bool few_idle = 4 * lanes <= 5 * uint64_t{shape.key_count};
    Block block{.keys = 8, .rows = 2, .step_groups = 16};
    const bool narrow = traits.subgroup_size < 16;
    if (narrow && few_idle && shape.scores.q_len >= kKeyLanes.rows) block = kKeyLanes;
    if (!shape.aligned) block.step_groups = 1;  // elements read one by one take code: seconds to compile
    return block;
  }
  if (decide::fits(decide::Where::small, traits)) return {.keys = 2};
  return {};
}

// Workgroups along query rows and along keys.
std::array<uint64_t, 2> grid_of(const WeightsShape& shape, const Block& block,
                                uint32_t local_size) {
  const uint32_t rows = block.key_lanes ? block.rows : local_size * block.rows;
  const uint32_t keys = block.key_lanes ? local_size : block.keys;
  return {ceil_div(shape.scores.q_len, rows), ceil_div(shape.key_count, keys)};
}

std::array<uint32_t, kConstants> constants(const AttentionWeightsCall& call,
                                           const WeightsShape& shape, uint32_t local_size,
                                           const Block& block) {
  std::array<uint32_t, kConstants> values{};
  const AttentionDesc& desc = shape.desc;
  values[WEFT_WEIGHTS_LOCAL_SIZE] = local_size;
  values[WEFT_WEIGHTS_HEAD_DIM] = desc.head_dim;
  values[WEFT_WEIGHTS_BLOCK_KEYS] = block.keys;
  values[WEFT_WEIGHTS_ROWS] = block.rows;
  values[WEFT_WEIGHTS_STEP_GROUPS] = block.step_groups;
  values[WEFT_WEIGHTS_KEY_LANES] = block.key_lanes;
  values[WEFT_WEIGHTS_QUERY_TYPE] = decide::element_type(desc.query_dtype);
  values[WEFT_WEIGHTS_KEY_TYPE] = decide::element_type(desc.kv_dtype);
  values[WEFT_WEIGHTS_MASK_KIND] = static_cast<uint32_t>(desc.mask);
  values[WEFT_WEIGHTS_MASK_TYPE] = decide::mask_type(desc.mask_dtype);
  values[WEFT_WEIGHTS_HAS_BIAS] = desc.bias;
  values[WEFT_WEIGHTS_BIAS_TYPE] = decide::element_type(desc.bias_dtype);
  values[WEFT_WEIGHTS_FEATURES] = desc.features;
  values[WEFT_WEIGHTS_STAGE] = static_cast<uint32_t>(call.stage);
  values[WEFT_WEIGHTS_MEAN] = call.mean_heads;
  values[WEFT_WEIGHTS_ACCUMULATE] = call.accumulate;
  values[WEFT_WEIGHTS_ALIGNED] = shape.aligned;
  return values;
}

AttentionArgs arguments(const AttentionWeightsCall& call, const WeightsShape& shape) {
  AttentionArgs args = attention_detail::score_args(call.attention, shape.scores);
  if (call.stage == WeightsStage::probabilities)
    set_slice(call.attention.logsumexp, args.logsumexp_stride_batch, args.logsumexp_stride_head);
  return args;
}

WeightsPush push_block(const AttentionWeightsCall& call, const WeightsShape& shape) {
  const attention_detail::ScoreShape& scores = shape.scores;
  WeightsPush push{};
  set_slice(call.weights, push.weights_stride_batch, push.weights_stride_head);
  push.weights_stride_row = row_stride(call.weights);
  push.head_count = shape.head_count;
  push.key_count = shape.key_count;
  push.q_len = scores.q_len;
  push.kv_len = scores.kv_len;
  push.group_size = scores.heads / scores.kv_heads;
  push.scale_log2 = scores.scale_log2;
  push.null_first = shape.null_first;
  return push;
}

schedule::Operation make_operation(const AttentionWeightsCall& call, const WeightsShape& shape,
                                   const char* kernel, const vulkan::Pipeline* pipeline) {
  const AttentionCall& attention = call.attention;
  schedule::Operation operation("attention_weights", kernel, pipeline);
  operation.push(push_block(call, shape));
  operation.args(arguments(call, shape), offsetof(WeightsPush, args));
  operation.read(attention.query, offsetof(WeightsPush, query));
  operation.read(attention.key, offsetof(WeightsPush, key));
  if (call.stage == WeightsStage::probabilities)
    operation.read(attention.logsumexp, offsetof(WeightsPush, logsumexp));
  if (call.accumulate) operation.also_read(call.weights);
  operation.write(call.weights, offsetof(WeightsPush, weights));
  attention_detail::read_given(operation, attention, attention_detail::kScoreTensors);
  if (!call.heads.empty()) operation.args_list(call.heads, offsetof(WeightsPush, head_list));
  if (!call.keys.empty()) operation.args_list(call.keys, offsetof(WeightsPush, key_list));
  operation.flops = 2.0 * shape.scores.batch * shape.head_count * shape.scores.q_len *
                    shape.key_count * shape.desc.head_dim;
  return operation;
}

}  // namespace

namespace attention_detail {

Result<schedule::Operation> weights_operation(const Device& device, const AttentionWeightsCall& call,
                                              const WeightsShape& shape) {
  const decide::SimpleChoice choice =
      decide::choose_simple(decide::Simple::weights, device.traits());
  const Block block = block_of(device.traits(), shape, choice.local_size);
  const auto [row_groups, key_groups] = grid_of(shape, block, choice.local_size);
  const std::array<uint64_t, 3> groups = {row_groups, key_groups,
                                          uint64_t{shape.output_heads} * shape.scores.batch};
  WEFT_TRY(kRules.grid(device.traits(), groups,
                       {"blocks of query rows", "blocks of keys", "heads times batch"}));
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline,
              vulkan::pipeline(*device.state(), choice.shader,
                               constants(call, shape, choice.local_size, block)));
  schedule::Operation operation = make_operation(call, shape, choice.name, pipeline);
  operation.grid(groups[0], groups[1], groups[2]);
  return operation;
}

}  // namespace attention_detail

Result<void> attention_weights(Recorder& recorder, const AttentionWeightsCall& call) {
  const Device& device = recorder.device();
  WEFT_ASSIGN(const WeightsShape shape, attention_detail::validate(call));
  WEFT_TRY(attention_detail::check_device(kRules, attention_detail::operands(call), device));
  if (call.weights.elements() == 0 || shape.scores.batch == 0) return {};

  WEFT_ASSIGN(schedule::Operation operation,
              attention_detail::weights_operation(device, call, shape));
  return recorder.add(std::move(operation));
}

}  // namespace weft
