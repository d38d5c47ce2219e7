// Editing: small tables on the host become factors, biases and matrices of ordinary calls.
#include "weft/attention_edit.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "fusion/edit_tables.hpp"
#include "fusion/scope.hpp"

namespace weft {

struct AttentionEditor::State {
  Device device;
  AttentionEdits edits;
  std::map<std::string, Tensor> constants;  // by type, shape and bytes

  // A tensor with these values, which never change.
  template <class T>
  Result<Tensor> constant(DType dtype, const Dims& shape, const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    std::string name = text(dtype, " ", shape, ": ");
    name.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (const auto found = constants.find(name); found != constants.end()) return found->second;
    WEFT_ASSIGN(const Tensor tensor, device.tensor(dtype, shape));
    WEFT_TRY(device.upload(tensor, bytes));
    constants.emplace(std::move(name), tensor);
    return tensor;
  }
};

namespace {

using edit::kRules;
using edit::Sizes;
using edit::Table;

Result<Sizes> sizes_of(const AttentionCall& call) {
  const std::pair<const char*, const Tensor&> tensors[] = {
      {"query", call.query}, {"key", call.key}, {"value", call.value}, {"output", call.output}};
  for (const auto& [name, tensor] : tensors)
    if (tensor.rank() != 4)
      return kRules.broken(text(name, ".shape is ", tensor.shape, "; its rank must be 4"));
  if (call.q_starts || call.kv_starts) return kRules.broken("packed batches can't be edited");
  if (call.score_items || call.value_items)
    return kRules.broken("score_items and value_items can't be edited");
  if (call.weights)
    return kRules.broken("weights is given; outputs of edits are not of one set of weights");
  const Sizes sizes{.batch = call.output.shape[0],
                    .heads = call.output.shape[1],
                    .kv_heads = std::max(call.key.shape[1], call.value.shape[1]),
                    .q_len = call.output.shape[2],
                    .kv_len = call.key.shape[2]};
  if (sizes.kv_heads < 1 || sizes.heads % sizes.kv_heads != 0)
    return kRules.broken(
        text("key and value have ", sizes.kv_heads, " heads, output has ", sizes.heads));
  return sizes;
}

// One of a tensor's axes, where it has more than one of it.
Result<Tensor> part_of(const Tensor& tensor, size_t axis, int64_t begin, int64_t length) {
  if (!tensor || tensor.shape[axis] == 1) return tensor;
  return tensor.slice(axis, begin, length);
}

// The last two axes of one item and head.
Tensor plane(const Tensor& tensor, int64_t item, int64_t head) {
  Tensor view = tensor;
  const int64_t i = tensor.shape[0] == 1 ? 0 : item, h = tensor.shape[1] == 1 ? 0 : head;
  view.offset_bytes += static_cast<uint64_t>(i * tensor.strides[0] + h * tensor.strides[1]) *
                       size_bytes(tensor.dtype);
  view.shape = {tensor.shape[2], tensor.shape[3]};
  view.strides = {tensor.strides[2], tensor.strides[3]};
  return view;
}

// [heads, rows, dim] of an item with heads and rows in their order in memory, so that rows fold
// where they can.
Tensor rows_of(const Tensor& tensor, int64_t item) {
  const bool swapped = tensor.strides[1] < tensor.strides[2];
  const size_t outer = swapped ? 2 : 1, inner = swapped ? 1 : 2;
  Tensor view = plane(tensor, item, 0);
  view.shape = {tensor.shape[outer], tensor.shape[inner], tensor.shape[3]};
  view.strides = {tensor.strides[outer], tensor.strides[inner], tensor.strides[3]};
  return view;
}

bool folds(const Tensor& rows) { return rows.strides[0] == rows.shape[1] * rows.strides[1]; }

// Records one call as edited.
class Edited {
 public:
  Edited(AttentionEditor::State& state, Recorder& recorder, const AttentionCall& call,
         const EditPlace& place, const AttentionFunction& inner, edit::ActiveEdits active,
         const Sizes& sizes)
      : state_(state),
        recorder_(recorder),
        call_(call),
        place_(place),
        inner_(inner),
        active_(std::move(active)),
        sizes_(sizes) {}

