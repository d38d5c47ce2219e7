// The feed-forward part, alone and behind an attention.
#include "fusion/parts.hpp"
#include "fusion/validate.hpp"

namespace weft {
namespace fusion {
namespace {

// activation(gate_up(n)) * up(n). Weights that lie together give both as columns of one product;
// rows that lie between each other can't be multiplied in place.
Result<Tensor> gated_hidden(const Scope& scope, const FeedForward& block, const Tensor& input) {
  const int64_t hidden = block.up.weight.shape[0];
  MultiplyCall call{.activation = block.activation};
  if (const auto both = joined(block.gate_up, block.up)) {
    WEFT_ASSIGN(const Tensor products, projected(scope, "feed_forward.gate_up", *both, input));
    WEFT_ASSIGN(call.left, products.slice(2, 0, hidden));
    WEFT_ASSIGN(call.right, products.slice(2, hidden, hidden));
    call.output = scope.rows_like(call.left);
  } else {
    WEFT_ASSIGN(call.left, projected(scope, "feed_forward.gate_up", block.gate_up, input));
    WEFT_ASSIGN(call.right, projected(scope, "feed_forward.up", block.up, input));
    call.output = call.left;
  }
  WEFT_TRY(scope.part("feed_forward.multiply", multiply, call));
  return call.output;
}

Result<Tensor> hidden_rows(const Scope& scope, const FeedForward& block, const Tensor& input) {
  WEFT_ASSIGN(const Tensor n, normed(scope, "feed_forward.norm", block.norm, input));
  if (block.gate_up.weight) return gated_hidden(scope, block, n);
  const Tensor hidden = scope.rows(n.shape[0], n.shape[1], block.up.weight.shape[0]);
  WEFT_TRY(project_into(scope, "feed_forward.up", block.up, n, hidden, block.activation));
  return hidden;
}

}  // namespace

Result<void> record_feed_forward(const Scope& scope, const FeedForward& block, const Tensor& input,
                                 const Tensor& output, const Tensor& row_factors) {
  const bool adds = block.residual || block.gate.kind != GateKind::none || row_factors;
  const bool norms = block.post_norm.kind != NormKind::none;
  const auto target = [&](bool last) { return last ? output : scope.rows_like(output); };
  WEFT_ASSIGN(const Tensor hidden, hidden_rows(scope, block, input));
  Tensor x = target(!adds && !norms);
  WEFT_TRY(project_into(scope, "feed_forward.down", block.down, hidden, x));
  if (adds) {
    const Tensor sum = target(!norms);
    WEFT_TRY(scope.part("feed_forward.add", add,
                        AddCall{.left = block.residual ? input : Tensor{},
                                .right = x,
                                .output = sum,
                                .gate = block.gate,
                                .row_factors = flat(row_factors)}));
    x = sum;
  }
  if (norms) return norm_into(scope, "feed_forward.post_norm", block.post_norm, x, output);
  return {};
}

}  // namespace fusion

Result<void> feed_forward(Recorder& recorder, const FeedForward& block, const Tensor& input,
                          const Tensor& output, const Tensor& row_factors) {
  fusion::Scope scope(recorder, "feed_forward", "");
  WEFT_TRY(fusion::validate(scope.rules(), block, input, output, row_factors));
  scope.set_dtype(input.dtype);
  WEFT_TRY(fusion::record_feed_forward(scope, block, fusion::as_rows(input),
                                       fusion::as_rows(output), row_factors));
  return scope.keep();
}

}  // namespace weft
