// The command line's edits of a phrase.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ground/model.hpp"

namespace weft::ground {

// `weights` are "WORD=FACTOR" and `replacements` "WORD=WORD", of words that the phrase has; a word that stands in it several
// times is edited at each. Factors of one word multiply. Errors: invalid_argument for anything else.
Result<Edit> parse_edit(std::span<const int32_t> words, std::span<const std::string> weights,
                        std::span<const std::string> replacements);

// "circle -> square, red x 0.5": for people.
std::string describe_edit(std::span<const std::string> weights, std::span<const std::string> replacements);

}  // namespace weft::ground