  Result<void> record() {
    const Table key_factors = edit::factors(active_, KeyEditKind::scale_scores, sizes_);
    Table own = edit::factors(active_, KeyEditKind::scale_values, sizes_);
    for (const PromptEdit* prompt : active_.prompts) {
      Table base(1, sizes_.heads, sizes_.kv_len, 1.0f);
      std::copy_n(&own.at(prompt->item, 0, 0), base.values.size(), base.values.begin());
      edit::blend(*prompt, place_, sizes_, own, base);
      if (!base.all(0.0f)) mixes_.push_back({prompt, std::move(base)});
    }
    const int64_t group = sizes_.heads / sizes_.kv_heads;
    bool by_head = !key_factors.same_in_groups(group) || !own.same_in_groups(group);
    for (const Mix& mix : mixes_) by_head = by_head || !mix.factors.same_in_groups(group);
    key_heads_ = by_head ? sizes_.heads : sizes_.kv_heads;

    const Tensor value = call_.value, null_value = call_.null_value;
    WEFT_TRY(add_bias(edit::factors(active_, KeyEditKind::scale_weights, sizes_)));
    WEFT_ASSIGN(call_.key, scaled(call_.key, key_factors));
    WEFT_ASSIGN(call_.value, scaled(value, own));
    WEFT_TRY(widen_null(call_.null_key));
    WEFT_TRY(widen_null(call_.null_value));
    if (active_.region) WEFT_TRY(set_regions(*active_.region));
    WEFT_TRY(attend(call_, inner_));
    return mixes_.empty() ? Result<void>{} : add_bases(value);
  }

 private:
  struct Mix {  // what an item takes of its base
    const PromptEdit* edit;
    Table factors;  // [1][heads][keys]
  };

  // ---- Factors of keys and values ----

  Result<Tensor> uploaded(const Table& table) {
    return state_.constant(DType::f32, {table.batch, table.heads, table.keys}, table.values);
  }

  // output = matrix diag(factors) input for all of output's heads. Input's are these, one for each
  // of a group of these, or 1; factors' are query heads, or 1.
  Result<void> mix(const Tensor& input, const Tensor& factors, const Tensor& matrix,
                   const Tensor& output) {
    Tensor chosen = factors;
    if (factors && factors.shape[1] > 1) {
      const int64_t step = factors.shape[1] / output.shape[1];
      chosen.shape[1] = output.shape[1];
      chosen.strides[1] *= step;
    }
    const int64_t heads = input.shape[1];
    if (heads == 1 || heads == output.shape[1])
      return mix_keys(recorder_,
                      {.input = input, .factors = chosen, .matrix = matrix, .output = output});
    const int64_t group = output.shape[1] / heads;
    for (int64_t head = 0; head < heads; ++head) {
      MixKeysCall part{.input = {}, .matrix = matrix, .output = {}};
      WEFT_ASSIGN(part.input, input.slice(1, head, 1));
      WEFT_ASSIGN(part.factors, part_of(chosen, 1, head * group, group));
      WEFT_ASSIGN(part.output, output.slice(1, head * group, group));
      WEFT_TRY(mix_keys(recorder_, part));
    }
    return {};
  }

  // The heads that a copy of keys or values needs: as few as its factors tell apart.
  int64_t heads_for(const Tensor& input, bool by_head) const {
    return by_head || input.shape[1] > 1 ? key_heads_ : 1;
  }

  Result<Tensor> scaled(const Tensor& input, const Table& table) {
    const Table small = table.shrunk();
    const int64_t heads = heads_for(input, small.heads > 1);
    const bool plain = small.all(1.0f);
    if (plain && heads == input.shape[1]) return input;
    Tensor factors;
    if (!plain) {
      WEFT_ASSIGN(factors, uploaded(small));
    }
    const int64_t batch = std::max(input.shape[0], plain ? 1 : small.batch);
    const Tensor output =
        recorder_.transient(input.dtype, {batch, heads, input.shape[2], input.shape[3]});
    WEFT_TRY(mix(input, factors, {}, output));
    return output;
  }

