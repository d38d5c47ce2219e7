// Attention in fp64 and plain loops: what every kernel is measured against.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/array.hpp"
#include "weft/attention.hpp"

namespace weft::reference {

struct AttentionInputs {
  Array query;  // [batch, heads, q_len, head_dim]
  Array key;    // [batch | 1, kv_heads, kv_len, head_dim]
  Array value;  // [batch | 1, kv_heads, kv_len, value_dim]
  MaskKind mask_kind = MaskKind::none;
  Array
      mask;  // [batch | 1, heads | 1, q_len | 1, kv_len]; boolean: nonzero takes part; bias: added
  std::vector<int32_t> kv_lengths;  // one per item; empty: every item has kv_len keys
  double scale = 0.0;               // 0: 1 / sqrt(head_dim)
};

struct AttentionResult {
  Array output;     // [batch, heads, q_len, value_dim]
  Array logsumexp;  // [batch, heads, q_len, 1]
  // How much a rounding error can matter, for tolerances:
  Array magnitude;  // [batch, heads, q_len, 1]: the largest |scale| sum |query key| + |bias| of a
                    // row's keys
  Array spread;     // as output: sum over keys of weight |value - output|
};

// softmax(scale * query key^T [+ bias]) value. Keys that are masked (boolean 0, bias -infinity) or
// beyond the item's length are never read; a row without any key gives 0 and -infinity.
AttentionResult attention(const AttentionInputs& inputs);

// The softmax weights of listed heads and keys (none listed: all), or their mean over the listed
// heads. [batch, listed heads | 1, q_len, listed keys]
Array attention_weights(const AttentionInputs& inputs, const std::vector<uint32_t>& heads,
                        const std::vector<uint32_t>& keys, bool mean_heads);

// True where query row [item, head, i] takes key j.
bool takes_part(const AttentionInputs& inputs, int64_t item, int64_t head, int64_t i, int64_t j);

}  // namespace weft::reference
