// Edits as numbers for each item, head and key of a call. Host only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/checks.hpp"
#include "base/text.hpp"
#include "weft/attention_edit.hpp"

namespace weft::edit {

inline constexpr checks::Rules kRules{"attention_edit"};

// Of the call that is edited.
struct Sizes {
  int64_t batch = 0, heads = 0, kv_heads = 0, q_len = 0, kv_len = 0;
};

// A number for every item, query head and key.
struct Table {
  int64_t batch = 1, heads = 1, keys = 0;
  std::vector<float> values;  // [batch][heads][keys]

  Table(int64_t batch_, int64_t heads_, int64_t keys_, float value)
      : batch(batch_),
        heads(heads_),
        keys(keys_),
        values(static_cast<size_t>(batch_ * heads_ * keys_), value) {}
  float& at(int64_t item, int64_t head, int64_t key) {
    return values[static_cast<size_t>((item * heads + head) * keys + key)];
  }
  bool all(float value) const;
  // Heads of each run of `group` have the same numbers.
  bool same_in_groups(int64_t group) const;
  // With an axis of 1 where all items, or all heads, have the same numbers.
  Table shrunk() const;
};

bool acts(const EditScope& scope, const EditPlace& place);
// Whether a list names a number; an empty one names all.
bool lists(const std::vector<uint32_t>& list, int64_t number);

// What no call could have. Errors: invalid_argument.
Result<void> check(const AttentionEdits& edits);

// What acts at one place, checked against the call's sizes.
struct ActiveEdits {
  std::vector<const KeyEdit*> keys;
  std::vector<const PromptEdit*> prompts;
  const RegionEdit* region = nullptr;

  bool empty() const { return keys.empty() && prompts.empty() && !region; }
};
ActiveEdits active(const AttentionEdits& edits, const EditPlace& place);
Result<void> check(const AttentionEdits& edits, const EditPlace& place, const Sizes& sizes);

// The product of all factors of a kind.
Table factors(const ActiveEdits& active, KeyEditKind kind, const Sizes& sizes);
// Multiplies: `own` by t e (1 - alpha) + 1 - t of the edited item, `base` [1][heads][keys] by t e
// alpha, 0 for heads that aren't edited.
void blend(const PromptEdit& edit, const EditPlace& place, const Sizes& sizes, Table& own,
           Table& base);

}  // namespace weft::edit
