// One softmax over the keys of several attentions: each by itself, then merged by logsumexp.
#include "base/text.hpp"
#include "fusion/scope.hpp"
#include "weft/fusion.hpp"

namespace weft {
namespace {

using fusion::Scope;

Result<void> check(const checks::Rules& rules, const JointAttentionCall& call) {
  if (call.parts.empty()) return rules.broken("parts is empty; it must have 1 or more");
  for (size_t i = 0; i < call.parts.size(); ++i)
    for (const auto& [name, tensor] :
         {checks::Operand{"output", call.parts[i].output}, {"logsumexp", call.parts[i].logsumexp},
          {"weights", call.parts[i].weights}})
      if (tensor)
        return rules.broken(text("parts[", i, "].", name, " is given; it must be left empty"));
  const checks::Operand output{"output", call.output};
  WEFT_TRY(rules.given(output));
  WEFT_TRY(rules.rank(output, 4));
  WEFT_TRY(rules.floating(output));
  return rules.layout(output);
}

// Partial results stay f32, so that merging rounds once, at the end.
AttentionPart partial(Recorder& recorder, const Tensor& output) {
  const Dims& shape = output.shape;
  return {recorder.transient(DType::f32, shape),
          recorder.transient(DType::f32, {shape[0], shape[1], shape[2]})};
}

Result<void> record_part(const Scope& scope, const JointAttentionCall& call, size_t i,
                         const AttentionPart& result) {
  AttentionCall part = call.parts[i];
  part.output = result.output;
  part.logsumexp = result.logsumexp;
  return scope.part(text("part.", i + 1), attention, part);
}

}  // namespace

Result<void> joint_attention(Recorder& recorder, const JointAttentionCall& call) {
  Scope scope(recorder, "joint_attention", "");
  WEFT_TRY(check(scope.rules(), call));
  const AttentionPart result{call.output, call.logsumexp};
  if (call.parts.size() == 1) {
    WEFT_TRY(record_part(scope, call, 0, result));
    return scope.keep();
  }
  std::vector<AttentionPart> parts;
  for (size_t i = 0; i < call.parts.size(); ++i) {
    parts.push_back(partial(recorder, call.output));
    WEFT_TRY(record_part(scope, call, i, parts.back()));
  }
  AttentionPart sum = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const AttentionPart merged = i + 1 == parts.size() ? result : partial(recorder, call.output);
    WEFT_TRY(scope.part("merge", attention_merge,
                        AttentionMergeCall{.left = sum,
                                           .right = parts[i],
                                           .output = merged.output,
                                           .logsumexp = merged.logsumexp}));
    sum = merged;
  }
  return scope.keep();
}

}  // namespace weft
