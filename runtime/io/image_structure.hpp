// Whether a file is a PNG or a JPEG, and whole.
#pragma once

#include <cstdint>
#include <span>

#include "weft/error.hpp"

namespace weft::io {

// Walks the file's chunks or segments to its end mark and checks the PNG checksums. The decoder
// itself looks at neither: it fills what is missing with grey and reports success.
// invalid_argument: empty, truncated or broken; unsupported: another format. Messages have no
// prefix.
Result<void> check_image_structure(std::span<const uint8_t> bytes);

}  // namespace weft::io
