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

}  // namespace weft::bench
