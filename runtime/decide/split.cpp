#include "decide/split.hpp"

#include <algorithm>
#include <array>

namespace weft::decide {
namespace {

constexpr uint32_t kUnknownCores = 16;
constexpr double kNearlyFull = 0.8;
constexpr double kNearlyBest = 0.85;

// The share of the device that works, on average, while so many workgroups run.
double use(uint64_t workgroups, uint64_t at_a_time) {
  const uint64_t waves = (workgroups + at_a_time - 1) / at_a_time;
  return static_cast<double>(workgroups) / static_cast<double>(waves * at_a_time);
}

}  // namespace

// The rule of FlashAttention 2 (Dao-AILab/flash-attention, num_splits_heuristic), which counts two workgroups a
// core; a core of a CPU runs one.
uint32_t part_count(uint64_t workgroups, uint32_t kv_len, const DeviceTraits& traits) noexcept {
  const uint32_t cores = traits.core_count != 0 ? traits.core_count : kUnknownCores;
  const uint64_t at_a_time = uint64_t{cores} * (traits.type == DeviceType::cpu ? 1 : 2);
  if (workgroups == 0 || static_cast<double>(workgroups) >= kNearlyFull * static_cast<double>(at_a_time))
    return 1;
  const auto most = static_cast<uint32_t>(
      std::min({uint64_t{kMostParts}, at_a_time, uint64_t{kv_len / kLeastPartKeys}}));
  double best = 0;
  for (uint32_t parts = 1; parts <= most; ++parts) best = std::max(best, use(workgroups * parts, at_a_time));
  uint32_t parts = 1;
  while (parts < most && use(workgroups * parts, at_a_time) < kNearlyBest * best) ++parts;
  return parts;
}

}  // namespace weft::decide
