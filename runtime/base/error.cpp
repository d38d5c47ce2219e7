#include "weft/error.hpp"

namespace weft {

const char* to_string(Code code) noexcept {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::invalid_argument:
      return "invalid_argument";
    case Code::unsupported:
      return "unsupported";
    case Code::out_of_memory:
      return "out_of_memory";
    case Code::device_lost:
      return "device_lost";
    case Code::no_device:
      return "no_device";
    case Code::timeout:
      return "timeout";
    case Code::internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace weft
