// Few query rows over many keys: parts of the keys first, then what the parts make together.
#include <algorithm>
#include <array>
#include <cstddef>

#include "attention/combine.hpp"
#include "attention/record.hpp"
#include "decide/constants.hpp"
#include "decide/split.hpp"
#include "vulkan/device.hpp"

namespace weft::attention_detail {
namespace {

using checks::ceil_div;
using params::AttentionArgs;
using params::AttentionPush;
using params::SplitPush;

constexpr size_t kSplitAt = offsetof(SplitPushes, split);

// How many heads and items share their keys and are folded into rows.
struct Folding {
  uint32_t heads = 1;
  uint32_t items = 1;
};

// Kernels reach all rows of a fold by one index.
bool within_reach(std::initializer_list<const Tensor*> tensors) {
  return std::ranges::all_of(tensors, [](const Tensor* tensor) {
    return !*tensor || tensor->extent_bytes() <= static_cast<uint64_t>(checks::kMaxCount);
  });
}

bool per_item(const AttentionCall& call) {
  return call.kv_lengths || call.position_offsets || call.q_starts || call.kv_starts ||
         call.score_items || call.value_items;
}

Folding folding(const AttentionCall& call, const AttentionShape& shape, const AttentionArgs& args) {
  const ScoreShape& scores = shape.scores;
  if (!within_reach({&call.query, &call.output, &call.logsumexp, &call.keep_mask, &call.drop_mask,
                     &call.bias}))
    return {};
  const bool same_keys = (args.key_stride_batch | args.value_stride_batch | args.mask_stride_batch |
                          args.bias_stride_batch | args.query_regions_stride_batch |
                          args.key_regions_stride_batch) == 0;
  return {scores.heads / scores.kv_heads, same_keys && !per_item(call) ? scores.batch : 1};
}

// What the two operations have in common.
struct Split {
  const AttentionCall& call;
  const AttentionShape& shape;
  const decide::AttentionRow& row;
  AttentionArgs args;
  uint32_t block_q = 1;
  SplitPushes push{};
  uint64_t heads = 1, items = 1;  // folds of them: the grid's y and z

  SplitPush& split() { return push.split; }
};

Split describe_split(const AttentionCall& call, const AttentionShape& shape,
                     const decide::AttentionRow& row) {
  const ScoreShape& scores = shape.scores;
  Split made{call, shape, row, forward_args(call, shape)};
  const Folding fold = folding(call, shape, made.args);
  made.heads = scores.heads / fold.heads;
  made.items = scores.batch / fold.items;
  made.push.attention = forward_push(scores);
  SplitPush& split = made.split();
  split.fold_heads = fold.heads;
  split.fold_items = fold.items;
  split.fold_rows = scores.q_len * fold.heads * fold.items;
  split.head_folds = static_cast<uint32_t>(made.heads);
  // Up to `rows` rows that share keys are faster one by one.
  made.block_q = split.fold_rows <= row.rows ? 1 : decide::block_q(row);
  return made;
}

Result<const vulkan::Pipeline*> part_pipeline(const Device& device, const Split& split) {
  const DeviceTraits& traits = device.traits();
  auto constants = decide::attention_constants(split.row, split.shape.desc, traits, split.shape.aligned);
  constants[WEFT_ATTENTION_BLOCK_Q] = split.block_q;
  return vulkan::pipeline(*device.state(), split.row.shader, constants,
                          decide::subgroup_size(split.row, traits));
}

}  // namespace

Result<void> record_split(Recorder& recorder, const Plan& plan, const AttentionCall& call,
                          const AttentionShape& shape) {
  const Device& device = recorder.device();
  const ScoreShape& scores = shape.scores;
  Split split = describe_split(call, shape, plan.row());
  const uint64_t blocks = ceil_div(split.split().fold_rows, split.block_q);
  const uint64_t chunks =
      ceil_div(shape.desc.value_dim, decide::value_chunk(plan.row(), shape.desc.value_dim));
  const uint64_t parts =
      decide::part_count(blocks * split.heads * split.items, scores.kv_len, device.traits());
  split.split().parts = static_cast<uint32_t>(parts);
  split.split().rows = scores.q_len * scores.heads * scores.batch;
  const std::array<uint64_t, 3> groups = {blocks * parts * chunks, split.heads, split.items};
  WEFT_TRY(checks::Rules{"attention"}.grid(device.traits(), groups,
                                           {"blocks of query rows", "heads", "the batch"}));
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline, part_pipeline(device, split));

  schedule::Operation operation("attention", plan.row().name, pipeline);
  operation.push(split.push);
  operation.args(split.args, offsetof(AttentionPush, args));
  operation.read(call.query, offsetof(AttentionPush, query));
  operation.read(call.key, offsetof(AttentionPush, key));
  operation.read(call.value, offsetof(AttentionPush, value));
  read_given(operation, call, kScoreTensors);
  read_given(operation, call, kValueTensors);
  operation.grid(groups[0], groups[1], groups[2]);
  operation.flops = forward_flops(shape);
  if (parts == 1) {
    write_results(operation, call);
    return recorder.add(std::move(operation));
  }
  const auto rows = static_cast<int64_t>(parts * split.split().rows);
  const Parts made = make_parts(recorder, {rows, shape.desc.value_dim}, {rows, 2}, false);
  operation.write(made.sums, kSplitAt + offsetof(SplitPush, sums));
  operation.write(made.states, kSplitAt + offsetof(SplitPush, states));
  WEFT_TRY(recorder.add(std::move(operation)));
  return record_combine(recorder, call, shape, split.push, split.args, made);
}

}  // namespace weft::attention_detail
