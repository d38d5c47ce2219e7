#include <algorithm>
#include <filesystem>
#include <fstream>

#include "session.hpp"

namespace weft::bench {

std::vector<std::string> suite_names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

std::string suite_about(const std::string& folder, const std::string& name) {
  std::ifstream in(folder + "/" + name + ".txt");
  std::string line;
  std::getline(in, line);
  return line.starts_with("# ") ? line.substr(2) : "";
}

Result<std::vector<SuiteLine>> read_suite(const std::string& folder, const std::string& name) {
  const auto names = suite_names(folder);
  if (std::ranges::find(names, name) == names.end()) {
    std::string text = "suite: there is no '" + name + "'; there are";
    for (const std::string& one : names) text += " " + one;
    return fail(Code::invalid_argument, text);
  }
  WEFT_ASSIGN(const auto problems, read_file(folder + "/" + name + ".txt"));
  std::vector<SuiteLine> lines;
  for (const Problem& problem : problems) lines.push_back({name, problem});
  return lines;
}

}  // namespace weft::bench
