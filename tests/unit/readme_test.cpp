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

TEST_CASE("the README's examples stand in the samples word for word") {
  const std::string readme = text_of("README.md");
  const std::string samples = text_of("samples/attend_minimal.cpp") + text_of("samples/embed_vulkan.cpp") +
                              text_of("samples/fuse_family.cpp");
  const std::string fence = "```cpp\n";
  size_t examples = 0;
  for (size_t begin = readme.find(fence); begin != std::string::npos; begin = readme.find(fence, begin + 1)) {
    const size_t end = readme.find("```", begin + fence.size());
    const std::string code = readme.substr(begin + fence.size(), end - begin - fence.size());
    INFO(code);
    CHECK(samples.find(code) != std::string::npos);
    ++examples;
  }
  CHECK(examples == 4);
}
