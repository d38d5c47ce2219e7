#include "ops/validate.hpp"

#include <cmath>
#include <optional>

#include "base/overflow.hpp"
#include "base/text.hpp"

namespace weft::ops {
namespace {

using checks::Operand;
using checks::Rules;

// The row count and stride of the leading axes, or nothing where they have no one stride.
std::optional<std::pair<int64_t, int64_t>> fold_leading(const Tensor& tensor) {
  int64_t count = 1;
  int64_t stride = 0;
  for (size_t i = tensor.rank() - 1; i-- > 0;) {
    if (tensor.shape[i] == 1) continue;
    if (count == 1)
      stride = tensor.strides[i];
    else if (tensor.strides[i] != count * stride)
      return std::nullopt;
    if (base::multiply_overflows(count, tensor.shape[i], &count)) return std::nullopt;
  }
  return std::pair{count, stride};
}

// A tensor of rows of a floating type.
Result<Rows> check_rows(const Rules& rules, const Operand& operand) {
  WEFT_TRY(rules.given(operand));
  WEFT_TRY(rules.floating(operand));
  WEFT_TRY(rules.layout(operand));
  return fold(rules, operand);
}

// An optional vector of one value for each element of a row.
Result<void> check_vector(const Rules& rules, const Operand& operand, const Operand& rows,
                          size_t axis) {
  if (!operand.tensor) return {};
  WEFT_TRY(rules.rank(operand, 1));
  WEFT_TRY(rules.floating(operand));
  WEFT_TRY(rules.layout(operand));
  return rules.match(operand, 0, rows, axis);
}

Result<void> match_dims(const Rules& rules, const Operand& left, const Operand& right) {
  return rules.match(left, left.tensor.rank() - 1, right, right.tensor.rank() - 1);
}

Result<void> match_counts(const Rules& rules, const char* left_name, const Rows& left,
                          const char* right_name, const Rows& right) {
  if (left.count != right.count)
    return rules.broken(text(left_name, " has ", left.count, " rows, ", right_name, " has ",
                             right.count, "; they must match"));
  return {};
}

Result<void> check_activation(const Rules& rules, Activation activation) {
  if (activation < Activation::none || activation > Activation::quick_gelu)
    return rules.broken(
        text("activation is ", static_cast<int32_t>(activation), "; it must be an Activation"));
  return {};
}

// Two tensors of rows of which the right one repeats along the left one, and where the left one is
// not given along the output.
Result<PairShape> check_pair(const Rules& rules, const Operand& left, const Operand& right,
                             const Operand& output) {
  PairShape shape;
  if (left.tensor) {
    WEFT_ASSIGN(shape.left, check_rows(rules, left));
  }
  WEFT_ASSIGN(shape.right, check_rows(rules, right));
  WEFT_ASSIGN(shape.output, check_rows(rules, output));
  const Operand& whole = left.tensor ? left : output;
  const Rows& rows = left.tensor ? shape.left : shape.output;
  WEFT_TRY(match_dims(rules, right, whole));
  if (rows.count != 0 && (shape.right.count == 0 || rows.count % shape.right.count != 0))
    return rules.broken(text("right has ", shape.right.count, " rows, ", whole.name, " has ",
                             rows.count, "; right's count must divide ", whole.name, "'s"));
  WEFT_TRY(match_dims(rules, output, whole));
  WEFT_TRY(match_counts(rules, "output", shape.output, whole.name, rows));
  return shape;
}

// The gate's tensor is there where its kind asks for it, as one value or as one for each column.
Result<void> check_gate(const Rules& rules, const Gate& gate, const Operand& value, int64_t dim) {
  if (gate.kind < GateKind::none || gate.kind > GateKind::tanh)
    return rules.broken(
        text("gate.kind is ", static_cast<int32_t>(gate.kind), "; it must be a GateKind"));
  if (gate.kind == GateKind::none) {
    if (gate.value) return rules.broken("gate.value is given; gate.kind must be value or tanh");
    return {};
  }
  WEFT_TRY(rules.given(value));
  WEFT_TRY(rules.rank(value, 1));
  WEFT_TRY(rules.floating(value));
  WEFT_TRY(rules.layout(value));
  return rules.match_or_1(value, 0, dim, "the columns");
}

// One f32 for each row, or nothing.
Result<void> check_row_factors(const Rules& rules, const Operand& factors, const Rows& rows) {
  if (!factors.tensor) return {};
  WEFT_TRY(rules.rank(factors, 1));
  WEFT_TRY(rules.dtype(factors, DType::f32));
  WEFT_TRY(rules.layout(factors));
  if (factors.tensor.shape[0] != rows.count)
    return rules.broken(text(factors.name, ".shape[0] is ", factors.tensor.shape[0],
                             "; it must be ", rows.count, ", output's rows"));
  return {};
}

}  // namespace

Result<void> check_memory(const Rules& rules, std::initializer_list<Operand> inputs,
                          const Operand& output, const Tensor* in_place) {
  for (const Operand& input : inputs)
    if (input.tensor) WEFT_TRY(rules.inside(input));
  WEFT_TRY(rules.inside(output));
  WEFT_TRY(rules.distinct(output));
  for (const Operand& input : inputs) {
    if (&input.tensor == in_place && checks::same_view(input.tensor, output.tensor)) continue;
    WEFT_TRY(rules.apart(output, input));
  }
  return {};
}

bool start_on_4(std::initializer_list<const Tensor*> tensors) {
  for (const Tensor* tensor : tensors)
    if (*tensor && !checks::starts_on_4(*tensor)) return false;
  return true;
}

Result<Rows> fold(const Rules& rules, const Operand& operand) {
  const auto& [name, tensor] = operand;
  const int64_t dim = tensor.shape.back();
  if (tensor.elements() == 0) {  // strides lead nowhere, but a row count is still asked for
    int64_t count = 1;
    for (size_t i = 0; i + 1 < tensor.rank(); ++i)
      if (base::multiply_overflows(count, tensor.shape[i], &count)) count = INT64_MAX;
    if (count > checks::kMaxCount)
      return rules.broken(
          text(name, ".shape is ", tensor.shape, "; at most ", checks::kMaxCount, " rows fit"));
    return Rows{static_cast<uint32_t>(count), static_cast<uint32_t>(dim), 0};
  }
  const auto folded = fold_leading(tensor);
  if (!folded)
    return rules.broken(text(name, ".strides ", tensor.strides, " of ", name, ".shape ",
                             tensor.shape, " do not fold into one row stride"));
  const auto [count, stride] = *folded;
  if (count > checks::kMaxCount)
    return rules.broken(
        text(name, ".shape is ", tensor.shape, "; at most ", checks::kMaxCount, " rows fit"));
  WEFT_TRY(rules.slice_range(operand, count, stride));
  return Rows{static_cast<uint32_t>(count), static_cast<uint32_t>(dim),
              static_cast<uint32_t>(stride)};
}

Result<LinearShape> validate(const LinearCall& call) {
  const Rules rules{"linear"};
  const Operand input{"input", call.input}, weight{"weight", call.weight}, bias{"bias", call.bias};
  const Operand output{"output", call.output};
  LinearShape shape;
  WEFT_ASSIGN(shape.input, check_rows(rules, input));
  WEFT_TRY(rules.given(weight));
  WEFT_TRY(rules.rank(weight, 2));
  WEFT_ASSIGN(shape.weight, check_rows(rules, weight));
  WEFT_TRY(match_dims(rules, weight, input));
  WEFT_TRY(check_vector(rules, bias, weight, 0));
  WEFT_ASSIGN(shape.output, check_rows(rules, output));
  WEFT_TRY(rules.match(output, call.output.rank() - 1, weight, 0));
  WEFT_TRY(match_counts(rules, "output", shape.output, "input", shape.input));
  WEFT_TRY(check_activation(rules, call.activation));
  WEFT_TRY(check_memory(rules, {input, weight, bias}, output));
  shape.aligned = shape.input.dim % 4 == 0 && start_on_4({&call.input, &call.weight});
  return shape;
}

Result<NormShape> validate(const char* operation, const NormCall& call) {
  const Rules rules{operation};
  const Operand input{"input", call.input}, weight{"weight", call.weight}, bias{"bias", call.bias};
  const Operand output{"output", call.output};
  NormShape shape;
  WEFT_ASSIGN(shape.input, check_rows(rules, input));
  const size_t axis = call.input.rank() - 1;
  WEFT_TRY(check_vector(rules, weight, input, axis));
  WEFT_TRY(check_vector(rules, bias, input, axis));
  if (call.weight && call.bias && call.weight.dtype != call.bias.dtype)
    return rules.broken(text("bias.dtype is ", call.bias.dtype, ", weight.dtype is ",
                             call.weight.dtype, "; they must match"));
  WEFT_ASSIGN(shape.output, check_rows(rules, output));
  WEFT_TRY(match_dims(rules, output, input));
  WEFT_TRY(match_counts(rules, "output", shape.output, "input", shape.input));
  if (!(call.epsilon >= 0.0f) || !std::isfinite(call.epsilon))
    return rules.broken(text("epsilon is ", call.epsilon, "; it must be finite and not negative"));
  WEFT_TRY(check_memory(rules, {input, weight, bias}, output, &call.input));
  shape.aligned =
      shape.input.dim % 4 == 0 && start_on_4({&call.input, &call.weight, &call.bias, &call.output});
  return shape;
}

Result<PairShape> validate(const AddCall& call) {
  const Rules rules{"add"};
  const Operand left{"left", call.left}, right{"right", call.right}, output{"output", call.output};
  const Operand gate{"gate.value", call.gate.value}, factors{"row_factors", call.row_factors};
  WEFT_ASSIGN(PairShape shape, check_pair(rules, left, right, output));
  WEFT_TRY(check_gate(rules, call.gate, gate, shape.output.dim));
  WEFT_TRY(check_row_factors(rules, factors, shape.output));
  WEFT_TRY(check_memory(rules, {left, right, gate, factors}, output, &call.left));
  const Tensor none, &columns = has_columns(call.gate) ? call.gate.value : none;
  shape.aligned =
      shape.output.dim % 4 == 0 && start_on_4({&call.left, &call.right, &columns, &call.output});
  return shape;
}

Result<PairShape> validate(const MultiplyCall& call) {
  const Rules rules{"multiply"};
  const Operand left{"left", call.left}, right{"right", call.right}, output{"output", call.output};
  WEFT_TRY(rules.given(left));
  WEFT_ASSIGN(PairShape shape, check_pair(rules, left, right, output));
  WEFT_TRY(check_activation(rules, call.activation));
  WEFT_TRY(check_memory(rules, {left, right}, output, &call.left));
  shape.aligned = shape.output.dim % 4 == 0 && start_on_4({&call.left, &call.right, &call.output});
  return shape;
}

Result<GatherShape> validate(const GatherCall& call) {
  const Rules rules{"gather"};
  const Operand table{"table", call.table}, indices{"indices", call.indices},
      output{"output", call.output};
  GatherShape shape;
  WEFT_TRY(rules.given(table));
  WEFT_TRY(rules.rank(table, 2));
  WEFT_ASSIGN(shape.table, check_rows(rules, table));
  WEFT_TRY(rules.given(indices));
  WEFT_TRY(rules.rank(indices, 1));
  WEFT_TRY(rules.dtype(indices, DType::i32));
  WEFT_TRY(rules.layout(indices));
  WEFT_TRY(rules.given(output));
  WEFT_TRY(rules.rank(output, 2));
  WEFT_ASSIGN(shape.output, check_rows(rules, output));
  WEFT_TRY(rules.match(output, 0, indices, 0));
  WEFT_TRY(rules.match(output, 1, table, 1));
  WEFT_TRY(check_memory(rules, {table, indices}, output));
  shape.aligned = shape.table.dim % 4 == 0 && start_on_4({&call.table, &call.output});
  return shape;
}

}  // namespace weft::ops
