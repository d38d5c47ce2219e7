// Into how many parts the keys of an attention are split, so that few query rows still fill a device.
#pragma once

#include <cstdint>

#include "decide/kernels.hpp"
#include "weft/traits.hpp"

namespace weft::decide {

inline constexpr uint32_t kMostParts = 128;
inline constexpr uint32_t kLeastPartKeys = 256;  // fewer are not worth a workgroup of their own

// Parts for `workgroups` that are there without splitting: 1 where these nearly fill the device, else the fewest
// that fill it almost as evenly as any number does.
uint32_t part_count(uint64_t workgroups, uint32_t kv_len, const DeviceTraits& traits) noexcept;

// Whether kernels of a path, other than split, can take a part of the keys a workgroup (AttentionArgs::parts).
constexpr bool takes_parts(Path path) noexcept {
  return path == Path::tile || path == Path::coopmat || path == Path::coopmat2;
}

}  // namespace weft::decide
