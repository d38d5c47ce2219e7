#include "reference/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace weft::reference {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
constexpr int64_t kMaxOffset = int64_t{1} << 28;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

int64_t rows_of_tensor(const AttentionInputs& inputs) { return inputs.query.shape[2]; }

// Item b's part of a packed tensor.
struct Range {
  int64_t first = 0, count = 0;
};

Range packed_range(const std::vector<int32_t>& starts, int64_t b, int64_t rows, int64_t most) {
  const auto at = [&](int64_t n) { return std::clamp<int64_t>(starts[n], 0, rows); };
  const int64_t count = std::max<int64_t>(at(b + 1) - at(b), 0);
  return {at(b), most > 0 ? std::min(count, most) : count};
}

int64_t chosen_item(const std::vector<int32_t>& items, int64_t b, int64_t count) {
  return items.empty() ? b : std::clamp<int64_t>(items[b], 0, count - 1);
}

// The score of one key at every stage. Null keys come first, n = 0 to null_len - 1.
struct Score {
  double scaled = 0.0, capped = 0.0, masked = kMinusInfinity;
  double magnitude = 0.0;
};

Score score_of(const AttentionInputs& inputs, const RowPlace& row, int64_t n) {
  const int64_t j = n - inputs.null_len();
  const double* query = inputs.query.row(row.query_item, row.head, row.first_row + row.i);
  const double* key = j < 0 ? inputs.null_key->row(0, row.kv_head, n)
                            : inputs.key.row(row.key_item, row.kv_head, row.first_key + j);
  const int64_t head_dim = inputs.query.shape[3];
  const double scale =
      inputs.scale == 0.0 ? 1.0 / std::sqrt(static_cast<double>(head_dim)) : inputs.scale;
  double dot = 0.0, terms = 0.0;
  for (int64_t c = 0; c < head_dim; ++c) {
    dot += query[c] * key[c];
    terms += std::abs(query[c] * key[c]);
  }
  Score score;
  score.scaled = score.capped = scale * dot;
  if (inputs.softcap > 0.0)
    score.capped = inputs.softcap * std::tanh(score.scaled / inputs.softcap);
  score.magnitude = std::abs(scale) * terms + inputs.softcap;
  if (j < 0) {
    score.masked = score.capped;
  } else if (takes_part(inputs, row, j)) {
    const double bias = inputs.bias ? inputs.bias->row(row.item, row.head, row.i)[j] : 0.0;
    score.masked = score.capped + bias;
    score.magnitude += std::abs(bias);
  }
  return score;
}

struct Row {
  std::vector<double> weights;  // null keys first; 0 where a key takes no part
  double sink_weight = 0.0;
  double logsumexp = kMinusInfinity;
  double magnitude = 0.0;
};

// The softmax of one query row over its keys.
Row softmax_row(const AttentionInputs& inputs, const RowPlace& row) {
  const int64_t count = inputs.null_len() + row.keys;
  const double sink = inputs.sinks.empty() ? kMinusInfinity : inputs.sinks[row.head];
  Row result;
  double largest = sink;
  if (std::isfinite(sink)) result.magnitude = std::abs(sink);
  std::vector<double> scores(static_cast<size_t>(count), kMinusInfinity);
  for (int64_t n = 0; n < count; ++n) {
    if (n >= inputs.null_len() && !takes_part(inputs, row, n - inputs.null_len())) continue;
    const Score score = score_of(inputs, row, n);
    scores[n] = score.masked;
    largest = std::max(largest, score.masked);
    result.magnitude = std::max(result.magnitude, score.magnitude);
  }

  result.weights.assign(scores.size(), 0.0);
  if (largest == kMinusInfinity) return result;
  double sum = result.sink_weight = std::exp(sink - largest);
  for (size_t n = 0; n < scores.size(); ++n)
    sum += result.weights[n] = std::exp(scores[n] - largest);
  for (double& weight : result.weights) weight /= sum;
  result.sink_weight /= sum;
  result.logsumexp = largest + std::log(sum);
  return result;
}

const double* value_of(const AttentionInputs& inputs, const RowPlace& row, int64_t n) {
  const int64_t j = n - inputs.null_len();
  return j < 0 ? inputs.null_value->row(0, row.kv_head, n)
               : inputs.value.row(row.value_item, row.kv_head, row.first_key + j);
}

