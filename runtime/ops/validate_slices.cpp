// Operations on [batch, heads, length, dim].
#include "base/text.hpp"
#include "ops/validate.hpp"

namespace weft::ops {
namespace {

using checks::Operand;
using checks::Rules;

constexpr size_t kBatch = 0, kHead = 1, kRow = 2, kColumn = 3;

uint32_t length(const Tensor& tensor, size_t axis) {
  return static_cast<uint32_t>(tensor.shape[axis]);
}

// The last two axes are the rows of one slice, which 32-bit indices reach.
Result<void> check_slices(const Rules& rules, const Operand& operand, size_t rank) {
  const Tensor& tensor = operand.tensor;
  WEFT_TRY(rules.rank(operand, rank));
  WEFT_TRY(rules.layout(operand));
  return rules.slice_range(operand, tensor.shape[rank - 2],
                           static_cast<int64_t>(checks::stride_elements(tensor, rank - 2)));
}

Result<void> check_data(const Rules& rules, const Operand& operand) {
  WEFT_TRY(rules.given(operand));
  WEFT_TRY(rules.floating(operand));
  return check_slices(rules, operand, 4);
}

// Batch and heads are those of the output, or 1.
Result<void> check_repeats(const Rules& rules, const Operand& operand, const Tensor& output) {
  WEFT_TRY(rules.match_or_1(operand, kBatch, output.shape[kBatch], "output's batch"));
  return rules.match_or_1(operand, kHead, output.shape[kHead], "output's heads");
}

}  // namespace

Result<MixKeysShape> validate(const MixKeysCall& call) {
  const Rules rules{"mix_keys"};
  const Operand input{"input", call.input}, factors{"factors", call.factors},
      matrix{"matrix", call.matrix}, output{"output", call.output};
  WEFT_TRY(check_data(rules, input));
  WEFT_TRY(check_data(rules, output));
  WEFT_TRY(check_repeats(rules, input, call.output));
  WEFT_TRY(rules.match(output, kColumn, input, kColumn));
  if (call.factors) {
    WEFT_TRY(rules.rank(factors, 3));
    WEFT_TRY(rules.dtype(factors, DType::f32));
    WEFT_TRY(rules.layout(factors));
    WEFT_TRY(check_repeats(rules, factors, call.output));
    WEFT_TRY(rules.match(factors, 2, input, kRow));
  }
  if (call.matrix) {
    WEFT_TRY(rules.dtype(matrix, DType::f32));
    WEFT_TRY(check_slices(rules, matrix, 4));
    WEFT_TRY(check_repeats(rules, matrix, call.output));
    WEFT_TRY(rules.match(matrix, 3, input, kRow));
  }
  WEFT_TRY(rules.match(output, kRow, call.matrix ? matrix : input, kRow));
  WEFT_TRY(check_memory(rules, {input, factors, matrix}, output));
  MixKeysShape shape;
  shape.batch = length(call.output, kBatch);
  shape.heads = length(call.output, kHead);
  shape.length = length(call.output, kRow);
  shape.kv_len = length(call.input, kRow);
  shape.dim = length(call.output, kColumn);
  shape.aligned = shape.dim % 4 == 0 && start_on_4({&call.input, &call.output});
  return shape;
}

Result<RotaryShape> validate(const RotaryCall& call) {
  const Rules rules{"rotary"};
  const Operand input{"input", call.input}, angles{"angles", call.angles},
      output{"output", call.output};
  WEFT_TRY(check_data(rules, input));
  WEFT_TRY(rules.given(angles));
  WEFT_TRY(rules.dtype(angles, DType::f32));
  WEFT_TRY(check_slices(rules, angles, 2));
  WEFT_TRY(rules.match(angles, 0, input, kRow));
  const int64_t turned = call.angles.shape[1], dim = call.input.shape[kColumn];
  if (turned % 2 != 0 || turned > dim)
    return rules.broken(text("angles.shape[1] is ", turned, "; it must be even and at most ", dim,
                             ", the columns"));
  WEFT_TRY(check_data(rules, output));
  for (size_t axis = 0; axis < 4; ++axis) WEFT_TRY(rules.match(output, axis, input, axis));
  WEFT_TRY(check_memory(rules, {input, angles}, output, &call.input));
  RotaryShape shape;
  shape.batch = length(call.output, kBatch);
  shape.heads = length(call.output, kHead);
  shape.length = length(call.output, kRow);
  shape.dim = length(call.output, kColumn);
  shape.turned = static_cast<uint32_t>(turned);
  shape.aligned = shape.dim % 4 == 0 && shape.turned % 8 == 0 &&
                  start_on_4({&call.input, &call.angles, &call.output});
  return shape;
}

}  // namespace weft::ops
