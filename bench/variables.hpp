// The environment of this process, as drivers and peers that are loaded later find it.
#pragma once

#include <string>

namespace weft::bench {

void set_variable(const char* name, const std::string& value);  // "": takes it away

}  // namespace weft::bench
