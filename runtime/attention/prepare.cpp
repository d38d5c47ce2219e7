// Keys and values laid out once for many calls.
#include "attention/pack.hpp"
#include "attention/plan.hpp"
#include "attention/record.hpp"
#include "attention/validate.hpp"
#include "base/text.hpp"
#include "vulkan/device.hpp"

namespace weft {
namespace {

using checks::Operand;
using checks::Rules;

Result<void> check(const Rules& rules, const AttentionDesc& desc, const Operand& operand, uint32_t dim) {
  WEFT_TRY(attention_detail::check_rank_4(rules, operand));
  WEFT_TRY(rules.dtype(operand, desc.kv_dtype));
  if (operand.tensor.shape[3] != dim)
    return rules.broken(text(operand.name, ".shape[3] is ", operand.tensor.shape[3], "; the description says ", dim));
  return rules.inside(operand);
}

// Whether a row reads the tensor faster once a head's rows follow each other, or converts it for each call.
bool wants_copy(const decide::AttentionRow& row, const Tensor& tensor) {
  if (row.unpack) return tensor.dtype != DType::f32;
  return row.path == decide::Path::split && row.where == decide::Where::cpu &&
         checks::stride_elements(tensor, 2) > static_cast<uint64_t>(tensor.shape[3]);
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
  WEFT_ASSIGN(const attention_detail::Plan* plan,
              attention_detail::find_plan(device, valid, attention_detail::large_kv(key, value)));
  const decide::AttentionRow& row = plan->row();
  PreparedKeyValue prepared{key, value};
  if (key.elements() == 0 || value.elements() == 0) return prepared;
  for (Tensor* tensor : {&prepared.key, &prepared.value}) {
    if (!wants_copy(row, *tensor)) continue;
    WEFT_ASSIGN(const Tensor memory, device.tensor(row.unpack ? DType::f32 : tensor->dtype,
                                                   attention_detail::packed_shape(*tensor)));
    WEFT_ASSIGN(*tensor, attention_detail::pack(recorder, rules, *tensor, memory));
    prepared.copied = true;
  }
  return prepared;
}

}  // namespace weft
