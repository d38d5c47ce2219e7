#include "house_rules.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "house_files.hpp"

namespace weft::house {
namespace {

// Words that would break the rules if they stood here in one piece.
std::string joined(std::string_view first, std::string_view second) {
  return std::string(first) + std::string(second);
}

// Calls visit(path, line number, line) for each line of the files that `chosen` picks.
template <typename Chosen, typename Visit>
void for_each_line(const SourceFiles& files, bool code_only, Chosen chosen, Visit visit) {
  for (const SourceFile& file : files) {
    if (!chosen(file.path)) continue;
    const std::string text = code_only ? without_comments_and_strings(file.text) : file.text;
    std::size_t number = 0;
    for (const std::string_view line : lines_of(text)) visit(file.path, ++number, line);
  }
}

bool is_code(std::string_view path) {
  return path.ends_with(".cpp") || path.ends_with(".hpp") || path.ends_with(".h") ||
         path.ends_with(".c") || path.ends_with(".in") || path.ends_with(".mm");
}

// The identifier called on this line that starts with `prefix` and a capital, or an empty view.
std::string_view called_with_prefix(std::string_view line, std::string_view prefix) {
  for (std::size_t at = line.find(prefix); at != std::string_view::npos;
       at = line.find(prefix, at + 1)) {
    if (at > 0 && is_word_character(line[at - 1])) continue;
    std::size_t end = at + prefix.size();
    if (end >= line.size() || line[end] < 'A' || line[end] > 'Z') continue;
    while (end < line.size() && is_word_character(line[end])) ++end;
    const std::size_t next = line.find_first_not_of(" \t", end);
    if (next != std::string_view::npos && line[next] == '(') return line.substr(at, end - at);
  }
  return {};
}

// Names of extensions and their types (VK_AMD_..., Vk...AMD, __APPLE__) are the interface's own words; the rest of
// the line counts.
std::string without_interface_names(std::string_view line) {
  std::string out;
  for (std::size_t i = 0; i < line.size();) {
    if (!is_word_character(line[i])) {
      out += line[i++];
      continue;
    }
    std::size_t end = i;
    while (end < line.size() && is_word_character(line[end])) ++end;
    const std::string_view word = line.substr(i, end - i);
    const bool interface = word.starts_with("VK_") || word.starts_with("VkPhysicalDevice") || word.starts_with("GL_") ||
                           word.starts_with("SPV_") || word == "__APPLE__";
    out += interface ? std::string_view(" ") : word;
    i = end;
  }
  return out;
}

// Whether `name` stands at the start of a part of a CamelCase word: kVendorAmd, isApple.
bool has_capitalized(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != std::string_view::npos;
       at = text.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if (end == text.size() || text[end] < 'a' || text[end] > 'z') return true;
  }
  return false;
}

// The vendor or driver that a line names, or an empty view.
std::string_view vendor_in(std::string_view raw_line) {
  constexpr std::array<std::string_view, 9> kDistinct = {"nvidia",   "radv",        "qualcomm",
                                                         "adreno",   "turnip",      "llvmpipe",
                                                         "lavapipe", "swiftshader", "honeykrisp"};
  constexpr std::array<std::string_view, 4> kWords = {"amd", "intel", "apple", "mali"};
  constexpr std::array<std::string_view, 4> kCamel = {"Amd", "Intel", "Apple", "Mali"};
  constexpr std::array<std::string_view, 6> kNumbers = {"0x10de", "0x1002", "0x8086",
                                                        "0x5143", "0x13b5", "0x106b"};
  const std::string line = without_interface_names(raw_line);
  const std::string lower = to_lower(line);
  for (const auto name : kDistinct) {
    if (lower.find(name) != std::string::npos) return name;
  }
  for (const auto name : kWords) {
    if (has_between(lower, name, is_letter)) return name;
  }
  for (const auto name : kCamel) {
    if (has_capitalized(line, name)) return name;
  }
  for (const auto number : kNumbers) {
    if (has_between(lower, number, is_word_character)) return number;
  }
  return {};
}

// The environment functions, of the C library and of Windows.
bool reads_environment(std::string_view code_line) {
  constexpr std::array<std::string_view, 5> kFunctions = {"getenv", "secure_getenv", "_dupenv_s",
                                                          "_wgetenv", "GetEnvironmentVariable"};
  return std::ranges::any_of(kFunctions, [&](auto function) {
    return has_between(code_line, function, is_word_character);
  });
}

// A path that starts at one of the folders that only one machine has.
bool names_machine_path(std::string_view line) {
  static const std::array<std::string, 5> kFolders = {joined("/wo", "rk/"), joined("/fa", "rm/"),
                                                      joined("/tm", "p/"), joined("/ho", "me/"),
                                                      joined("/ro", "ot/")};
  return std::ranges::any_of(kFolders, [&](const std::string& folder) {
    for (std::size_t at = line.find(folder); at != std::string_view::npos;
         at = line.find(folder, at + 1)) {
      const bool inside_a_path =
          at > 0 && (is_word_character(line[at - 1]) ||
                     std::string_view(".-}*$~>)").find(line[at - 1]) != std::string_view::npos);
      if (!inside_a_path) return true;
    }
    return false;
  });
}

bool names_registry(std::string_view line) {
  static const std::array<std::string, 12> kHosts = {
      joined("deb.", "debian."),      joined("ftp.", "debian."),     joined("snapshot.", "debian."),
      joined("security.", "debian."), joined("archive.", "ubuntu."), joined("ports.", "ubuntu."),
      joined("security.", "ubuntu."), joined("pyp", "i."),           joined("python", "hosted"),
      joined("registry.", "npm"),     joined("index.", "crates."),   joined("hub.", "docker.")};
  return std::ranges::any_of(
      kHosts, [&](const std::string& host) { return line.find(host) != std::string_view::npos; });
}

}  // namespace

