#include "base/options.hpp"

#include <cstdlib>

namespace weft::base {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace weft::base