// output = weights value, and the spread around it. Values of keys without weight are never read.
void combine(const AttentionInputs& inputs, const RowPlace& place, const Row& row, double* output,
             double* spread) {
  const int64_t value_dim = inputs.value.shape[3];
  const auto count = static_cast<int64_t>(row.weights.size());
  std::fill_n(output, value_dim, 0.0);
  for (int64_t n = 0; n < count; ++n) {
    if (row.weights[n] == 0.0) continue;
    const double* value = value_of(inputs, place, n);
    for (int64_t c = 0; c < value_dim; ++c) output[c] += row.weights[n] * value[c];
  }
  for (int64_t c = 0; c < value_dim; ++c) spread[c] = row.sink_weight * std::abs(output[c]);
  for (int64_t n = 0; n < count; ++n) {
    if (row.weights[n] == 0.0) continue;
    const double* value = value_of(inputs, place, n);
    for (int64_t c = 0; c < value_dim; ++c)
      spread[c] += row.weights[n] * std::abs(value[c] - output[c]);
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

int64_t AttentionInputs::kv_heads() const { return std::max(key.shape[1], value.shape[1]); }

std::vector<RowPlace> rows_of(const AttentionInputs& inputs) {
  const bool packed_q = !inputs.q_starts.empty(), packed_kv = !inputs.kv_starts.empty();
  const int64_t batch = packed_q ? inputs.items : inputs.batch;
  const int64_t group = inputs.heads > 0 ? inputs.heads / inputs.kv_heads() : 1;
  std::vector<RowPlace> rows;
  for (int64_t b = 0; b < batch; ++b) {
    RowPlace row;
    row.item = row.query_item = row.key_item = chosen_item(inputs.score_items, b, inputs.items);
    row.value_item = chosen_item(inputs.value_items, b, inputs.value.shape[0]);
    row.output_item = packed_q ? 0 : b;
    Range range{0, rows_of_tensor(inputs)}, keys{0, inputs.key.shape[2]};
    if (packed_q) range = packed_range(inputs.q_starts, b, range.count, inputs.max_q_len);
    if (packed_kv) keys = packed_range(inputs.kv_starts, b, keys.count, inputs.max_kv_len);
    if (packed_q) row.query_item = 0;
    if (packed_kv) row.key_item = row.value_item = 0;
    row.first_row = range.first;
    row.first_key = keys.first;
    row.keys = keys.count;
    for (row.head = 0; row.head < inputs.heads; ++row.head) {
      row.kv_head = row.head / group;
      for (row.i = 0; row.i < range.count; ++row.i) rows.push_back(row);
    }
  }
  return rows;
}

bool within_reach(const AttentionInputs& inputs, const RowPlace& row, int64_t j) {
  if (j >= row.keys) return false;
  if (!inputs.kv_lengths.empty() && j >= inputs.kv_lengths[row.item]) return false;
  int64_t position = row.i + inputs.position_offset;
  if (!inputs.position_offsets.empty())
    position += std::clamp<int64_t>(inputs.position_offsets[row.item], -kMaxOffset, kMaxOffset);
  if (inputs.causal && j > position) return false;
  if (inputs.window_left >= 0 && j < position - inputs.window_left) return false;
  if (inputs.window_right >= 0 && j > position + inputs.window_right) return false;
  if (!inputs.query_regions) return true;
  const double query_id = inputs.query_regions->row(row.query_item, 0, 0)[row.first_row + row.i];
  const double key_id = inputs.key_regions->row(row.key_item, 0, 0)[row.first_key + j];
  if (query_id < 0 || key_id < 0) return false;
  if (!inputs.region_mask) return query_id == key_id;
  const Array& mask = *inputs.region_mask;
  return query_id < static_cast<double>(mask.shape[2]) &&
         key_id < static_cast<double>(mask.shape[3]) &&
         mask.row(0, 0, static_cast<int64_t>(query_id))[static_cast<int64_t>(key_id)] != 0.0;
}

bool takes_part(const AttentionInputs& inputs, const RowPlace& row, int64_t j) {
  if (!within_reach(inputs, row, j)) return false;
  const auto entry = [&](const Array& mask) { return mask.row(row.item, row.head, row.i)[j]; };
  if (const auto& keep = inputs.keep_mask)
    if (j >= keep->shape[3] || entry(*keep) == 0.0) return false;
  if (const auto& drop = inputs.drop_mask)
    if (j >= drop->shape[3] || entry(*drop) != 0.0) return false;
  if (const auto& bias = inputs.bias)
    if (j >= bias->shape[3] || entry(*bias) == kMinusInfinity) return false;
  return true;
}

AttentionResult attention(const AttentionInputs& inputs) {
  const int64_t batch = inputs.batch, heads = inputs.heads, q_len = rows_of_tensor(inputs);
  const int64_t value_dim = inputs.value.shape[3];
  AttentionResult result{.output = Array(batch, heads, q_len, value_dim, kNan),
                         .logsumexp = Array(batch, heads, q_len, 1, kNan),
                         .magnitude = Array(batch, heads, q_len, 1),
                         .spread = Array(batch, heads, q_len, value_dim)};
  for (const RowPlace& place : rows_of(inputs)) {
    const Row row = softmax_row(inputs, place);
    const auto at = [&](Array& array) {
      return array.row(place.output_item, place.head, place.first_row + place.i);
    };
    combine(inputs, place, row, at(result.output), at(result.spread));
    *at(result.logsumexp) = row.logsumexp;
    *at(result.magnitude) = row.magnitude;
  }
  return result;
}

namespace {

// One element of the weights: the value of key n (null keys first), missing keys included.
std::pair<double, double> weight_of(const AttentionInputs& inputs, const RowPlace& place,
                                    const Row& row, WeightsStage stage, int64_t n) {
  if (n >= inputs.null_len() + place.keys)
    return {stage == WeightsStage::masked ? kMinusInfinity : 0.0, 0.0};
  if (stage == WeightsStage::probabilities) return {row.weights[n], row.magnitude};
  const Score score = score_of(inputs, place, n);
  const double value = stage == WeightsStage::scaled   ? score.scaled
                       : stage == WeightsStage::capped ? score.capped
                                                       : score.masked;
  return {value, score.magnitude};
}

}  // namespace

WeightsResult attention_weights(const AttentionInputs& inputs, const WeightsInputs& listed) {
  const int64_t null_len = inputs.null_len(), kv_len = inputs.kv_len();
  const std::vector<uint32_t> heads = all_if_empty(listed.heads, inputs.heads);
  const std::vector<uint32_t> keys = all_if_empty(listed.keys, null_len + kv_len);
  const auto key_count = static_cast<int64_t>(keys.size());
  const auto head_count = static_cast<int64_t>(heads.size());
  const int64_t q_len = rows_of_tensor(inputs);
  const double share = listed.mean_heads ? 1.0 / static_cast<double>(head_count) : 1.0;
  WeightsResult result{
      .values = Array(inputs.batch, listed.mean_heads ? 1 : head_count, q_len, key_count, kNan),
      .magnitude = Array(inputs.batch, listed.mean_heads ? 1 : head_count, q_len, key_count)};
  const std::vector<RowPlace> rows = rows_of(inputs);
  for (int64_t h = 0; h < head_count; ++h)
    for (const RowPlace& place : rows) {
      if (place.head != heads[h]) continue;
      const Row row =
          listed.stage == WeightsStage::probabilities ? softmax_row(inputs, place) : Row{};
      const auto at = [&](Array& array) {
        return array.row(place.output_item, listed.mean_heads ? 0 : h, place.first_row + place.i);
      };
      for (int64_t k = 0; k < key_count; ++k) {
        int64_t n = keys[k];
        if (listed.null_keys_last) n = n < kv_len ? n + null_len : n - kv_len;
        const auto [value, magnitude] = weight_of(inputs, place, row, listed.stage, n);
        double& out = at(result.values)[k];
        out = (h > 0 && listed.mean_heads ? out : 0.0) + share * value;
        double& size = at(result.magnitude)[k];
        size = std::max(size, magnitude);
      }
    }
  return result;
}

WeightsResult all_weights(const AttentionInputs& inputs) {
  const int64_t kv_len = inputs.kv_len();
  if (kv_len == 0) {
    const Array none(inputs.batch, inputs.heads, rows_of_tensor(inputs), 0);
    return {.values = none, .magnitude = none};
  }
  WeightsInputs listed{.null_keys_last = true};
  for (int64_t j = 0; j < kv_len; ++j) listed.keys.push_back(static_cast<uint32_t>(j));
  return attention_weights(inputs, listed);
}

MergeResult attention_merge(const MergeResult& left, const MergeResult& right) {
  const auto [batch, heads, q_len, value_dim] = left.output.shape;
  MergeResult merged{.output = Array(batch, heads, q_len, value_dim),
                     .logsumexp = Array(batch, heads, q_len, 1, kMinusInfinity)};
  for (size_t row = 0; row < merged.logsumexp.values.size(); ++row) {
    const double largest = std::max(left.logsumexp.values[row], right.logsumexp.values[row]);
    if (largest == kMinusInfinity) continue;
    double sum = 0.0;
    for (const MergeResult* part : {&left, &right})
      sum += std::exp(part->logsumexp.values[row] - largest);
    merged.logsumexp.values[row] = largest + std::log(sum);
    for (const MergeResult* part : {&left, &right}) {
      const double weight = std::exp(part->logsumexp.values[row] - largest) / sum;
      const size_t first = row * static_cast<size_t>(value_dim);
      for (size_t c = first; weight > 0.0 && c < first + static_cast<size_t>(value_dim); ++c)
        merged.output.values[c] += weight * part->output.values[c];
    }
  }
  return merged;
}

}  // namespace weft::reference
