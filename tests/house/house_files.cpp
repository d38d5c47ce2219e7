// Finding the files and looking at their text.
#include "house_files.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>

namespace weft::house {
namespace fs = std::filesystem;

namespace {

bool is_skipped_folder(const std::string& name) {
  if (name.starts_with(".")) return name != ".ci" && name != ".github";
  return name == "build" || name.starts_with("build-") || name.starts_with("cmake-build") ||
         name == "out" || name == "node_modules";
}

std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace

SourceFiles collect_files(const fs::path& root) {
  SourceFiles files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    if (it->is_directory() && is_skipped_folder(it->path().filename().string())) {
      it.disable_recursion_pending();
    }
    if (!it->is_regular_file() || it->is_symlink()) continue;
    std::string text = read_text(it->path());
    const std::string_view start = std::string_view(text).substr(0, 8192);
    if (start.find('\0') != std::string_view::npos) continue;  // binary data
    files.push_back({fs::relative(it->path(), root).generic_string(), std::move(text)});
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

bool is_source(std::string_view path) {
  constexpr std::array<std::string_view, 13> kEndings = {
      ".cpp",   ".hpp", ".c",  ".h",  ".comp", ".glsl",         ".def",
      ".cmake", ".py",  ".sh", ".in", ".mm",   "CMakeLists.txt"};
  return std::ranges::any_of(kEndings, [&](auto ending) { return path.ends_with(ending); }) ||
         path.starts_with("scripts/") || path.starts_with(".ci/");
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string without_comments_and_strings(std::string_view text) {
  enum class State { kCode, kLineComment, kBlockComment, kString, kCharacter };
  std::string out(text);
  State state = State::kCode;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char here = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    const State before = state;
    const bool digit_separator = i > 0 && std::isxdigit(static_cast<unsigned char>(text[i - 1]));
    if (state == State::kCode) {
      if (here == '/' && next == '/') state = State::kLineComment;
      if (here == '/' && next == '*') state = State::kBlockComment;
      if (here == '"') state = State::kString;
      if (here == '\'' && !digit_separator) state = State::kCharacter;
    } else if (here == '\n') {
      if (state != State::kBlockComment) state = State::kCode;
    } else if (state == State::kBlockComment && here == '*' && next == '/') {
      state = State::kCode;
      out[i] = out[i + 1] = ' ';
      ++i;
      continue;
    } else if (state == State::kString || state == State::kCharacter) {
      if (here == '\\' && next != '\n' && next != '\0') {
        out[i] = out[i + 1] = ' ';
        ++i;
        continue;
      }
      if (here == (state == State::kString ? '"' : '\'')) state = State::kCode;
    }
    if ((state != State::kCode || before != State::kCode) && here != '\n') out[i] = ' ';
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool has_between(std::string_view text, std::string_view word, bool (*joins)(char)) {
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool starts = at == 0 || !joins(text[at - 1]);
    const bool ends = end == text.size() || !joins(text[end]);
    if (starts && ends) return true;
  }
  return false;
}

}  // namespace weft::house
