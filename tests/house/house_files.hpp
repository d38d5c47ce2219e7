// What the checkers share: which files are sources, and looking at their text without <regex>.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "house_rules.hpp"

namespace weft::house {

// Code, shaders, build files and scripts; not prose or data.
bool is_source(std::string_view path);

std::vector<std::string_view> lines_of(std::string_view text);

// The same text and lines with comments, strings and characters blanked out, quotes included.
std::string without_comments_and_strings(std::string_view text);

std::string to_lower(std::string_view text);

bool is_letter(char c);
bool is_word_character(char c);

// Whether `word` occurs with no character that `joins` directly before or after it.
bool has_between(std::string_view text, std::string_view word, bool (*joins)(char));

}  // namespace weft::house