  Result<void> widen_null(Tensor& null) {
    if (!null || null.rank() != 3 || null.shape[0] == 1 || null.shape[0] == key_heads_) return {};
    Tensor wide = null;
    wide.shape = {1, null.shape[0], null.shape[1], null.shape[2]};
    wide.strides = {0, null.strides[0], null.strides[1], null.strides[2]};
    WEFT_ASSIGN(wide, scaled(wide, Table(1, sizes_.heads, null.shape[1], 1.0f)));
    WEFT_ASSIGN(null, wide.reshape({wide.shape[1], wide.shape[2], wide.shape[3]}));
    return {};
  }

  // ---- Bias ----

  Result<void> add_bias(Table table) {
    if (table.all(1.0f)) return {};
    table = table.shrunk();
    for (float& factor : table.values) factor = std::log(factor);
    WEFT_ASSIGN(
        const Tensor bias,
        state_.constant(DType::f32, {table.batch, table.heads, 1, table.keys}, table.values));
    if (!call_.bias) {
      call_.bias = bias;
      return {};
    }
    const Tensor own = call_.bias;
    if (own.rank() != 4 || own.shape[3] > sizes_.kv_len)
      return kRules.broken(text("bias.shape is ", own.shape,
                                "; it must be of rank 4 and at most kv_len, ", sizes_.kv_len,
                                ", columns"));
    WEFT_ASSIGN(const Tensor columns, bias.slice(3, 0, own.shape[3]));
    const int64_t batch = std::max(own.shape[0], table.batch),
                  heads = std::max(own.shape[1], table.heads);
    call_.bias = recorder_.transient(DType::f32, {batch, heads, own.shape[2], own.shape[3]});
    if (table.batch == 1 && table.heads == 1 && own.is_dense())
      return add(recorder_, {.left = own, .right = plane(columns, 0, 0), .output = call_.bias});
    for (int64_t item = 0; item < batch; ++item)
      for (int64_t head = 0; head < heads; ++head)
        WEFT_TRY(add(recorder_, {.left = plane(own, item, head),
                                 .right = plane(columns, item, head),
                                 .output = plane(call_.bias, item, head)}));
    return {};
  }

  // ---- Prompts ----

  // [mixes, ...]: matrix diag(factors) of the item's values.
  Result<Tensor> mixed_values(const Tensor& value) {
    bool by_head = false;
    for (Mix& mix : mixes_) {
      mix.factors = mix.factors.shrunk();
      by_head = by_head || mix.factors.heads > 1;
    }
    const auto count = static_cast<int64_t>(mixes_.size());
    const Tensor mixed = recorder_.transient(
        value.dtype, {count, heads_for(value, by_head), value.shape[2], value.shape[3]});
    for (int64_t i = 0; i < count; ++i) {
      const Mix& one = mixes_[static_cast<size_t>(i)];
      const std::vector<float>& matrix = one.edit->alignment.matrix;
      WEFT_ASSIGN(const Tensor factors, uploaded(one.factors));
      Tensor weights;
      if (!matrix.empty()) {  // from the base's columns of weights to the item's: rows of mix_keys
                              // are the base's
        WEFT_ASSIGN(weights,
                    state_.constant(DType::f32, {1, 1, sizes_.kv_len, sizes_.kv_len}, matrix));
      }
      WEFT_ASSIGN(const Tensor input, part_of(value, 0, one.edit->item, 1));
      WEFT_ASSIGN(const Tensor output, mixed.slice(0, i, 1));
      WEFT_TRY(mix(input, factors, weights, output));
    }
    return mixed;
  }

