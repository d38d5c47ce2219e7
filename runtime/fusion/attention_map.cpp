// Collecting attention maps: a fused attention, its weights of the chosen keys, a count.
#include "weft/attention_map.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/checks.hpp"
#include "base/text.hpp"
#include "fusion/scope.hpp"
#include "weft/ops.hpp"

namespace weft {
namespace {

constexpr checks::Rules kRules{"attention_map"};

struct Collected {
  Tensor weights;
  Tensor runs;  // f32 [1, 1]
  int64_t heads_in_mean = 1;
};

Result<void> zero(const Device& device, const Tensor& tensor) {
  return device.upload(tensor, std::vector<float>(static_cast<size_t>(tensor.elements())));
}

Result<Tensor> zeros(const Device& device, const Dims& shape) {
  WEFT_ASSIGN(Tensor tensor, device.tensor(DType::f32, shape));
  WEFT_TRY(zero(device, tensor));
  return tensor;
}

Result<void> check(const AttentionMapOptions& options) {
  if (options.words.empty() && !options.every_key)
    return kRules.broken("words is empty; it must list at least one key, or every_key be set");
  if (!options.words.empty() && options.every_key)
    return kRules.broken(
        text("words lists ", options.words.size(), " keys; with every_key it must be empty"));
  if (options.last_step < options.first_step)
    return kRules.broken(
        text("last_step is ", options.last_step, "; it must be at least ", options.first_step));
  if (options.stage < WeightsStage::scaled || options.stage > WeightsStage::probabilities)
    return kRules.broken(
        text("stage is ", static_cast<int32_t>(options.stage), "; it must be a WeightsStage"));
  for (size_t i = 0; i < options.layers.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (options.layers[i].layer == options.layers[j].layer)
        return kRules.broken(
            text("layers[", i, "] is ", options.layers[i].layer, ", as layers[", j, "] is"));
  return {};
}

struct Items {
  int64_t first = 0, count = 0;
};

Result<void> choose_items(Tensor& tensor, const Items& items, int64_t batch, int64_t more = 0) {
  if (!tensor || tensor.rank() == 0 || tensor.shape[0] != batch + more || batch == 1) return {};
  WEFT_ASSIGN(tensor, tensor.slice(0, items.first, items.count + more));
  return {};
}

// The scores of some items of the call's batch: what is per item, cut to them. Axes of 1 repeat and
// stay.
Result<AttentionCall> of_items(const AttentionCall& call, const Items& items) {
  AttentionCall cut = call;
  const int64_t batch = call.output.shape[0];
  WEFT_TRY(choose_items(cut.logsumexp, items, batch));
  if (cut.score_items) {  // they name items of whole tensors
    WEFT_TRY(choose_items(cut.score_items, items, batch));
    return cut;
  }
  for (Tensor* tensor :
       {&cut.query, &cut.key, &cut.keep_mask, &cut.drop_mask, &cut.bias, &cut.kv_lengths,
        &cut.position_offsets, &cut.query_regions, &cut.key_regions})
    WEFT_TRY(choose_items(*tensor, items, batch));
  WEFT_TRY(choose_items(cut.kv_starts, items, batch, 1));
  return cut;
}

}  // namespace

struct AttentionMap::State {
  Device device;
  AttentionMapOptions options;
  uint32_t step = 0;
  Tensor one;
  std::map<uint32_t, Collected> layers;

  const MapLayer* chosen(uint32_t layer) const {
    const auto found = std::ranges::find(options.layers, layer, &MapLayer::layer);
    return found == options.layers.end() ? nullptr : &*found;
  }
  bool collects(uint32_t layer) const {
    if (step < options.first_step || step > options.last_step) return false;
    return options.layers.empty() || chosen(layer) != nullptr;
  }
  const std::vector<uint32_t>& heads(uint32_t layer) const {
    const MapLayer* own = chosen(layer);
    return own && !own->heads.empty() ? own->heads : options.heads;
  }

