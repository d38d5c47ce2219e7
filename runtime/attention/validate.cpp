#include "attention/validate.hpp"

#include "attention/pack.hpp"
#include "base/text.hpp"
#include "decide/kernels.hpp"

namespace weft::attention_detail {
namespace {

using checks::Operand;
using checks::Rules;

void add_given(std::vector<Operand>& list, const AttentionCall& call,
               std::span<const OptionalTensor> tensors) {
  for (const OptionalTensor& optional : tensors)
    if (call.*optional.member) list.push_back({optional.name, call.*optional.member});
}

// The tensors that scores depend on.
std::vector<Operand> score_operands(const AttentionCall& call) {
  std::vector<Operand> list{{"query", call.query}, {"key", call.key}};
  add_given(list, call, kScoreTensors);
  return list;
}

Result<void> check_value_items(const Rules& rules, const AttentionCall& call,
                               const ScoreShape& scores, uint32_t& items) {
  const Operand value{"value", call.value};
  const int64_t found = call.value.shape[0];
  items = static_cast<uint32_t>(found);
  if (call.value_items) {
    WEFT_TRY(rules.numbers({"value_items", call.value_items}, scores.batch, "the batch"));
    if (found < 1 && scores.batch > 0)
      return rules.broken("value.shape[0] is 0; value_items needs an item to choose");
    return {};
  }
  if (call.kv_starts) return rules.match(value, 0, {"key", call.key}, 0);
  return rules.match_or_1(value, 0, scores.batch, "the batch");
}

Result<void> check_value(const Rules& rules, const AttentionCall& call, const ScoreShape& scores) {
  const Operand value{"value", call.value}, output{"output", call.output};
  WEFT_TRY(check_dim(rules, value));
  if (call.value.dtype != call.key.dtype)
    return rules.broken(text("value.dtype is ", call.value.dtype, ", key.dtype is ", call.key.dtype,
                             "; they must match"));
  WEFT_TRY(rules.match_or_1(value, 1, scores.kv_heads, "the kv_heads"));
  WEFT_TRY(rules.match(value, 2, {"key", call.key}, 2));
  WEFT_TRY(rules.match(output, 3, value, 3));
  if (!call.null_key) return {};
  WEFT_TRY(check_null(rules, {"null_value", call.null_value}, value, scores.kv_heads));
  return rules.match({"null_value", call.null_value}, 1, {"null_key", call.null_key}, 1);
}

Result<void> check_sinks(const Rules& rules, const AttentionCall& call, const ScoreShape& scores) {
  if (!call.sinks) return {};
  const Operand sinks{"sinks", call.sinks};
  WEFT_TRY(rules.rank(sinks, 1));
  WEFT_TRY(rules.dtype(sinks, DType::f32));
  WEFT_TRY(rules.layout(sinks));
  if (call.sinks.shape[0] != scores.heads)
    return rules.broken(text("sinks.shape[0] is ", call.sinks.shape[0], "; it must be ",
                             scores.heads, ", the heads"));
  return {};
}

Result<void> check_weights(const Rules& rules, const AttentionCall& call, const ScoreShape& scores) {
  if (!call.weights) return {};
  const Operand weights{"weights", call.weights};
  WEFT_TRY(rules.rank(weights, 4));
  WEFT_TRY(rules.dtype(weights, DType::f32));
  WEFT_TRY(rules.layout(weights));
  for (const size_t axis : {0, 1, 2}) WEFT_TRY(rules.match(weights, axis, {"output", call.output}, axis));
  if (call.weights.shape[3] != scores.kv_len)
    return rules.broken(text("weights.shape[3] is ", call.weights.shape[3], "; it must be ",
                             scores.kv_len, ", kv_len"));
  return rules.block_range(weights);
}

bool starts_on_4(std::initializer_list<const Tensor*> tensors) {
  for (const Tensor* tensor : tensors)
    if (*tensor && !checks::starts_on_4(*tensor)) return false;
  return true;
}

}  // namespace

// Of copies of them; what repeats is copied once. Strides may let elements share memory, so that
// their number has no bound: not in whole numbers.
bool large_kv(const Tensor& key, const Tensor& value) {
  double bytes = 0;
  for (const Tensor* tensor : {&key, &value}) {
    double elements = 1;
    const Dims shape = packed_shape(*tensor);
    for (size_t axis = 0; axis < shape.rank(); ++axis) elements *= static_cast<double>(shape[axis]);
    bytes += elements * sizeof(float);
  }
  return bytes > static_cast<double>(decide::kMostUnpackedBytes);
}

Result<void> check_logsumexp(const Rules& rules, const Operand& logsumexp, const Operand& like,
                             std::initializer_list<size_t> axes) {
  WEFT_TRY(rules.rank(logsumexp, 3));
  WEFT_TRY(rules.dtype(logsumexp, DType::f32));
  WEFT_TRY(rules.layout(logsumexp));
  for (const size_t axis : axes) WEFT_TRY(rules.match(logsumexp, axis, like, axis));
  return {};
}

Result<void> check_memory(const Rules& rules, std::span<const Operand> operands,
                          std::span<const Operand> outputs) {
  for (const Operand& operand : operands) WEFT_TRY(rules.inside(operand));
  for (const Operand& output : outputs) {
    if (!output.tensor) continue;
    WEFT_TRY(rules.distinct(output));
    for (const Operand& other : operands)
      if (&other.tensor != &output.tensor) WEFT_TRY(rules.apart(output, other));
  }
  return {};
}

std::vector<Operand> operands(const AttentionCall& call) {
  std::vector<Operand> list = score_operands(call);
  list.push_back({"value", call.value});
  list.push_back({"output", call.output});
  add_given(list, call, kValueTensors);
  if (call.logsumexp) list.push_back({"logsumexp", call.logsumexp});
  if (call.weights) list.push_back({"weights", call.weights});
  return list;
}

std::vector<Operand> operands(const AttentionWeightsCall& call) {
  std::vector<Operand> list = score_operands(call.attention);
  list.push_back({"weights", call.weights});
  if (call.stage == WeightsStage::probabilities && call.attention.logsumexp)
    list.push_back({"logsumexp", call.attention.logsumexp});
  return list;
}

Result<AttentionShape> validate(const AttentionCall& call) {
  const Rules rules{"attention"};
  const Operand output{"output", call.output}, logsumexp{"logsumexp", call.logsumexp};
  WEFT_TRY(check_rank_4(rules, {"query", call.query}));
  WEFT_TRY(check_rank_4(rules, {"key", call.key}));
  WEFT_TRY(check_rank_4(rules, {"value", call.value}));
  WEFT_TRY(check_rank_4(rules, output));
  AttentionShape shape;
  WEFT_ASSIGN(shape.scores, check_scores(rules, call, {output, call.output.shape[1]}));
  WEFT_TRY(check_value(rules, call, shape.scores));
  WEFT_TRY(check_value_items(rules, call, shape.scores, shape.value_items));
  WEFT_TRY(check_sinks(rules, call, shape.scores));
  if (call.logsumexp) WEFT_TRY(check_logsumexp(rules, logsumexp, output));
  WEFT_TRY(check_weights(rules, call, shape.scores));
  const Operand outputs[] = {output, logsumexp, {"weights", call.weights}};
  WEFT_TRY(check_memory(rules, operands(call), outputs));
  shape.desc = description(call, shape.scores);
  shape.aligned = shape.desc.head_dim % 4 == 0 && shape.desc.value_dim % 4 == 0 &&
                  starts_on_4({&call.query, &call.key, &call.value, &call.output, &call.null_key,
                               &call.null_value});
  shape.large_kv = large_kv(call.key, call.value);
  return shape;
}

}  // namespace weft::attention_detail
