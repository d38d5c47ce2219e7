// Shared memory that a row's workgroups take, as its shader declares it.
#pragma once

#include <cstdint>

#include "decide/kernels.hpp"

namespace weft::decide {

uint32_t shared_bytes(const AttentionRow& row, uint32_t head_dim, uint32_t value_dim,
                      const DeviceTraits& traits) noexcept;
uint32_t shared_bytes(const LinearRow& row, const DeviceTraits& traits) noexcept;

}  // namespace weft::decide
