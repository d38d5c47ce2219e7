// The JSON header of a safetensors file, both ways.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "weft/safetensors.hpp"

namespace weft::io {

struct SafetensorsHeader {
  std::map<std::string, TensorInfo, std::less<>> tensors;
  Metadata metadata;
};

// Parses the header's text and checks everything that can be known without the data: the form,
// duplicate keys, types and ranks. Offsets are taken as they are. Error messages have no prefix.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view text);

// A string as it may stand in a message: quoted, escaped to ASCII, shortened.
std::string quote(std::string_view text);

// A JSON string literal. invalid_argument if `text` is not UTF-8.
Result<std::string> json_string(const std::string& text);

}  // namespace weft::io
