// The environment variables that Weft reads, in one place.
#pragma once

#include <string>

namespace weft::base {

// The value of an environment variable, or an empty string.
std::string environment(const char* name);

// `value` if it is not empty, else the environment's.
inline std::string option(const std::string& value, const char* name) {
  return value.empty() ? environment(name) : value;
}

}  // namespace weft::base
