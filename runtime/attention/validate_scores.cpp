// The rules of everything that scores depend on.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "attention/validate.hpp"
#include "base/text.hpp"
#include "params.h"

namespace weft::attention_detail {
namespace {

using checks::Operand;
using checks::Rules;

constexpr int64_t kMaxNullKeys = WEFT_MAX_NULL_KEYS;
constexpr int64_t kMaxWindowLen = int64_t{1} << 29;

uint32_t narrow(int64_t value) { return static_cast<uint32_t>(value); }

// One size of tensors of which each may have 1 in its place.
int64_t common(int64_t left, int64_t right) { return left == 1 ? right : left; }

Result<void> check_heads(const Rules& rules, const AttentionCall& call, const Target& target,
                         ScoreShape& shape) {
  const Operand key{"key", call.key};
  WEFT_TRY(rules.match_or_1({"query", call.query}, 1, target.heads, "the heads"));
  int64_t kv_heads = call.key.shape[1];
  if (call.value.rank() == 4) kv_heads = common(kv_heads, call.value.shape[1]);
  WEFT_TRY(rules.match_or_1(key, 1, kv_heads, "the kv_heads"));
  if (target.heads > 0 && (kv_heads < 1 || target.heads % kv_heads != 0))
    return rules.broken(text("there are ", kv_heads, " kv_heads (key.shape[1] is ", call.key.shape[1], ") and ",
                             target.heads, " heads; kv_heads must divide heads"));
  shape.heads = narrow(target.heads);
  shape.kv_heads = narrow(kv_heads);
  return {};
}

Result<int64_t> check_starts(const Rules& rules, const Operand& starts) {
  WEFT_TRY(rules.rank(starts, 1));
  WEFT_TRY(rules.dtype(starts, DType::i32));
  WEFT_TRY(rules.layout(starts));
  if (starts.tensor.shape[0] < 1)
    return rules.broken(text(starts.name, ".shape[0] is 0; it must be at least 1, items + 1"));
  return starts.tensor.shape[0] - 1;
}

// A batch of 1 that holds all items one after the other, or the items themselves.
Result<void> check_batch(const Rules& rules, const Operand& operand, bool packed, int64_t items) {
  if (!packed) return rules.match_or_1(operand, 0, items, "the items");
  if (operand.tensor.shape[0] != 1)
    return rules.broken(text(operand.name, ".shape[0] is ", operand.tensor.shape[0],
                             "; packed rows have a batch of 1"));
  return {};
}

Result<void> check_packed(const Rules& rules, const AttentionCall& call, const Target& target,
                          ScoreShape& shape) {
  if (call.score_items || call.value_items)
    return rules.broken(text(call.score_items ? "score_items" : "value_items", " is given with ",
                             call.q_starts ? "q_starts" : "kv_starts",
                             "; packed batches have no item lists"));
  int64_t items = 0;
  if (call.q_starts) { WEFT_ASSIGN(items, check_starts(rules, {"q_starts", call.q_starts})); }
  if (call.kv_starts) {
    WEFT_ASSIGN(const int64_t found, check_starts(rules, {"kv_starts", call.kv_starts}));
    if (call.q_starts && found != items)
      return rules.broken(text("kv_starts.shape[0] is ", found + 1, ", q_starts.shape[0] is ",
                               items + 1, "; they must match"));
    items = found;
  }
  const bool packed_query = static_cast<bool>(call.q_starts);
  WEFT_TRY(check_batch(rules, {"query", call.query}, packed_query, items));
  WEFT_TRY(check_batch(rules, {"key", call.key}, static_cast<bool>(call.kv_starts), items));
  const int64_t wanted = packed_query ? 1 : items;
  if (target.operand.tensor.shape[0] != wanted)
    return rules.broken(text(target.operand.name, ".shape[0] is ", target.operand.tensor.shape[0],
                             "; it must be ", wanted, packed_query ? ", as packed rows have" : ", the items"));
  shape.batch = shape.items = narrow(items);
  return {};
}

Result<void> check_items(const Rules& rules, const AttentionCall& call, const Target& target,
                         ScoreShape& shape) {
  if (call.q_starts || call.kv_starts) return check_packed(rules, call, target, shape);
  const int64_t batch = target.operand.tensor.shape[0];
  int64_t items = batch;
  if (call.score_items) {
    WEFT_TRY(rules.numbers({"score_items", call.score_items}, batch, "the batch"));
    items = common(call.query.shape[0], call.key.shape[0]);
    if (items < 1 && batch > 0)
      return rules.broken("query.shape[0] is 0; score_items needs an item to choose");
  }
  const char* what = call.score_items ? "the items" : "the batch";
  WEFT_TRY(rules.match_or_1({"query", call.query}, 0, items, what));
  WEFT_TRY(rules.match_or_1({"key", call.key}, 0, items, what));
  shape.batch = narrow(batch);
  shape.items = narrow(items);
  return {};
}

Result<void> check_lengths(const Rules& rules, const AttentionCall& call, const Target& target,
                           ScoreShape& shape) {
  WEFT_TRY(rules.match(target.operand, 2, {"query", call.query}, 2));
  if (call.max_q_len != 0 && !call.q_starts)
    return rules.broken(text("max_q_len is ", call.max_q_len, "; it needs q_starts"));
  if (call.max_kv_len != 0 && !call.kv_starts)
    return rules.broken(text("max_kv_len is ", call.max_kv_len, "; it needs kv_starts"));
  shape.query_rows = shape.q_len = narrow(call.query.shape[2]);
  shape.key_rows = shape.kv_len = narrow(call.key.shape[2]);
  if (call.max_q_len != 0) shape.q_len = std::min(shape.q_len, call.max_q_len);
  if (call.max_kv_len != 0) shape.kv_len = std::min(shape.kv_len, call.max_kv_len);
  if (call.kv_lengths) WEFT_TRY(rules.numbers({"kv_lengths", call.kv_lengths}, shape.items, "the items"));
  return {};
}

Result<void> check_mask_shape(const Rules& rules, const Operand& mask, ScoreShape& shape) {
  WEFT_TRY(rules.match_or_1(mask, 0, shape.items, "the items"));
  WEFT_TRY(rules.match_or_1(mask, 1, shape.heads, "the heads"));
  WEFT_TRY(rules.match_or_1(mask, 2, shape.q_len, "q_len"));
  const int64_t columns = mask.tensor.shape[3];
  const int64_t least = std::min<int64_t>(1, shape.kv_len);
  if (columns < least || columns > shape.kv_len)
    return rules.broken(text(mask.name, ".shape[3] is ", columns, "; it must be ", least, " to ",
                             shape.kv_len, ", kv_len"));
  shape.kv_limit = std::min(shape.kv_limit, narrow(columns));
  return rules.block_range(mask);
}

Result<void> check_mask(const Rules& rules, const Operand& mask, ScoreShape& shape) {
  if (!mask.tensor) return {};
  WEFT_TRY(rules.rank(mask, 4));
  if (mask.tensor.dtype != DType::u8 && mask.tensor.dtype != DType::i32)
    return rules.broken(text(mask.name, ".dtype is ", mask.tensor.dtype, "; it must be u8 or i32"));
  WEFT_TRY(rules.layout(mask));
  return check_mask_shape(rules, mask, shape);
}

Result<void> check_masks(const Rules& rules, const AttentionCall& call, ScoreShape& shape) {
  shape.kv_limit = shape.kv_len;
  if (call.keep_mask && call.drop_mask)
    return rules.broken("keep_mask and drop_mask are both given; at most one may be");
  WEFT_TRY(check_mask(rules, {"keep_mask", call.keep_mask}, shape));
  WEFT_TRY(check_mask(rules, {"drop_mask", call.drop_mask}, shape));
  if (!call.bias) return {};
  const Operand bias{"bias", call.bias};
  WEFT_TRY(rules.rank(bias, 4));
  WEFT_TRY(rules.floating(bias));
  WEFT_TRY(rules.layout(bias));
  return check_mask_shape(rules, bias, shape);
}

Result<void> check_positions(const Rules& rules, const AttentionCall& call, const ScoreShape& shape) {
  if (call.position_offsets)
    WEFT_TRY(rules.numbers({"position_offsets", call.position_offsets}, shape.items, "the items"));
  if (std::abs(int64_t{call.position_offset}) > WEFT_MAX_POSITION_OFFSET)
    return rules.broken(text("position_offset is ", call.position_offset, "; it must be ",
                             -WEFT_MAX_POSITION_OFFSET, " to ", WEFT_MAX_POSITION_OFFSET));
  if (call.window_left < -1)
    return rules.broken(text("window_left is ", call.window_left, "; it must be -1 (no limit) or more"));
  if (call.window_right < -1)
    return rules.broken(text("window_right is ", call.window_right, "; it must be -1 (no limit) or more"));
  const bool window = call.causal || call.window_left >= 0 || call.window_right >= 0;
  if (window && std::max(shape.q_len, shape.kv_len) > kMaxWindowLen)
    return rules.broken(text("q_len is ", shape.q_len, ", kv_len is ", shape.kv_len,
                             "; with a window or causal they must be at most ", kMaxWindowLen));
  return {};
}

Result<void> check_ids(const Rules& rules, const Operand& ids, bool packed, int64_t items,
                       const Operand& like) {
  WEFT_TRY(rules.rank(ids, 2));
  WEFT_TRY(rules.dtype(ids, DType::i32));
  WEFT_TRY(rules.layout(ids));
  WEFT_TRY(check_batch(rules, ids, packed, items));
  return rules.match(ids, 1, like, 2);
}

Result<void> check_regions(const Rules& rules, const AttentionCall& call, const ScoreShape& shape) {
  if (!call.query_regions && !call.key_regions && !call.region_mask) return {};
  const Operand query_ids{"query_regions", call.query_regions};
  const Operand key_ids{"key_regions", call.key_regions}, mask{"region_mask", call.region_mask};
  WEFT_TRY(rules.given(query_ids));
  WEFT_TRY(rules.given(key_ids));
  WEFT_TRY(check_ids(rules, query_ids, static_cast<bool>(call.q_starts), shape.items, {"query", call.query}));
  WEFT_TRY(check_ids(rules, key_ids, static_cast<bool>(call.kv_starts), shape.items, {"key", call.key}));
  if (!call.region_mask) return {};
  WEFT_TRY(rules.rank(mask, 2));
  WEFT_TRY(rules.dtype(mask, DType::u8));
  WEFT_TRY(rules.layout(mask));
  if (mask.tensor.elements() == 0)
    return rules.broken(text("region_mask.shape is ", mask.tensor.shape, "; it must not be empty"));
  return rules.slice_range(mask, mask.tensor.shape[0],
                           static_cast<int64_t>(checks::stride_elements(mask.tensor, 0)));
}

// Powers of two are what kernels take: times log2(e).
Result<void> check_numbers(const Rules& rules, const AttentionCall& call, ScoreShape& shape) {
  const double scale =
      call.scale != 0.0f ? call.scale : 1.0 / std::sqrt(static_cast<double>(call.query.shape[3]));
  shape.scale_log2 = static_cast<float>(scale * std::numbers::log2e);
  if (!std::isfinite(shape.scale_log2))
    return rules.broken(
        text("scale is ", call.scale, "; it and its product with log2(e) must be finite"));
  shape.softcap_log2 = static_cast<float>(call.softcap * std::numbers::log2e);
  if (call.softcap != 0.0f && !(call.softcap > 0.0f && std::isnormal(shape.softcap_log2)))
    return rules.broken(text("softcap is ", call.softcap, "; it must be 0 (off) or positive and finite, as its "
                             "product with log2(e), which must be no denormal"));
  return {};
}

MaskKind mask_kind(const AttentionCall& call) {
  return call.keep_mask ? MaskKind::keep : call.drop_mask ? MaskKind::drop : MaskKind::none;
}

}  // namespace

Result<void> check_rank_4(const Rules& rules, const Operand& operand) {
  WEFT_TRY(rules.given(operand));
  WEFT_TRY(rules.rank(operand, 4));
  WEFT_TRY(rules.floating(operand));
  WEFT_TRY(rules.layout(operand));
  return rules.block_range(operand);
}

Result<void> check_dim(const Rules& rules, const Operand& operand) {
  const int64_t dim = operand.tensor.shape[3];
  if (dim < 1 || dim > kMaxDim)
    return rules.broken(text(operand.name, ".shape[3] is ", dim, "; it must be 1 to ", kMaxDim));
  return {};
}

Result<void> check_null(const Rules& rules, const Operand& null, const Operand& like,
                        int64_t kv_heads) {
  WEFT_TRY(rules.given(null));
  WEFT_TRY(rules.rank(null, 3));
  WEFT_TRY(rules.dtype(null, like.tensor.dtype));
  WEFT_TRY(rules.layout(null));
  WEFT_TRY(rules.match_or_1(null, 0, kv_heads, "the kv_heads"));
  if (null.tensor.shape[1] < 1 || null.tensor.shape[1] > kMaxNullKeys)
    return rules.broken(text(null.name, ".shape[1] is ", null.tensor.shape[1], "; it must be 1 to ",
                             kMaxNullKeys));
  WEFT_TRY(rules.match(null, 2, like, 3));
  return rules.block_range(null);
}

Result<ScoreShape> check_scores(const Rules& rules, const AttentionCall& call, const Target& target) {
  const Operand query{"query", call.query}, key{"key", call.key};
  ScoreShape shape;
  WEFT_TRY(check_dim(rules, query));
  WEFT_TRY(rules.match(key, 3, query, 3));
  WEFT_TRY(check_heads(rules, call, target, shape));
  WEFT_TRY(check_items(rules, call, target, shape));
  WEFT_TRY(check_lengths(rules, call, target, shape));
  WEFT_TRY(check_masks(rules, call, shape));
  WEFT_TRY(check_positions(rules, call, shape));
  WEFT_TRY(check_regions(rules, call, shape));
  if (call.null_key || call.null_value) {
    WEFT_TRY(check_null(rules, {"null_key", call.null_key}, key, shape.kv_heads));
    shape.null_len = narrow(call.null_key.shape[1]);
  }
  WEFT_TRY(check_numbers(rules, call, shape));
  return shape;
}

AttentionDesc description(const AttentionCall& call, const ScoreShape& shape) {
  AttentionDesc desc;
  desc.query_dtype = call.query.dtype;
  desc.kv_dtype = call.key.dtype;
  desc.output_dtype = call.output.dtype;
  desc.head_dim = narrow(call.query.shape[3]);
  desc.value_dim = call.value.rank() == 4 ? narrow(call.value.shape[3]) : desc.head_dim;
  desc.mask = mask_kind(call);
  if (desc.mask != MaskKind::none)
    desc.mask_dtype = call.keep_mask ? call.keep_mask.dtype : call.drop_mask.dtype;
  desc.bias = static_cast<bool>(call.bias);
  if (desc.bias) desc.bias_dtype = call.bias.dtype;
  const auto add = [&](uint32_t feature, bool asked) { desc.features |= asked ? feature : 0u; };
  add(kFeatureKvLengths, static_cast<bool>(call.kv_lengths));
  add(kFeatureLogsumexp, static_cast<bool>(call.logsumexp));
  add(kFeatureWindow, call.causal || call.window_left >= 0 || call.window_right >= 0);
  add(kFeaturePositionOffsets, static_cast<bool>(call.position_offsets));
  add(kFeaturePackedQuery, static_cast<bool>(call.q_starts));
  add(kFeaturePackedKv, static_cast<bool>(call.kv_starts));
  add(kFeatureRegions, static_cast<bool>(call.query_regions));
  add(kFeatureRegionMask, static_cast<bool>(call.region_mask));
  add(kFeatureSoftcap, call.softcap > 0.0f);
  add(kFeatureSinks, static_cast<bool>(call.sinks));
  add(kFeatureNullKeys, static_cast<bool>(call.null_key));
  add(kFeatureScoreItems, static_cast<bool>(call.score_items));
  add(kFeatureValueItems, static_cast<bool>(call.value_items));
  add(kFeatureWeights, static_cast<bool>(call.weights));
  desc.q_len = shape.q_len;
  desc.kv_len = std::max(shape.kv_len, 1u);  // 0 would say that it is unknown
  return desc;
}

}  // namespace weft::attention_detail
