// Attention editing: what an attention looks at, changed while it runs, without ever holding queries x keys.
//
// Written for a row of weights p = softmax(s + b) over keys n, with scores s, masks and bias b, values v, and the
// output sum_n p_n v_n. Three scalings of a key by a factor w, which differ:
//
//   scale_values   output = sum w_n p_n v_n. The key adds w_n times as much; the others stay as they are and the weights no
//                  longer sum to 1. 0 takes the key's part away and gives it to nobody; -1 turns it around.
//                  (Reweighting as of Hertz et al., Prompt-to-Prompt, arXiv 2208.01626, section 3.2, of an item's own
//                  weights. P diag(w) V = P (diag(w) V): the rows of V are scaled.)
//   scale_weights  p'_n = w_n p_n / sum_m w_m p_m. The weights still sum to 1: what the key gains, the others lose.
//                  0 drops the key as a mask does. w >= 0. (softmax(s + b + log w): a bias, added to the call's own.)
//   scale_scores   p' = softmax(w s + b). A score of 0 stays 0, so a factor of 0 makes the key an average one and doesn't
//                  drop it, and a negative score falls as w grows. (w (q . k) = q . (w k): the rows of K are scaled,
//                  before the softcap where there is one.)
//
// And between two items of a batch, prompts as a rule, whose weights on their own keys are P_base and P_item:
//
//   prompt edit    P' = (1 - t) P_item + t e [alpha P_base M + (1 - alpha) P_item], all of t, e, alpha per key of `item`.
//                  replace: M from replace_alignment, alpha 1. refine: M and alpha from refine_alignment. reweight: no
//                  M, alpha 1, e the new factors. M, alpha and e together: replace or refine, then reweight.
//                  t blends per step and key. (Prompt-to-Prompt, sections 3.2 and 4, and its published code.) As
//                  every form is linear in the values, output = P_base (M diag(t e alpha) V) + P_item (diag(t e (1 - alpha) + 1 - t) V):
//                  two fused calls and a kv_len x kv_len product.
//
// A key is a column of the call's scores: 0 to kv_len - 1 (null keys and sinks are never edited). Several edits of one kind at
// the same place multiply. Kinds combine in this order: scale_scores and scale_weights make P of every item, prompt
// edits mix these, scale_values comes last. Scaled keys and values are of the call's type and must stay in its range.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/attention.hpp"
#include "weft/device.hpp"
#include "weft/export.hpp"
#include "weft/fusion.hpp"

namespace weft {

// A place in a model's run, numbered by whoever records it: the cross-attention layer, and the denoising (or decoding) step.
struct EditPlace {
  uint32_t layer = 0;
  uint32_t step = 0;
};

// Where an edit acts. Everywhere else the attention is exactly as without it.
struct EditScope {
  std::vector<uint32_t> layers{};  // empty: all
  std::vector<uint32_t> heads{};   // query heads; empty: all
  uint32_t first_step = 0;
  uint32_t last_step = UINT32_MAX;  // included
};

struct KeyFactor {
  uint32_t key = 0;
  float factor = 1.0f;  // finite
};

enum class KeyEditKind : int32_t { scale_values = 0, scale_weights = 1, scale_scores = 2 };

// Factors of keys (the tokens of a word, say); keys that are not listed have 1.
struct KeyEdit {
  KeyEditKind kind = KeyEditKind::scale_weights;
  std::vector<KeyFactor> factors;
  std::vector<uint32_t> items{};  // of the batch; empty: all
  EditScope scope{};
};

// Which base token each edited token takes its weights from.
struct PromptAlignment {
  std::vector<float> matrix{};  // [base kv_len][edited kv_len]; empty: each key from the one of its number
  std::vector<float> alpha{};   // [kv_len]: how much of the base; empty: 1
};

// Weights of keys from the step on.
struct StepBlend {
  uint32_t first_step = 0;
  std::vector<float> weights;  // t: [kv_len], 0 (as unedited) to 1
};

struct PromptEdit {
  uint32_t base = 0;  // the item of the batch that weights come from
  uint32_t item = 1;  // the item that is edited; each in one edit at most per place
  PromptAlignment alignment{};
  std::vector<KeyFactor> factors{};  // e; keys that are not listed have 1
  // t: of the entries with first_step up to the step, the last one. None: 1.
  std::vector<StepBlend> blend{};
  EditScope scope{};
};

// Prompts for parts of a picture: a key of region r is seen by query rows of region r only, keys of region -1 by
// every row; rows of region -1 see only those. A row that sees no key gives 0. By ids: no q_len x kv_len mask is made.
struct RegionEdit {
  std::vector<int32_t> row_regions;  // [q_len]: -1, or from 0 to 4095
  std::vector<int32_t> key_regions;  // [kv_len]
  std::vector<uint32_t> items{};       // of the batch; empty: all
  // Where heads are listed, runs of equal heads are attentions of their own: not with an inner function.
  EditScope scope{};
};

struct AttentionEdits {
  std::vector<KeyEdit> keys{};
  std::vector<PromptEdit> prompts{};
  std::vector<RegionEdit> regions{};  // one at most at any place, and none in a call that has regions already
};

// Records edited attentions. Copies share what they uploaded: small tensors, each once however often it is used.
// Thread safety: one thread at a time for all copies.
class WEFT_EXPORT AttentionEditor {
 public:
  // Errors: invalid_argument for edits that no call could have.
  static Result<AttentionEditor> make(const Device& device, AttentionEdits edits);

