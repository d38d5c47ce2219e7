#include "device/edit_reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace weft::test {
namespace {

class Random {
 public:
  float next() {  // -1 to 1
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;  // Knuth's MMIX
    return static_cast<float>(static_cast<double>(state_ >> 40) / (1 << 23) - 1.0);
  }
  std::vector<float> list(int64_t count, DType dtype, float scale) {
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) {
      const float value = scale * next();
      values.push_back(dtype == DType::f16 ? from_f16(to_f16(value)) : value);
    }
    return values;
  }

 private:
  uint64_t state_ = 7;
};

bool lists(const std::vector<uint32_t>& list, int64_t number) {
  return list.empty() || std::ranges::count(list, static_cast<uint32_t>(number)) > 0;
}

bool acts(const EditScope& scope, const EditPlace& place, int64_t head) {
  return lists(scope.layers, place.layer) && lists(scope.heads, head) && place.step >= scope.first_step &&
         place.step <= scope.last_step;
}

// Everything of one attention, by its definition.
class Definition {
 public:
  Definition(const EditCase& shape, const EditInputs& inputs, const AttentionEdits& edits, const EditPlace& place)
      : s_(shape), in_(inputs), edits_(edits), place_(place) {}

  // Weights of the keys, then of the null keys.
  std::vector<double> weights(int64_t item, int64_t head, int64_t row) const {
    std::vector<double> logits;
    for (int64_t key = 0; key < s_.kv_len; ++key) logits.push_back(logit(item, head, row, key));
    for (int64_t n = 0; n < s_.null_len; ++n) logits.push_back(capped(dot(item, head, row, in_.null_key, kv_head(head, s_.kv_heads) * s_.null_len + n)));
    double highest = *std::ranges::max_element(logits);
    if (s_.sinks) highest = std::max(highest, static_cast<double>(in_.sinks[static_cast<size_t>(head)]));
    if (std::isinf(highest)) return std::vector<double>(logits.size(), 0.0);
    double sum = s_.sinks ? std::exp(in_.sinks[static_cast<size_t>(head)] - highest) : 0.0;
    for (double& value : logits) sum += value = std::exp(value - highest);
    for (double& value : logits) value /= sum;
    return logits;
  }

  std::vector<double> edited_weights(int64_t item, int64_t head, int64_t row) const {
    std::vector<double> own = weights(item, head, row);
    for (const PromptEdit& edit : edits_.prompts) {
      if (edit.item != item || !acts(edit.scope, place_, head)) continue;
      own = mixed(edit, own, weights(edit.base, head, row));
    }
    for (int64_t key = 0; key < s_.kv_len; ++key)
      own[static_cast<size_t>(key)] *= factor(KeyEditKind::scale_values, item, head, key);
    return own;
  }

  double value(int64_t item, int64_t head, int64_t key, int64_t column) const {
    const int64_t kv_heads = s_.value_kv_heads ? s_.value_kv_heads : s_.kv_heads;
    const int64_t h = kv_head(head, kv_heads);
    if (key >= s_.kv_len)
      return in_.null_value[static_cast<size_t>((h * s_.null_len + key - s_.kv_len) * s_.value_dim + column)];
    return in_.value[static_cast<size_t>(((item * kv_heads + h) * s_.kv_len + key) * s_.value_dim + column)];
  }

 private:
  int64_t kv_head(int64_t head, int64_t kv_heads) const { return head / (s_.heads / kv_heads); }

  double dot(int64_t item, int64_t head, int64_t row, const std::vector<float>& keys, int64_t key_row) const {
    const auto q = static_cast<size_t>(((item * s_.heads + head) * s_.q_len + row) * s_.head_dim);
    const auto k = static_cast<size_t>(key_row * s_.head_dim);
    double sum = 0;
    for (size_t i = 0; i < static_cast<size_t>(s_.head_dim); ++i) sum += static_cast<double>(in_.query[q + i]) * keys[k + i];
    return sum / std::sqrt(static_cast<double>(s_.head_dim));
  }

  double capped(double score) const { return s_.softcap > 0 ? s_.softcap * std::tanh(score / s_.softcap) : score; }

  double factor(KeyEditKind kind, int64_t item, int64_t head, int64_t key) const {
    double product = 1;
    for (const KeyEdit& edit : edits_.keys)
      if (edit.kind == kind && lists(edit.items, item) && acts(edit.scope, place_, head))
        for (const KeyFactor& one : edit.factors)
          if (one.key == key) product *= one.factor;
    return product;
  }

  bool dropped(int64_t item, int64_t head, int64_t row, int64_t key) const {
    if (s_.lengths && key >= in_.lengths[static_cast<size_t>(item)]) return true;
    if (s_.drop_mask && in_.drop[static_cast<size_t>((item * s_.q_len + row) * s_.kv_len + key)]) return true;
    if (s_.bias_rows && s_.bias_columns && key >= s_.bias_columns) return true;
    for (const RegionEdit& edit : edits_.regions) {
      if (!lists(edit.items, item) || !acts(edit.scope, place_, head)) continue;
      const int32_t region = edit.key_regions[static_cast<size_t>(key)];
      if (region != -1 && region != edit.row_regions[static_cast<size_t>(row)]) return true;
    }
    return false;
  }

