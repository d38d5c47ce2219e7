#include "fusion/edit_tables.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace weft::edit {
namespace {

constexpr int32_t kMaxRegion = 4095;

bool finite(const std::vector<float>& values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

Result<void> check_scope(const std::string& name, const EditScope& scope) {
  if (scope.first_step <= scope.last_step) return {};
  return kRules.broken(text(name, ".scope.first_step is ", scope.first_step, ", after last_step, ",
                            scope.last_step));
}

Result<void> check_factors(const std::string& name, const std::vector<KeyFactor>& factors,
                           bool not_negative) {
  for (size_t i = 0; i < factors.size(); ++i)
    if (!std::isfinite(factors[i].factor) || (not_negative && factors[i].factor < 0))
      return kRules.broken(text(name, ".factors[", i, "].factor is ", factors[i].factor,
                                "; it must be finite", not_negative ? " and not negative" : ""));
  return {};
}

Result<void> check_blend(const std::string& name, const std::vector<StepBlend>& blend) {
  for (size_t i = 0; i < blend.size(); ++i) {
    if (i > 0 && blend[i].first_step <= blend[i - 1].first_step)
      return kRules.broken(
          text(name, ".blend[", i, "].first_step is ", blend[i].first_step, "; steps must rise"));
    for (const float weight : blend[i].weights)
      if (!(weight >= 0.0f && weight <= 1.0f))
        return kRules.broken(
            text(name, ".blend[", i, "].weights has ", weight, "; weights are 0 to 1"));
  }
  return {};
}

Result<void> check_prompt(const std::string& name, const PromptEdit& edit) {
  WEFT_TRY(check_scope(name, edit.scope));
  WEFT_TRY(check_factors(name, edit.factors, false));
  WEFT_TRY(check_blend(name, edit.blend));
  if (edit.base == edit.item && !edit.alignment.matrix.empty())
    return kRules.broken(
        text(name, ".base and item are both ", edit.item, "; a matrix needs two items"));
  if (!finite(edit.alignment.matrix) || !finite(edit.alignment.alpha))
    return kRules.broken(name + ".alignment has a number that is not finite");
  return {};
}

Result<void> check_regions(const std::string& name, const RegionEdit& edit) {
  WEFT_TRY(check_scope(name, edit.scope));
  for (const auto* ids : {&edit.row_regions, &edit.key_regions})
    for (const int32_t id : *ids)
      if (id < -1 || id > kMaxRegion)
        return kRules.broken(text(name, ids == &edit.row_regions ? ".row_regions" : ".key_regions",
                                  " has ", id, "; regions are -1 to ", kMaxRegion));
  return {};
}

std::string numbered(const char* list, size_t index) { return text(list, "[", index, "]"); }

// Every number of a list below `count`.
Result<void> check_below(const std::string& name, const std::vector<uint32_t>& list, int64_t count,
                         const char* what) {
  for (const uint32_t number : list)
    if (number >= count)
      return kRules.broken(text(name, " has ", number, "; the call has ", count, " ", what));
  return {};
}

Result<void> check_keys_below(const std::string& name, const std::vector<KeyFactor>& factors,
                              int64_t count) {
  for (size_t i = 0; i < factors.size(); ++i)
    if (factors[i].key >= count)
      return kRules.broken(text(name, ".factors[", i, "].key is ", factors[i].key,
                                "; the call has ", count, " keys"));
  return {};
}

// Empty, or of the wanted length.
Result<void> check_size(const std::string& name, size_t found, int64_t wanted, const char* what) {
  if (found == 0 || found == static_cast<size_t>(wanted)) return {};
  return kRules.broken(text(name, " has ", found, " numbers; ", what, " makes ", wanted));
}

// The blend of a step; null: 1.
const StepBlend* blend_at(const PromptEdit& edit, uint32_t step) {
  const StepBlend* found = nullptr;
  for (const StepBlend& entry : edit.blend)
    if (entry.first_step <= step) found = &entry;
  return found;
}

Result<void> check_prompt(const std::string& name, const PromptEdit& edit, const Sizes& sizes) {
  WEFT_TRY(check_below(name + ".scope.heads", edit.scope.heads, sizes.heads, "heads"));
  WEFT_TRY(check_below(name + ".base", {edit.base}, sizes.batch, "items"));
  WEFT_TRY(check_below(name + ".item", {edit.item}, sizes.batch, "items"));
  WEFT_TRY(check_keys_below(name, edit.factors, sizes.kv_len));
  const PromptAlignment& alignment = edit.alignment;
  WEFT_TRY(check_size(name + ".alignment.matrix", alignment.matrix.size(),
                      sizes.kv_len * sizes.kv_len, "kv_len x kv_len"));
  WEFT_TRY(check_size(name + ".alignment.alpha", alignment.alpha.size(), sizes.kv_len, "kv_len"));
  for (const StepBlend& entry : edit.blend)
    WEFT_TRY(check_size(name + ".blend's weights", entry.weights.size(), sizes.kv_len, "kv_len"));
  return {};
}

Result<void> check_region(const std::string& name, const RegionEdit& edit, const Sizes& sizes) {
  WEFT_TRY(check_below(name + ".scope.heads", edit.scope.heads, sizes.heads, "heads"));
  WEFT_TRY(check_below(name + ".items", edit.items, sizes.batch, "items"));
  if (edit.row_regions.size() != static_cast<size_t>(sizes.q_len))
    return kRules.broken(text(name, ".row_regions has ", edit.row_regions.size(),
                              " rows; the call has ", sizes.q_len));
  if (edit.key_regions.size() != static_cast<size_t>(sizes.kv_len))
    return kRules.broken(text(name, ".key_regions has ", edit.key_regions.size(),
                              " keys; the call has ", sizes.kv_len));
  return {};
}

}  // namespace

bool Table::all(float value) const {
  return std::ranges::all_of(values, [=](float found) { return found == value; });
}

bool Table::same_in_groups(int64_t group) const {
  for (int64_t row = 0; row < batch * heads; ++row) {
    const auto first = values.begin() + (row - row % heads + row % heads / group * group) * keys;
    if (!std::equal(first, first + keys, values.begin() + row * keys)) return false;
  }
  return true;
}

Table Table::shrunk() const {
  const int64_t item = heads * keys;
  bool same_items = true;
  for (int64_t i = 1; i < batch; ++i)
    same_items =
        same_items && std::equal(values.begin(), values.begin() + item, values.begin() + i * item);
  const bool same_heads = same_in_groups(heads);
  Table result(same_items ? 1 : batch, same_heads ? 1 : heads, keys, 0.0f);
  for (int64_t i = 0; i < result.batch; ++i)
    for (int64_t h = 0; h < result.heads; ++h)
      std::copy_n(values.begin() + i * item + h * keys, keys, &result.at(i, h, 0));
  return result;
}

bool lists(const std::vector<uint32_t>& list, int64_t number) {
  return list.empty() || std::ranges::find(list, static_cast<uint32_t>(number)) != list.end();
}

bool acts(const EditScope& scope, const EditPlace& place) {
  return lists(scope.layers, place.layer) && place.step >= scope.first_step &&
         place.step <= scope.last_step;
}

Result<void> check(const AttentionEdits& edits) {
  for (size_t i = 0; i < edits.keys.size(); ++i) {
    const KeyEdit& edit = edits.keys[i];
    const std::string name = numbered("keys", i);
    if (edit.kind < KeyEditKind::scale_values || edit.kind > KeyEditKind::scale_scores)
      return kRules.broken(
          text(name, ".kind is ", static_cast<int32_t>(edit.kind), ", which is no KeyEditKind"));
    WEFT_TRY(check_scope(name, edit.scope));
    WEFT_TRY(check_factors(name, edit.factors, edit.kind == KeyEditKind::scale_weights));
  }
  for (size_t i = 0; i < edits.prompts.size(); ++i)
    WEFT_TRY(check_prompt(numbered("prompts", i), edits.prompts[i]));
  for (size_t i = 0; i < edits.regions.size(); ++i)
    WEFT_TRY(check_regions(numbered("regions", i), edits.regions[i]));
  return {};
}

ActiveEdits active(const AttentionEdits& edits, const EditPlace& place) {
  ActiveEdits found;
  for (const KeyEdit& edit : edits.keys)
    if (acts(edit.scope, place)) found.keys.push_back(&edit);
  for (const PromptEdit& edit : edits.prompts)
    if (acts(edit.scope, place)) found.prompts.push_back(&edit);
  for (const RegionEdit& edit : edits.regions)
    if (acts(edit.scope, place)) found.region = &edit;
  return found;
}

Result<void> check(const AttentionEdits& edits, const EditPlace& place, const Sizes& sizes) {
  for (size_t i = 0; i < edits.keys.size(); ++i) {
    const KeyEdit& edit = edits.keys[i];
    if (!acts(edit.scope, place)) continue;
    const std::string name = numbered("keys", i);
    WEFT_TRY(check_below(name + ".scope.heads", edit.scope.heads, sizes.heads, "heads"));
    WEFT_TRY(check_below(name + ".items", edit.items, sizes.batch, "items"));
    WEFT_TRY(check_keys_below(name, edit.factors, sizes.kv_len));
  }
  std::vector<uint32_t> edited;
  for (size_t i = 0; i < edits.prompts.size(); ++i) {
    const PromptEdit& edit = edits.prompts[i];
    if (!acts(edit.scope, place)) continue;
    WEFT_TRY(check_prompt(numbered("prompts", i), edit, sizes));
    if (std::ranges::find(edited, edit.item) != edited.end())
      return kRules.broken(text("prompts[", i, "].item is ", edit.item,
                                ", which another prompt edit changes at layer ", place.layer,
                                ", step ", place.step));
    edited.push_back(edit.item);
  }
  bool regions = false;
  for (size_t i = 0; i < edits.regions.size(); ++i) {
    if (!acts(edits.regions[i].scope, place)) continue;
    WEFT_TRY(check_region(numbered("regions", i), edits.regions[i], sizes));
    if (regions)
      return kRules.broken(text("regions[", i, "] acts beside another region edit at layer ",
                                place.layer, ", step ", place.step));
    regions = true;
  }
  return {};
}

Table factors(const ActiveEdits& active, KeyEditKind kind, const Sizes& sizes) {
  Table table(sizes.batch, sizes.heads, sizes.kv_len, 1.0f);
  for (const KeyEdit* edit : active.keys) {
    if (edit->kind != kind) continue;
    for (int64_t item = 0; item < sizes.batch; ++item)
      for (int64_t head = 0; head < sizes.heads; ++head)
        if (lists(edit->items, item) && lists(edit->scope.heads, head))
          for (const KeyFactor& factor : edit->factors)
            table.at(item, head, factor.key) *= factor.factor;
  }
  return table;
}

void blend(const PromptEdit& edit, const EditPlace& place, const Sizes& sizes, Table& own,
           Table& base) {
  const StepBlend* step = blend_at(edit, place.step);
  std::vector<float> equalizer(static_cast<size_t>(sizes.kv_len), 1.0f);
  for (const KeyFactor& factor : edit.factors) equalizer[factor.key] *= factor.factor;
  for (int64_t head = 0; head < sizes.heads; ++head) {
    const bool edited = lists(edit.scope.heads, head);
    for (int64_t key = 0; key < sizes.kv_len; ++key) {
      const auto i = static_cast<size_t>(key);
      const float t = !edited ? 0.0f : step && !step->weights.empty() ? step->weights[i] : 1.0f;
      const float alpha = edit.alignment.alpha.empty() ? 1.0f : edit.alignment.alpha[i];
      own.at(edit.item, head, key) *= t * equalizer[i] * (1.0f - alpha) + (1.0f - t);
      base.at(0, head, key) *= t * equalizer[i] * alpha;
    }
  }
}

}  // namespace weft::edit
