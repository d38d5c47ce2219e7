// Which tokens of two prompts belong together.
#include <algorithm>
#include <cstddef>

#include "base/text.hpp"
#include "weft/attention_edit.hpp"

namespace weft {
namespace {

size_t count_tokens(const PromptWords& words) {
  size_t count = 0;
  for (const std::vector<int32_t>& word : words) count += word.size();
  return count;
}

Result<void> check_length(const char* operation, const char* prompt, size_t tokens,
                          uint32_t kv_len) {
  if (tokens >= 1 && tokens <= kv_len) return {};
  return fail(Code::invalid_argument, text(operation, ": ", prompt, " has ", tokens,
                                           " tokens; it must have 1 to kv_len, which is ", kv_len));
}

Result<void> check_words(const PromptWords& base, const PromptWords& edited, uint32_t kv_len) {
  const char* operation = "replace_alignment";
  if (base.size() != edited.size())
    return fail(Code::invalid_argument,
                text(operation, ": base has ", base.size(), " words, edited has ", edited.size(),
                     "; they must match"));
  for (size_t i = 0; i < base.size(); ++i)
    if (base[i].empty() || edited[i].empty())
      return fail(Code::invalid_argument,
                  text(operation, ": word ", i, " of ", base[i].empty() ? "base" : "edited",
                       " has no token"));
  WEFT_TRY(check_length(operation, "base", count_tokens(base), kv_len));
  return check_length(operation, "edited", count_tokens(edited), kv_len);
}

// Where the best alignment of the first i base and j edited tokens comes from.
enum Step : uint8_t { kNew, kDropped, kMatch };

// [base + 1][edited + 1]
std::vector<Step> align(const std::vector<int32_t>& base, const std::vector<int32_t>& edited) {
  constexpr int32_t kMatchScore = 1, kMismatchScore = -1;  // a gap scores 0
  const size_t columns = edited.size() + 1;
  std::vector<Step> steps((base.size() + 1) * columns, kNew);
  std::vector<int32_t> above(columns, 0), row(columns, 0);
  for (size_t i = 1; i <= base.size(); ++i) {
    steps[i * columns] = kDropped;
    for (size_t j = 1; j < columns; ++j) {
      const int32_t met =
          above[j - 1] + (base[i - 1] == edited[j - 1] ? kMatchScore : kMismatchScore);
      row[j] = std::max({row[j - 1], above[j], met});
      steps[i * columns + j] = row[j] == row[j - 1] ? kNew : row[j] == above[j] ? kDropped : kMatch;
    }
    std::swap(above, row);
  }
  return steps;
}

}  // namespace

Result<PromptAlignment> replace_alignment(const PromptWords& base, const PromptWords& edited,
                                          uint32_t kv_len) {
  WEFT_TRY(check_words(base, edited, kv_len));
  PromptAlignment alignment;
  alignment.matrix.resize(size_t{kv_len} * kv_len);
  const auto at = [&](size_t i, size_t j) -> float& { return alignment.matrix[i * kv_len + j]; };
  size_t i = 0, j = 0;
  for (size_t word = 0; word < base.size(); ++word) {
    const size_t from = base[word].size(), to = edited[word].size();
    for (size_t a = 0; a < from; ++a)
      for (size_t b = 0; b < to; ++b) {
        if (from != to)
          at(i + a, j + b) = 1.0f / static_cast<float>(to);
        else if (a == b)
          at(i + a, j + b) = 1.0f;
      }
    i += from;
    j += to;
  }
  for (; i < kv_len && j < kv_len; ++i, ++j) at(i, j) = 1.0f;
  return alignment;
}

Result<PromptAlignment> refine_alignment(const std::vector<int32_t>& base,
                                         const std::vector<int32_t>& edited, uint32_t kv_len) {
  WEFT_TRY(check_length("refine_alignment", "base", base.size(), kv_len));
  WEFT_TRY(check_length("refine_alignment", "edited", edited.size(), kv_len));
  PromptAlignment alignment;
  alignment.matrix.resize(size_t{kv_len} * kv_len);
  alignment.alpha.resize(kv_len);
  const auto map = [&](size_t from, size_t to) {
    alignment.matrix[from * kv_len + to] = 1.0f;
    alignment.alpha[to] = 1.0f;
  };
  const std::vector<Step> steps = align(base, edited);
  for (size_t i = base.size(), j = edited.size(); j > 0;) {
    const Step step = steps[i * (edited.size() + 1) + j];
    if (step == kMatch) map(i - 1, j - 1);
    if (step != kNew) --i;
    if (step != kDropped) --j;
  }
  for (size_t j = edited.size(); j < kv_len; ++j) map(j, j);
  return alignment;
}

}  // namespace weft
