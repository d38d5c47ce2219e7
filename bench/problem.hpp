// What one line of a suite asks for: a case of the tests' grammar, or a block.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "block.hpp"
#include "reference/case_line.hpp"

namespace weft::bench {

template <class Cases>
struct AndBlock;
template <class... Cases>
struct AndBlock<std::variant<Cases...>> {
  using type = std::variant<Cases..., BlockCase>;
};
using Problem = AndBlock<cases::Case>::type;

// Errors: invalid_argument, naming the line and the word.
Result<Problem> parse(std::string_view line);
std::string print(const Problem& problem);
// All lines of a file. Errors: invalid_argument: it can't be read; a line, with its number.
Result<std::vector<Problem>> read_file(const std::string& path);
// "attention", "linear", "layer_norm", "block", ...: the first word of a line, where it is no case
// of attention.
std::string kind_of(const Problem& problem);

}  // namespace weft::bench
