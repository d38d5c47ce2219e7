// What stands in a safetensors file before the data, both ways.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/safetensors.hpp"

namespace weft::io {

struct SafetensorsHeader {
  std::map<std::string, TensorInfo, std::less<>> tensors;
  Metadata metadata;
};

// Parses the header's text and checks everything that can be known without the data: the form,
// duplicate keys, types and ranks. Offsets are taken as they are. Error messages have no prefix.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view text);

// A file to be written.
struct SafetensorsParts {
  std::string header;  // its length in 8 bytes, then its text
  std::vector<std::span<const std::byte>> data;
};

// The parts of a file of these tensors. Errors are those of write_safetensors, without a prefix.
Result<SafetensorsParts> safetensors_parts(const std::map<std::string, TensorView>& tensors,
                                           const Metadata& metadata);

// A string as it may stand in a message: quoted, escaped to ASCII, shortened.
std::string quote(std::string_view text);

// A JSON string literal. invalid_argument if `text` is not UTF-8.
Result<std::string> json_string(const std::string& text);

}  // namespace weft::io