  Result<Items> items(const AttentionCall& call) const;
  Result<Collected> collected(uint32_t layer, const AttentionCall& call, const Items& items);
  Result<void> record(Recorder& recorder, AttentionCall call, uint32_t layer);
};

Result<Items> AttentionMap::State::items(const AttentionCall& call) const {
  const int64_t batch = call.output.shape[0], first = options.first_item;
  const int64_t count = options.item_count != 0 ? options.item_count : batch - first;
  if (call.q_starts && (first != 0 || options.item_count != 0))
    return kRules.broken("q_starts is given; items of packed query rows can't be chosen");
  // A batch of 0 has nothing to choose from, and nothing to collect.
  if (first + count > batch || count < (batch == 0 ? 0 : 1))
    return kRules.broken(text("first_item is ", first, " and item_count ", options.item_count,
                              "; the call's batch is ", batch));
  return Items{first, count};
}

// The layer's tensors, made where this is its first call.
Result<Collected> AttentionMap::State::collected(uint32_t layer, const AttentionCall& call,
                                                 const Items& items) {
  const std::vector<uint32_t>& listed = heads(layer);
  const int64_t head_count =
      listed.empty() ? call.output.shape[1] : static_cast<int64_t>(listed.size());
  int64_t keys = static_cast<int64_t>(options.words.size());
  if (options.every_key) {
    keys = call.key.shape[2];
    if (call.kv_starts && call.max_kv_len != 0) keys = std::min<int64_t>(keys, call.max_kv_len);
    if (call.null_key && call.null_key.rank() == 3) keys += call.null_key.shape[1];
  }
  const Dims shape{items.count, options.mean_heads ? 1 : head_count, call.output.shape[2], keys};
  const auto found = layers.find(layer);
  if (found != layers.end()) {
    if (found->second.weights.shape == shape) return found->second;
    return kRules.broken(text("layer ", layer, " collects ", found->second.weights.shape.text(),
                              " (items, heads, q_len, words); this call has ", shape.text()));
  }
  Collected made{.heads_in_mean = options.mean_heads ? head_count : 1};
  WEFT_ASSIGN(made.weights, zeros(device, shape));
  WEFT_ASSIGN(made.runs, zeros(device, {1, 1}));
  return made;
}

Result<void> AttentionMap::State::record(Recorder& recorder, AttentionCall call, uint32_t layer) {
  for (const checks::Operand& operand :
       {checks::Operand{"query", call.query}, {"key", call.key}, {"output", call.output}}) {
    WEFT_TRY(kRules.given(operand));
    WEFT_TRY(kRules.rank(operand, 4));
  }
  WEFT_ASSIGN(const Items chosen, items(call));
  WEFT_ASSIGN(const Collected map, collected(layer, call, chosen));
  // Beside the probabilities, it tells how many heads there are where the query has but one.
  const bool needed =
      options.stage == WeightsStage::probabilities || call.query.shape[1] != call.output.shape[1];
  if (needed && !call.logsumexp)
    call.logsumexp = recorder.transient(
        DType::f32, {call.output.shape[0], call.output.shape[1], call.output.shape[2]});
  fusion::Scope scope(recorder, "attention_map", "");
  WEFT_TRY(weft::attention(recorder, call));
  WEFT_ASSIGN(const AttentionCall scores, of_items(call, chosen));
  WEFT_TRY(attention_weights(recorder, {.attention = scores,
                                        .weights = map.weights,
                                        .stage = options.stage,
                                        .heads = heads(layer),
                                        .keys = options.words,
                                        .null_keys_last = options.null_keys_last,
                                        .mean_heads = options.mean_heads,
                                        .accumulate = true}));
  WEFT_TRY(weft::add(recorder, {.left = map.runs, .right = one, .output = map.runs}));
  layers.emplace(layer, map);
  return scope.keep();
}

Result<AttentionMap> AttentionMap::create(const Device& device, AttentionMapOptions options) {
  WEFT_TRY(check(options));
  auto state = std::make_shared<State>(State{.device = device, .options = std::move(options)});
  WEFT_ASSIGN(state->one, device.tensor(DType::f32, {1, 1}));
  WEFT_TRY(device.upload(state->one, std::vector<float>{1.0f}));
  return AttentionMap(std::move(state));
}

Result<void> AttentionMap::attention(Recorder& recorder, const AttentionCall& call,
                                     uint32_t layer) const {
  if (!state_->collects(layer)) return weft::attention(recorder, call);
  return state_->record(recorder, call, layer);
}

AttentionFunction AttentionMap::at(uint32_t layer) const {
  return [map = *this, layer](Recorder& recorder, const AttentionCall& call) {
    return map.attention(recorder, call, layer);
  };
}

AttentionFunction AttentionMap::in_order(uint32_t first_layer) const {
  return [map = *this, next = std::make_shared<uint32_t>(first_layer)](Recorder& recorder,
                                                                       const AttentionCall& call) {
    return map.attention(recorder, call, (*next)++);
  };
}

void AttentionMap::set_step(uint32_t step) { state_->step = step; }

bool AttentionMap::collects(uint32_t layer) const { return state_->collects(layer); }

Result<void> AttentionMap::clear() {
  for (const auto& [layer, map] : state_->layers) {
    WEFT_TRY(zero(state_->device, map.weights));
    WEFT_TRY(zero(state_->device, map.runs));
  }
  return {};
}

Result<LayerMap> AttentionMap::read(uint32_t layer) const {
  const auto found = state_->layers.find(layer);
  if (found == state_->layers.end())
    return kRules.broken(text("layer ", layer, " was never recorded"));
  const Collected& map = found->second;
  const Dims& shape = map.weights.shape;
  WEFT_ASSIGN(const std::vector<float> runs, state_->device.download<float>(map.runs));
  LayerMap read{layer, shape[0], shape[1], shape[2], shape[3], map.heads_in_mean, runs[0], {}};
  WEFT_ASSIGN(read.values, state_->device.download<float>(map.weights));
  if (state_->options.average && read.runs > 0)
    for (float& value : read.values) value = static_cast<float>(value / read.runs);
  return read;
}

Result<std::vector<LayerMap>> AttentionMap::read() const {
  std::vector<LayerMap> all;
  for (const auto& [layer, map] : state_->layers) {
    WEFT_ASSIGN(LayerMap one, read(layer));
    all.push_back(std::move(one));
  }
  return all;
}

Tensor AttentionMap::tensor(uint32_t layer) const {
  const auto found = state_->layers.find(layer);
  return found == state_->layers.end() ? Tensor{} : found->second.weights;
}

uint64_t AttentionMap::size_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [layer, map] : state_->layers)
    bytes += map.weights.extent_bytes() + map.runs.extent_bytes();
  return bytes;
}

}  // namespace weft
