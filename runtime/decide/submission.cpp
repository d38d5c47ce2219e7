#include "decide/submission.hpp"

#include <limits>

namespace weft::decide {
namespace {

// Arithmetic per second, at a pace that the slowest row on an unlucky shape keeps: a core of 64 lanes at 1 GHz
// does 128e9 at its best, and a tenth of that is little. Where drivers don't count their cores, the pace of
// small discrete and of small integrated GPUs.
constexpr double kCore = 10e9;
constexpr double kDiscrete = 2e12;
constexpr double kOther = 0.5e12;

double flops_per_second(const DeviceTraits& traits) {
  if (traits.core_count > 0) return kCore * traits.core_count;
  return traits.type == DeviceType::discrete ? kDiscrete : kOther;
}

}  // namespace

double flops_per_submission(const DeviceTraits& traits) noexcept {
  if (traits.type == DeviceType::cpu) return std::numeric_limits<double>::infinity();
  return kSubmissionSeconds * flops_per_second(traits);
}

}  // namespace weft::decide
