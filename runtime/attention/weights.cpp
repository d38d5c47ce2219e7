// The weights of an attention, recomputed from its logsumexp.
#include <cstddef>

#include "attention/record.hpp"
#include "attention/validate.hpp"
#include "decide/select.hpp"
#include "params.h"
#include "schedule/operation.hpp"
#include "vulkan/device.hpp"

namespace weft {
namespace {

using attention_detail::WeightsShape;
using attention_detail::row_stride;
using checks::ceil_div;
using checks::stride_bytes;
using params::WeightsArgs;
using params::WeightsPush;

constexpr uint32_t kBlockKeys = 8;
constexpr size_t kConstants = WEFT_WEIGHTS_ALIGNED + 1;

std::array<uint32_t, kConstants> constants(const AttentionWeightsCall& call,
                                           const WeightsShape& shape, uint32_t local_size) {
  std::array<uint32_t, kConstants> values{};
  values[WEFT_WEIGHTS_LOCAL_SIZE] = local_size;
  values[WEFT_WEIGHTS_HEAD_DIM] = shape.head_dim;
  values[WEFT_WEIGHTS_BLOCK_KEYS] = kBlockKeys;
  values[WEFT_WEIGHTS_QUERY_TYPE] = decide::element_type(call.query.dtype);
  values[WEFT_WEIGHTS_KEY_TYPE] = decide::element_type(call.key.dtype);
  values[WEFT_WEIGHTS_MASK_KIND] = static_cast<uint32_t>(shape.mask);
  values[WEFT_WEIGHTS_MASK_TYPE] =
      shape.mask == MaskKind::bias ? decide::element_type(call.mask.dtype) : 0;
  values[WEFT_WEIGHTS_KV_LENGTHS] = static_cast<bool>(call.kv_lengths);
  values[WEFT_WEIGHTS_MEAN] = call.mean_heads;
  values[WEFT_WEIGHTS_ALIGNED] = shape.aligned;
  return values;
}

WeightsArgs arguments(const AttentionWeightsCall& call, const WeightsShape& shape) {
  WeightsArgs args{};
  args.query_stride_batch = stride_bytes(call.query, 0);
  args.query_stride_head = stride_bytes(call.query, 1);
  args.key_stride_batch = stride_bytes(call.key, 0);
  args.key_stride_head = stride_bytes(call.key, 1);
  if (call.mask) {
    args.mask_stride_batch = stride_bytes(call.mask, 0);
    args.mask_stride_head = stride_bytes(call.mask, 1);
    args.mask_stride_row = row_stride(call.mask);
  }
  args.logsumexp_stride_batch = stride_bytes(call.logsumexp, 0);
  args.logsumexp_stride_head = stride_bytes(call.logsumexp, 1);
  args.weights_stride_batch = stride_bytes(call.weights, 0);
  args.weights_stride_head = stride_bytes(call.weights, 1);
  args.query_stride_row = row_stride(call.query);
  args.key_stride_row = row_stride(call.key);
  args.weights_stride_row = row_stride(call.weights);
  args.head_count = shape.head_count;
  args.key_count = shape.key_count;
  return args;
}

schedule::Operation make_operation(const AttentionWeightsCall& call, const WeightsShape& shape,
                                   const char* kernel, const vulkan::Pipeline* pipeline) {
  WeightsPush push{};
  push.q_len = shape.q_len;
  push.kv_len = shape.kv_len;
  push.group_size = shape.heads / shape.kv_heads;
  push.scale_log2 = shape.scale_log2;
  schedule::Operation operation("attention_weights", kernel, pipeline);
  operation.push(push);
  operation.read(call.query, offsetof(WeightsPush, query));
  operation.read(call.key, offsetof(WeightsPush, key));
  if (call.mask) operation.read(call.mask, offsetof(WeightsPush, mask));
  operation.read(call.logsumexp, offsetof(WeightsPush, logsumexp));
  if (call.kv_lengths) operation.read(call.kv_lengths, offsetof(WeightsPush, kv_lengths));
  operation.write(call.weights, offsetof(WeightsPush, weights));
  operation.args(arguments(call, shape), offsetof(WeightsPush, args));
  if (!call.heads.empty()) operation.args_list(call.heads, offsetof(WeightsArgs, head_list));
  if (!call.keys.empty()) operation.args_list(call.keys, offsetof(WeightsArgs, key_list));
  operation.flops =
      2.0 * shape.batch * shape.head_count * shape.q_len * shape.key_count * shape.head_dim;
  return operation;
}

}  // namespace

Result<void> attention_weights(Recorder& recorder, const AttentionWeightsCall& call) {
  const checks::Rules rules{"attention_weights"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const WeightsShape shape, attention_detail::validate(call));
  WEFT_TRY(attention_detail::check_device(rules, attention_detail::operands(call), device));
  if (call.weights.elements() == 0) return {};

  const decide::SimpleChoice choice =
      decide::choose_simple(decide::Simple::weights, device.traits());
  const std::array<uint64_t, 3> groups = {ceil_div(shape.q_len, choice.local_size),
                                          ceil_div(shape.key_count, kBlockKeys),
                                          uint64_t{shape.output_heads} * shape.batch};
  WEFT_TRY(rules.grid(device.traits(), groups,
                      {"blocks of query rows", "blocks of keys", "heads times batch"}));
  WEFT_ASSIGN(
      const vulkan::Pipeline* pipeline,
      vulkan::pipeline(*device.state(), choice.shader, constants(call, shape, choice.local_size)));
  schedule::Operation operation = make_operation(call, shape, choice.name, pipeline);
  operation.grid(groups[0], groups[1], groups[2]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
