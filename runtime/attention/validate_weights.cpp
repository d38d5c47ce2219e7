// The rules of weights and merge.
#include <algorithm>

#include "attention/validate.hpp"
#include "base/text.hpp"

namespace weft::attention_detail {
namespace {

using checks::Operand;
using checks::Rules;

// Indices below `limit`, in a list that may be empty (all).
Result<uint32_t> check_list(const Rules& rules, const char* name, std::span<const uint32_t> list,
                            uint32_t limit) {
  if (list.size() > static_cast<size_t>(checks::kMaxCount))
    return rules.broken(
        text(name, " lists ", list.size(), " numbers; at most ", checks::kMaxCount, " fit"));
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i] >= limit)
      return rules.broken(text(name, "[", i, "] is ", list[i], "; it must be below ", limit));
  return list.empty() ? limit : static_cast<uint32_t>(list.size());
}

Result<void> check_weights_output(const Rules& rules, const Operand& weights,
                                  const WeightsShape& shape) {
  WEFT_TRY(rules.dtype(weights, DType::f32));
  if (weights.tensor.shape[1] != shape.output_heads)
    return rules.broken(text("weights.shape[1] is ", weights.tensor.shape[1], "; it must be ",
                             shape.output_heads, ", the output heads"));
  if (weights.tensor.shape[3] != shape.key_count)
    return rules.broken(text("weights.shape[3] is ", weights.tensor.shape[3], "; it must be ",
                             shape.key_count, ", the listed keys"));
  return rules.block_range(weights);
}

bool aligned(const AttentionCall& call) {
  return call.query.shape[3] % 4 == 0 && checks::starts_on_4(call.query) &&
         checks::starts_on_4(call.key) && (!call.null_key || checks::starts_on_4(call.null_key));
}

// The heads of an attention whose output is not at hand.
int64_t heads_of(const AttentionCall& call) {
  if (call.logsumexp && call.logsumexp.rank() == 3 && call.logsumexp.shape[1] >= 0)
    return std::min(call.logsumexp.shape[1], checks::kMaxCount);
  return call.query.shape[1] == 1 ? call.key.shape[1] : call.query.shape[1];
}

// Merged tensors are read and written by slices, not by blocks of rows.
Result<void> check_merged(const Rules& rules, const Operand& operand) {
  return rules.slice_range(operand, operand.tensor.shape[2],
                           static_cast<int64_t>(checks::stride_elements(operand.tensor, 2)));
}

Result<void> check_part(const Rules& rules, const Operand& output, const Operand& logsumexp,
                        const Operand& like) {
  WEFT_TRY(check_rank_4(rules, output));
  for (size_t axis = 0; axis < 4; ++axis) WEFT_TRY(rules.match(output, axis, like, axis));
  WEFT_TRY(check_merged(rules, output));
  WEFT_TRY(rules.given(logsumexp));
  return check_logsumexp(rules, logsumexp, like);
}

}  // namespace

std::vector<Operand> operands(const AttentionMergeCall& call) {
  std::vector<Operand> list{{"left.output", call.left.output},
                            {"left.logsumexp", call.left.logsumexp},
                            {"right.output", call.right.output},
                            {"right.logsumexp", call.right.logsumexp},
                            {"output", call.output}};
  if (call.logsumexp) list.push_back({"logsumexp", call.logsumexp});
  return list;
}

