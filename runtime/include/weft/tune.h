// Measuring which kernel row is the fastest for an attention on a device, in C. Part of weft.h.
// weft/tune.hpp says what is measured and how long the choice lasts.
#ifndef WEFT_TUNE_H_INCLUDED
#define WEFT_TUNE_H_INCLUDED

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_tune_options {
  uint32_t struct_size;
  uint32_t batch;      // of the calls that are measured. 0: 1
  double max_seconds;  // after which no further row is taken up and none runs again. 0: 20
  uint32_t heads;      // 0: 8
  uint32_t kv_heads;   // divides heads. 0: as many as heads
  uint64_t max_bytes;  // batch, then heads are halved until the tensors fit. 0: 256 MiB
} weft_tune_options;

typedef struct weft_tune_row {
  uint32_t struct_size;
  uint32_t runs;        // that the median is of
  const char* kernel;   // these texts live as long as the weft_tuning
  double median_ns;     // of one call; 0: not measured
  const char* why_not;  // why it was not measured; "": it was
} weft_tune_row;

typedef struct weft_tune_report {
  uint32_t struct_size;
  uint32_t row_count;
  const char* fastest;  // the row, of those measured, that such attentions run on from now on
  double seconds;  // that it took
  uint32_t batch;  // as measured
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t reserved;
} weft_tune_report;

// Runs every row that can run `desc`, whose lengths must be known, in turns, as far as the time
// allows, and keeps the fastest; the row chosen so far is always among them. `options` may be NULL.
// Waits for the device; other work on it meanwhile falsifies what is measured. Errors:
// invalid_argument, unsupported (no row can run it; max_bytes is too small for one head),
// out_of_memory, device_lost.
typedef struct weft_tuning weft_tuning;
WEFT_EXPORT weft_status weft_tune(const weft_device* device, const weft_attention_desc* desc,
                                  const weft_tune_options* options, weft_tuning** tuning,
                                  weft_error* error);
WEFT_EXPORT weft_status weft_tuning_report(const weft_tuning* tuning, weft_tune_report* report,
                                           weft_error* error);
// Rows 0 to row_count - 1, as the kernel list has them.
WEFT_EXPORT weft_status weft_tuning_row(const weft_tuning* tuning, uint32_t index,
                                        weft_tune_row* row, weft_error* error);
WEFT_EXPORT void weft_tuning_release(weft_tuning* tuning);

#ifdef __cplusplus
}
#endif

#endif  // WEFT_TUNE_H_INCLUDED
