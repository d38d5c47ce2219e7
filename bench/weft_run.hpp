// Weft's side of a measurement: a program recorded once.
#pragma once

#include <functional>
#include <string>

#include "measured.hpp"
#include "weft/weft.hpp"

namespace weft::bench {

struct WeftRun {
  Program program;
  std::string kernel;  // the row that runs; "" where the device has no timestamps to tell it by
  std::function<Result<reference::Array>()> output;
};

// Uploads the case's tensors and records its operation. Errors: the library's; unsupported for
// other cases.
Result<WeftRun> make_weft_run(const Device& device, Measured& measured);

}  // namespace weft::bench