Offenders check_length(const SourceFiles& files) {
  Offenders offenders;
  for (const SourceFile& file : files) {
    if (!is_source(file.path)) continue;
    const std::size_t count = lines_of(file.text).size();
    if (count > kMaxLines) {
      offenders.push_back(
          {file.path, count,
           std::to_string(count) + " lines, the limit is " + std::to_string(kMaxLines)});
    }
  }
  return offenders;
}

Offenders check_vulkan_calls(const SourceFiles& files) {
  Offenders offenders;
  const auto outside = [](std::string_view path) {
    return is_code(path) && path.starts_with("runtime/") && !path.starts_with("runtime/vulkan/");
  };
  for_each_line(files, true, outside, [&](auto& path, auto number, auto line) {
    for (const std::string_view prefix : {"vk", "vma"}) {
      const std::string_view name = called_with_prefix(line, prefix);
      if (!name.empty()) {
        offenders.push_back(
            {path, number, "calls " + std::string(name) + " outside runtime/vulkan"});
      }
    }
  });
  return offenders;
}

Offenders check_vendor_names(const SourceFiles& files) {
  Offenders offenders;
  const auto neutral = [](std::string_view path) {
    return (path.starts_with("runtime/") || path.starts_with("shaders/")) &&
           !path.starts_with("runtime/decide/");
  };
  for_each_line(files, false, neutral, [&](auto& path, auto number, auto line) {
    const std::string_view vendor = vendor_in(line);
    if (!vendor.empty()) {
      offenders.push_back(
          {path, number, "names '" + std::string(vendor) + "' outside runtime/decide"});
    }
  });
  return offenders;
}

Offenders check_environment(const SourceFiles& files) {
  Offenders offenders;
  const auto anywhere_else = [](std::string_view path) {
    return is_code(path) && path != "runtime/base/options.cpp";
  };
  for_each_line(files, true, anywhere_else, [&](auto& path, auto number, auto line) {
    if (reads_environment(line)) {
      offenders.push_back(
          {path, number, "reads the environment; only runtime/base/options.cpp does"});
    }
  });
  return offenders;
}

Offenders check_unfinished_words(const SourceFiles& files) {
  static const std::array<std::string, 7> kWords = {
      joined("TO", "DO"),           joined("FIX", "ME"),       joined("XX", "X"),
      joined("HA", "CK"),           joined("place", "holder"), joined("stu", "b"),
      joined("not imple", "mented")};
  Offenders offenders;
  for_each_line(files, false, is_source, [&](auto& path, auto number, auto line) {
    for (const std::string& word : kWords) {
      if (has_between(line, word, is_word_character)) {
        offenders.push_back({path, number, "says '" + word + "'"});
      }
    }
  });
  return offenders;
}

Offenders check_machine_names(const SourceFiles& files) {
  Offenders offenders;
  const auto all = [](std::string_view path) { return !path.empty(); };
  for_each_line(files, false, all, [&](auto& path, auto number, auto line) {
    if (names_machine_path(line)) offenders.push_back({path, number, "names one machine's path"});
    if (names_registry(line))
      offenders.push_back({path, number, "names a package registry's host"});
  });
  return offenders;
}

std::string to_text(const Offenders& offenders) {
  std::string text;
  for (const auto& [path, line, reason] : offenders) {
    text += path + ":" + std::to_string(line) + ": " + reason + "\n";
  }
  return text;
}

}  // namespace weft::house