  // The second fused call: base weights on mixed values, added to the edited items' outputs.
  Result<void> add_bases(const Tensor& value) {
    AttentionCall call = call_;
    call.logsumexp = {};
    WEFT_ASSIGN(call.value, mixed_values(value));
    std::vector<int32_t> bases;
    for (const Mix& mix : mixes_) bases.push_back(static_cast<int32_t>(mix.edit->base));
    const auto count = static_cast<int64_t>(bases.size());
    WEFT_ASSIGN(call.score_items, state_.constant(DType::i32, {count}, bases));
    if (call.key.shape[0] == 1) {  // so that items are the batch's, as per-item tensors count them
      call.key.shape[0] = sizes_.batch;
      call.key.strides[0] = 0;
    }
    if (call.null_value) {  // null keys take their share of the weights; what they add is the
                            // item's own
      const std::vector<uint8_t> zeros(static_cast<size_t>(call.null_value.elements()) *
                                       size_bytes(call.null_value.dtype));
      WEFT_ASSIGN(call.null_value,
                  state_.constant(call.null_value.dtype, call.null_value.shape, zeros));
    }
    // Laid out as the output, whose rows it is added to.
    const bool swapped = call_.output.strides[1] < call_.output.strides[2];
    const int64_t outer = swapped ? sizes_.q_len : sizes_.heads,
                  inner = swapped ? sizes_.heads : sizes_.q_len;
    call.output =
        recorder_.transient(call_.output.dtype, {count, outer, inner, call_.output.shape[3]});
    if (swapped) {
      std::swap(call.output.shape[1], call.output.shape[2]);
      std::swap(call.output.strides[1], call.output.strides[2]);
    }
    WEFT_TRY(attend(call, {}));
    for (int64_t i = 0; i < count; ++i)
      WEFT_TRY(add_item(mixes_[static_cast<size_t>(i)].edit->item, call.output, i));
    return {};
  }

  Result<void> add_item(int64_t item, const Tensor& more, int64_t index) {
    const Tensor rows = rows_of(call_.output, item), added = rows_of(more, index);
    if (folds(rows) && folds(added))
      return add(recorder_, {.left = rows, .right = added, .output = rows});
    for (int64_t head = 0; head < sizes_.heads; ++head) {
      const Tensor one = plane(call_.output, item, head);
      WEFT_TRY(add(recorder_, {.left = one, .right = plane(more, index, head), .output = one}));
    }
    return {};
  }

  // ---- Regions ----

  // Ids of the call: 0 is "no region", r + 1 is region r; rows of items that aren't edited have the
  // last id.
  Result<void> set_regions(const RegionEdit& edit) {
    if (call_.query_regions || call_.key_regions || call_.region_mask)
      return kRules.broken("the call has regions already, a region edit acts on calls without");
    int32_t last = 0;
    for (const auto* ids : {&edit.row_regions, &edit.key_regions})
      for (const int32_t id : *ids) last = std::max(last, id + 1);
    const int32_t everything = last + 1;
    const auto shifted = [](const std::vector<int32_t>& ids) {
      std::vector<int32_t> result;
      for (const int32_t id : ids) result.push_back(id + 1);
      return result;
    };
    std::vector<int32_t> rows = shifted(edit.row_regions);
    if (!edit.items.empty()) {
      const std::vector<int32_t> listed = std::exchange(rows, {});
      for (int64_t item = 0; item < sizes_.batch; ++item) {
        if (edit::lists(edit.items, item))
          rows.insert(rows.end(), listed.begin(), listed.end());
        else
          rows.insert(rows.end(), listed.size(), everything);
      }
    }
    std::vector<uint8_t> meets;  // [row ids][key ids]
    for (int32_t row = 0; row <= everything; ++row)
      for (int32_t key = 0; key <= last; ++key)
        meets.push_back(key == 0 || key == row || row == everything);
    const int64_t items = edit.items.empty() ? 1 : sizes_.batch;
    WEFT_ASSIGN(call_.query_regions, state_.constant(DType::i32, {items, sizes_.q_len}, rows));
    WEFT_ASSIGN(call_.key_regions,
                state_.constant(DType::i32, {1, sizes_.kv_len}, shifted(edit.key_regions)));
    WEFT_ASSIGN(call_.region_mask, state_.constant(DType::u8, {everything + 1, last + 1}, meets));
    return {};
  }

  // The end of a run of heads that begins at `head`: edited or not, and a part of one group or
  // whole groups.
  int64_t run_end(const std::vector<uint32_t>& heads, int64_t head) const {
    const int64_t group = sizes_.heads / key_heads_;
    int64_t end = head + 1;
    while (end < sizes_.heads && edit::lists(heads, end) == edit::lists(heads, head)) ++end;
    if (head % group != 0) return std::min(end, (head / group + 1) * group);
    return end - head > group ? end - (end - head) % group : end;
  }

