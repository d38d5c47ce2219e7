#include "attention/combine.hpp"

#include <array>
#include <cstddef>

#include "attention/record.hpp"
#include "decide/constants.hpp"
#include "vulkan/device.hpp"

namespace weft::attention_detail {
namespace {

using params::AttentionArgs;
using params::AttentionPush;
using params::SplitPush;

constexpr size_t kSplitAt = offsetof(SplitPushes, split);

struct Combine {
  decide::SimpleChoice choice;
  const vulkan::Pipeline* pipeline = nullptr;
};

Result<Combine> combine_pipeline(const Device& device, const AttentionShape& shape, bool finished) {
  const AttentionDesc& desc = shape.desc;
  Combine combine{decide::choose_simple(decide::Simple::combine, device.traits())};
  std::array<uint32_t, decide::kAttentionConstants> constants{};
  constants[WEFT_ATTENTION_LOCAL_SIZE] = combine.choice.local_size;
  constants[WEFT_ATTENTION_VALUE_DIM] = desc.value_dim;
  constants[WEFT_ATTENTION_OUTPUT_TYPE] = decide::element_type(desc.output_dtype);
  constants[WEFT_ATTENTION_FEATURES] = desc.features & (kFeatureLogsumexp | kFeaturePackedQuery);
  constants[WEFT_ATTENTION_ALIGNED] = shape.aligned;
  constants[WEFT_ATTENTION_FINISHED] = finished;
  WEFT_ASSIGN(combine.pipeline, vulkan::pipeline(*device.state(), combine.choice.shader, constants));
  return combine;
}

}  // namespace

void write_results(schedule::Operation& operation, const AttentionCall& call) {
  operation.write(call.output, offsetof(AttentionPush, output_values));
  if (call.logsumexp) operation.write(call.logsumexp, offsetof(AttentionPush, logsumexp));
}

Parts make_parts(Recorder& recorder, const Dims& sums, const Dims& states, bool finished) {
  Tensor tensor;
  tensor.shape = sums;
  tensor.strides = dense_strides(sums);
  Parts parts{tensor, tensor, finished};
  parts.states.shape = states;
  parts.states.strides = dense_strides(states);
  parts.states.offset_bytes = parts.sums.extent_bytes();
  tensor = recorder.transient(DType::f32, {parts.sums.elements() + parts.states.elements()});
  parts.sums.buffer = parts.states.buffer = tensor.buffer;
  return parts;
}

Result<void> record_combine(Recorder& recorder, const AttentionCall& call, const AttentionShape& shape,
                            const SplitPushes& pushes, const AttentionArgs& args, const Parts& parts) {
  WEFT_ASSIGN(const Combine combine, combine_pipeline(recorder.device(), shape, parts.finished));
  schedule::Operation operation("attention", combine.choice.name, combine.pipeline);
  operation.push(pushes);
  operation.args(args, offsetof(AttentionPush, args));
  operation.read(parts.sums, kSplitAt + offsetof(SplitPush, sums));
  operation.read(parts.states, kSplitAt + offsetof(SplitPush, states));
  write_results(operation, call);
  if (call.q_starts) operation.read_by_args(call.q_starts, offsetof(AttentionArgs, q_starts));
  const SplitPush& split = pushes.split;
  const uint64_t groups_of_4 = checks::ceil_div(shape.desc.value_dim, 4);
  operation.grid(checks::ceil_div(split.fold_rows * groups_of_4, combine.choice.local_size), split.head_folds,
                 split.rows / (uint64_t{split.head_folds} * split.fold_rows));
  return recorder.add(std::move(operation));
}

}  // namespace weft::attention_detail
