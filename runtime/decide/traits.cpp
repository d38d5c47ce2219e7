#include "weft/traits.hpp"

namespace weft {

const char* to_string(DeviceType type) noexcept {
  switch (type) {
    case DeviceType::other:
      return "other";
    case DeviceType::integrated:
      return "integrated";
    case DeviceType::discrete:
      return "discrete";
    case DeviceType::virtual_gpu:
      return "virtual";
    case DeviceType::cpu:
      return "cpu";
  }
  return "unknown";
}

}  // namespace weft
