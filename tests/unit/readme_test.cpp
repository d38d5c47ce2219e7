// The README's code is the code of a sample that the build compiles and the tests run.
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(std::string(WEFT_SOURCE_DIR) + "/" + path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("the README's example stands in samples/attend_minimal.cpp word for word") {
  const std::string readme = text_of("README.md");
  const std::string fence = "```cpp\n";
  const size_t begin = readme.find(fence);
  REQUIRE(begin != std::string::npos);
  const size_t end = readme.find("```", begin + fence.size());
  const std::string code = readme.substr(begin + fence.size(), end - begin - fence.size());
  CHECK(code.find("weft::attention(") != std::string::npos);
  CHECK(text_of("samples/attend_minimal.cpp").find(code) != std::string::npos);
  CHECK(readme.find(fence, end) == std::string::npos);  // any further example would need this too
}
