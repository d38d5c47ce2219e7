// The environment of this process, as drivers and peers that are loaded later find it.
#pragma once

#include <string>

namespace weft::bench {

void set_variable(const char* name, const std::string& value);  // "": takes it away

// Devices that are opened later compile everything anew: no cache of Weft's, of Mesa's drivers or
// of NVIDIA's. Before any driver is loaded, since they look once.
void turn_caches_off();

}  // namespace weft::bench
