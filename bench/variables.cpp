#include "variables.hpp"

#include <cstdlib>

namespace weft::bench {

void set_variable(const char* name, const std::string& value) {
#ifdef _WIN32
  _putenv_s(name, value.c_str());
#else
  if (value.empty())
    unsetenv(name);
  else
    setenv(name, value.c_str(), 1);
#endif
}

void turn_caches_off() {
  set_variable("WEFT_CACHE_DIR", "");
  set_variable("MESA_SHADER_CACHE_DISABLE", "true");
  set_variable("__GL_SHADER_DISK_CACHE", "0");
}

}  // namespace weft::bench
