#include "ground/vocabulary.hpp"

#include <algorithm>
#include <array>

namespace weft::ground {
namespace {

// The order is part of the trained weights' meaning: append only, and retrain after a change.
constexpr std::array<std::string_view, 21> kWords = {
    "the",     "small", "large",  "red",    "green",    "blue",  "yellow",
    "magenta", "cyan",  "circle", "square", "triangle", "cross", "ring",
    "star",    "shape", "left",   "right",  "above",    "below", "of"};

bool is_separator(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::span<const std::string_view> vocabulary() { return kWords; }

std::string vocabulary_text() {
  std::string text;
  for (std::string_view word : kWords) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

int32_t word_id(std::string_view word) {
  const auto found = std::find(kWords.begin(), kWords.end(), word);
  return found == kWords.end() ? -1 : static_cast<int32_t>(found - kWords.begin());
}

Result<std::vector<int32_t>> tokenize(std::string_view phrase) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < phrase.size();) {
    if (is_separator(phrase[i])) {
      ++i;
      continue;
    }
    std::string word;
    while (i < phrase.size() && !is_separator(phrase[i])) word += to_lower(phrase[i++]);
    const int32_t id = word_id(word);
    if (id < 0) {
      return fail(Code::invalid_argument, "tokenize: unknown word \"" + word +
                                              "\"; the vocabulary is: " + vocabulary_text());
    }
    ids.push_back(id);
  }
  if (ids.empty()) {
    return fail(Code::invalid_argument,
                "tokenize: the phrase has no words; the vocabulary is: " + vocabulary_text());
  }
  if (ids.size() > kMaxWords) {
    return fail(Code::invalid_argument, "tokenize: the phrase has " + std::to_string(ids.size()) +
                                            " words; at most " + std::to_string(kMaxWords) +
                                            " are allowed");
  }
  return ids;
}

}  // namespace weft::ground
