// Attention in fp64 and plain loops: what every kernel is measured against.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "reference/array.hpp"
#include "weft/attention.hpp"

namespace weft::reference {

// As AttentionCall, field by field. Vectors that are empty are not given.
struct AttentionInputs {
  Array query, key, value;
  int64_t batch = 0;  // of the output
  int64_t items = 0;  // of per-item tensors
  int64_t heads = 0;
  double scale = 0.0;
  double softcap = 0.0;
  std::optional<Array> keep_mask, drop_mask, bias;
  std::vector<int32_t> kv_lengths;
  int32_t position_offset = 0;
  std::vector<int32_t> position_offsets;
  bool causal = false;
  int32_t window_left = -1;
  int32_t window_right = -1;
  std::vector<int32_t> q_starts, kv_starts;
  int64_t max_q_len = 0;
  int64_t max_kv_len = 0;
  std::optional<Array> query_regions, key_regions;  // [batch | 1, 1, 1, rows]
  std::optional<Array> region_mask;                 // [1, 1, query ids, key ids]
  std::vector<double> sinks;
  std::optional<Array> null_key, null_value;  // [1, kv_heads | 1, null_len, dim]
  std::vector<int32_t> score_items, value_items;

  int64_t kv_heads() const;
  int64_t null_len() const { return null_key ? null_key->shape[2] : 0; }
  // Keys of an item, at most.
  int64_t kv_len() const {
    return max_kv_len > 0 ? std::min(key.shape[2], max_kv_len) : key.shape[2];
  }
};

// One query row of an item and where its keys and values lie.
struct RowPlace {
  int64_t item = 0;  // of masks and other per-item tensors
  int64_t output_item = 0;
  int64_t query_item = 0;
  int64_t key_item = 0;
  int64_t value_item = 0;
  int64_t head = 0, kv_head = 0;
  int64_t first_row = 0;  // of the item in query and output
  int64_t i = 0;          // the row, counted from there
  int64_t first_key = 0;
  int64_t keys = 0;  // that are there, those beyond kv_lengths included
};

// Every row that is written, in order.
std::vector<RowPlace> rows_of(const AttentionInputs& inputs);

// True where a row meets key j of its item, whatever mask and bias say.
bool within_reach(const AttentionInputs& inputs, const RowPlace& row, int64_t j);
// True where the row takes key j.
bool takes_part(const AttentionInputs& inputs, const RowPlace& row, int64_t j);

struct AttentionResult {
  Array output;     // [batch, heads, q_len, value_dim]; NaN in rows of no item: not written
  Array logsumexp;  // [batch, heads, q_len, 1]; likewise
  // How much a rounding error can matter, for tolerances:
  Array magnitude;  // [batch, heads, q_len, 1]: the largest of a row's keys,
                    // |scale| sum |query key| + softcap + |bias|, and of its sink
  Array spread;     // as output: sum over keys and sink of weight |value - output|
};

// A row without any key gives 0 and -infinity. Keys that take no part are never read.
AttentionResult attention(const AttentionInputs& inputs);

struct WeightsInputs {
  WeightsStage stage = WeightsStage::probabilities;
  std::vector<uint32_t> heads, keys;
  bool null_keys_last = false;
  bool mean_heads = false;
};

struct WeightsResult {
  Array values;     // [batch, listed heads | 1, q_len, listed keys]; NaN where not written
  Array magnitude;  // as values: of the score, as in AttentionResult
};

WeightsResult attention_weights(const AttentionInputs& inputs, const WeightsInputs& listed);
// AttentionCall::weights: of all heads and all keys but the null keys.
WeightsResult all_weights(const AttentionInputs& inputs);

struct MergeResult {
  Array output;
  Array logsumexp;
};

// Outputs [batch, heads, q_len, value_dim], logsumexp [batch, heads, q_len, 1].
MergeResult attention_merge(const MergeResult& left, const MergeResult& right);

}  // namespace weft::reference
