// Weft's side of a measurement.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "contender.hpp"
#include "operations.hpp"
#include "weft/weft.hpp"

namespace weft::bench {

struct WeftRun {
  Contender contender;                       // under all clocks that the device has
  std::shared_ptr<OperationLog> operations;  // of each run under the device's clock
  uint64_t transient_bytes = 0;
  std::function<Result<reference::Array>()> output;
  // Of a weights line, which runs as maps are collected: the fused attention alone, which the
  // weights add to.
  std::optional<Contender> alone;
};

// Uploads the case's tensors and records its operation; of weights, an attention and then the
// weights. Errors: the library's; unsupported for other cases.
Result<WeftRun> make_weft_run(const Device& device, Measured& measured);

// The case's first call on a device opened for each run: the first_wall and first_record clocks,
// without opening and uploading. `rows`: the kernel rows, as of the case's other clocks.
Contender first_call(const std::string& device_name, const Problem& problem,
                     const std::string& rows);

// One run of a program, waited for: the wall and host_replay clocks.
Result<Times> run_program(const Program& program);

}  // namespace weft::bench
