// The SPIR-V modules as files, for tools that read them.
#pragma once

#include <string>
#include <vector>

#include "weft/error.hpp"

namespace weft::drivers {

// Writes folder/plain/ID.spv, or folder/matrix/ID.spv for a module with cooperative matrices, and
// returns the paths. Errors: invalid_argument (a file can't be written).
Result<std::vector<std::string>> write_modules(const std::string& folder);

}  // namespace weft::drivers
