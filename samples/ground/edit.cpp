#include "ground/edit.hpp"

#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "ground/vocabulary.hpp"

namespace weft::ground {
namespace {

using Parts = std::pair<std::string, std::string>;

Result<Parts> split(const char* option, const std::string& text) {
  const size_t sign = text.find('=');
  if (sign == std::string::npos || sign == 0 || sign + 1 == text.size())
    return fail(Code::invalid_argument, std::string(option) + " needs WORD=" +
                                            (std::string_view(option) == "--weight" ? "FACTOR" : "WORD") +
                                            ", found \"" + text + "\"");
  return Parts{text.substr(0, sign), text.substr(sign + 1)};
}

// The id of a word that stands in the phrase.
Result<int32_t> find_word(const char* option, std::span<const int32_t> words, const std::string& word) {
  WEFT_ASSIGN(const std::vector<int32_t> ids, tokenize(word));
  for (const int32_t id : words)
    if (ids.size() == 1 && id == ids[0]) return id;
  return fail(Code::invalid_argument, std::string(option) + ": \"" + word + "\" is no word of the phrase");
}

Result<float> parse_factor(const std::string& text) {
  float factor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), factor);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(factor) || factor < 0)
    return fail(Code::invalid_argument, "--weight: a factor is a number from 0 on, found \"" + text + "\"");
  return factor;
}

}  // namespace

Result<Edit> parse_edit(std::span<const int32_t> words, std::span<const std::string> weights,
                        std::span<const std::string> replacements) {
  Edit edit;
  if (!weights.empty()) edit.factors.assign(words.size(), 1.0f);
  for (const std::string& text : weights) {
    WEFT_ASSIGN(const Parts parts, split("--weight", text));
    WEFT_ASSIGN(const int32_t id, find_word("--weight", words, parts.first));
    WEFT_ASSIGN(const float factor, parse_factor(parts.second));
    for (size_t i = 0; i < words.size(); ++i)
      if (words[i] == id) edit.factors[i] *= factor;
  }
  if (!replacements.empty()) edit.words.assign(words.begin(), words.end());
  for (const std::string& text : replacements) {
    WEFT_ASSIGN(const Parts parts, split("--replace", text));
    WEFT_ASSIGN(const int32_t id, find_word("--replace", words, parts.first));
    WEFT_ASSIGN(const std::vector<int32_t> to, tokenize(parts.second));
    if (to.size() != 1)
      return fail(Code::invalid_argument, "--replace: one word takes the place of one, found \"" + parts.second + "\"");
    for (size_t i = 0; i < words.size(); ++i)
      if (words[i] == id) edit.words[i] = to[0];
  }
  return edit;
}

std::string describe_edit(std::span<const std::string> weights, std::span<const std::string> replacements) {
  std::string text;
  const auto add = [&](const std::string& option, const char* sign) {
    const size_t at = option.find('=');
    text += (text.empty() ? "" : ", ") + option.substr(0, at) + sign + option.substr(at + 1);
  };
  for (const std::string& option : replacements) add(option, " -> ");
  for (const std::string& option : weights) add(option, " x ");
  return text;
}

}  // namespace weft::ground
