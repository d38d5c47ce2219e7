// What recording these operations shares.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/checks.hpp"
#include "vulkan/device.hpp"
#include "weft/ops.hpp"

namespace weft::ops {

// Given tensors must be of the recorder's device, and their rows within its reach.
inline Result<void> check_device(const checks::Rules& rules, const Recorder& recorder,
                                 std::initializer_list<checks::Operand> operands) {
  return vulkan::check_operands(rules, operands, recorder.device(), checks::kMaxCount);
}

// A long line of workgroups folded into x and y, as lib/grid.glsl unfolds it.
inline std::array<uint64_t, 3> folded_grid(const DeviceTraits& traits, uint64_t workgroups) {
  const uint64_t x = std::clamp<uint64_t>(workgroups, 1, traits.max_workgroup_count[0]);
  return {x, checks::ceil_div(workgroups, x), 1};
}

// The same for kernels whose invocations own four elements of a row; errors: more than the device's grids hold.
inline Result<std::array<uint64_t, 3>> element_grid(const checks::Rules& rules, const DeviceTraits& traits,
                                                    uint64_t rows, uint64_t dim, uint32_t local_size) {
  const auto groups = folded_grid(traits, checks::ceil_div(rows * checks::ceil_div(dim, 4), local_size));
  WEFT_TRY(rules.grid(traits, groups, {"blocks of elements", "blocks of elements", ""}));
  return groups;
}

// The same for slices of [batch, heads, length, dim]: each has a place along z, heads fastest.
inline Result<std::array<uint64_t, 3>> slice_grid(const checks::Rules& rules, const DeviceTraits& traits,
                                                  uint64_t groups_of_slice, uint32_t local_size,
                                                  uint64_t slices) {
  auto groups = folded_grid(traits, checks::ceil_div(groups_of_slice, local_size));
  groups[2] = slices;
  WEFT_TRY(rules.grid(traits, groups, {"blocks of elements", "blocks of elements", "heads times the batch"}));
  return groups;
}

}  // namespace weft::ops
