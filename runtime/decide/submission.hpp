// How much work one submission may hold.
#pragma once

#include "weft/traits.hpp"

namespace weft::decide {

// Arithmetic that a device surely does in kSubmissionSeconds; infinite on CPU devices, which have no watchdog.
inline constexpr double kSubmissionSeconds = 0.1;
double flops_per_submission(const DeviceTraits& traits) noexcept;

}  // namespace weft::decide
