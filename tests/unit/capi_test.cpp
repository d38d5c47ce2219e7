// The C ABI's test program calls every function that the C headers offer.
#include <catch2/catch_test_macros.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace {

const std::filesystem::path kRoot = WEFT_SOURCE_DIR;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Names that begin with weft_ and stand before a parenthesis; after `mark` only, where one is
// given.
std::set<std::string> functions_in(const std::string& text, const std::string& mark) {
  std::set<std::string> names;
  for (size_t at = text.find("weft_"); at != std::string::npos; at = text.find("weft_", at)) {
    const size_t begin = at;
    while (at < text.size() && is_word(text[at])) ++at;
    const size_t line = text.rfind('\n', begin) + 1;
    const bool marked = text.compare(line, mark.size(), mark) == 0;
    if (at < text.size() && text[at] == '(' && marked && !is_word(text[begin - 1]))
      names.insert(text.substr(begin, at - begin));
  }
  return names;
}

}  // namespace

TEST_CASE("the C test calls every function of the C headers") {
  std::set<std::string> offered, called;
  const std::filesystem::path headers = kRoot / "runtime/include";
  for (const char* header : {"weft.h", "weft/operations.h", "weft/fusion.h", "weft/tune.h"})
    offered.merge(functions_in(text_of(headers / header), "WEFT_EXPORT "));
  offered.merge(functions_in(text_of(headers / "weft/checkpoint.h"), "WEFT_IO_EXPORT "));
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "tests/capi"))
    if (entry.path().extension() == ".c") called.merge(functions_in(text_of(entry.path()), ""));
  CHECK(offered.size() >= 75);
  for (const std::string& name : offered) {
    INFO(name);
    CHECK(called.contains(name));
  }
}
