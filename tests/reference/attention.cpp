#include "reference/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace weft::reference {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

int64_t key_head(const AttentionInputs& inputs, int64_t head) {
  return head / (inputs.query.shape[1] / inputs.key.shape[1]);
}

struct Row {
  std::vector<double> weights;  // one a key; 0 where it takes no part
  double logsumexp = kMinusInfinity;
  double magnitude = 0.0;
};

// The softmax of one query row over its keys.
Row softmax_row(const AttentionInputs& inputs, int64_t item, int64_t head, int64_t i) {
  const int64_t head_dim = inputs.query.shape[3];
  const int64_t kv_len = inputs.key.shape[2];
  const double scale =
      inputs.scale == 0.0 ? 1.0 / std::sqrt(static_cast<double>(head_dim)) : inputs.scale;
  const double* query = inputs.query.row(item, head, i);

  Row row;
  std::vector<double> scores(static_cast<size_t>(kv_len), kMinusInfinity);
  double largest = kMinusInfinity;
  for (int64_t j = 0; j < kv_len; ++j) {
    if (!takes_part(inputs, item, head, i, j)) continue;
    const double* key = inputs.key.row(item, key_head(inputs, head), j);
    double dot = 0.0;
    double terms = 0.0;
    for (int64_t c = 0; c < head_dim; ++c) {
      dot += query[c] * key[c];
      terms += std::abs(query[c] * key[c]);
    }
    const double bias =
        inputs.mask_kind == MaskKind::bias ? inputs.mask.row(item, head, i)[j] : 0.0;
    scores[j] = scale * dot + bias;
    largest = std::max(largest, scores[j]);
    row.magnitude = std::max(row.magnitude, std::abs(scale) * terms + std::abs(bias));
  }

  row.weights.assign(scores.size(), 0.0);
  if (largest == kMinusInfinity) return row;
  double sum = 0.0;
  for (size_t j = 0; j < scores.size(); ++j) sum += row.weights[j] = std::exp(scores[j] - largest);
  for (double& weight : row.weights) weight /= sum;
  row.logsumexp = largest + std::log(sum);
  return row;
}

// output = weights value, and the spread around it. Values of keys without weight are never read.
void combine(const AttentionInputs& inputs, const Row& row, int64_t item, int64_t head,
             double* output, double* spread) {
  const int64_t value_dim = inputs.value.shape[3];
  const int64_t value_head = key_head(inputs, head);
  for (size_t j = 0; j < row.weights.size(); ++j) {
    if (row.weights[j] == 0.0) continue;
    const double* value = inputs.value.row(item, value_head, static_cast<int64_t>(j));
    for (int64_t c = 0; c < value_dim; ++c) output[c] += row.weights[j] * value[c];
  }
  for (size_t j = 0; j < row.weights.size(); ++j) {
    if (row.weights[j] == 0.0) continue;
    const double* value = inputs.value.row(item, value_head, static_cast<int64_t>(j));
    for (int64_t c = 0; c < value_dim; ++c)
      spread[c] += row.weights[j] * std::abs(value[c] - output[c]);
  }
}

std::vector<uint32_t> all_if_empty(std::vector<uint32_t> list, int64_t count) {
  if (list.empty()) {
    list.resize(static_cast<size_t>(count));
    std::iota(list.begin(), list.end(), 0u);
  }
  return list;
}

}  // namespace

bool takes_part(const AttentionInputs& inputs, int64_t item, int64_t head, int64_t i, int64_t j) {
  if (!inputs.kv_lengths.empty() && j >= inputs.kv_lengths[item]) return false;
  switch (inputs.mask_kind) {
    case MaskKind::none:
      return true;
    case MaskKind::boolean:
      return inputs.mask.row(item, head, i)[j] != 0.0;
    case MaskKind::bias:
      return inputs.mask.row(item, head, i)[j] != kMinusInfinity;
  }
  return true;
}

AttentionResult attention(const AttentionInputs& inputs) {
  const auto [batch, heads, q_len, head_dim] = inputs.query.shape;
  const int64_t value_dim = inputs.value.shape[3];
  AttentionResult result{.output = Array(batch, heads, q_len, value_dim),
                         .logsumexp = Array(batch, heads, q_len, 1),
                         .magnitude = Array(batch, heads, q_len, 1),
                         .spread = Array(batch, heads, q_len, value_dim)};
  for (int64_t item = 0; item < batch; ++item)
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t i = 0; i < q_len; ++i) {
        const Row row = softmax_row(inputs, item, head, i);
        combine(inputs, row, item, head, result.output.row(item, head, i),
                result.spread.row(item, head, i));
        *result.logsumexp.row(item, head, i) = row.logsumexp;
        *result.magnitude.row(item, head, i) = row.magnitude;
      }
  return result;
}

Array attention_weights(const AttentionInputs& inputs, const std::vector<uint32_t>& listed_heads,
                        const std::vector<uint32_t>& listed_keys, bool mean_heads) {
  const auto [batch, all_heads, q_len, head_dim] = inputs.query.shape;
  const std::vector<uint32_t> heads = all_if_empty(listed_heads, all_heads);
  const std::vector<uint32_t> keys = all_if_empty(listed_keys, inputs.key.shape[2]);
  const auto head_count = static_cast<int64_t>(heads.size());
  Array weights(batch, mean_heads ? 1 : head_count, q_len, static_cast<int64_t>(keys.size()));
  for (int64_t item = 0; item < batch; ++item)
    for (int64_t h = 0; h < head_count; ++h)
      for (int64_t i = 0; i < q_len; ++i) {
        const Row row = softmax_row(inputs, item, heads[h], i);
        double* out = weights.row(item, mean_heads ? 0 : h, i);
        for (size_t k = 0; k < keys.size(); ++k)
          out[k] += row.weights[keys[k]] / (mean_heads ? static_cast<double>(head_count) : 1.0);
      }
  return weights;
}

}  // namespace weft::reference
