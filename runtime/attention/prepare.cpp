// Keys and values laid out once for many calls.
#include <array>
#include <cstddef>

#include "attention/plan.hpp"
#include "attention/record.hpp"
#include "attention/validate.hpp"
#include "base/text.hpp"
#include "decide/constants.hpp"
#include "params.h"
#include "vulkan/device.hpp"

namespace weft {
namespace {

using attention_detail::row_stride;
using attention_detail::set_slice;
using checks::ceil_div;
using checks::Operand;
using checks::Rules;
using params::PackPush;

Result<void> check(const Rules& rules, const AttentionDesc& desc, const Operand& operand, uint32_t dim) {
  WEFT_TRY(attention_detail::check_rank_4(rules, operand));
  WEFT_TRY(rules.dtype(operand, desc.kv_dtype));
  if (operand.tensor.shape[3] != dim)
    return rules.broken(text(operand.name, ".shape[3] is ", operand.tensor.shape[3], "; the description says ", dim));
  return rules.inside(operand);
}

// Whether a row reads the tensor faster once a head's rows follow each other.
bool wants_packed(const decide::AttentionRow& row, const Tensor& tensor) {
  return row.path == decide::Path::split && row.where == decide::Where::cpu && tensor.elements() > 0 &&
         checks::stride_elements(tensor, 2) > static_cast<uint64_t>(tensor.shape[3]);
}

// An axis that repeats stays one item of the copy.
Dims packed_shape(const Tensor& tensor) {
  Dims shape = tensor.shape;
  for (size_t axis = 0; axis < 2; ++axis)
    if (checks::stride_elements(tensor, axis) == 0) shape[axis] = 1;
  return shape;
}

Result<Tensor> pack(Recorder& recorder, const Rules& rules, const Tensor& data) {
  const Device& device = recorder.device();
  const Dims shape = packed_shape(data);
  WEFT_ASSIGN(Tensor result, device.tensor(data.dtype, shape));
  const decide::SimpleChoice choice = decide::choose_simple(decide::Simple::pack, device.traits());
  const uint64_t groups_of_4 =
      static_cast<uint64_t>(shape[2]) * ceil_div(static_cast<uint64_t>(shape[3]), 4);
  const std::array<uint64_t, 3> groups = {ceil_div(groups_of_4, choice.local_size),
                                          static_cast<uint64_t>(shape[1]), static_cast<uint64_t>(shape[0])};
  WEFT_TRY(rules.grid(device.traits(), groups, {"rows times dim", "heads", "the batch"}));
  std::array<uint32_t, WEFT_PACK_ALIGNED + 1> constants{};
  constants[WEFT_PACK_LOCAL_SIZE] = choice.local_size;
  constants[WEFT_PACK_TYPE] = decide::element_type(data.dtype);
  constants[WEFT_PACK_ALIGNED] = shape[3] % 4 == 0 && checks::starts_on_4(data);
  WEFT_ASSIGN(const vulkan::Pipeline* pipeline, vulkan::pipeline(*device.state(), choice.shader, constants));

  PackPush push{};
  set_slice(data, push.data_stride_batch, push.data_stride_head);
  set_slice(result, push.result_stride_batch, push.result_stride_head);
  push.rows = static_cast<uint32_t>(shape[2]);
  push.dim = static_cast<uint32_t>(shape[3]);
  push.data_stride_row = row_stride(data);
  schedule::Operation operation("prepare_key_value", choice.name, pipeline);
  operation.push(push);
  operation.read(data, offsetof(PackPush, data));
  operation.write(result, offsetof(PackPush, result));
  operation.grid(groups[0], groups[1], groups[2]);
  WEFT_TRY(recorder.add(std::move(operation)));
  for (size_t axis = 0; axis < 2; ++axis)
    if (shape[axis] != data.shape[axis]) result.strides[axis] = 0;
  result.shape = data.shape;
  return result;
}

}  // namespace

Result<PreparedKeyValue> prepare_key_value(Recorder& recorder, const AttentionDesc& desc, const Tensor& key,
                                           const Tensor& value) {
  const Rules rules{"prepare_key_value"};
  const Device& device = recorder.device();
  WEFT_ASSIGN(const AttentionDesc valid, attention_detail::validate(desc));
  WEFT_TRY(check(rules, valid, {"key", key}, valid.head_dim));
  WEFT_TRY(check(rules, valid, {"value", value}, valid.value_dim));
  WEFT_TRY(rules.match({"value", value}, 2, {"key", key}, 2));
  WEFT_TRY(attention_detail::check_device(rules, {{"key", key}, {"value", value}}, device));
  WEFT_ASSIGN(const attention_detail::Plan* plan, attention_detail::find_plan(device, valid));
  PreparedKeyValue prepared{key, value};
  if (wants_packed(plan->row(), key)) {
    WEFT_ASSIGN(prepared.key, pack(recorder, rules, key));
    prepared.copied = true;
  }
  if (wants_packed(plan->row(), value)) {
    WEFT_ASSIGN(prepared.value, pack(recorder, rules, value));
    prepared.copied = true;
  }
  return prepared;
}

}  // namespace weft
