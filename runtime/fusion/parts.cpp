#include "fusion/parts.hpp"

namespace weft::fusion {
namespace {

bool lie_together(const Tensor& first, const Tensor& second) {
  return first.buffer.state() == second.buffer.state() && first.dtype == second.dtype &&
         first.is_dense() && second.is_dense() && first.elements() > 0 &&
         second.offset_bytes == first.offset_bytes + first.extent_bytes();
}

// [batch, length, heads * head_dim] as [batch, length, heads, head_dim].
Tensor heads_of_rows(const Tensor& rows, int64_t heads) {
  Tensor view = rows;
  const int64_t dim = rows.shape[2] / heads;
  view.shape = {rows.shape[0], rows.shape[1], heads, dim};
  view.strides = {rows.strides[0], rows.strides[1], dim, 1};
  return view;
}

}  // namespace

Tensor as_rows(const Tensor& tensor) {
  if (tensor.rank() != 2) return tensor;
  Tensor rows = tensor;
  rows.shape = {1, tensor.shape[0], tensor.shape[1]};
  rows.strides = {0, tensor.strides[0], tensor.strides[1]};  // of a batch of one: never followed
  return rows;
}

Tensor flat(const Tensor& factors) {
  Tensor line = factors;
  line.shape = {factors.elements()};
  line.strides = {1};
  return line;
}

Result<void> norm_into(const Scope& scope, const std::string& part, const Norm& norm,
                       const Tensor& input, const Tensor& output) {
  const NormCall call{.input = input,
                      .weight = norm.weight,
                      .bias = norm.bias,
                      .output = output,
                      .epsilon = norm.epsilon};
  switch (norm.kind) {
    case NormKind::none:
      return copy_into(scope, part, input, output);
    case NormKind::layer:
      return scope.part(part, layer_norm, call);
    case NormKind::rms:
      return scope.part(part, rms_norm, call);
  }
  return {};
}

Result<Tensor> normed(const Scope& scope, const std::string& part, const Norm& norm,
                      const Tensor& input) {
  if (norm.kind == NormKind::none) return input;
  const Tensor output = scope.rows_like(input);
  WEFT_TRY(norm_into(scope, part, norm, input, output));
  return output;
}

Result<void> project_into(const Scope& scope, const std::string& part, const Projection& projection,
                          const Tensor& input, const Tensor& output, Activation activation) {
  return scope.part(part, linear,
                    LinearCall{.input = input,
                               .weight = projection.weight,
                               .bias = projection.bias,
                               .output = output,
                               .activation = activation});
}

Result<Tensor> projected(const Scope& scope, const std::string& part, const Projection& projection,
                         const Tensor& input) {
  if (!projection.weight) return input;
  const Tensor output = scope.rows(input.shape[0], input.shape[1], projection.weight.shape[0]);
  WEFT_TRY(project_into(scope, part, projection, input, output));
  return output;
}

Result<Tensor> positioned(const Scope& scope, const std::string& part, const Tensor& input,
                          const Tensor& position) {
  if (!position) return input;
  const Tensor output = scope.rows_like(input);
  WEFT_TRY(scope.part(part, add, AddCall{.left = input, .right = position, .output = output}));
  return output;
}

Result<void> copy_into(const Scope& scope, const std::string& part, const Tensor& input,
                       const Tensor& output) {
  return scope.part(part, add, AddCall{.right = input, .output = output});
}

std::optional<Projection> joined(const Projection& first, const Projection& second) {
  if (!first.weight || !second.weight || !lie_together(first.weight, second.weight) ||
      first.weight.shape[1] != second.weight.shape[1] ||
      static_cast<bool>(first.bias) != static_cast<bool>(second.bias) ||
      (first.bias && !lie_together(first.bias, second.bias)))
    return std::nullopt;
  Projection both = first;
  both.weight.shape[0] += second.weight.shape[0];
  both.weight.strides = dense_strides(both.weight.shape);
  if (both.bias) {
    both.bias.shape[0] = both.weight.shape[0];
    both.bias.strides = {1};
  }
  return both;
}

Result<Tensor> finish_heads(const Scope& scope, const HeadParts& parts, const Tensor& rows) {
  Tensor result = rows;
  const auto target = [&] {
    return parts.in_place || result.buffer.state() != rows.buffer.state() ? result
                                                                          : scope.rows_like(rows);
  };
  if (parts.norm && parts.norm->kind != NormKind::none) {
    const Tensor output = target();
    const auto view = [&](const Tensor& t) {
      return parts.across_heads ? t : heads_of_rows(t, parts.heads);
    };
    WEFT_TRY(norm_into(scope, parts.part + "_head_norm", *parts.norm, view(result), view(output)));
    result = output;
  }
  if (parts.angles && *parts.angles) {
    const Tensor output = target();
    WEFT_ASSIGN(const Tensor from, result.split_heads(parts.heads));
    WEFT_ASSIGN(const Tensor to, output.split_heads(parts.heads));
    WEFT_TRY(scope.part(parts.part + "_rotary", rotary,
                        RotaryCall{.input = from, .angles = *parts.angles, .output = to}));
    result = output;
  }
  return result;
}

}  // namespace weft::fusion
