// Cosine similarities. Rows are brought to length sqrt(dim) by a norm without a mean; their
// products are scores of an attention, before its softmax, and carry the scale: nothing else has to
// be kept in memory.
#include <cmath>

#include "base/text.hpp"
#include "fusion/parts.hpp"
#include "fusion/validate.hpp"

namespace weft {
namespace {

using namespace fusion;
using checks::Rules;

constexpr int64_t kMaxHeadDim = 576;   // of attention_weights
constexpr float kSmallest = 1.2e-38f;  // about the smallest normal number: rows of zeros stay zeros

Result<int64_t> check(const Rules& rules, const Similarity& block, const Tensor& left,
                      const Tensor& right, const Tensor& output) {
  WEFT_TRY(check_tensor(rules, {"left", left}, 2));
  WEFT_TRY(check_tensor(rules, {"right", right}, 2));
  WEFT_TRY(check_tensor(rules, {"output", output}, 2));
  WEFT_ASSIGN(const int64_t dim, check_projection(rules, "left", block.left, left.shape[1]));
  WEFT_ASSIGN(const int64_t found, check_projection(rules, "right", block.right, right.shape[1]));
  if (found != dim)
    return rules.broken(
        text("right is projected to ", found, " columns, left to ", dim, "; they must match"));
  if (dim == 0) return rules.broken("left is projected to 0 columns; it must be at least 1");
  if (block.scale == 0.0f || !std::isfinite(block.scale))
    return rules.broken(text("scale is ", block.scale, "; it must be finite and not 0"));
  WEFT_TRY(check_size(rules, {"output", output}, 0, left.shape[0], "the rows of left"));
  WEFT_TRY(check_size(rules, {"output", output}, 1, right.shape[0], "the rows of right"));
  WEFT_TRY(rules.distinct({"output", output}));
  WEFT_TRY(rules.apart({"output", output}, {"left", left}));
  WEFT_TRY(rules.apart({"output", output}, {"right", right}));
  return dim;
}

// Long rows are cut into slices of equal size, over whose products the mean is taken.
int64_t slices_of(int64_t dim) {
  int64_t slices = (dim + kMaxHeadDim - 1) / kMaxHeadDim;
  while (dim % slices != 0) ++slices;
  return slices;
}

Result<Tensor> unit_rows(const Scope& scope, const char* part, const Projection& projection,
                         const Tensor& input, int64_t slices) {
  WEFT_ASSIGN(const Tensor rows, projected(scope, part, projection, as_rows(input)));
  const Tensor unit = scope.recorder().transient(DType::f32, rows.shape);
  WEFT_TRY(norm_into(scope, text(part, "_norm"), {.kind = NormKind::rms, .epsilon = kSmallest},
                     rows, unit));
  return unit.split_heads(slices);
}

}  // namespace

Result<void> similarity(Recorder& recorder, const Similarity& block, const Tensor& left,
                        const Tensor& right, const Tensor& output) {
  Scope scope(recorder, "similarity", "");
  WEFT_ASSIGN(const int64_t dim, check(scope.rules(), block, left, right, output));
  scope.set_dtype(left.dtype);
  const int64_t slices = slices_of(dim);
  const Tensor rows = as_rows(output);
  const bool converts = output.dtype != DType::f32;
  const Tensor products = converts ? recorder.transient(DType::f32, rows.shape) : rows;
  AttentionWeightsCall call{.stage = WeightsStage::scaled, .mean_heads = slices > 1};
  WEFT_ASSIGN(call.attention.query, unit_rows(scope, "left", block.left, left, slices));
  WEFT_ASSIGN(call.attention.key, unit_rows(scope, "right", block.right, right, slices));
  WEFT_ASSIGN(call.weights, products.split_heads(1));
  call.attention.scale = block.scale * static_cast<float>(slices) / static_cast<float>(dim);
  WEFT_TRY(scope.part("products", attention_weights, call));
  if (converts) WEFT_TRY(copy_into(scope, "convert", products, rows));
  return scope.keep();
}

}  // namespace weft
