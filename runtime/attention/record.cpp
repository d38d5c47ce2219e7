#include "attention/record.hpp"

#include <cstddef>

#include "params.h"
#include "schedule/operation.hpp"
#include "vulkan/device.hpp"

namespace weft::attention_detail {
namespace {

using checks::ceil_div;
using checks::stride_bytes;
using params::AttentionArgs;
using params::AttentionPush;

AttentionArgs arguments(const AttentionCall& call) {
  AttentionArgs args{};
  args.query_stride_batch = stride_bytes(call.query, 0);
  args.query_stride_head = stride_bytes(call.query, 1);
  args.key_stride_batch = stride_bytes(call.key, 0);
  args.key_stride_head = stride_bytes(call.key, 1);
  args.value_stride_batch = stride_bytes(call.value, 0);
  args.value_stride_head = stride_bytes(call.value, 1);
  args.output_stride_batch = stride_bytes(call.output, 0);
  args.output_stride_head = stride_bytes(call.output, 1);
  args.query_stride_row = row_stride(call.query);
  args.key_stride_row = row_stride(call.key);
  args.value_stride_row = row_stride(call.value);
  args.output_stride_row = row_stride(call.output);
  if (call.mask) {
    args.mask_stride_batch = stride_bytes(call.mask, 0);
    args.mask_stride_head = stride_bytes(call.mask, 1);
    args.mask_stride_row = row_stride(call.mask);
  }
  if (call.logsumexp) {
    args.logsumexp_stride_batch = stride_bytes(call.logsumexp, 0);
    args.logsumexp_stride_head = stride_bytes(call.logsumexp, 1);
  }
  return args;
}

double flops(const AttentionShape& shape) {
  return 2.0 * shape.batch * shape.heads * shape.q_len * shape.kv_len *
         (shape.desc.head_dim + shape.desc.value_dim);
}

}  // namespace

Result<void> check_device(const checks::Rules& rules, const std::vector<checks::Operand>& operands,
                          const Device& device) {
  for (const checks::Operand& operand : operands)
    if (!vulkan::same_device(operand.tensor.buffer, device)) return rules.foreign(operand);
  return {};
}

Result<void> record(Recorder& recorder, const Plan& plan, const AttentionCall& call,
                    const AttentionShape& shape) {
  const checks::Rules rules{"attention"};
  const Device& device = recorder.device();
  const decide::AttentionRow& row = plan.row();
  WEFT_TRY(check_device(rules, operands(call), device));
  if (shape.batch == 0 || shape.heads == 0 || shape.q_len == 0) return {};

  const uint64_t chunks = ceil_div(shape.desc.value_dim, decide::value_chunk(row, shape.desc.value_dim));
  const std::array<uint64_t, 3> groups = {
      ceil_div(shape.q_len, uint64_t{row.local_size} * row.rows) * chunks, shape.heads,
      shape.batch};
  WEFT_TRY(rules.grid(device.traits(), groups, {"blocks of query rows", "heads", "the batch"}));
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline, plan.pipeline(*device.state(), shape.aligned));

  AttentionPush push{};
  push.q_len = shape.q_len;
  push.kv_len = shape.kv_len;
  push.group_size = shape.heads / shape.kv_heads;
  push.scale_log2 = shape.scale_log2;
  schedule::Operation operation("attention", row.name, pipeline);
  operation.push(push);
  operation.read(call.query, offsetof(AttentionPush, query));
  operation.read(call.key, offsetof(AttentionPush, key));
  operation.read(call.value, offsetof(AttentionPush, value));
  operation.write(call.output, offsetof(AttentionPush, output_values));
  if (call.mask) operation.read(call.mask, offsetof(AttentionPush, mask));
  if (call.logsumexp) operation.write(call.logsumexp, offsetof(AttentionPush, logsumexp));
  if (call.kv_lengths) operation.read(call.kv_lengths, offsetof(AttentionPush, kv_lengths));
  operation.args(arguments(call), offsetof(AttentionPush, args));
  operation.grid(groups[0], groups[1], groups[2]);
  operation.flops = flops(shape);
  return recorder.add(std::move(operation));
}

}  // namespace weft::attention_detail
