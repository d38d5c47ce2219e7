// Shared memory that a row's workgroups take, as its shader declares it.
#pragma once

#include <cstdint>

#include "decide/kernels.hpp"
#include "decide/select.hpp"

namespace weft::decide {

uint32_t shared_bytes(const AttentionRow& row, const AttentionProblem& problem,
                      const DeviceTraits& traits) noexcept;
uint32_t shared_bytes(const LinearRow& row, const DeviceTraits& traits) noexcept;

}  // namespace weft::decide
