// The only place that looks at the shapes of an attention: calls in, plain numbers out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/checks.hpp"
#include "params.h"
#include "weft/attention.hpp"

namespace weft::attention_detail {

inline constexpr int64_t kMaxDim = 576;  // of heads and of values

// What the scores of a call are made of, whoever asks for them.
struct ScoreShape {
  uint32_t batch = 0;        // output items
  uint32_t items = 0;        // of query, key and per-item tensors
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t q_len = 0;        // rows of an item, at most
  uint32_t kv_len = 0;       // keys of an item, at most
  uint32_t query_rows = 0;   // of the tensor
  uint32_t key_rows = 0;
  uint32_t kv_limit = 0;     // columns of mask and bias
  uint32_t null_len = 0;
  float scale_log2 = 0.0f;
  float softcap_log2 = 0.0f;
};

struct AttentionShape {
  ScoreShape scores;
  uint32_t value_items = 0;
  AttentionDesc desc;    // q_len and kv_len included
  bool aligned = false;  // as WEFT_ATTENTION_ALIGNED
  bool large_kv = false;  // as AttentionProblem::large_kv
};

// Whether copies of key and value in fp32 would take more than kMostUnpackedBytes.
bool large_kv(const Tensor& key, const Tensor& value);

struct WeightsShape {
  ScoreShape scores;
  AttentionDesc desc;
  uint32_t head_count = 0;    // listed heads
  uint32_t key_count = 0;     // listed keys
  uint32_t output_heads = 0;  // head_count, or 1 for their mean
  uint32_t null_first = 0;    // as WeightsPush::null_first
  bool aligned = false;       // as WEFT_WEIGHTS_ALIGNED
};

struct MergeShape {
  uint32_t batch = 0;
  uint32_t heads = 0;
  uint32_t q_len = 0;
  uint32_t value_dim = 0;
  bool aligned = false;  // as WEFT_MERGE_ALIGNED
};

// What receives the result: output or weights.
struct Target {
  checks::Operand operand;
  int64_t heads = 0;
};

// An optional tensor of a call: its name in messages, and where kernels find its address.
struct OptionalTensor {
  const char* name;
  Tensor AttentionCall::*member;
  size_t at;  // in AttentionArgs
};
// What scores depend on besides query and key. At most one of the two masks is given.
inline constexpr OptionalTensor kScoreTensors[] = {
    {"keep_mask", &AttentionCall::keep_mask, offsetof(params::AttentionArgs, mask)},
    {"drop_mask", &AttentionCall::drop_mask, offsetof(params::AttentionArgs, mask)},
    {"bias", &AttentionCall::bias, offsetof(params::AttentionArgs, bias)},
    {"kv_lengths", &AttentionCall::kv_lengths, offsetof(params::AttentionArgs, kv_lengths)},
    {"position_offsets", &AttentionCall::position_offsets, offsetof(params::AttentionArgs, position_offsets)},
    {"q_starts", &AttentionCall::q_starts, offsetof(params::AttentionArgs, q_starts)},
    {"kv_starts", &AttentionCall::kv_starts, offsetof(params::AttentionArgs, kv_starts)},
    {"query_regions", &AttentionCall::query_regions, offsetof(params::AttentionArgs, query_regions)},
    {"key_regions", &AttentionCall::key_regions, offsetof(params::AttentionArgs, key_regions)},
    {"region_mask", &AttentionCall::region_mask, offsetof(params::AttentionArgs, region_mask)},
    {"null_key", &AttentionCall::null_key, offsetof(params::AttentionArgs, null_key)},
    {"score_items", &AttentionCall::score_items, offsetof(params::AttentionArgs, score_items)},
};
// What values depend on besides value.
inline constexpr OptionalTensor kValueTensors[] = {
    {"sinks", &AttentionCall::sinks, offsetof(params::AttentionArgs, sinks)},
    {"null_value", &AttentionCall::null_value, offsetof(params::AttentionArgs, null_value)},
    {"value_items", &AttentionCall::value_items, offsetof(params::AttentionArgs, value_items)},
};

// Given tensors of a call, with their names. No device is needed.
std::vector<checks::Operand> operands(const AttentionCall& call);
std::vector<checks::Operand> operands(const AttentionWeightsCall& call);
std::vector<checks::Operand> operands(const AttentionMergeCall& call);

// Errors: invalid_argument.
Result<AttentionShape> validate(const AttentionCall& call);
Result<WeightsShape> validate(const AttentionWeightsCall& call);
Result<MergeShape> validate(const AttentionMergeCall& call);
// Fills in value_dim and clears what has no meaning (the type of a mask that is none).
Result<AttentionDesc> validate(const AttentionDesc& desc);

// What writes AttentionCall::weights of a validated call by itself.
WeightsShape all_weights(const AttentionCall& call, const AttentionShape& shape);

// Whether a call's shape is what a plan was made for; invalid_argument names the difference.
Result<void> match(const AttentionDesc& call, const AttentionDesc& plan);

// Shared by the files that implement the above.
// Everything that scores depend on: query, key, masks, positions, packing, regions, null keys.
Result<ScoreShape> check_scores(const checks::Rules& rules, const AttentionCall& call,
                                const Target& target);
// Rank 4, a floating type, a layout and rows that kernels can address.
Result<void> check_rank_4(const checks::Rules& rules, const checks::Operand& operand);
Result<void> check_dim(const checks::Rules& rules, const checks::Operand& operand);
// `axes` are those that must be as `like` has them.
Result<void> check_logsumexp(const checks::Rules& rules, const checks::Operand& logsumexp,
                             const checks::Operand& like,
                             std::initializer_list<size_t> axes = {0, 1, 2});
// Null keys or values beside the keys or values that they go with.
Result<void> check_null(const checks::Rules& rules, const checks::Operand& null,
                        const checks::Operand& like, int64_t kv_heads);
// Every operand inside its buffer, and no output on another operand.
Result<void> check_memory(const checks::Rules& rules, std::span<const checks::Operand> operands,
                          std::span<const checks::Operand> outputs);
// Types, dims, masks and features.
AttentionDesc description(const AttentionCall& call, const ScoreShape& shape);

}  // namespace weft::attention_detail
