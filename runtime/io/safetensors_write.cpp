// The writer.
#include <algorithm>
#include <utility>

#include "io/file.hpp"
#include "io/safetensors_header.hpp"
#include "weft/safetensors.hpp"

namespace weft {
namespace {

std::unexpected<Error> broken(std::string rule) {
  return fail(Code::invalid_argument, std::move(rule));
}

using NamedView = std::pair<const std::string, TensorView>;

// Descending by type: the order of the enumeration is that of alignment.
std::vector<const NamedView*> in_file_order(const std::map<std::string, TensorView>& tensors) {
  std::vector<const NamedView*> order;
  for (const NamedView& tensor : tensors) order.push_back(&tensor);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](const NamedView* tensor) { return tensor->second.type; });
  return order;
}

// {"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}
std::string entry_text(const TensorView& view, uint64_t begin) {
  std::string text = std::string("{\"dtype\":\"") + to_string(view.type) + "\",\"shape\":[";
  for (size_t axis = 0; axis < view.shape.size(); ++axis) {
    text += (axis > 0 ? "," : "") + std::to_string(view.shape[axis]);
  }
  return text + "],\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(begin + view.data.size()) + "]}";
}

Result<void> check_view(const std::string& name, const TensorView& view) {
  if (name == "__metadata__") return broken("no tensor may be named __metadata__");
  if (view.shape.size() > kMaxSafetensorsRank) {
    return broken("tensor " + io::quote(name) + ": at most " + std::to_string(kMaxSafetensorsRank) +
                  " axes, found " + std::to_string(view.shape.size()));
  }
  const auto expected = size_bytes(view.type, view.shape);
  if (!expected) return broken("tensor " + io::quote(name) + ": " + expected.error().message);
  if (*expected != view.data.size()) {
    return broken("tensor " + io::quote(name) + ": type and shape ask for " +
                  std::to_string(*expected) + " bytes, data has " +
                  std::to_string(view.data.size()));
  }
  return {};
}

Result<std::string> metadata_text(const Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    WEFT_ASSIGN(const std::string key_text, io::json_string(key));
    WEFT_ASSIGN(const std::string value_text, io::json_string(value));
    text += (text.empty() ? "" : ",") + key_text + ":" + value_text;
  }
  return "\"__metadata__\":{" + text + "}";
}

Result<void> check_header_size(uint64_t bytes) {
  if (bytes <= kMaxSafetensorsHeaderBytes) return {};
  return broken("the header's length is at most " + std::to_string(kMaxSafetensorsHeaderBytes) +
                " bytes, needed are at least " + std::to_string(bytes));
}

// A header far too long is refused before it is made.
uint64_t least_header_size(const std::vector<const NamedView*>& order, const Metadata& metadata) {
  uint64_t bytes = 0;
  for (const auto& [key, value] : metadata) bytes += key.size() + value.size();
  for (const NamedView* tensor : order) bytes += tensor->first.size();
  return bytes;
}

Result<std::string> header_of(const std::vector<const NamedView*>& order,
                              const Metadata& metadata) {
  WEFT_TRY(check_header_size(least_header_size(order, metadata)));
  std::string text = "{";
  if (!metadata.empty()) {
    WEFT_ASSIGN(text, metadata_text(metadata));
    text.insert(0, "{");
  }
  uint64_t begin = 0;
  for (const NamedView* tensor : order) {
    const auto& [name, view] = *tensor;
    WEFT_TRY(check_view(name, view));
    WEFT_ASSIGN(const std::string name_text, io::json_string(name));
    text += (text.size() > 1 ? "," : "") + name_text + ":" + entry_text(view, begin);
    begin += view.data.size();
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  WEFT_TRY(check_header_size(text.size()));
  return text;
}

}  // namespace

Result<io::SafetensorsParts> io::safetensors_parts(const std::map<std::string, TensorView>& tensors,
                                                   const Metadata& metadata) {
  const std::vector<const NamedView*> order = in_file_order(tensors);
  WEFT_ASSIGN(const std::string text, header_of(order, metadata));
  SafetensorsParts parts;
  for (size_t i = 0; i < sizeof(uint64_t); ++i)
    parts.header += static_cast<char>(uint64_t{text.size()} >> (8 * i) & 0xff);
  parts.header += text;
  for (const NamedView* tensor : order) parts.data.push_back(tensor->second.data);
  return parts;
}

Result<void> write_safetensors(const std::string& path,
                               const std::map<std::string, TensorView>& tensors,
                               const Metadata& metadata) {
  const auto parts = io::safetensors_parts(tensors, metadata);
  if (!parts)
    return fail(parts.error().code, "write_safetensors: " + path + ": " + parts.error().message);
  std::vector<std::span<const std::byte>> bytes = {std::as_bytes(std::span(parts->header))};
  bytes.insert(bytes.end(), parts->data.begin(), parts->data.end());
  return io::write_file("write_safetensors", path, bytes);
}

}  // namespace weft
