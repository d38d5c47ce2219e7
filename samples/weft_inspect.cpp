// Says what a checkpoint holds: its tensors, and the cross-attention blocks that Weft can load from
// it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "weft/checkpoint.hpp"
#include "weft/families.hpp"
#include "weft/version.hpp"

namespace {

struct Sum {
  uint64_t tensors = 0, bytes = 0;
};

std::string size_text(uint64_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(units)) size /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
  return text;
}

// A file's text without what would steer a terminal.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (const uint64_t length : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(length);
  return text + "]";
}

void print_summary(const std::string& path, const weft::Checkpoint& checkpoint) {
  std::map<weft::ElementType, Sum> types;
  Sum all;
  for (const auto& [name, tensor] : checkpoint.tensors())
    for (Sum* sum : {&types[tensor.info.type], &all}) {
      ++sum->tensors;
      sum->bytes += tensor.info.end - tensor.info.begin;
    }
  std::printf("%s: %llu tensors, %s, in %zu %s\n", path.c_str(),
              static_cast<unsigned long long>(all.tensors), size_text(all.bytes).c_str(),
              checkpoint.files().size(), checkpoint.files().size() == 1 ? "file" : "files");
  for (const auto& [type, sum] : types)
    std::printf("  %-8s %6llu tensors, %s\n", weft::to_string(type),
                static_cast<unsigned long long>(sum.tensors), size_text(sum.bytes).c_str());
}

void print_tensors(const weft::Checkpoint& checkpoint) {
  for (const auto& [name, tensor] : checkpoint.tensors())
    std::printf("  %-8s %-20s %s\n", weft::to_string(tensor.info.type),
                shape_text(tensor.info.shape).c_str(), printable(name).c_str());
}

std::string number_or_unknown(int64_t number) { return number > 0 ? std::to_string(number) : "?"; }

void print_block(const weft::FoundBlock& block) {
  std::printf("  %-20s \"%s\"\n    dim %s, context %s", block.family.c_str(),
              printable(block.prefix).c_str(), number_or_unknown(block.dim).c_str(),
              number_or_unknown(block.context_dim).c_str());
  if (block.heads == 0)
    std::printf(", heads not told by shapes\n");
  else
    std::printf(", heads %u, with keys %u, head_dim %s\n", block.heads, block.kv_heads,
                number_or_unknown(block.head_dim).c_str());
  for (const std::string& name : block.missing)
    std::printf("    missing %s\n", printable(name).c_str());
  for (const std::string& what : block.wrong)
    std::printf("    wrong   %s\n", printable(what).c_str());
}

bool is_whole(const weft::FoundBlock& block) {
  return block.missing.empty() && block.wrong.empty();
}

// 0, or 1 where a family was asked for and has no whole block.
int print_blocks(const weft::Checkpoint& checkpoint, const weft::FamilyInfo* only) {
  size_t shown = 0, whole = 0;
  std::map<std::string, int> families_at;  // that read the same place
  const std::vector<weft::FoundBlock> blocks = weft::find_blocks(checkpoint);
  for (const weft::FoundBlock& block : blocks) {
    if (only && block.family != only->name) continue;
    if (shown++ == 0) std::printf("blocks:\n");
    print_block(block);
    whole += is_whole(block) ? 1 : 0;
    ++families_at[block.prefix];
  }
  if (shown > 0)
    std::printf("%zu of %zu whole\n", whole, shown);
  else if (only)
    std::printf("no block of %s, which would hold a tensor such as %s\n", only->name,
                only->example);
  else
    std::printf("no block of a family that Weft knows\n");
  for (const auto& [prefix, count] : families_at)
    if (count > 1) {
      std::printf(
          "where a prefix is listed twice, nothing in the file tells those families apart\n");
      break;
    }
  return only && whole == 0 ? 1 : 0;
}

void print_families() {
  for (const weft::FamilyInfo& info : weft::families())
    std::printf("%-20s %s\n%21s%s\n%21s%s\n", info.name, info.models, "", info.block, "",
                info.example);
}

const weft::FamilyInfo* find_family(const std::string& name) {
  for (const weft::FamilyInfo& info : weft::families())
    if (info.name == name) return &info;
  return nullptr;
}

int fail(const std::string& message) {
  std::fprintf(stderr, "weft_inspect: %s\n", message.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Lists a checkpoint's tensors and the cross-attention blocks that Weft can load from it."};
  std::string path, family;
  bool tensors = false, families = false;
  app.set_version_flag("--version", "weft_inspect " WEFT_VERSION);
  app.add_option("file", path, "A safetensors file, the index of a sharded one, or their folder");
  app.add_flag("--tensors", tensors, "List every tensor");
  app.add_option("--family", family, "Blocks of this family only; exit code 1 where none is whole");
  app.add_flag("--families", families, "List the families that Weft knows");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  if (families) print_families();
  if (path.empty()) return families ? 0 : fail("a file is needed; see --help");
  const weft::FamilyInfo* only = find_family(family);
  if (!family.empty() && !only)
    return fail("there is no family \"" + family + "\"; --families lists them");
  const auto checkpoint = weft::Checkpoint::open(path);
  if (!checkpoint) return fail(checkpoint.error().message);
  print_summary(path, *checkpoint);
  if (tensors) print_tensors(*checkpoint);
  return print_blocks(*checkpoint, only);
}