  double logit(int64_t item, int64_t head, int64_t row, int64_t key) const {
    const double w = factor(KeyEditKind::scale_weights, item, head, key);
    if (dropped(item, head, row, key) || w == 0) return -std::numeric_limits<double>::infinity();
    const int64_t key_item = s_.key_batch == 1 ? 0 : item;
    const int64_t key_row = (key_item * s_.kv_heads + kv_head(head, s_.kv_heads)) * s_.kv_len + key;
    const double score = dot(item, head, row, in_.key, key_row) * factor(KeyEditKind::scale_scores, item, head, key);
    double bias = 0;
    if (s_.bias_rows) {
      const int64_t b = s_.bias_batch == 1 ? 0 : item, h = s_.bias_heads == 1 ? 0 : head, r = s_.bias_rows == 1 ? 0 : row;
      const int64_t columns = s_.bias_columns ? s_.bias_columns : s_.kv_len;
      bias = in_.bias[static_cast<size_t>(((b * s_.bias_heads + h) * s_.bias_rows + r) * columns + key)];
    }
    return capped(score) + bias + std::log(w);
  }

  // P' = (1 - t) P_item + t e [alpha P_base M + (1 - alpha) P_item], key by key.
  std::vector<double> mixed(const PromptEdit& edit, const std::vector<double>& own,
                            const std::vector<double>& base) const {
    const StepBlend* blend = nullptr;
    for (const StepBlend& entry : edit.blend)
      if (entry.first_step <= place_.step) blend = &entry;
    std::vector<double> result = own;
    for (size_t n = 0; n < static_cast<size_t>(s_.kv_len); ++n) {
      double taken = 0;
      if (edit.alignment.matrix.empty()) taken = base[n];
      else
        for (size_t m = 0; m < static_cast<size_t>(s_.kv_len); ++m)
          taken += base[m] * edit.alignment.matrix[m * static_cast<size_t>(s_.kv_len) + n];
      double e = 1;
      for (const KeyFactor& one : edit.factors)
        if (one.key == n) e *= one.factor;
      const double alpha = edit.alignment.alpha.empty() ? 1.0 : edit.alignment.alpha[n];
      const double t = blend && !blend->weights.empty() ? blend->weights[n] : 1.0;
      result[n] = (1 - t) * own[n] + t * e * (alpha * taken + (1 - alpha) * own[n]);
    }
    return result;
  }

  const EditCase& s_;
  const EditInputs& in_;
  const AttentionEdits& edits_;
  const EditPlace& place_;
};

// [batch, heads, length, dim], dense or with a position's heads side by side.
Result<Tensor> make_heads(const Device& device, DType dtype, const Dims& shape, bool head_rows) {
  if (!head_rows) return device.tensor(dtype, shape);
  WEFT_ASSIGN(const Tensor rows, device.tensor(dtype, {shape[0], shape[2], shape[1] * shape[3]}));
  return rows.split_heads(shape[1]);
}

// Where element (b, h, r, c) of a dense list of `shape` lies in the tensor's memory.
std::vector<size_t> places(const Tensor& tensor) {
  std::vector<size_t> result;
  for (int64_t b = 0; b < tensor.shape[0]; ++b)
    for (int64_t h = 0; h < tensor.shape[1]; ++h)
      for (int64_t r = 0; r < tensor.shape[2]; ++r)
        for (int64_t c = 0; c < tensor.shape[3]; ++c)
          result.push_back(static_cast<size_t>(b * tensor.strides[0] + h * tensor.strides[1] + r * tensor.strides[2] + c));
  return result;
}

Tensor flat(const Tensor& tensor) {
  Tensor view = tensor;
  view.shape = {tensor.elements()};
  view.strides = {1};
  return view;
}

Result<Tensor> upload(const Device& device, DType dtype, const Dims& shape, const std::vector<float>& values,
                      bool head_rows = false) {
  WEFT_ASSIGN(const Tensor tensor, make_heads(device, dtype, shape, head_rows));
  const std::vector<size_t> to = places(tensor);
  if (dtype == DType::f16) {
    std::vector<uint16_t> halves(values.size());
    for (size_t i = 0; i < values.size(); ++i) halves[to[i]] = to_f16(values[i]);
    WEFT_TRY(device.upload(flat(tensor), halves));
  } else {
    std::vector<float> floats(values.size());
    for (size_t i = 0; i < values.size(); ++i) floats[to[i]] = values[i];
    WEFT_TRY(device.upload(flat(tensor), floats));
  }
  return tensor;
}

int64_t key_batch(const EditCase& s) { return s.key_batch ? s.key_batch : s.batch; }
int64_t value_kv_heads(const EditCase& s) { return s.value_kv_heads ? s.value_kv_heads : s.kv_heads; }
int64_t bias_columns(const EditCase& s) { return s.bias_columns ? s.bias_columns : s.kv_len; }

}  // namespace

