// Measuring kernel rows in C.
#include "weft/tune.hpp"

#include "capi/structs.hpp"

using namespace weft;
using namespace weft::capi;

template <>
inline constexpr size_t weft::capi::kRequiredBytes<weft_tune_options> = offsetof(weft_tune_options,
                                                                                 max_seconds);
template <>
inline constexpr size_t weft::capi::kRequiredBytes<weft_tune_row> = offsetof(weft_tune_row, kernel);
template <>
inline constexpr size_t weft::capi::kRequiredBytes<weft_tune_report> = offsetof(weft_tune_report,
                                                                                fastest);

struct weft_tuning : Handle {
  TuneReport report;
};

namespace {

Result<TuneOptions> read_options(Function function, const weft_tune_options* in) {
  TuneOptions out;
  if (!in) return out;
  WEFT_ASSIGN(const weft_tune_options options, read(function, "options", in));
  if (options.batch != 0) out.batch = options.batch;
  if (options.max_seconds != 0) out.max_seconds = options.max_seconds;
  if (options.heads != 0) out.heads = options.heads;
  out.kv_heads = options.kv_heads;
  if (options.max_bytes != 0) out.max_bytes = options.max_bytes;
  return out;
}

}  // namespace

weft_status weft_tune(const weft_device* device, const weft_attention_desc* desc,
                      const weft_tune_options* options, weft_tuning** tuning, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "tuning", tuning));
    WEFT_TRY(function.given("device", device));
    WEFT_ASSIGN(const AttentionDesc what, read_desc(function, desc));
    WEFT_ASSIGN(const TuneOptions chosen, read_options(function, options));
    WEFT_ASSIGN(TuneReport report, tune(device->device, what, chosen));
    return make(function, device->allocator, tuning, std::move(report));
  });
}

weft_status weft_tuning_report(const weft_tuning* tuning, weft_tune_report* report,
                               weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("tuning", tuning));
    WEFT_TRY(begin_output(function, "report", report));
    const TuneReport& from = tuning->report;
    weft_tune_report to{};
    to.row_count = static_cast<uint32_t>(from.rows.size());
    to.fastest = from.fastest.c_str();
    to.seconds = from.seconds;
    to.batch = from.batch;
    to.heads = from.heads;
    to.kv_heads = from.kv_heads;
    write(to, report);
    return {};
  });
}

weft_status weft_tuning_row(const weft_tuning* tuning, uint32_t index, weft_tune_row* row,
                            weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("tuning", tuning));
    WEFT_TRY(begin_output(function, "row", row));
    if (index >= tuning->report.rows.size())
      return function.broken("index is ", index, "; there are ", tuning->report.rows.size(),
                             " rows");
    const TuneRow& from = tuning->report.rows[index];
    weft_tune_row to{};
    to.runs = from.runs;
    to.kernel = from.kernel.c_str();
    to.median_ns = from.median_ns;
    to.why_not = from.why_not.c_str();
    write(to, row);
    return {};
  });
}

void weft_tuning_release(weft_tuning* tuning) { release(tuning); }
