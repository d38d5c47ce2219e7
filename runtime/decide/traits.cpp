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

const char* to_string(MatrixElement element) noexcept {
  switch (element) {
    case MatrixElement::f16:
      return "f16";
    case MatrixElement::bf16:
      return "bf16";
    case MatrixElement::f32:
      return "f32";
    case MatrixElement::i8:
      return "i8";
    case MatrixElement::u8:
      return "u8";
    case MatrixElement::i32:
      return "i32";
    case MatrixElement::u32:
      return "u32";
  }
  return "unknown";
}

const char* to_string(MatrixScope scope) noexcept {
  switch (scope) {
    case MatrixScope::subgroup:
      return "subgroup";
    case MatrixScope::workgroup:
      return "workgroup";
  }
  return "unknown";
}

}  // namespace weft
