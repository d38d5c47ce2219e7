// A call that a description describes, of made-up numbers: what tune measures.
#include <algorithm>
#include <span>

#include "attention/tune.hpp"
#include "base/text.hpp"
#include "schedule/self_test.hpp"

namespace weft::attention_detail {
namespace {

// One tensor of the call, and what it holds: numbers -1 to 1, or one number everywhere, or counts.
struct Planned {
  Tensor AttentionCall::*member;
  DType dtype;
  Dims shape;
  enum class Holds { numbers, zeros, ones, length, starts } holds;
  uint32_t length = 0;  // that `length` repeats and `starts` counts in
};
using Holds = Planned::Holds;

void plan_items(const AttentionDesc& desc, const Sizes& sizes, std::vector<Planned>& plan) {
  const auto has = [&](uint32_t feature) { return (desc.features & feature) != 0; };
  const int64_t items = sizes.batch;
  const auto add = [&](uint32_t feature, Tensor AttentionCall::*member, const Dims& shape, Holds holds,
                       uint32_t length = 0) {
    if (has(feature)) plan.push_back({member, DType::i32, shape, holds, length});
  };
  const bool q_packed = has(kFeaturePackedQuery), kv_packed = has(kFeaturePackedKv);
  const int64_t q_len = desc.q_len, kv_len = desc.kv_len;
  add(kFeatureKvLengths, &AttentionCall::kv_lengths, {items}, Holds::length, desc.kv_len);
  add(kFeaturePositionOffsets, &AttentionCall::position_offsets, {items}, Holds::zeros);
  add(kFeaturePackedQuery, &AttentionCall::q_starts, {items + 1}, Holds::starts, desc.q_len);
  add(kFeaturePackedKv, &AttentionCall::kv_starts, {items + 1}, Holds::starts, desc.kv_len);
  add(kFeatureRegions, &AttentionCall::query_regions, {q_packed ? 1 : items, q_packed ? items * q_len : q_len},
      Holds::zeros);
  add(kFeatureRegions, &AttentionCall::key_regions,
      {kv_packed ? 1 : items, kv_packed ? items * kv_len : kv_len}, Holds::zeros);
  add(kFeatureScoreItems, &AttentionCall::score_items, {items}, Holds::zeros);
  add(kFeatureValueItems, &AttentionCall::value_items, {items}, Holds::zeros);
  if (has(kFeatureRegionMask))
    plan.push_back({&AttentionCall::region_mask, DType::u8, {1, 1}, Holds::ones});
}

std::vector<Planned> plan_call(const AttentionDesc& desc, const Sizes& sizes) {
  const auto has = [&](uint32_t feature) { return (desc.features & feature) != 0; };
  const int64_t items = sizes.batch, heads = sizes.heads, kv_heads = sizes.kv_heads;
  const int64_t q_items = has(kFeaturePackedQuery) ? 1 : items, kv_items = has(kFeaturePackedKv) ? 1 : items;
  const int64_t rows = items / q_items * desc.q_len, keys = items / kv_items * desc.kv_len;
  std::vector<Planned> plan = {
      {&AttentionCall::query, desc.query_dtype, {q_items, heads, rows, desc.head_dim}, Holds::numbers},
      {&AttentionCall::key, desc.kv_dtype, {kv_items, kv_heads, keys, desc.head_dim}, Holds::numbers},
      {&AttentionCall::value, desc.kv_dtype, {kv_items, kv_heads, keys, desc.value_dim}, Holds::numbers},
      {&AttentionCall::output, desc.output_dtype, {q_items, heads, rows, desc.value_dim}, Holds::zeros}};
  const Dims square = {1, 1, desc.q_len, desc.kv_len};
  if (desc.mask == MaskKind::keep)
    plan.push_back({&AttentionCall::keep_mask, desc.mask_dtype, square, Holds::ones});
  if (desc.mask == MaskKind::drop)
    plan.push_back({&AttentionCall::drop_mask, desc.mask_dtype, square, Holds::zeros});
  if (desc.bias) plan.push_back({&AttentionCall::bias, desc.bias_dtype, square, Holds::numbers});
  if (has(kFeatureLogsumexp))
    plan.push_back({&AttentionCall::logsumexp, DType::f32, {q_items, heads, rows}, Holds::zeros});
  if (has(kFeatureWeights))
    plan.push_back({&AttentionCall::weights, DType::f32, {q_items, heads, rows, desc.kv_len}, Holds::zeros});
  if (has(kFeatureSinks)) plan.push_back({&AttentionCall::sinks, DType::f32, {heads}, Holds::zeros});
  if (has(kFeatureNullKeys)) {
    plan.push_back({&AttentionCall::null_key, desc.kv_dtype, {kv_heads, 1, desc.head_dim}, Holds::numbers});
    plan.push_back({&AttentionCall::null_value, desc.kv_dtype, {kv_heads, 1, desc.value_dim}, Holds::numbers});
  }
  plan_items(desc, sizes, plan);
  return plan;
}

double bytes_of(std::span<const Planned> plan) {
  double bytes = 0;
  for (const Planned& tensor : plan) {
    double elements = 1;
    for (size_t axis = 0; axis < tensor.shape.rank(); ++axis)
      elements *= static_cast<double>(tensor.shape[axis]);
    bytes += elements * static_cast<double>(size_bytes(tensor.dtype));
  }
  return bytes;
}

// Fewer items, then fewer heads; as many of them share keys as before while there are keys to share.
bool halve(Sizes& sizes) {
  if (sizes.batch == 1 && sizes.heads == 1) return false;
  if (sizes.batch > 1) {
    sizes.batch /= 2;
  } else if (sizes.kv_heads > 1) {
    const uint32_t group = sizes.heads / sizes.kv_heads;
    sizes.kv_heads /= 2;
    sizes.heads = sizes.kv_heads * group;
  } else {
    sizes.heads /= 2;
  }
  return true;
}

std::vector<float> numbers_of(const Planned& tensor, size_t count) {
  switch (tensor.holds) {
    case Holds::numbers: return schedule::trial_numbers(count, 1);
    case Holds::zeros: break;
    case Holds::ones: return std::vector<float>(count, 1.0f);
    case Holds::length: return std::vector<float>(count, static_cast<float>(tensor.length));
    case Holds::starts: {
      std::vector<float> starts(count);
      for (size_t i = 0; i < count; ++i) starts[i] = static_cast<float>(i * tensor.length);
      return starts;
    }
  }
  return std::vector<float>(count, 0.0f);
}

}  // namespace

Result<AttentionCall> make_call(const Device& device, const AttentionDesc& desc, uint64_t max_bytes,
                                Sizes& sizes) {
  std::vector<Planned> plan = plan_call(desc, sizes);
  while (bytes_of(plan) > static_cast<double>(max_bytes)) {
    if (!halve(sizes))
      return fail(Code::unsupported, text("tune: one head of one item takes ", bytes_of(plan),
                                          " bytes, max_bytes is ", max_bytes));
    plan = plan_call(desc, sizes);
  }
  AttentionCall call;
  for (const Planned& tensor : plan) {
    size_t count = 1;
    for (size_t axis = 0; axis < tensor.shape.rank(); ++axis) count *= static_cast<size_t>(tensor.shape[axis]);
    WEFT_ASSIGN(call.*tensor.member, schedule::trial_tensor(device, tensor.dtype, tensor.shape,
                                                            numbers_of(tensor, count)));
  }
  if (desc.features & kFeatureSoftcap) call.softcap = 30;
  if (desc.features & kFeatureWindow) {
    call.causal = true;
    call.position_offset = static_cast<int32_t>(std::clamp<int64_t>(
        int64_t{desc.kv_len} - desc.q_len, -(1 << 28), 1 << 28));
  }
  if (desc.features & kFeaturePackedQuery) call.max_q_len = desc.q_len;
  if (desc.features & kFeaturePackedKv) call.max_kv_len = desc.kv_len;
  return call;
}

}  // namespace weft::attention_detail
