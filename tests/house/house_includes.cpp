// The direction of includes under runtime/.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "house_files.hpp"
#include "house_rules.hpp"

namespace weft::house {
namespace {

// From the bottom: a layer includes itself and what stands before it.
constexpr std::array<std::string_view, 8> kLayers = {"base",      "decide", "vulkan", "schedule",
                                                     "attention", "ops",    "fusion", "capi"};
constexpr std::string_view kRuntime = "runtime/";
constexpr std::string_view kPublic = "runtime/include/";

struct Include {
  std::size_t line = 0;
  std::string name;
  bool quoted = false;
};

std::vector<Include> includes_of(const SourceFile& file) {
  std::vector<Include> includes;
  std::size_t number = 0;
  for (std::string_view line : lines_of(file.text)) {
    ++number;
    const auto skip = [&](std::string_view characters) {
      line.remove_prefix(std::min(line.find_first_not_of(characters), line.size()));
    };
    skip(" \t");
    if (!line.starts_with("#")) continue;
    line.remove_prefix(1);
    skip(" \t");
    if (!line.starts_with("include")) continue;
    line.remove_prefix(std::string_view("include").size());
    skip(" \t");
    if (line.empty() || (line[0] != '"' && line[0] != '<')) continue;
    const std::size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
    if (end == std::string_view::npos) continue;
    includes.push_back({number, std::string(line.substr(1, end - 1)), line[0] == '"'});
  }
  return includes;
}

class Tree {
 public:
  explicit Tree(const SourceFiles& files) {
    for (const SourceFile& file : files) files_[file.path] = &file;
  }

  // The file of the repository that an include means, if it is one.
  std::optional<std::string> resolve(const std::string& from, const Include& include) const {
    const std::filesystem::path folder = std::filesystem::path(from).parent_path();
    std::vector<std::filesystem::path> places = {std::string(kPublic), std::string(kRuntime), ""};
    if (include.quoted) places.insert(places.begin(), folder);
    for (const auto& place : places) {
      const std::string path = (place / include.name).lexically_normal().generic_string();
      if (files_.contains(path)) return path;
    }
    return std::nullopt;
  }

  // Whether a file includes a Vulkan header, itself or through others.
  bool needs_vulkan(const std::string& path, std::set<std::string>& seen) const {
    if (!seen.insert(path).second) return false;
    return std::ranges::any_of(includes_of(*files_.at(path)), [&](const Include& include) {
      const auto target = resolve(path, include);
      return target ? needs_vulkan(*target, seen) : is_vulkan_header(include.name);
    });
  }

  static bool is_vulkan_header(std::string_view name) {
    return name.starts_with("vulkan/") || name == "volk.h" || name.starts_with("volk/") ||
           name == "vk_mem_alloc.h" || name.ends_with("/vk_mem_alloc.h");
  }

 private:
  std::map<std::string, const SourceFile*> files_;
};

// "attention" for runtime/attention/plan.cpp, "capi" for runtime/capi.cpp; empty outside runtime/.
std::string_view layer_of(std::string_view path) {
  if (!path.starts_with(kRuntime)) return {};
  path.remove_prefix(kRuntime.size());
  return path.substr(0, path.find_first_of("/."));
}

// Position in the list, or kLayers.size() for what is not in it.
std::size_t rank_of(std::string_view layer) {
  return static_cast<std::size_t>(std::ranges::find(kLayers, layer) - kLayers.begin());
}

// Why `from` may not include the repository's file `target`, or an empty string.
std::string objection(const Tree& tree, const std::string& from, const std::string& target) {
  const std::string_view above = layer_of(from);
  const std::string_view below = layer_of(target);
  const std::string what = std::string(above) + " includes " + target;
  if (!target.starts_with(kRuntime)) {  // shaders/params.h, or what has no business in the library
    const bool shared = target.starts_with("shaders/");
    return shared ? "" : what + ", which is outside runtime/ and shaders/";
  }
  if (target.starts_with(kPublic)) {
    std::set<std::string> seen;
    const bool impure = above == "decide" && tree.needs_vulkan(target, seen);
    return impure ? what + ", which includes Vulkan; decide is free of it" : "";
  }
  if (from.starts_with(kPublic))
    return "a public header includes " + target + ", which is not public";
  if (above == below) return "";
  if (above == "io") return below == "base" ? "" : what + "; io may include base only";
  if (below == "io") return above == "capi" ? "" : what + "; only capi may include io";
  if (rank_of(above) > rank_of(below)) return "";
  return what + "; includes point down the list only";
}

}  // namespace

Offenders check_includes(const SourceFiles& files) {
  Offenders offenders;
  const Tree tree(files);
  for (const SourceFile& file : files) {
    const std::string_view layer = layer_of(file.path);
    const bool is_cpp =
        file.path.ends_with(".cpp") || file.path.ends_with(".hpp") || file.path.ends_with(".h");
    if (layer.empty() || !is_cpp) continue;
    if (layer != "include" && layer != "io" && rank_of(layer) == kLayers.size()) {
      offenders.push_back({file.path, 1, "is in no layer that the architecture names"});
      continue;
    }
    for (const Include& include : includes_of(file)) {
      const auto target = tree.resolve(file.path, include);
      std::string reason;
      if (target) {
        reason = objection(tree, file.path, *target);
      } else if (layer == "decide" && Tree::is_vulkan_header(include.name)) {
        reason = "decide includes " + include.name + "; it is free of Vulkan";
      }
      if (!reason.empty()) offenders.push_back({file.path, include.line, std::move(reason)});
    }
  }
  return offenders;
}

}  // namespace weft::house
