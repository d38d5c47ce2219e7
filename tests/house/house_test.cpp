// The rules of the house, on the real tree; and each rule on a small tree that breaks it, so that a
// rule that has stopped seeing anything is noticed.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "house_files.hpp"
#include "house_rules.hpp"

namespace weft::house {
namespace {

const SourceFiles& tree() {
  static const SourceFiles files = collect_files(WEFT_SOURCE_DIR);
  return files;
}

void require_none(const Offenders& offenders) {
  INFO(to_text(offenders));
  REQUIRE(offenders.size() == 0);
}

// Whether exactly these "path:line" are found.
bool finds(const Offenders& offenders, std::vector<std::string> expected) {
  std::vector<std::string> found;
  for (const auto& offender : offenders) {
    found.push_back(offender.path + ":" + std::to_string(offender.line));
  }
  std::ranges::sort(found);
  std::ranges::sort(expected);
  UNSCOPED_INFO(to_text(offenders));
  return found == expected;
}

std::string lines(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "x\n";
  return text;
}

}  // namespace

TEST_CASE("the walk finds the repository's files and no build tree") {
  for (const char* path : {"runtime/include/weft/error.hpp", "tests/house/house_test.cpp",
                           "CMakePresets.json", "scripts/setup", ".ci/run"}) {
    INFO(path);
    CHECK(std::ranges::count(tree(), path, &SourceFile::path) == 1);
  }
  CHECK(std::ranges::none_of(tree(), [](const SourceFile& file) {
    return file.path.starts_with("build/") || file.path.starts_with(".git/");
  }));
}

TEST_CASE("sources have at most 500 lines") { require_none(check_length(tree())); }

TEST_CASE("includes point down the layers") { require_none(check_includes(tree())); }

TEST_CASE("only runtime/vulkan calls Vulkan") { require_none(check_vulkan_calls(tree())); }

TEST_CASE("only runtime/decide knows vendors") { require_none(check_vendor_names(tree())); }

TEST_CASE("only the options read the environment") { require_none(check_environment(tree())); }

TEST_CASE("sources hold no words of unfinished work") {
  require_none(check_unfinished_words(tree()));
}

TEST_CASE("no machine's paths and no registry's hosts") {
  require_none(check_machine_names(tree()));
}

TEST_CASE("a source of 501 lines is found") {
  CHECK(finds(check_length({{"runtime/base/a.cpp", lines(kMaxLines)},
                            {"runtime/base/b.cpp", lines(kMaxLines + 1)},
                            {"runtime/base/c.cpp", lines(kMaxLines) + "last, without a newline"},
                            {"scripts/long", lines(kMaxLines + 1)},
                            {"cmake/CMakeLists.txt", lines(kMaxLines + 1)},
                            {"tests/data.json", lines(kMaxLines + 1)}}),
              {"runtime/base/b.cpp:501", "runtime/base/c.cpp:501", "scripts/long:501",
               "cmake/CMakeLists.txt:501"}));
}

TEST_CASE("includes that point up are found") {
  const SourceFiles files = {
      {"runtime/include/weft/error.hpp", "#include <string>\n"},
      {"runtime/include/weft/device.hpp", "#include \"weft/raw.hpp\"\n"},
      {"runtime/include/weft/raw.hpp", "#include <vulkan/vulkan.h>\n"},
      {"runtime/include/weft/bad.hpp", "#include \"base/text.hpp\"\n"},
      {"runtime/base/text.hpp", "#include \"weft/error.hpp\"\n"},
      {"runtime/base/bad.cpp", "#include \"text.hpp\"\n#include \"decide/select.hpp\"\n"},
      {"runtime/decide/select.hpp", "#include \"base/text.hpp\"\n#include \"weft/error.hpp\"\n"},
      {"runtime/decide/bad.cpp",
       "#include <vulkan/vulkan.h>\n#include <weft/device.hpp>\n#include \"select.hpp\"\n"},
      {"runtime/vulkan/device.hpp", "#include <vulkan/vulkan.h>\n#include \"decide/select.hpp\"\n"},
      {"runtime/vulkan/bad.cpp", "  #  include \"../schedule/recorder.hpp\"\n"},
      {"runtime/schedule/recorder.hpp", "#include \"vulkan/device.hpp\"\n"},
      {"runtime/attention/plan.hpp", "#include \"schedule/recorder.hpp\"\n"},
      {"runtime/attention/bad.cpp", "#include \"ops/linear.hpp\"\n#include \"io/npy.hpp\"\n"},
      {"runtime/ops/linear.hpp", "#include \"attention/plan.hpp\"\n"},
      {"runtime/ops/bad.cpp", "\n#include \"fusion/block.hpp\"\n"},
      {"runtime/fusion/block.hpp", "#include \"ops/linear.hpp\"\n"},
      {"runtime/fusion/bad.cpp", "#include \"tests/case.hpp\"\n#include \"shaders/params.h\"\n"},
      {"runtime/io/npy.hpp", "#include \"base/text.hpp\"\n"},
      {"runtime/io/bad.cpp", "#include \"npy.hpp\"\n#include \"vulkan/device.hpp\"\n"},
      {"runtime/capi.cpp", "#include \"io/npy.hpp\"\n#include \"fusion/block.hpp\"\n"},
      {"runtime/extra/new.cpp", "#include <string>\n"},
      {"shaders/params.h", "\n"},
      {"tests/case.hpp", "#include \"runtime/attention/plan.hpp\"\n"}};
  CHECK(
      finds(check_includes(files),
            {"runtime/include/weft/bad.hpp:1", "runtime/base/bad.cpp:2", "runtime/decide/bad.cpp:1",
             "runtime/decide/bad.cpp:2", "runtime/vulkan/bad.cpp:1", "runtime/attention/bad.cpp:1",
             "runtime/attention/bad.cpp:2", "runtime/ops/bad.cpp:2", "runtime/fusion/bad.cpp:1",
             "runtime/io/bad.cpp:2", "runtime/extra/new.cpp:1"}));
}

TEST_CASE("Vulkan calls outside runtime/vulkan are found") {
  CHECK(finds(check_vulkan_calls(
                  {{"runtime/schedule/a.cpp",
                    "// vkQueueSubmit(queue)\nvkCmdDispatch (c, 1, 1, 1);\n"
                    "log(\"vkCmdDispatch(\");\nvkCmdX;\nmyvkCmdX();\n"},
                   {"runtime/include/weft/b.hpp", "/* vkA( */ int a = vmaCreateBuffer(b);\n"},
                   {"runtime/vulkan/c.cpp", "vkCmdDispatch(c, 1, 1, 1);\n"},
                   {"tests/device/d.cpp", "vkCmdDispatch(c, 1, 1, 1);\n"}}),
              {"runtime/schedule/a.cpp:2", "runtime/include/weft/b.hpp:1"}));
}

TEST_CASE("vendor names outside runtime/decide are found") {
  CHECK(finds(check_vendor_names({{"runtime/vulkan/a.cpp",
                                   "// fast on NVIDIA\nnormalize(amdahl, intelligent);\n"
                                   "bool is_amd = false;\nenum { kVendorAmd };\n"
                                   "if (id == 0x10DE) {}\nVK_AMD_shader_info VkPhysicalDeviceThing2AMD\n"
                                   "#ifdef __APPLE__\nx = vendor_intel2;\n"},
                                  {"shaders/lane.comp", "// Mali\n// maligned apples\n"},
                                  {"shaders/tile.comp", "// llvmpipe_width\n"},
                                  {"runtime/decide/quirks.cpp", "radv nvidia amd\n"},
                                  {"tests/drivers/b.cpp", "radv\n"}}),
              {"runtime/vulkan/a.cpp:1", "runtime/vulkan/a.cpp:3", "runtime/vulkan/a.cpp:4",
               "runtime/vulkan/a.cpp:5", "runtime/vulkan/a.cpp:8", "shaders/lane.comp:1",
               "shaders/tile.comp:1"}));
}

TEST_CASE("reading the environment is found") {
  CHECK(finds(check_environment(
                  {{"runtime/base/options.cpp", "std::getenv(name);\n"},
                   {"runtime/base/log.cpp", "// getenv\nauto a = std::getenv(\"A\");\n"},
                   {"samples/ground/main.cpp", "const char quote = '\"'; getenv(\"A\");\n"},
                   {"tests/unit/a.cpp", "int n = 1'000; say(\"\\\" getenv(\");\n_dupenv_s(a);\n"},
                   {"bench/main.cpp", "/* a\n getenv(\n*/ forgetenv(1);\n"}}),
              {"runtime/base/log.cpp:2", "samples/ground/main.cpp:1", "tests/unit/a.cpp:2"}));
}

TEST_CASE("words of unfinished work are found") {
  const std::string mark = std::string("TO") + "DO";
  CHECK(finds(check_unfinished_words({{"runtime/a.cpp", "int a;  // " + mark + ": more\n"},
                                      {"scripts/b", "# " + mark + "S\n# FIX" + "ME\n"},
                                      {"shaders/c.comp", "// a stu" + std::string("b\n")},
                                      {"docs/d.md", mark + "\n"}}),
              {"runtime/a.cpp:1", "scripts/b:2", "shaders/c.comp:1"}));
}

TEST_CASE("machine paths and registry hosts are found") {
  const std::string folder = std::string("/wo") + "rk/";
  CHECK(
      finds(check_machine_names(
                {{"README.md", "see " + folder + "main\nour frame" + folder.substr(1) + "s\n"},
                 {"a.json", "{\"path\": \"" + folder + "x\", \"other\": \"some" + folder + "\"}\n"},
                 {"scripts/b", "uri=http://deb." + std::string("debian.org/x\n")},
                 {"cmake/c.cmake",
                  "# files.python" + std::string("hosted.org\n\"${top}") + folder + "\"\n"}}),
            {"README.md:1", "a.json:1", "scripts/b:1", "cmake/c.cmake:1"}));
}

}  // namespace weft::house
