// What was found out about a device, in a text file beside its pipeline cache: a first line that says
// which library wrote it, then "name<tab>text" lines.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "vulkan/cache_file.hpp"
#include "vulkan/device_state.hpp"
#include "vulkan/shaders.hpp"
#include "weft/version.hpp"

namespace weft::vulkan {
namespace {

using Notes = std::map<std::string, std::string>;
constexpr uint64_t kMaxBytes = 1u << 20;

// Other kernels, other findings: they are part of what tells libraries apart.
uint64_t kernels_checksum() {
  static const uint64_t sum = [] {
    std::vector<uint64_t> sums;
    for (uint32_t i = 0; i < static_cast<uint32_t>(decide::Shader::count); ++i)
      sums.push_back(checksum(std::as_bytes(spirv(static_cast<decide::Shader>(i)))));
    return checksum(std::as_bytes(std::span(sums)));
  }();
  return sum;
}

// The number changes with what findings mean: with what self-tests try, for one.
std::string first_line(const std::string& body) {
  char text[96];
  std::snprintf(text, sizeof text, "weft notes 2 %s %016llx %016llx\n", WEFT_VERSION,
                static_cast<unsigned long long>(kernels_checksum()),
                static_cast<unsigned long long>(checksum(std::as_bytes(std::span(body)))));
  return text;
}

std::string to_body(const Notes& notes) {
  std::string body;
  for (const auto& [name, text] : notes) body += name + "\t" + text + "\n";
  return body;
}

Notes from_body(const std::string& body) {
  Notes notes;
  for (size_t begin = 0; begin < body.size();) {
    const size_t end = std::min(body.find('\n', begin), body.size());
    const size_t tab = body.find('\t', begin);
    if (tab < end) notes[body.substr(begin, tab - begin)] = body.substr(tab + 1, end - tab - 1);
    begin = end + 1;
  }
  return notes;
}

// Nothing where the file is missing, damaged or another library's.
Notes read_notes(const DeviceState& device) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(device.notes_path, error);
  if (error) return {};
  std::ifstream file(device.notes_path, std::ios::binary);
  std::string text;
  if (bytes <= kMaxBytes) text.assign(std::istreambuf_iterator<char>(file), {});
  const size_t head = text.find('\n') + 1;  // 0 without a line
  const std::string body = text.substr(head);
  if (text.substr(0, head) == first_line(body)) return from_body(body);
  device.log(LogLevel::warning,
             "notes: ignored " + device.notes_path + ": it is damaged or another library's");
  return {};
}

Result<void> write_notes(const DeviceState& device) {
  const std::string body = to_body(device.notes), head = first_line(body);
  return replace_file("notes", device.notes_path, std::as_bytes(std::span(head)),
                      std::as_bytes(std::span(body)));
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  return text;
}

}  // namespace

void open_notes(DeviceState& device) {
  if (device.pipeline_cache_path.empty()) return;
  device.notes_path =
      std::filesystem::path(device.pipeline_cache_path).replace_extension(".notes").string();
  device.notes = read_notes(device);
}

std::string note(DeviceState& device, const std::string& name) {
  std::lock_guard lock(device.notes_mutex);
  const auto found = device.notes.find(one_line(name));
  return found == device.notes.end() ? std::string() : found->second;
}

void keep_note(DeviceState& device, const std::string& name, const std::string& text) {
  std::lock_guard lock(device.notes_mutex);
  device.notes[one_line(name)] = one_line(text);
  if (device.notes_path.empty()) return;
  device.notes.merge(read_notes(device));  // what other processes have found out meanwhile
  if (const auto written = write_notes(device); !written)
    device.log(LogLevel::warning, written.error().message);
}

std::string notes_file(const DeviceState& device) { return device.notes_path; }

void log(const DeviceState& device, LogLevel level, std::string_view text) {
  device.log(level, text);
}

}  // namespace weft::vulkan
