// The device's own ceilings, measured: arithmetic without memory, and memory without arithmetic.
#pragma once

#include <string>
#include <vector>

#include "weft/error.hpp"
#include "weft/traits.hpp"

namespace weft::bench {

struct Ceiling {
  std::string id;  // fma_f32, fma_f16, matrix_f16_f32, copy, read
  double value = 0;
  std::string unit;  // flop/s or byte/s; a copied byte counts twice, read and written
  std::string detail;
};

// On a VkDevice of its own on the same physical device; a few seconds on a CPU. What the device
// lacks is left out. Errors: no_device, internal (the driver's answer).
Result<std::vector<Ceiling>> measure_ceilings(const DeviceTraits& traits);

}  // namespace weft::bench
