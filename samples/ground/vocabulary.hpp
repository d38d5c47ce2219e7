// The closed vocabulary of the grounding sample, and the words of a phrase as ids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.hpp"

namespace weft::ground {

// The longest phrase the model has positions for.
inline constexpr uint32_t kMaxWords = 16;

// Every known word, lower case; a word's id is its place in this list.
std::span<const std::string_view> vocabulary();

// All words of the vocabulary in id order, separated by single spaces.
std::string vocabulary_text();

// The id of one lower-case word, or -1 if it isn't in the vocabulary.
int32_t word_id(std::string_view word);

// The ids of a phrase's words. Words are separated by spaces, tabs or line ends; capital letters
// count as small ones. Fails with invalid_argument for no word at all, for more than kMaxWords
// words, and for an unknown word (the message lists the vocabulary).
Result<std::vector<int32_t>> tokenize(std::string_view phrase);

}  // namespace weft::ground
