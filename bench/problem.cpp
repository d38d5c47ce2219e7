#include "problem.hpp"

#include <fstream>

namespace weft::bench {

Result<Problem> parse(std::string_view line) {
  constexpr std::string_view kBlock = "block ";
  if (line.starts_with(kBlock)) {
    WEFT_ASSIGN(BlockCase block, parse_block(line));
    return block;
  }
  WEFT_ASSIGN(cases::Case problem, cases::parse(line));
  return std::visit([](auto& c) { return Problem(std::move(c)); }, problem);
}

std::string print(const Problem& problem) {
  const auto text = [](const auto& c) {
    if constexpr (std::is_convertible_v<decltype(c), cases::Case>)
      return cases::print(c);
    else
      return print(c);
  };
  return std::visit(text, problem);
}

Result<std::vector<Problem>> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(Code::invalid_argument, "case file: can't read '" + path + "'");
  std::vector<Problem> all;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    line.resize(std::min(line.size(), line.find('#')));
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == line.npos) continue;
    auto problem = parse(std::string_view(line).substr(first));
    if (!problem)
      return fail(Code::invalid_argument,
                  path + ": line " + std::to_string(number) + ": " + problem.error().message);
    all.push_back(*std::move(problem));
  }
  return all;
}

std::string kind_of(const Problem& problem) {
  if (std::holds_alternative<cases::AttentionCase>(problem)) return "attention";
  const std::string line = print(problem);
  return line.substr(0, line.find(' '));
}

}  // namespace weft::bench
