// Weft's side of a measurement.
#pragma once

#include <functional>
#include <string>

#include "contender.hpp"
#include "weft/weft.hpp"

namespace weft::bench {

struct WeftRun {
  Contender contender;  // under all clocks that the device has
  uint64_t transient_bytes = 0;
  std::function<Result<reference::Array>()> output;
};

// Uploads the case's tensors and records its operation. Errors: the library's; unsupported for
// other cases.
Result<WeftRun> make_weft_run(const Device& device, Measured& measured);

// One run of a program, waited for: the wall and host_replay clocks, and device where it keeps
// timestamps.
Result<Times> run_program(const Program& program);
Result<double> device_ns(const Program& program);

}  // namespace weft::bench
