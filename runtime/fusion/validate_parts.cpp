// The rules of a block's parts.
#include "base/text.hpp"
#include "fusion/validate.hpp"

namespace weft::fusion {

using checks::Rules;

Result<void> check_tensor(const Rules& rules, const Named& named, size_t rank) {
  const checks::Operand operand{named.name.c_str(), named.tensor};
  WEFT_TRY(rules.given(operand));
  WEFT_TRY(rules.rank(operand, rank));
  WEFT_TRY(rules.floating(operand));
  WEFT_TRY(rules.layout(operand));
  return rules.inside(operand);
}

Result<void> check_rows(const Rules& rules, const Named& named) {
  WEFT_TRY(rules.given({named.name.c_str(), named.tensor}));
  const size_t rank = named.tensor.rank();
  if (rank != 2 && rank != 3)
    return rules.broken(text(named.name, ".shape is ", named.tensor.shape,
                             "; its rank must be 2, or 3 with a batch"));
  return check_tensor(rules, named, rank);
}

Result<void> check_size(const Rules& rules, const Named& named, size_t axis, int64_t wanted,
                        const char* what) {
  const int64_t found = named.tensor.shape[axis];
  if (found == wanted) return {};
  return rules.broken(
      text(named.name, ".shape[", axis, "] is ", found, "; it must be ", wanted, ", ", what));
}

Result<void> check_norm(const Rules& rules, const std::string& name, const Norm& norm,
                        int64_t dim) {
  if (norm.kind < NormKind::none || norm.kind > NormKind::rms)
    return rules.broken(
        text(name, ".kind is ", static_cast<int32_t>(norm.kind), "; it must be a NormKind"));
  for (const Named& vector : {Named{name + ".weight", norm.weight}, {name + ".bias", norm.bias}}) {
    if (!vector.tensor) continue;
    if (norm.kind == NormKind::none)
      return rules.broken(text(vector.name, " is given; ", name, ".kind is none"));
    WEFT_TRY(check_tensor(rules, vector, 1));
    WEFT_TRY(check_size(rules, vector, 0, dim, "the dim of what is normalised"));
  }
  return {};
}

Result<int64_t> check_projection(const Rules& rules, const std::string& name,
                                 const Projection& projection, int64_t in_features) {
  const Named weight{name + ".weight", projection.weight}, bias{name + ".bias", projection.bias};
  if (!projection.weight) {
    if (projection.bias) return rules.broken(text(bias.name, " is given without ", weight.name));
    return in_features;
  }
  WEFT_TRY(check_tensor(rules, weight, 2));
  WEFT_TRY(check_size(rules, weight, 1, in_features, "the dim of what is projected"));
  const int64_t out_features = projection.weight.shape[0];
  if (projection.bias) {
    WEFT_TRY(check_tensor(rules, bias, 1));
    WEFT_TRY(check_size(rules, bias, 0, out_features, "the weight's out_features"));
  }
  return out_features;
}

Result<void> check_gate(const Rules& rules, const std::string& name, const Gate& gate,
                        int64_t dim) {
  if (gate.kind < GateKind::none || gate.kind > GateKind::tanh)
    return rules.broken(
        text(name, ".kind is ", static_cast<int32_t>(gate.kind), "; it must be a GateKind"));
  const Named value{name + ".value", gate.value};
  if (gate.kind == GateKind::none) {
    if (gate.value) return rules.broken(text(value.name, " is given; ", name, ".kind is none"));
    return {};
  }
  WEFT_TRY(check_tensor(rules, value, 1));
  if (const int64_t found = gate.value.shape[0]; found != 1 && found != dim)
    return rules.broken(
        text(value.name, ".shape[0] is ", found, "; it must be 1, or ", dim, ", the dim"));
  return {};
}

Result<void> check_factors(const Rules& rules, const std::string& name, const Tensor& factors,
                           int64_t batch, int64_t length) {
  if (!factors) return {};
  const checks::Operand operand{name.c_str(), factors};
  WEFT_TRY(rules.dtype(operand, DType::f32));
  WEFT_TRY(rules.layout(operand));
  WEFT_TRY(rules.inside(operand));
  const bool flat = factors.rank() == 1 && batch == 1 && factors.shape[0] == length;
  const bool whole = factors.rank() == 2 && factors.shape[0] == batch && factors.shape[1] == length;
  if (!flat && !whole)
    return rules.broken(text(name, ".shape is ", factors.shape, "; it must be ",
                             Dims{batch, length}, ", the rows"));
  if (!factors.is_dense())
    return rules.broken(text(name, ".strides is ", factors.strides, "; it must be dense"));
  return {};
}

Result<int64_t> check_feed_forward(const Rules& rules, const std::string& name,
                                   const FeedForward& block, int64_t dim) {
  WEFT_TRY(check_norm(rules, name + "norm", block.norm, dim));
  for (const Named& needed :
       {Named{name + "up.weight", block.up.weight}, {name + "down.weight", block.down.weight}})
    WEFT_TRY(rules.given({needed.name.c_str(), needed.tensor}));
  WEFT_ASSIGN(const int64_t hidden, check_projection(rules, name + "up", block.up, dim));
  if (block.gate_up.weight || block.gate_up.bias) {
    WEFT_TRY(check_projection(rules, name + "gate_up", block.gate_up, dim));
    const Named gate{name + "gate_up.weight", block.gate_up.weight};
    WEFT_TRY(check_size(rules, gate, 0, hidden, "up's out_features"));
  }
  if (block.activation < Activation::none || block.activation > Activation::quick_gelu)
    return rules.broken(text(name, "activation is ", static_cast<int32_t>(block.activation),
                             "; it must be an Activation"));
  WEFT_ASSIGN(const int64_t out_dim, check_projection(rules, name + "down", block.down, hidden));
  WEFT_TRY(check_gate(rules, name + "gate", block.gate, out_dim));
  if (block.residual && out_dim != dim)
    return rules.broken(text(name, "down.weight.shape[0] is ", out_dim,
                             "; with a residual it must be ", dim, ", the dim of the input"));
  WEFT_TRY(check_norm(rules, name + "post_norm", block.post_norm, out_dim));
  return out_dim;
}

Result<void> check_attention(const Rules& rules, const std::string& name,
                             const AttentionCall& call) {
  const std::pair<const char*, const Tensor&> tensors[] = {
      {"query", call.query},          {"key", call.key},
      {"value", call.value},          {"output", call.output},
      {"logsumexp", call.logsumexp},  {"weights", call.weights},
      {"null_key", call.null_key},    {"null_value", call.null_value}};
  for (const auto& [field, tensor] : tensors)
    if (tensor)
      return rules.broken(
          text(name, ".", field, " is given; it must be left empty, the block gives it"));
  const std::pair<const char*, float> numbers[] = {{"scale", call.scale},
                                                   {"softcap", call.softcap}};
  for (const auto& [field, number] : numbers)
    if (!(number == 0.0f))
      return rules.broken(
          text(name, ".", field, " is ", number, "; it must be 0, the block gives it"));
  return {};
}

Result<void> check_same_rows(const Rules& rules, const Named& output, const Named& like,
                             int64_t dim) {
  WEFT_TRY(check_rows(rules, output));
  WEFT_TRY(rules.distinct({output.name.c_str(), output.tensor}));
  if (output.tensor.rank() != like.tensor.rank())
    return rules.broken(text(output.name, ".shape is ", output.tensor.shape, ", ", like.name,
                             ".shape is ", like.tensor.shape, "; they must have the same rank"));
  for (size_t axis = 0; axis + 1 < like.tensor.rank(); ++axis)
    WEFT_TRY(rules.match({output.name.c_str(), output.tensor}, axis,
                         {like.name.c_str(), like.tensor}, axis));
  return check_size(rules, output, output.tensor.rank() - 1, dim, "the dim of the result");
}

Result<void> validate(const Rules& rules, const FeedForward& block, const Tensor& input,
                      const Tensor& output, const Tensor& row_factors) {
  const Named in{"input", input}, out{"output", output};
  WEFT_TRY(check_rows(rules, in));
  WEFT_ASSIGN(const int64_t dim, check_feed_forward(rules, "", block, input.shape.back()));
  WEFT_TRY(check_same_rows(rules, out, in, dim));
  const int64_t batch = input.rank() == 3 ? input.shape[0] : 1;
  WEFT_TRY(check_factors(rules, "row_factors", row_factors, batch, input.shape[input.rank() - 2]));
  return rules.apart({"output", output}, {"input", input});
}

}  // namespace weft::fusion