Result<WeightsShape> validate(const AttentionWeightsCall& call) {
  const Rules rules{"attention_weights"};
  const AttentionCall& attention = call.attention;
  const Operand weights{"weights", call.weights};
  WEFT_TRY(check_rank_4(rules, {"query", attention.query}));
  WEFT_TRY(check_rank_4(rules, {"key", attention.key}));
  WEFT_TRY(rules.given(weights));
  WEFT_TRY(rules.rank(weights, 4));
  WEFT_TRY(rules.layout(weights));
  if (call.stage < WeightsStage::scaled || call.stage > WeightsStage::probabilities)
    return rules.broken(
        text("stage is ", static_cast<int32_t>(call.stage), "; it must be a WeightsStage"));
  AttentionCall scores_call = attention;  // what it doesn't look at is taken out
  scores_call.value = scores_call.value_items = scores_call.null_value = scores_call.sinks =
      scores_call.weights = Tensor{};
  if (call.stage != WeightsStage::probabilities) scores_call.logsumexp = Tensor{};

  WeightsShape shape;
  WEFT_ASSIGN(shape.scores, check_scores(rules, scores_call, {weights, heads_of(attention)}));
  const ScoreShape& scores = shape.scores;
  WEFT_ASSIGN(shape.head_count, check_list(rules, "heads", call.heads, scores.heads));
  WEFT_ASSIGN(shape.key_count,
              check_list(rules, "keys", call.keys, scores.kv_len + scores.null_len));
  if (call.mean_heads && shape.head_count == 0)
    return rules.broken("query.shape[1] is 0; a mean over heads needs at least one");
  shape.output_heads = call.mean_heads ? 1 : shape.head_count;
  shape.null_first = call.null_keys_last ? scores.kv_len : 0;
  WEFT_TRY(check_weights_output(rules, weights, shape));
  if (call.stage == WeightsStage::probabilities) {
    const Operand logsumexp{"logsumexp", attention.logsumexp};
    WEFT_TRY(rules.given(logsumexp));
    WEFT_TRY(check_logsumexp(rules, logsumexp, weights, {0, 2}));
  }
  const Operand outputs[] = {weights};
  WEFT_TRY(check_memory(rules, operands(call), outputs));
  shape.desc = description(scores_call, scores);
  shape.aligned = aligned(attention);
  return shape;
}

WeightsShape all_weights(const AttentionCall& call, const AttentionShape& shape) {
  WeightsShape all{.scores = shape.scores, .desc = shape.desc};
  // What only the forward looks at is in the logsumexp.
  all.desc.features |= kFeatureLogsumexp;
  all.desc.features &= ~(kFeatureSinks | kFeatureValueItems | kFeatureWeights);
  all.head_count = all.output_heads = shape.scores.heads;
  all.key_count = all.null_first = shape.scores.kv_len;  // null keys come last, and are not listed
  all.aligned = aligned(call);
  return all;
}

Result<MergeShape> validate(const AttentionMergeCall& call) {
  const Rules rules{"attention_merge"};
  const Operand left{"left.output", call.left.output}, right{"right.output", call.right.output};
  const Operand output{"output", call.output}, logsumexp{"logsumexp", call.logsumexp};
  WEFT_TRY(check_rank_4(rules, output));
  WEFT_TRY(check_dim(rules, output));
  WEFT_TRY(check_merged(rules, output));
  WEFT_TRY(check_part(rules, left, {"left.logsumexp", call.left.logsumexp}, output));
  WEFT_TRY(check_part(rules, right, {"right.logsumexp", call.right.logsumexp}, output));
  if (call.logsumexp) WEFT_TRY(check_logsumexp(rules, logsumexp, output));
  std::vector<Operand> others;
  for (const Operand& operand : operands(call)) {
    const bool part = &operand.tensor == &left.tensor || &operand.tensor == &right.tensor;
    if (!part || !checks::same_view(call.output, operand.tensor)) others.push_back(operand);  // in place is fine
  }
  const Operand outputs[] = {output, logsumexp};
  WEFT_TRY(check_memory(rules, others, outputs));

  MergeShape shape;
  shape.batch = static_cast<uint32_t>(call.output.shape[0]);
  shape.heads = static_cast<uint32_t>(call.output.shape[1]);
  shape.q_len = static_cast<uint32_t>(call.output.shape[2]);
  shape.value_dim = static_cast<uint32_t>(call.output.shape[3]);
  shape.aligned = shape.value_dim % 4 == 0 && checks::starts_on_4(call.output) &&
                  checks::starts_on_4(call.left.output) && checks::starts_on_4(call.right.output);
  return shape;
}

}  // namespace weft::attention_detail
