// Rows that must prove themselves on a device before they may be chosen: what attention and linear
// share of it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "decide/select.hpp"
#include "vulkan/device.hpp"
#include "weft/recorder.hpp"

namespace weft::schedule {

// A trial of one row: empty where its results are right, else what is wrong with them.
using Trial = std::function<Result<std::string>()>;

// Why a row's self-test bars it; empty: it may be chosen. Runs `trial` unless the answer is known; no
// lock is held meanwhile, so two threads may both run it. Errors: device_lost, out_of_memory, timeout
// of the trial; any other is a failure of the row.
Result<std::string> self_test(vulkan::DeviceState& device, const char* row, const Trial& trial);

// Adds to `findings` until the row that they select has passed, needs no test, or none is left.
// `select(findings)` answers with a row, `trial(row)` as Trial.
template <class Select, class RowTrial>
Result<decide::Findings> vet(vulkan::DeviceState& device, decide::Findings findings,
                             const Select& select, const RowTrial& trial) {
  for (;;) {
    const auto row = select(findings);
    if (!row || !(*row)->self_test) return findings;
    WEFT_ASSIGN(std::string why, self_test(device, (*row)->name, [&] { return trial(**row); }));
    if (why.empty()) return findings;
    findings.vetoes.push_back({(*row)->name, std::move(why)});
  }
}

// ---- Parts of a trial ----

// Numbers -1, -63/64 ... 1, which every floating type holds exactly; the same for the same seed.
std::vector<float> trial_numbers(size_t count, uint32_t seed);
// A dense tensor of the numbers, rounded to its type (f32, f16, bf16, i32, u8), and what it holds.
Result<Tensor> trial_tensor(const Device& device, DType dtype, const Dims& shape,
                            const std::vector<float>& numbers);

// What an output tensor should hold.
struct Expected {
  const char* name;
  Tensor tensor;
  std::vector<double> values;
  double tolerance;  // absolute
};
// Output of a trial, filled with NaN: an element that is not written is seen.
Result<Tensor> trial_output(const Device& device, DType dtype, const Dims& shape);
// Runs what is recorded; as Trial.
Result<std::string> run_and_compare(Recorder& recorder, std::span<const Expected> outputs);

}  // namespace weft::schedule
