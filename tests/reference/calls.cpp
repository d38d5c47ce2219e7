#include "reference/calls.hpp"

namespace weft::cases {
namespace {

Tensor all_bytes(const Tensor& tensor) {
  const auto size = static_cast<int64_t>(tensor.buffer.size_bytes());
  return {.buffer = tensor.buffer,
          .offset_bytes = 0,
          .dtype = DType::u8,
          .shape = {size},
          .strides = {1}};
}

Result<Tensor> upload(const Device& device, const Operand& operand) {
  return upload(device, operand.values, operand.placement);
}

// An operand that a case may leave out.
Result<Tensor> upload_if(bool given, const Device& device, const Operand& operand) {
  if (!given) return Tensor{};
  return upload(device, operand);
}

// A vector of integers or logits, in a layout of its own.
template <class Number>
Result<Tensor> upload_vector(const Device& device, DType dtype, const std::vector<Number>& values,
                             Layout layout = Layout::bhld) {
  const auto count = static_cast<int64_t>(values.size());
  reference::Array array(1, 1, 1, count);
  array.values.assign(values.begin(), values.end());
  return upload(device, array, place(dtype, {count}, layout));
}

// The vector or array, where one is given.
Result<void> upload_if_given(bool given, Tensor& tensor, const Device& device,
                             const std::vector<int32_t>& values, Layout layout) {
  if (!given) return {};
  WEFT_ASSIGN(tensor, upload_vector(device, DType::i32, values, layout));
  return {};
}
Result<void> upload_if_given(Tensor& tensor, const Device& device,
                             const std::optional<reference::Array>& array,
                             const Placement& placement) {
  if (!array) return {};
  WEFT_ASSIGN(tensor, upload(device, *array, placement));
  return {};
}

// One item of keys or values seen as `items`.
void repeat_batch(Tensor& tensor, int64_t items) {
  tensor.shape[0] = items;
  tensor.strides[0] = 0;
}

// Given where the case asks for them: they are empty where there are no items.
Result<void> upload_vectors(const Device& device, const AttentionCase& c,
                            const reference::AttentionInputs& inputs, AttentionCall& call) {
  const auto add = [&](bool given, Tensor& tensor, const std::vector<int32_t>& values) {
    return upload_if_given(given, tensor, device, values, c.layout);
  };
  WEFT_TRY(add(c.lengths != Lengths::none, call.kv_lengths, inputs.kv_lengths));
  WEFT_TRY(add(c.offsets != Offsets::none, call.position_offsets, inputs.position_offsets));
  WEFT_TRY(add(c.packed == Packed::q || c.packed == Packed::qk, call.q_starts, inputs.q_starts));
  WEFT_TRY(add(c.packed == Packed::k || c.packed == Packed::qk, call.kv_starts, inputs.kv_starts));
  WEFT_TRY(add(c.score_items > 0, call.score_items, inputs.score_items));
  WEFT_TRY(add(c.value_items > 0, call.value_items, inputs.value_items));
  if (!c.sinks) return {};
  WEFT_ASSIGN(call.sinks, upload_vector(device, DType::f32, inputs.sinks, c.layout));
  return {};
}

Result<void> upload_arrays(const Device& device, const AttentionProblem& problem,
                           AttentionCall& call) {
  const reference::AttentionInputs& inputs = problem.inputs;
  WEFT_TRY(upload_if_given(call.keep_mask, device, inputs.keep_mask, problem.mask));
  WEFT_TRY(upload_if_given(call.drop_mask, device, inputs.drop_mask, problem.mask));
  WEFT_TRY(upload_if_given(call.bias, device, inputs.bias, problem.bias));
  WEFT_TRY(
      upload_if_given(call.query_regions, device, inputs.query_regions, problem.query_regions));
  WEFT_TRY(upload_if_given(call.key_regions, device, inputs.key_regions, problem.key_regions));
  WEFT_TRY(upload_if_given(call.region_mask, device, inputs.region_mask, problem.region_mask));
  WEFT_TRY(upload_if_given(call.null_key, device, inputs.null_key, problem.null_key));
  return upload_if_given(call.null_value, device, inputs.null_value, problem.null_value);
}

}  // namespace

Result<Tensor> upload(const Device& device, const std::vector<std::byte>& bytes,
                      const Placement& placement) {
  Tensor tensor{.offset_bytes = placement.offset_bytes,
                .dtype = placement.dtype,
                .shape = placement.shape,
                .strides = placement.strides};
  WEFT_ASSIGN(tensor.buffer, device.buffer(bytes.size()));
  WEFT_TRY(device.upload(all_bytes(tensor), bytes));
  return tensor;
}

Result<Tensor> upload(const Device& device, const reference::Array& values,
                      const Placement& placement) {
  return upload(device, encode(values, placement), placement);
}

Result<Tensor> poisoned(const Device& device, const Placement& placement) {
  return upload(device, std::vector<std::byte>(placement.buffer_bytes, kGuardByte), placement);
}

Result<void> poison_again(const Device& device, const Tensor& tensor) {
  return hold_again(device, tensor, std::vector<std::byte>(tensor.buffer.size_bytes(), kGuardByte));
}

Result<void> hold_again(const Device& device, const Tensor& tensor,
                        const std::vector<std::byte>& bytes) {
  return device.upload(all_bytes(tensor), bytes);
}

Result<std::vector<std::byte>> buffer_bytes(const Device& device, const Tensor& tensor) {
  return device.download<std::byte>(all_bytes(tensor));
}

Result<AttentionCall> make_call(const Device& device, const AttentionCase& c,
                                const AttentionProblem& problem) {
  const reference::AttentionInputs& inputs = problem.inputs;
  AttentionCall call;
  call.scale = c.scale;
  call.softcap = c.softcap;
  call.position_offset = c.offset;
  call.causal = c.causal;
  call.window_left = c.window_left;
  call.window_right = c.window_right;
  call.max_q_len = static_cast<uint32_t>(inputs.max_q_len);
  call.max_kv_len = static_cast<uint32_t>(inputs.max_kv_len);
  WEFT_ASSIGN(call.query, upload(device, inputs.query, problem.query));
  WEFT_ASSIGN(call.key, upload(device, inputs.key, problem.key));
  WEFT_ASSIGN(call.value, upload(device, inputs.value, problem.value));
  if (c.broadcast_kv) {
    repeat_batch(call.key, inputs.items);
    repeat_batch(call.value, c.value_items > 0 ? c.value_items : c.batch);
  }
  WEFT_TRY(upload_vectors(device, c, inputs, call));
  WEFT_TRY(upload_arrays(device, problem, call));
  if (c.logsumexp) {
    WEFT_ASSIGN(call.logsumexp, poisoned(device, problem.logsumexp));
  }
  if (c.weights) {
    WEFT_ASSIGN(call.weights, poisoned(device, problem.weights));
  }
  WEFT_ASSIGN(call.output, poisoned(device, problem.output));
  return call;
}

Result<AttentionMergeCall> make_call(const Device& device, const MergeCase& c,
                                     const MergeProblem& problem) {
  AttentionMergeCall call;
  const auto part = [&](const reference::MergeResult& values, const Placement& output,
                        const Placement& logsumexp) -> Result<AttentionPart> {
    AttentionPart made;
    WEFT_ASSIGN(made.output, upload(device, values.output, output));
    WEFT_ASSIGN(made.logsumexp, upload(device, values.logsumexp, logsumexp));
    return made;
  };
  WEFT_ASSIGN(call.left, part(problem.left, problem.left_output, problem.left_logsumexp));
  WEFT_ASSIGN(call.right, part(problem.right, problem.right_output, problem.right_logsumexp));
  if (c.in_place == InPlace::none) {
    WEFT_ASSIGN(call.output, poisoned(device, problem.output));
  } else {
    call.output = c.in_place == InPlace::left ? call.left.output : call.right.output;
  }
  if (c.logsumexp) {
    WEFT_ASSIGN(call.logsumexp, poisoned(device, problem.logsumexp));
  }
  return call;
}

Result<LinearCall> make_call(const Device& device, const LinearCase& c,
                             const LinearProblem& problem) {
  LinearCall call{.activation = c.activation};
  WEFT_ASSIGN(call.input, upload(device, problem.input));
  WEFT_ASSIGN(call.weight, upload(device, problem.weight));
  WEFT_ASSIGN(call.bias, upload_if(c.bias, device, problem.bias));
  WEFT_ASSIGN(call.output, poisoned(device, problem.output));
  return call;
}

Result<NormCall> make_call(const Device& device, const NormCase& c, const NormProblem& problem) {
  NormCall call{.epsilon = c.epsilon};
  WEFT_ASSIGN(call.input, upload(device, problem.input));
  WEFT_ASSIGN(call.weight, upload_if(!c.no_weight, device, problem.weight));
  WEFT_ASSIGN(call.bias, upload_if(c.bias, device, problem.bias));
  WEFT_ASSIGN(call.output,
              c.in_place ? Result<Tensor>(call.input) : poisoned(device, problem.output));
  return call;
}

Result<AddCall> make_call(const Device& device, const AddCase& c, const AddProblem& problem) {
  AddCall call;
  WEFT_ASSIGN(call.left, upload_if(!c.no_left, device, problem.left));
  WEFT_ASSIGN(call.right, upload(device, problem.right));
  call.gate.kind = c.gate;
  WEFT_ASSIGN(call.gate.value, upload_if(c.gate != GateKind::none, device, problem.gate));
  WEFT_ASSIGN(call.row_factors, upload_if(c.row_factors, device, problem.row_factors));
  WEFT_ASSIGN(call.output,
              c.in_place ? Result<Tensor>(call.left) : poisoned(device, problem.output));
  return call;
}

Result<MultiplyCall> make_call(const Device& device, const MultiplyCase& c,
                               const MultiplyProblem& problem) {
  MultiplyCall call{.activation = c.activation};
  WEFT_ASSIGN(call.left, upload(device, problem.left));
  WEFT_ASSIGN(call.right, upload(device, problem.right));
  WEFT_ASSIGN(call.output,
              c.in_place ? Result<Tensor>(call.left) : poisoned(device, problem.output));
  return call;
}

Result<GatherCall> make_call(const Device& device, const GatherCase&,
                             const GatherProblem& problem) {
  GatherCall call;
  WEFT_ASSIGN(call.table, upload(device, problem.table));
  WEFT_ASSIGN(call.indices, upload_vector(device, DType::i32, problem.indices));
  WEFT_ASSIGN(call.output, poisoned(device, problem.output));
  return call;
}

Result<MixKeysCall> make_call(const Device& device, const MixKeysCase& c,
                              const MixKeysProblem& problem) {
  MixKeysCall call;
  WEFT_ASSIGN(call.input, upload(device, problem.input));
  WEFT_ASSIGN(call.factors, upload_if(c.factors, device, problem.factors));
  WEFT_ASSIGN(call.matrix, upload_if(c.matrix, device, problem.matrix));
  WEFT_ASSIGN(call.output, poisoned(device, problem.output));
  return call;
}

Result<RotaryCall> make_call(const Device& device, const RotaryCase& c,
                             const RotaryProblem& problem) {
  RotaryCall call{.interleaved = c.interleaved};
  WEFT_ASSIGN(call.input, upload(device, problem.input));
  WEFT_ASSIGN(call.angles, upload(device, problem.angles));
  WEFT_ASSIGN(call.output,
              c.in_place ? Result<Tensor>(call.input) : poisoned(device, problem.output));
  return call;
}

}  // namespace weft::cases
