// Measuring which kernel row is the fastest for an attention on a device, once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weft/attention.hpp"
#include "weft/export.hpp"

namespace weft {

struct TuneOptions {
  // Seconds after which no further row is taken up and none runs again; above 0. Making pipelines
  // counts, and takes most of it; one that is being made, a self-test or a run that has begun is
  // waited for. The row chosen so far is measured whatever it takes.
  double max_seconds = 20;
  // The calls that are measured: made-up numbers of the description's lengths. Halved, batch first, until
  // everything fits `max_bytes`.
  uint32_t batch = 1;
  uint32_t heads = 8;
  uint32_t kv_heads = 0;  // divides heads; 0: as many as heads
  uint64_t max_bytes = 256u << 20;
};

// What was found out about one kernel row.
struct TuneRow {
  std::string kernel;
  double median_ns = 0;  // of one call: device time, or host time where the device can't measure; 0: not measured
  uint32_t runs = 0;     // that the median is of
  std::string why_not;   // why it was not measured, "the time was over" for instance; empty: it was
};

struct TuneReport {
  std::vector<TuneRow> rows;  // as the kernel list has them
  std::string fastest;        // the row, of those measured, that such attentions run on from now on
  uint32_t batch = 0;  // as measured
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  double seconds = 0;  // that it took
};

// Runs every row that can run the description, is not disabled (DeviceOptions::disable) and has
// passed its self-test, in turns, as far as the time allows: first the row chosen so far, then
// those preferred for such calls on this device, last those preferred on others. Keeps the fastest
// of the rows measured: calls with the same types, dims, mask and features whose lengths are of one
// class (powers of two, and the lengths at which rows change) choose it from now on, in this
// process, and, where there is a cache folder, in later ones with the same device, driver and
// library. Attention objects planned before keep their row; a forced row (DeviceOptions::kernel)
// still comes first. Of rows within 3 percent of each other the first measured is kept. A causal or
// windowed description is measured as causal, packed items as equally long ones, softcap as 30,
// null keys as one.
// Waits for the device; other work on it meanwhile falsifies what is measured. Thread safety: any thread.
// Errors: invalid_argument (the description, its lengths unknown, options out of range); unsupported (no row can
// run it; max_bytes is too small for one head); out_of_memory, device_lost.
WEFT_EXPORT Result<TuneReport> tune(const Device& device, const AttentionDesc& desc,
                                    const TuneOptions& options = {});

}  // namespace weft