  // Records `call` as edited at this place, in place of weft::attention. Items, heads and keys are the call's; it
  // may have masks, bias, lengths, windows, regions, null keys and sinks, but no packed batches, score_items,
  // value_items or weights where an edit acts; logsumexp is of every item's own weights. Where nothing acts, it is
  // the call as it is. Else transient tensors hold what changes: keys or values (for every query head, where heads of one key head differ), the output of edited items,
  // and the sum of the call's own bias and factors, as large as that bias is (times the batch and the heads, where factors
  // differ along these and the bias doesn't).
  // `inner` (an AttentionMap's, say; empty: weft::attention) records the call of every item's own weights, with
  // scaled scores and weights in it, before prompts are mixed.
  // Errors: invalid_argument, naming the edit and what it and the call disagree in; those of mix_keys, add and
  // attention; out_of_memory.
  Result<void> attention(Recorder& recorder, const AttentionCall& call, const EditPlace& place,
                         const AttentionFunction& inner = {}) const;
  // The same as a function, for CrossAttentionCall::attend. A Program keeps the step it was recorded at.
  AttentionFunction at(const EditPlace& place, AttentionFunction inner = {}) const;

  struct State;
  explicit AttentionEditor(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

 private:
  std::shared_ptr<State> state_;
};

// Token ids of a prompt, word by word; what begins and ends a text counts as a word of its own.
using PromptWords = std::vector<std::vector<int32_t>>;

// Prompts with the same number of words: the tokens of a word that differs take the weights of the word in its place.
// Row i of a base token has a 1 at its edited token, or 1 / n at each of n where the words' token counts differ, so that
// its weight is neither lost nor gained. What follows, padding included, is mapped one to one: token after token
// (the published code goes on along the diagonal instead, one off for each token of difference).
// Errors: invalid_argument for other numbers of words, an empty word, or more tokens than kv_len.
WEFT_EXPORT Result<PromptAlignment> replace_alignment(const PromptWords& base, const PromptWords& edited,
                                                      uint32_t kv_len);
// Prompts of any words: aligned as Needleman and Wunsch do (gap 0, match 1, mismatch -1; of equal scores, a new token before
// a dropped one before a match, from the end). Tokens found in the base take its weights, new ones (alpha 0) their own. Keys
// behind the edited prompt are mapped one to one, as the published code does.
// Errors: invalid_argument for more tokens than kv_len, or a prompt without any.
WEFT_EXPORT Result<PromptAlignment> refine_alignment(const std::vector<int32_t>& base,
                                                     const std::vector<int32_t>& edited, uint32_t kv_len);

}  // namespace weft
