// Two parts of an attention merged by their logsumexp.
#include <array>
#include <cstddef>

#include "attention/record.hpp"
#include "attention/validate.hpp"
#include "decide/constants.hpp"
#include "params.h"
#include "schedule/operation.hpp"
#include "vulkan/device.hpp"

namespace weft {
namespace {

using attention_detail::MergeShape;
using attention_detail::row_stride;
using attention_detail::set_slice;
using checks::ceil_div;
using params::MergeArgs;
using params::MergePush;

constexpr size_t kConstants = WEFT_MERGE_ALIGNED + 1;

std::array<uint32_t, kConstants> constants(const AttentionMergeCall& call, const MergeShape& shape,
                                           uint32_t local_size) {
  std::array<uint32_t, kConstants> values{};
  values[WEFT_MERGE_LOCAL_SIZE] = local_size;
  values[WEFT_MERGE_LEFT_TYPE] = decide::element_type(call.left.output.dtype);
  values[WEFT_MERGE_RIGHT_TYPE] = decide::element_type(call.right.output.dtype);
  values[WEFT_MERGE_RESULT_TYPE] = decide::element_type(call.output.dtype);
  values[WEFT_MERGE_LOGSUMEXP] = static_cast<bool>(call.logsumexp);
  values[WEFT_MERGE_ALIGNED] = shape.aligned;
  return values;
}

MergeArgs arguments(const AttentionMergeCall& call) {
  MergeArgs args{};
  set_slice(call.left.output, args.left_stride_batch, args.left_stride_head);
  set_slice(call.right.output, args.right_stride_batch, args.right_stride_head);
  set_slice(call.left.logsumexp, args.left_logsumexp_stride_batch, args.left_logsumexp_stride_head);
  set_slice(call.right.logsumexp, args.right_logsumexp_stride_batch, args.right_logsumexp_stride_head);
  set_slice(call.output, args.result_stride_batch, args.result_stride_head);
  set_slice(call.logsumexp, args.logsumexp_stride_batch, args.logsumexp_stride_head);
  args.left_stride_row = row_stride(call.left.output);
  args.right_stride_row = row_stride(call.right.output);
  args.result_stride_row = row_stride(call.output);
  return args;
}

}  // namespace

Result<void> attention_merge(Recorder& recorder, const AttentionMergeCall& call) {
  const checks::Rules rules{"attention_merge"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const MergeShape shape, attention_detail::validate(call));
  WEFT_TRY(attention_detail::check_device(rules, attention_detail::operands(call), device));
  if (call.output.elements() == 0) return {};

  const decide::SimpleChoice choice = decide::choose_simple(decide::Simple::merge, device.traits());
  const uint64_t groups_of_4 = uint64_t{shape.q_len} * ceil_div(shape.value_dim, 4);
  const std::array<uint64_t, 3> groups = {ceil_div(groups_of_4, choice.local_size), shape.heads,
                                          shape.batch};
  WEFT_TRY(rules.grid(device.traits(), groups, {"rows times value_dim", "heads", "the batch"}));
  WEFT_ASSIGN(
      const vulkan::Pipeline* pipeline,
      vulkan::pipeline(*device.state(), choice.shader, constants(call, shape, choice.local_size)));

  MergePush push{};
  push.q_len = shape.q_len;
  push.value_dim = shape.value_dim;
  schedule::Operation operation("attention_merge", choice.name, pipeline);
  operation.push(push);
  operation.args(arguments(call), offsetof(MergePush, args));
  operation.read(call.left.output, offsetof(MergePush, left));
  operation.read(call.right.output, offsetof(MergePush, right));
  operation.read(call.left.logsumexp, offsetof(MergePush, left_logsumexp));
  operation.read(call.right.logsumexp, offsetof(MergePush, right_logsumexp));
  operation.write(call.output, offsetof(MergePush, result));
  if (call.logsumexp) operation.write(call.logsumexp, offsetof(MergePush, logsumexp));
  operation.grid(groups[0], groups[1], groups[2]);
  return recorder.add(std::move(operation));
}

}  // namespace weft