EditInputs make_inputs(const EditCase& s) {
  Random random;
  EditInputs in;
  in.query = random.list(s.batch * s.heads * s.q_len * s.head_dim, s.dtype, 3.0f);
  in.key = random.list(key_batch(s) * s.kv_heads * s.kv_len * s.head_dim, s.dtype, 1.0f);
  in.value = random.list(s.batch * value_kv_heads(s) * s.kv_len * s.value_dim, s.dtype, 1.0f);
  in.bias = random.list(s.bias_batch * s.bias_heads * s.bias_rows * bias_columns(s), s.dtype, 2.0f);
  in.null_key = random.list(s.kv_heads * s.null_len * s.head_dim, s.dtype, 1.0f);
  in.null_value = random.list(value_kv_heads(s) * s.null_len * s.value_dim, s.dtype, 1.0f);
  in.sinks = random.list(s.sinks ? s.heads : 0, DType::f32, 1.0f);
  for (int64_t i = 0; i < s.batch * s.q_len * s.kv_len; ++i) in.drop.push_back(random.next() > 0.5f);
  for (int64_t item = 0; item < s.batch; ++item) in.lengths.push_back(static_cast<int32_t>(s.kv_len - item));
  return in;
}

Result<AttentionCall> make_call(const Device& device, const EditCase& s, const EditInputs& in) {
  AttentionCall call;
  WEFT_ASSIGN(call.query, upload(device, s.dtype, {s.batch, s.heads, s.q_len, s.head_dim}, in.query, s.head_rows));
  WEFT_ASSIGN(call.key, upload(device, s.dtype, {key_batch(s), s.kv_heads, s.kv_len, s.head_dim}, in.key, s.head_rows));
  WEFT_ASSIGN(call.value, upload(device, s.dtype, {s.batch, value_kv_heads(s), s.kv_len, s.value_dim}, in.value, s.head_rows));
  WEFT_ASSIGN(call.output, make_heads(device, s.dtype, {s.batch, s.heads, s.q_len, s.value_dim}, s.head_rows));
  call.softcap = s.softcap;
  if (s.bias_rows) {
    WEFT_ASSIGN(call.bias, upload(device, s.dtype, {s.bias_batch, s.bias_heads, s.bias_rows, bias_columns(s)}, in.bias));
  }
  if (s.drop_mask) {
    WEFT_ASSIGN(call.drop_mask, device.tensor(DType::u8, {s.batch, 1, s.q_len, s.kv_len}));
    WEFT_TRY(device.upload(call.drop_mask, in.drop));
  }
  if (s.lengths) {
    WEFT_ASSIGN(call.kv_lengths, device.tensor(DType::i32, {s.batch}));
    WEFT_TRY(device.upload(call.kv_lengths, in.lengths));
  }
  if (s.null_len) {
    WEFT_ASSIGN(const Tensor key, upload(device, s.dtype, {1, s.kv_heads, s.null_len, s.head_dim}, in.null_key));
    WEFT_ASSIGN(const Tensor value, upload(device, s.dtype, {1, value_kv_heads(s), s.null_len, s.value_dim}, in.null_value));
    WEFT_ASSIGN(call.null_key, key.reshape({s.kv_heads, s.null_len, s.head_dim}));
    WEFT_ASSIGN(call.null_value, value.reshape({value_kv_heads(s), s.null_len, s.value_dim}));
  }
  if (s.sinks) {
    WEFT_ASSIGN(call.sinks, device.tensor(DType::f32, {s.heads}));
    WEFT_TRY(device.upload(call.sinks, in.sinks));
  }
  return call;
}

std::vector<double> reference(const EditCase& s, const EditInputs& in, const AttentionEdits& edits,
                              const EditPlace& place) {
  const Definition definition(s, in, edits, place);
  std::vector<double> output;
  for (int64_t item = 0; item < s.batch; ++item)
    for (int64_t head = 0; head < s.heads; ++head)
      for (int64_t row = 0; row < s.q_len; ++row) {
        const std::vector<double> weights = definition.edited_weights(item, head, row);
        for (int64_t column = 0; column < s.value_dim; ++column) {
          double sum = 0;
          for (size_t key = 0; key < weights.size(); ++key)
            sum += weights[key] * definition.value(item, head, static_cast<int64_t>(key), column);
          output.push_back(sum);
        }
      }
  return output;
}

Result<std::vector<float>> read_output(const Device& device, const EditCase& s, const AttentionCall& call) {
  const std::vector<size_t> from = places(call.output);
  std::vector<float> result;
  if (s.dtype == DType::f16) {
    WEFT_ASSIGN(const auto halves, device.download<uint16_t>(flat(call.output)));
    for (const size_t at : from) result.push_back(from_f16(halves[at]));
  } else {
    WEFT_ASSIGN(const auto floats, device.download<float>(flat(call.output)));
    for (const size_t at : from) result.push_back(floats[at]);
  }
  return result;
}

}  // namespace weft::test
