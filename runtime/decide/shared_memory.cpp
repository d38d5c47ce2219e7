#include "decide/shared_memory.hpp"

namespace weft::decide {

uint32_t shared_bytes(const AttentionRow& row, uint32_t head_dim, uint32_t value_dim,
                      const DeviceTraits& traits) noexcept {
  switch (row.path) {
    case Path::lane:
    case Path::tile:
    case Path::short_keys:
    case Path::split:
    case Path::coopmat:
    case Path::coopmat2:
      break;
  }
  static_cast<void>(head_dim);
  static_cast<void>(value_dim);
  static_cast<void>(traits);
  return 0;
}

uint32_t shared_bytes(const LinearRow& row, const DeviceTraits& traits) noexcept {
  static_cast<void>(row);
  static_cast<void>(traits);
  return 0;
}

}  // namespace weft::decide
