#include "attention/record.hpp"

#include <algorithm>
#include <cstddef>

#include "attention/combine.hpp"
#include "attention/pack.hpp"
#include "decide/constants.hpp"
#include "decide/split.hpp"
#include "params.h"
#include "schedule/operation.hpp"
#include "schedule/recorder_state.hpp"
#include "vulkan/device.hpp"

namespace weft::attention_detail {
namespace {

using checks::ceil_div;
using checks::stride_bytes;
using params::AttentionArgs;
using params::AttentionPush;

// A side of the window as the shaders take it.
int32_t window_side(int32_t side) {
  return side < 0 ? WEFT_NO_WINDOW : std::min(side, WEFT_NO_WINDOW);
}

}  // namespace

Result<void> check_device(const checks::Rules& rules, const std::vector<checks::Operand>& operands,
                          const Device& device) {
  return vulkan::check_operands(rules, operands, device, checks::kMaxBlockRows);
}

AttentionArgs forward_args(const AttentionCall& call, const AttentionShape& shape) {
  AttentionArgs args = score_args(call, shape.scores);
  set_slice(call.value, args.value_stride_batch, args.value_stride_head);
  set_slice(call.output, args.output_stride_batch, args.output_stride_head);
  set_slice(call.logsumexp, args.logsumexp_stride_batch, args.logsumexp_stride_head);
  set_slice(call.weights, args.weights_stride_batch, args.weights_stride_head);
  if (call.weights) args.weights_stride_row = row_stride(call.weights);
  args.value_stride_row = row_stride(call.value);
  args.output_stride_row = row_stride(call.output);
  args.value_count = shape.value_items;
  args.parts = 1;
  args.batch = shape.scores.batch;
  if (call.null_value) {
    args.null_value_stride_head = stride_bytes(call.null_value, 0);
    args.null_value_stride_row = row_stride(call.null_value);
  }
  return args;
}

AttentionPush forward_push(const ScoreShape& scores) {
  AttentionPush push{};
  push.q_len = scores.q_len;
  push.kv_len = scores.kv_len;
  push.group_size = scores.heads / scores.kv_heads;
  push.scale_log2 = scores.scale_log2;
  return push;
}

double forward_flops(const AttentionShape& shape) {
  const ScoreShape& scores = shape.scores;
  return 2.0 * scores.batch * scores.heads * scores.q_len * scores.kv_len *
         (shape.desc.head_dim + shape.desc.value_dim);
}

AttentionArgs score_args(const AttentionCall& call, const ScoreShape& shape) {
  AttentionArgs args{};
  const Tensor& mask = call.keep_mask ? call.keep_mask : call.drop_mask;
  set_slice(call.query, args.query_stride_batch, args.query_stride_head);
  set_slice(call.key, args.key_stride_batch, args.key_stride_head);
  set_slice(mask, args.mask_stride_batch, args.mask_stride_head);
  set_slice(call.bias, args.bias_stride_batch, args.bias_stride_head);
  args.query_stride_row = row_stride(call.query);
  args.key_stride_row = row_stride(call.key);
  if (mask) args.mask_stride_row = row_stride(mask);
  if (call.bias) args.bias_stride_row = row_stride(call.bias);
  if (call.query_regions) {
    args.query_regions_stride_batch = stride_bytes(call.query_regions, 0);
    args.key_regions_stride_batch = stride_bytes(call.key_regions, 0);
  }
  if (call.region_mask) {
    args.query_ids = static_cast<uint32_t>(call.region_mask.shape[0]);
    args.key_ids = static_cast<uint32_t>(call.region_mask.shape[1]);
    args.region_stride_row = row_stride(call.region_mask);
  }
  if (call.null_key) {
    args.null_key_stride_head = stride_bytes(call.null_key, 0);
    args.null_key_stride_row = row_stride(call.null_key);
  }
  args.null_len = shape.null_len;
  args.kv_limit = shape.kv_limit;
  args.query_rows = shape.query_rows;
  args.key_rows = shape.key_rows;
  args.item_count = shape.items;
  args.position_offset = call.position_offset;
  args.window_left = window_side(call.window_left);
  args.window_right = call.causal ? 0 : window_side(call.window_right);
  args.softcap_log2 = shape.softcap_log2;
  return args;
}

void read_given(schedule::Operation& operation, const AttentionCall& call,
                std::span<const OptionalTensor> tensors) {
  for (const OptionalTensor& optional : tensors)
    if (call.*optional.member)
      operation.read_by_args(call.*optional.member, static_cast<uint32_t>(optional.at));
}

namespace {

Result<Tensor> unpacked(Recorder& recorder, const checks::Rules& rules, const Tensor& data) {
  if (data.elements() == 0 || data.dtype == DType::f32) return data;
  return pack(recorder, rules, data, recorder.transient(DType::f32, packed_shape(data)));
}

// Workgroups, and into how many parts the keys are split: z is parts x batch.
struct Grid {
  std::array<uint64_t, 3> groups;
  uint32_t parts = 1;
};

Result<Grid> grid_of(const checks::Rules& rules, const decide::AttentionRow& row, const AttentionCall& call,
                     const AttentionShape& shape, const DeviceTraits& traits) {
  const ScoreShape& scores = shape.scores;
  const uint64_t chunks = ceil_div(shape.desc.value_dim, decide::value_chunk(row, shape.desc.value_dim));
  Grid grid{{ceil_div(scores.q_len, decide::block_q(row)) * chunks, scores.heads, scores.batch}};
  auto& groups = grid.groups;
  WEFT_TRY(rules.grid(traits, groups, {"blocks of query rows", "heads", "the batch"}));
  // Rows of packed queries are many already.
  if (decide::takes_parts(row.path) && !call.q_starts)
    grid.parts = decide::part_count(groups[0] * groups[1] * groups[2], scores.kv_len, traits);
  groups[2] *= grid.parts;
  return grid;
}

Result<schedule::Operation> grid_operation(const Device& device, const Plan& plan, const AttentionCall& call,
                                           const AttentionShape& shape, const Grid& grid) {
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline, plan.pipeline(*device.state(), shape.aligned, grid.parts > 1));
  schedule::Operation operation("attention", plan.row().name, pipeline);
  operation.push(forward_push(shape.scores));
  AttentionArgs args = forward_args(call, shape);
  args.parts = grid.parts;
  operation.args(args, offsetof(AttentionPush, args));
  operation.read(call.query, offsetof(AttentionPush, query));
  operation.read(call.key, offsetof(AttentionPush, key));
  operation.read(call.value, offsetof(AttentionPush, value));
  write_results(operation, call);
  if (call.weights) operation.write_by_args(call.weights, offsetof(AttentionArgs, weights));
  read_given(operation, call, kScoreTensors);
  read_given(operation, call, kValueTensors);
  operation.grid(grid.groups[0], grid.groups[1], grid.groups[2]);
  operation.flops = forward_flops(shape);
  return operation;
}

// What attention_combine is told of parts that nothing is folded in.
SplitPushes finished_pushes(const ScoreShape& scores, uint32_t parts) {
  SplitPushes pushes{forward_push(scores), {}};
  pushes.split.parts = parts;
  pushes.split.rows = scores.batch * scores.heads * scores.q_len;
  pushes.split.fold_heads = pushes.split.fold_items = 1;
  pushes.split.fold_rows = scores.q_len;
  pushes.split.head_folds = scores.heads;
  return pushes;
}

Result<void> record_grid(Recorder& recorder, const checks::Rules& rules, const Plan& plan, const AttentionCall& call,
                         const AttentionShape& shape) {
  const Device& device = recorder.device();
  WEFT_ASSIGN(const Grid grid, grid_of(rules, plan.row(), call, shape, device.traits()));
  if (grid.parts == 1) {
    WEFT_ASSIGN(schedule::Operation operation, grid_operation(device, plan, call, shape, grid));
    return recorder.add(std::move(operation));
  }
  const ScoreShape& scores = shape.scores;
  const int64_t items = int64_t{grid.parts} * scores.batch;
  const Parts parts = make_parts(recorder, {items, scores.heads, scores.q_len, shape.desc.value_dim},
                                 {items, scores.heads, scores.q_len}, true);
  AttentionCall part = call;
  part.output = parts.sums;
  part.logsumexp = parts.states;
  WEFT_ASSIGN(schedule::Operation operation, grid_operation(device, plan, part, shape, grid));
  WEFT_TRY(recorder.add(std::move(operation)));
  return record_combine(recorder, call, shape, finished_pushes(scores, grid.parts), forward_args(call, shape), parts);
}

Result<void> record_forward(Recorder& recorder, const checks::Rules& rules, const Plan& plan,
                            const AttentionCall& call, const AttentionShape& shape) {
  if (plan.row().path == decide::Path::split) return record_split(recorder, plan, call, shape);
  if (!plan.row().unpack) return record_grid(recorder, rules, plan, call, shape);
  AttentionCall converted = call;
  WEFT_ASSIGN(converted.key, unpacked(recorder, rules, call.key));
  WEFT_ASSIGN(converted.value, unpacked(recorder, rules, call.value));
  return record_grid(recorder, rules, plan, converted, shape);
}

// The weights by themselves, from the forward's logsumexp.
Result<void> record_both(Recorder& recorder, const checks::Rules& rules, const Plan& plan,
                         const AttentionCall& call, const AttentionShape& shape) {
  AttentionCall forward = call;
  forward.weights = {};
  if (!forward.logsumexp) {
    const Dims& rows = call.output.shape;
    forward.logsumexp = recorder.transient(DType::f32, {rows[0], rows[1], rows[2]});
  }
  AttentionShape without = shape;
  without.desc = kernel_desc(plan.row(), shape.desc);
  if (shape.scores.kv_len == 0) return record_forward(recorder, rules, plan, forward, without);
  // Before anything is recorded: it may not be possible.
  WEFT_TRY(schedule::check_buffer(recorder.state(), rules.operation, *call.weights.buffer.state()));
  WEFT_ASSIGN(schedule::Operation weights,
              weights_operation(recorder.device(), {.attention = forward, .weights = call.weights},
                                all_weights(forward, shape)));
  WEFT_TRY(record_forward(recorder, rules, plan, forward, without));
  return recorder.add(std::move(weights));
}

}  // namespace

Result<void> record(Recorder& recorder, const Plan& plan, const AttentionCall& call,
                    const AttentionShape& shape) {
  const checks::Rules rules{"attention"};
  WEFT_TRY(check_device(rules, operands(call), recorder.device()));
  const ScoreShape& scores = shape.scores;
  if (scores.batch == 0 || scores.heads == 0 || scores.query_rows == 0) return {};
  if (call.weights && !writes_weights(plan.row()))
    return record_both(recorder, rules, plan, call, shape);
  return record_forward(recorder, rules, plan, call, shape);
}

}  // namespace weft::attention_detail
