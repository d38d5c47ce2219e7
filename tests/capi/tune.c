// Measuring kernel rows through the C ABI.
#include "check.h"

static const weft_attention_desc kDesc = {
    .struct_size = sizeof(weft_attention_desc), .head_dim = 8, .q_len = 4, .kv_len = 4};

static weft_tuning* tuned(const weft_tune_options* options) {
  weft_tuning* tuning = NULL;
  MUST(weft_tune(device, &kDesc, options, &tuning, &error));
  return tuning;
}

static void test_report(void) {
  const weft_tune_options options = {
      .struct_size = sizeof options, .batch = 2, .max_seconds = 1e-6, .heads = 4, .kv_heads = 2};
  weft_tuning* tuning = tuned(&options);
  weft_tune_report report = {.struct_size = sizeof report};
  MUST(weft_tuning_report(tuning, &report, &error));
  CHECK(report.row_count >= 2 && report.seconds > 0 && report.fastest != NULL);
  CHECK(report.batch == 2 && report.heads == 4 && report.kv_heads == 2);
  uint32_t measured = 0;
  for (uint32_t i = 0; i < report.row_count; ++i) {
    weft_tune_row row = {.struct_size = sizeof row};
    MUST(weft_tuning_row(tuning, i, &row, &error));
    CHECK(row.kernel[0] != '\0' && (row.median_ns > 0) == (row.why_not[0] == '\0'));
    if (row.runs == 0) continue;
    ++measured;
    CHECK(strcmp(report.fastest, row.kernel) == 0);
  }
  CHECK(measured == 1);  // a millionth of a second is over before the second row
  weft_tune_row row = {.struct_size = sizeof row};
  WRONG("weft_tuning_row: index is", weft_tuning_row(tuning, report.row_count, &row, &error));
  WRONG("weft_tuning_row: row is NULL", weft_tuning_row(tuning, 0, NULL, &error));
  WRONG("weft_tuning_report: report is NULL", weft_tuning_report(tuning, NULL, &error));
  report.struct_size = row.struct_size = 4;
  WRONG("report.struct_size is 4", weft_tuning_report(tuning, &report, &error));
  WRONG("row.struct_size is 4", weft_tuning_row(tuning, 0, &row, &error));
  weft_tuning_release(tuning);
}

static weft_status tune_with(const void* in) {
  weft_attention_desc desc = kDesc;
  desc.q_len = 0;  // which is found out after the options were read
  weft_tuning* tuning = NULL;
  const weft_status status = weft_tune(device, &desc, in, &tuning, &error);
  CHECK(tuning == NULL);
  if (status == WEFT_INVALID_ARGUMENT && strstr(error.message, "must be known")) {
    error = (weft_error){.code = WEFT_OK};
    return WEFT_OK;
  }
  return status;
}

void test_tune(void) {
  test_report();
  const weft_tune_options defaults = {.struct_size = sizeof defaults};
  IN(defaults, max_seconds, tune_with);
  weft_tuning* tuning = (weft_tuning*)&error;  // must be emptied
  WRONG("weft_tune: device is NULL", weft_tune(NULL, &kDesc, NULL, &tuning, &error));
  CHECK(tuning == NULL);
  WRONG("weft_tune: desc is NULL", weft_tune(device, NULL, NULL, &tuning, &error));
  WRONG("weft_tune: tuning is NULL", weft_tune(device, &kDesc, NULL, NULL, &error));
  weft_tune_options options = {.struct_size = sizeof options, .max_seconds = -1};
  WRONG("max_seconds", weft_tune(device, &kDesc, &options, &tuning, &error));
  options = (weft_tune_options){.struct_size = sizeof options, .heads = 3, .kv_heads = 2};
  WRONG("kv_heads", weft_tune(device, &kDesc, &options, &tuning, &error));
  weft_attention_desc desc = kDesc;
  desc.kv_len = 0;
  WRONG("kv_len", weft_tune(device, &desc, NULL, &tuning, &error));
  weft_tune_report report = {.struct_size = sizeof report};
  weft_tune_row row = {.struct_size = sizeof row};
  WRONG("weft_tuning_report: tuning is NULL", weft_tuning_report(NULL, &report, &error));
  WRONG("weft_tuning_row: tuning is NULL", weft_tuning_row(NULL, 0, &row, &error));
  weft_tuning_release(NULL);
}