  Result<AttentionCall> heads_of(const AttentionCall& call, int64_t begin, int64_t end) const {
    AttentionCall part = call;
    const int64_t group = sizes_.heads / key_heads_, first = begin / group,
                  last = (end - 1) / group + 1;
    for (Tensor AttentionCall::*member :
         {&AttentionCall::query, &AttentionCall::output, &AttentionCall::logsumexp,
          &AttentionCall::keep_mask, &AttentionCall::drop_mask, &AttentionCall::bias}) {
      WEFT_ASSIGN(part.*member, part_of(call.*member, 1, begin, end - begin));
    }
    for (Tensor AttentionCall::*member : {&AttentionCall::key, &AttentionCall::value}) {
      WEFT_ASSIGN(part.*member, part_of(call.*member, 1, first, last - first));
    }
    for (Tensor AttentionCall::*member : {&AttentionCall::null_key, &AttentionCall::null_value}) {
      WEFT_ASSIGN(part.*member, part_of(call.*member, 0, first, last - first));
    }
    WEFT_ASSIGN(part.sinks, part_of(call.sinks, 0, begin, end - begin));
    return part;
  }

  // The call; where its regions are for some heads only, in runs of heads.
  Result<void> attend(const AttentionCall& call, const AttentionFunction& inner) {
    if (!active_.region || active_.region->scope.heads.empty())
      return inner ? inner(recorder_, call) : weft::attention(recorder_, call);
    if (inner)
      return kRules.broken(
          "a region edit of listed heads can't have an inner function, which expects all heads");
    const std::vector<uint32_t>& heads = active_.region->scope.heads;
    for (int64_t head = 0, end = 0; head < sizes_.heads; head = end) {
      end = run_end(heads, head);
      WEFT_ASSIGN(AttentionCall part, heads_of(call, head, end));
      if (!edit::lists(heads, head)) part.query_regions = part.key_regions = part.region_mask = {};
      WEFT_TRY(weft::attention(recorder_, part));
    }
    return {};
  }

  AttentionEditor::State& state_;
  Recorder& recorder_;
  AttentionCall call_;  // as it is edited so far
  const EditPlace& place_;
  const AttentionFunction& inner_;
  const edit::ActiveEdits active_;
  const Sizes sizes_;
  std::vector<Mix> mixes_;
  int64_t key_heads_ = 0;  // of keys and values: all query heads where a group's differ
};

Result<void> edit_attention(AttentionEditor::State& state, Recorder& recorder,
                            const AttentionCall& call, const EditPlace& place,
                            const AttentionFunction& inner) {
  edit::ActiveEdits active = edit::active(state.edits, place);
  if (!active.empty()) {
    WEFT_ASSIGN(const Sizes sizes, sizes_of(call));
    WEFT_TRY(edit::check(state.edits, place, sizes));
    if (sizes.kv_len > 0 && call.output.elements() > 0) {
      fusion::Scope scope(recorder, "attention_edit", "");
      WEFT_TRY(Edited(state, recorder, call, place, inner, std::move(active), sizes).record());
      return scope.keep();
    }
  }
  return inner ? inner(recorder, call) : weft::attention(recorder, call);
}

}  // namespace

Result<AttentionEditor> AttentionEditor::make(const Device& device, AttentionEdits edits) {
  WEFT_TRY(edit::check(edits));
  return AttentionEditor(std::make_shared<State>(State{device, std::move(edits), {}}));
}

Result<void> AttentionEditor::attention(Recorder& recorder, const AttentionCall& call,
                                        const EditPlace& place,
                                        const AttentionFunction& inner) const {
  return edit_attention(*state_, recorder, call, place, inner);
}

AttentionFunction AttentionEditor::at(const EditPlace& place, AttentionFunction inner) const {
  return [state = state_, place, inner = std::move(inner)](Recorder& recorder,
                                                           const AttentionCall& call) {
    return edit_attention(*state, recorder, call, place, inner);
  };
}

}  // namespace weft
