// The index of a checkpoint in several files.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "weft/error.hpp"

namespace weft::io {

// A tensor's name to the name of the file that holds it.
using WeightMap = std::map<std::string, std::string, std::less<>>;

// Parses the text of an index and checks all that weft/checkpoint.hpp says of it and that can be
// known without the files. Error messages have no prefix.
Result<WeightMap> parse_checkpoint_index(std::string_view text);

}  // namespace weft::io
