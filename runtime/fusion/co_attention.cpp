// Two streams that attend to each other, each to the other's old state.
#include "fusion/scope.hpp"
#include "weft/fusion.hpp"

namespace weft {

Result<void> co_attention(Recorder& recorder, const CrossAttentionBlock& left_block,
                          const CrossAttentionBlock& right_block, const CoAttentionCall& call) {
  fusion::Scope scope(recorder, "co_attention", "");
  CrossAttentionCall left = call.left, right = call.right;
  if (!left.context && !left.prepared.key) left.context = call.right.query;
  if (!right.context && !right.prepared.key) right.context = call.left.query;
  // Old states stay as they are until both have been read; what each output must stay apart from
  // itself is the block's to check.
  const checks::Rules rules = scope.rules();
  const checks::Operand left_output{"left.output", left.output},
      right_output{"right.output", right.output};
  const checks::Operand left_query{"left.query", left.query},
      right_query{"right.query", right.query};
  for (const checks::Operand& operand : {left_output, right_output, left_query, right_query}) {
    WEFT_TRY(rules.given(operand));
    WEFT_TRY(rules.layout(operand));
  }
  WEFT_TRY(rules.apart(left_output, right_output));
  WEFT_TRY(rules.apart(left_output, right_query));
  WEFT_TRY(rules.apart(right_output, left_query));
  if (call.right.context) {  // given, it may be more than the other's query
    const checks::Operand right_context{"right.context", call.right.context};
    WEFT_TRY(rules.layout(right_context));
    WEFT_TRY(rules.apart(left_output, right_context));
  }
  WEFT_TRY(cross_attention(recorder, left_block, left));
  WEFT_TRY(cross_attention(recorder, right_block, right));
  return scope.keep();
}

}  // namespace weft
