#include "weft/safetensors.hpp"

#include <algorithm>

#include "io/file.hpp"
#include "io/safetensors_header.hpp"

namespace weft {
namespace {

constexpr size_t kLengthBytes = 8;

std::unexpected<Error> broken(std::string rule) {
  return fail(Code::invalid_argument, std::move(rule));
}

// The header's text, once its length is known to lie within the file.
Result<std::string_view> header_text(std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) {
    return broken("a file has at least 8 bytes, found " + std::to_string(bytes.size()));
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i)
    length |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  if (length > kMaxSafetensorsHeaderBytes) {
    return broken("the header's length is at most " + std::to_string(kMaxSafetensorsHeaderBytes) +
                  " bytes, found " + std::to_string(length));
  }
  if (length > bytes.size() - kLengthBytes) {
    return broken("the header's length is " + std::to_string(length) + " bytes, but only " +
                  std::to_string(bytes.size() - kLengthBytes) + " bytes follow");
  }
  return std::string_view(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                          static_cast<size_t>(length));
}

// Sizes fit their shapes, and sorted by offset the tensors touch from 0 to the end of the data.
Result<void> check_layout(const io::SafetensorsHeader& header, uint64_t data_bytes) {
  using Entry = std::map<std::string, TensorInfo, std::less<>>::value_type;
  std::vector<const Entry*> entries;
  for (const Entry& entry : header.tensors) entries.push_back(&entry);
  std::ranges::sort(entries, {}, [](const Entry* entry) {
    return std::pair(entry->second.begin, entry->second.end);
  });
  uint64_t expected_begin = 0;
  for (const Entry* entry : entries) {
    const auto& [name, info] = *entry;
    const auto tensor = [&] { return "tensor " + io::quote(name) + ": "; };
    const auto range = [&] {
      return "[" + std::to_string(info.begin) + ", " + std::to_string(info.end) + "]";
    };
    if (info.begin != expected_begin) {
      return broken(tensor() + (info.begin < expected_begin ? "overlaps" : "leaves a hole after") +
                    " the one before, which ends at " + std::to_string(expected_begin) +
                    "; data_offsets are " + range());
    }
    if (info.end < info.begin || info.end > data_bytes) {
      return broken(tensor() + "data_offsets are " + range() + ", the file has " +
                    std::to_string(data_bytes) + " bytes of data");
    }
    const auto expected_bytes = size_bytes(info.type, info.shape);
    if (!expected_bytes) return broken(tensor() + expected_bytes.error().message);
    if (*expected_bytes != info.end - info.begin) {
      return broken(tensor() + "type and shape ask for " + std::to_string(*expected_bytes) +
                    " bytes, data_offsets are " + range());
    }
    expected_begin = info.end;
  }
  if (expected_begin != data_bytes) {
    return broken("the tensors end at byte " + std::to_string(expected_begin) + " of " +
                  std::to_string(data_bytes) + " bytes of data");
  }
  return {};
}

struct Contents {
  io::SafetensorsHeader header;
  std::span<const std::byte> data;
};

Result<Contents> read_contents(std::span<const std::byte> bytes) {
  WEFT_ASSIGN(const std::string_view text, header_text(bytes));
  Contents contents;
  WEFT_ASSIGN(contents.header, io::parse_safetensors_header(text));
  contents.data = bytes.subspan(kLengthBytes + text.size());
  WEFT_TRY(check_layout(contents.header, contents.data.size()));
  return contents;
}

}  // namespace

Result<Safetensors> Safetensors::parse(std::span<const std::byte> bytes, const std::string& name) {
  auto contents = read_contents(bytes);
  if (!contents) {
    return fail(contents.error().code, "safetensors: " + name + ": " + contents.error().message);
  }
  Safetensors file;
  file.name_ = name;
  file.data_ = contents->data;
  file.tensors_ = std::move(contents->header.tensors);
  file.metadata_ = std::move(contents->header.metadata);
  return file;
}

Result<Safetensors> Safetensors::open(const std::string& path) {
  WEFT_ASSIGN(const auto view, io::FileView::open("safetensors", path));
  WEFT_ASSIGN(Safetensors file, parse(view->bytes(), path));
  file.file_ = view;
  return file;
}

Result<TensorView> Safetensors::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return fail(Code::invalid_argument,
                "safetensors: " + name_ + ": there is no tensor " + io::quote(name));
  }
  const TensorInfo& info = found->second;
  // Both fit size_t: they were checked against the size of the data.
  return TensorView{
      info.type, info.shape,
      data_.subspan(static_cast<size_t>(info.begin), static_cast<size_t>(info.end - info.begin))};
}

}  // namespace weft
