#include "attention/validate.hpp"

#include <cmath>
#include <numbers>

#include "base/text.hpp"

namespace weft::attention_detail {
namespace {

using checks::Operand;
using checks::Rules;

constexpr int64_t kMaxDim = 256;

void add_given(std::vector<Operand>& list, const char* name, const Tensor& tensor) {
  if (tensor) list.push_back({name, tensor});
}

uint32_t count(const Tensor& tensor, size_t axis) {
  return static_cast<uint32_t>(tensor.shape[axis]);
}

Result<void> check_rank_4(const Rules& rules, const Operand& operand) {
  WEFT_TRY(rules.given(operand));
  WEFT_TRY(rules.rank(operand, 4));
  WEFT_TRY(rules.floating(operand));
  WEFT_TRY(rules.layout(operand));
  return rules.slice_range(operand, operand.tensor.shape[2],
                           static_cast<int64_t>(checks::stride_elements(operand.tensor, 2)));
}

Result<void> check_dim(const Rules& rules, const Operand& operand) {
  const int64_t dim = operand.tensor.shape[3];
  if (dim < 1 || dim > kMaxDim)
    return rules.broken(text(operand.name, ".shape[3] is ", dim, "; it must be 1 to ", kMaxDim));
  return {};
}

Result<void> check_kv_heads(const Rules& rules, const Operand& query, const Operand& key) {
  const int64_t heads = query.tensor.shape[1];
  const int64_t kv_heads = key.tensor.shape[1];
  if (heads == 0) return {};
  if (kv_heads < 1 || heads % kv_heads != 0)
    return rules.broken(text(key.name, ".shape[1] is ", kv_heads, ", ", query.name, ".shape[1] is ",
                             heads, "; kv_heads must divide heads"));
  return {};
}

// query and key, and how they fit together.
Result<void> check_scores(const Rules& rules, const Operand& query, const Operand& key) {
  WEFT_TRY(check_rank_4(rules, query));
  WEFT_TRY(check_rank_4(rules, key));
  WEFT_TRY(check_dim(rules, query));
  WEFT_TRY(rules.match(key, 3, query, 3));
  WEFT_TRY(rules.match(key, 0, query, 0));
  return check_kv_heads(rules, query, key);
}

Result<MaskKind> check_mask(const Rules& rules, const Operand& mask, const Operand& query,
                            const Operand& key) {
  if (!mask.tensor) return MaskKind::none;
  WEFT_TRY(rules.rank(mask, 4));
  if (mask.tensor.dtype != DType::u8 && !checks::is_floating(mask.tensor.dtype))
    return rules.broken(text(mask.name, ".dtype is ", mask.tensor.dtype,
                             "; it must be u8 (boolean) or f32, f16 or bf16 (bias)"));
  WEFT_TRY(rules.layout(mask));
  for (size_t axis = 0; axis < 3; ++axis)
    if (mask.tensor.shape[axis] != 1 && mask.tensor.shape[axis] != query.tensor.shape[axis])
      return rules.broken(text(mask.name, ".shape[", axis, "] is ", mask.tensor.shape[axis], ", ",
                               query.name, ".shape[", axis, "] is ", query.tensor.shape[axis],
                               "; they must match, or the mask's must be 1"));
  WEFT_TRY(rules.match(mask, 3, key, 2));
  WEFT_TRY(rules.slice_range(mask, mask.tensor.shape[2],
                             static_cast<int64_t>(checks::stride_elements(mask.tensor, 2))));
  if (checks::stride_bytes(mask.tensor, 2) > UINT32_MAX)  // kernels count these in 32 bits
    return rules.broken(text(mask.name, ".strides[2] is ", mask.tensor.strides[2],
                             "; its rows must be at most ", UINT32_MAX, " bytes apart"));
  return mask.tensor.dtype == DType::u8 ? MaskKind::boolean : MaskKind::bias;
}

Result<void> check_kv_lengths(const Rules& rules, const Operand& lengths, const Operand& query) {
  if (!lengths.tensor) return {};
  WEFT_TRY(rules.rank(lengths, 1));
  WEFT_TRY(rules.dtype(lengths, DType::i32));
  WEFT_TRY(rules.layout(lengths));
  return rules.match(lengths, 0, query, 0);
}

Result<void> check_logsumexp(const Rules& rules, const Operand& logsumexp, const Operand& query) {
  WEFT_TRY(rules.rank(logsumexp, 3));
  WEFT_TRY(rules.dtype(logsumexp, DType::f32));
  WEFT_TRY(rules.layout(logsumexp));
  for (size_t axis = 0; axis < 3; ++axis) WEFT_TRY(rules.match(logsumexp, axis, query, axis));
  return {};
}

// scale * log2(e): kernels take powers of two.
Result<float> check_scale(const Rules& rules, float scale, int64_t head_dim) {
  const double factor = scale != 0.0f ? scale : 1.0 / std::sqrt(static_cast<double>(head_dim));
  const float scale_log2 = static_cast<float>(factor * std::numbers::log2e);
  if (!std::isfinite(scale_log2))
    return rules.broken(
        text("scale is ", scale, "; it and its product with log2(e) must be finite"));
  return scale_log2;
}

// Every operand inside its buffer, and no output on another operand.
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

AttentionDesc description(const AttentionCall& call, MaskKind mask) {
  AttentionDesc desc;
  desc.query_dtype = call.query.dtype;
  desc.kv_dtype = call.key.dtype;
  desc.output_dtype = call.output.dtype;
  desc.head_dim = count(call.query, 3);
  desc.value_dim = count(call.value, 3);
  desc.mask = mask;
  desc.mask_dtype = mask == MaskKind::bias ? call.mask.dtype : DType::u8;
  desc.kv_lengths = static_cast<bool>(call.kv_lengths);
  desc.logsumexp = static_cast<bool>(call.logsumexp);
  desc.q_len = count(call.query, 2);
  desc.kv_len = count(call.key, 2);
  return desc;
}

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

Result<void> check_weights_output(const Rules& rules, const Operand& weights, const Operand& query,
                                  const WeightsShape& shape) {
  WEFT_TRY(rules.given(weights));
  WEFT_TRY(rules.rank(weights, 4));
  WEFT_TRY(rules.dtype(weights, DType::f32));
  WEFT_TRY(rules.layout(weights));
  WEFT_TRY(rules.match(weights, 0, query, 0));
  if (weights.tensor.shape[1] != shape.output_heads)
    return rules.broken(text("weights.shape[1] is ", weights.tensor.shape[1], "; it must be ",
                             shape.output_heads, ", the output heads"));
  WEFT_TRY(rules.match(weights, 2, query, 2));
  if (weights.tensor.shape[3] != shape.key_count)
    return rules.broken(text("weights.shape[3] is ", weights.tensor.shape[3], "; it must be ",
                             shape.key_count, ", the listed keys"));
  return rules.slice_range(weights, weights.tensor.shape[2],
                           static_cast<int64_t>(checks::stride_elements(weights.tensor, 2)));
}

}  // namespace

std::vector<Operand> operands(const AttentionCall& call) {
  std::vector<Operand> list{
      {"query", call.query}, {"key", call.key}, {"value", call.value}, {"output", call.output}};
  add_given(list, "mask", call.mask);
  add_given(list, "kv_lengths", call.kv_lengths);
  add_given(list, "logsumexp", call.logsumexp);
  return list;
}

std::vector<Operand> operands(const AttentionWeightsCall& call) {
  std::vector<Operand> list{{"query", call.query},
                            {"key", call.key},
                            {"logsumexp", call.logsumexp},
                            {"weights", call.weights}};
  add_given(list, "mask", call.mask);
  add_given(list, "kv_lengths", call.kv_lengths);
  return list;
}

Result<AttentionShape> validate(const AttentionCall& call) {
  const Rules rules{"attention"};
  const Operand query{"query", call.query}, key{"key", call.key}, value{"value", call.value};
  const Operand output{"output", call.output}, logsumexp{"logsumexp", call.logsumexp};
  WEFT_TRY(check_scores(rules, query, key));
  WEFT_TRY(check_rank_4(rules, value));
  WEFT_TRY(check_dim(rules, value));
  if (call.value.dtype != call.key.dtype)
    return rules.broken(text("value.dtype is ", call.value.dtype, ", key.dtype is ", call.key.dtype,
                             "; they must match"));
  for (size_t axis = 0; axis < 3; ++axis) WEFT_TRY(rules.match(value, axis, key, axis));
  WEFT_TRY(check_rank_4(rules, output));
  for (size_t axis = 0; axis < 3; ++axis) WEFT_TRY(rules.match(output, axis, query, axis));
  WEFT_TRY(rules.match(output, 3, value, 3));
  WEFT_ASSIGN(const MaskKind mask, check_mask(rules, {"mask", call.mask}, query, key));
  WEFT_TRY(check_kv_lengths(rules, {"kv_lengths", call.kv_lengths}, query));
  if (call.logsumexp) WEFT_TRY(check_logsumexp(rules, logsumexp, query));

  AttentionShape shape;
  WEFT_ASSIGN(shape.scale_log2, check_scale(rules, call.scale, call.query.shape[3]));
  const Operand outputs[] = {output, logsumexp};
  WEFT_TRY(check_memory(rules, operands(call), outputs));
  shape.batch = count(call.query, 0);
  shape.heads = count(call.query, 1);
  shape.kv_heads = count(call.key, 1);
  shape.q_len = count(call.query, 2);
  shape.kv_len = count(call.key, 2);
  shape.desc = description(call, mask);
  shape.aligned = shape.desc.head_dim % 4 == 0 && shape.desc.value_dim % 4 == 0 &&
                  checks::starts_on_4(call.query) && checks::starts_on_4(call.key) &&
                  checks::starts_on_4(call.value) && checks::starts_on_4(call.output);
  return shape;
}

Result<WeightsShape> validate(const AttentionWeightsCall& call) {
  const Rules rules{"attention_weights"};
  const Operand query{"query", call.query}, key{"key", call.key};
  const Operand logsumexp{"logsumexp", call.logsumexp}, weights{"weights", call.weights};
  WEFT_TRY(check_scores(rules, query, key));
  WeightsShape shape;
  WEFT_ASSIGN(shape.mask, check_mask(rules, {"mask", call.mask}, query, key));
  WEFT_TRY(check_kv_lengths(rules, {"kv_lengths", call.kv_lengths}, query));
  WEFT_TRY(rules.given(logsumexp));
  WEFT_TRY(check_logsumexp(rules, logsumexp, query));
  WEFT_ASSIGN(shape.scale_log2, check_scale(rules, call.scale, call.query.shape[3]));
  shape.batch = count(call.query, 0);
  shape.heads = count(call.query, 1);
  shape.kv_heads = count(call.key, 1);
  shape.q_len = count(call.query, 2);
  shape.kv_len = count(call.key, 2);
  shape.head_dim = count(call.query, 3);
  WEFT_ASSIGN(shape.head_count, check_list(rules, "heads", call.heads, shape.heads));
  WEFT_ASSIGN(shape.key_count, check_list(rules, "keys", call.keys, shape.kv_len));
  if (call.mean_heads && shape.head_count == 0)
    return rules.broken("query.shape[1] is 0; a mean over heads needs at least one");
  shape.output_heads = call.mean_heads ? 1 : shape.head_count;
  WEFT_TRY(check_weights_output(rules, weights, query, shape));
  const Operand outputs[] = {weights};
  WEFT_TRY(check_memory(rules, operands(call), outputs));
  shape.aligned =
      shape.head_dim % 4 == 0 && checks::starts_on_4(call.query) && checks::starts_on_4(call.key);
  return shape;
}

Result<AttentionDesc> validate(const AttentionDesc& desc) {
  const Rules rules{"attention"};
  const auto check_type = [&](const char* name, DType dtype) -> Result<void> {
    if (checks::is_floating(dtype)) return {};
    return rules.broken(text(name, " is ", dtype, "; it must be f32, f16 or bf16"));
  };
  const auto check_size = [&](const char* name, uint32_t size) -> Result<void> {
    if (size >= 1 && size <= kMaxDim) return {};
    return rules.broken(text(name, " is ", size, "; it must be 1 to ", kMaxDim));
  };
  AttentionDesc result = desc;
  if (result.value_dim == 0) result.value_dim = result.head_dim;
  WEFT_TRY(check_type("query_dtype", desc.query_dtype));
  WEFT_TRY(check_type("kv_dtype", desc.kv_dtype));
  WEFT_TRY(check_type("output_dtype", desc.output_dtype));
  WEFT_TRY(check_size("head_dim", result.head_dim));
  WEFT_TRY(check_size("value_dim", result.value_dim));
  if (desc.mask < MaskKind::none || desc.mask > MaskKind::bias)
    return rules.broken(
        text("mask is ", static_cast<int32_t>(desc.mask), "; it must be a MaskKind"));
  if (desc.mask == MaskKind::bias)
    WEFT_TRY(check_type("mask_dtype", desc.mask_dtype));
  else
    result.mask_dtype = DType::u8;
  return result;
}

Result<void> match(const AttentionDesc& call, const AttentionDesc& plan) {
  const Rules rules{"attention"};
  const auto same = [&](const char* name, auto found, auto planned) -> Result<void> {
    if (found == planned) return {};
    return rules.broken(text(name, " is ", found, ", the plan was made for ", planned));
  };
  const auto given = [](bool is_given) {
    return std::string_view(is_given ? "given" : "not given");
  };
  const auto kind = [](MaskKind mask) {
    return std::string_view(mask == MaskKind::none      ? "none"
                            : mask == MaskKind::boolean ? "boolean"
                                                        : "bias");
  };
  WEFT_TRY(same("query.dtype", call.query_dtype, plan.query_dtype));
  WEFT_TRY(same("key.dtype", call.kv_dtype, plan.kv_dtype));
  WEFT_TRY(same("output.dtype", call.output_dtype, plan.output_dtype));
  WEFT_TRY(same("query.shape[3]", call.head_dim, plan.head_dim));
  WEFT_TRY(same("value.shape[3]", call.value_dim, plan.value_dim));
  WEFT_TRY(same("the mask", kind(call.mask), kind(plan.mask)));
  WEFT_TRY(same("mask.dtype", call.mask_dtype, plan.mask_dtype));
  WEFT_TRY(same("kv_lengths", given(call.kv_lengths), given(plan.kv_lengths)));
  return same("logsumexp", given(call.logsumexp), given(plan.logsumexp));
}

}  // namespace weft::attention_detail
