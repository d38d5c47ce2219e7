// Runs weights and merge cases on a device and judges them.
#pragma once

#include "device/fixture.hpp"

namespace weft::test {

// Checks of the running test, which name the case.
void check_weights(const Device& device, const cases::WeightsCase& problem);
void check_merge(const Device& device, const cases::MergeCase& problem);

}  // namespace weft::test
