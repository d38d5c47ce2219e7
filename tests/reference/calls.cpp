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

Result<Tensor> upload_integers(const Device& device, const std::vector<int32_t>& values) {
  const auto count = static_cast<int64_t>(values.size());
  reference::Array array(1, 1, 1, count);
  array.values.assign(values.begin(), values.end());
  return upload(device, array, place(DType::i32, {count}, Layout::bhld));
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
  return device.upload(all_bytes(tensor),
                       std::vector<std::byte>(tensor.buffer.size_bytes(), kGuardByte));
}

Result<std::vector<std::byte>> buffer_bytes(const Device& device, const Tensor& tensor) {
  return device.download<std::byte>(all_bytes(tensor));
}

Result<AttentionCall> make_call(const Device& device, const AttentionCase& c,
                                const AttentionProblem& problem) {
  AttentionCall call{.scale = c.scale};
  WEFT_ASSIGN(call.query, upload(device, problem.inputs.query, problem.query));
  WEFT_ASSIGN(call.key, upload(device, problem.inputs.key, problem.key));
  WEFT_ASSIGN(call.value, upload(device, problem.inputs.value, problem.value));
  if (c.broadcast_kv)
    for (Tensor* tensor : {&call.key, &call.value}) {
      tensor->shape[0] = c.batch;
      tensor->strides[0] = 0;
    }
  if (c.mask != Mask::none) {
    WEFT_ASSIGN(call.mask, upload(device, problem.inputs.mask, problem.mask));
  }
  if (c.lengths != Lengths::none) {
    WEFT_ASSIGN(call.kv_lengths, upload_integers(device, problem.inputs.kv_lengths));
  }
  if (c.logsumexp) {
    WEFT_ASSIGN(call.logsumexp, poisoned(device, problem.logsumexp));
  }
  WEFT_ASSIGN(call.output, poisoned(device, problem.output));
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
  WEFT_ASSIGN(call.indices, upload_integers(device, problem.indices));
  WEFT_ASSIGN(call.output, poisoned(device, problem.output));
  return call;
}

}  // namespace weft::cases
