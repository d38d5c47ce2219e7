// The rules of the house that a program can check. Each checker takes files as data and returns
// every line that breaks its rule, so that tests can show it both the real tree and a made-up bad
// one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace weft::house {

struct SourceFile {
  std::string path;  // from the repository's root, with forward slashes
  std::string text;
};

struct Offender {
  std::string path;
  std::size_t line = 0;  // counted from 1
  std::string reason;
};

using SourceFiles = std::vector<SourceFile>;
using Offenders = std::vector<Offender>;

inline constexpr std::size_t kMaxLines = 500;

// Every text file of the repository, sorted by path; build trees and version control left out.
SourceFiles collect_files(const std::filesystem::path& root);

// Sources, scripts and build files have at most kMaxLines lines.
Offenders check_length(const SourceFiles& files);

// Under runtime/, includes point down the list capi, fusion, ops, attention, schedule, vulkan,
// decide, base; io sees base alone; public headers see each other alone, and those that decide sees
// are free of Vulkan.
Offenders check_includes(const SourceFiles& files);

// Only runtime/vulkan calls Vulkan and the memory allocator.
Offenders check_vulkan_calls(const SourceFiles& files);

// Under runtime/ and shaders/, only runtime/decide knows a vendor, a driver or a vendor's number.
Offenders check_vendor_names(const SourceFiles& files);

// Only runtime/base/options.cpp reads the environment, in the library and in the programs around
// it.
Offenders check_environment(const SourceFiles& files);

// No words of unfinished work in sources.
Offenders check_unfinished_words(const SourceFiles& files);

// No paths of one machine, no hosts of package registries.
Offenders check_machine_names(const SourceFiles& files);

// One "path:line: reason" per offender.
std::string to_text(const Offenders& offenders);

}  // namespace weft::house
