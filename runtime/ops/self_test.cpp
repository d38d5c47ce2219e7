// Linear rows on trial: a small product on the device against the same sum on the host.
#include <algorithm>
#include <array>
#include <vector>

#include "base/text.hpp"
#include "ops/linear.hpp"
#include "schedule/self_test.hpp"
#include "vulkan/device.hpp"

namespace weft::ops {
namespace {

using schedule::trial_numbers;
using schedule::trial_tensor;

// What blocks of rows, columns and features leave over; with a bias and a rectifier, or without.
struct Problem {
  uint32_t rows, in_features, out_features;
  bool bias;
};

std::vector<double> solve(const Problem& p, const std::vector<float>& input,
                          const std::vector<float>& weight, const std::vector<float>& bias) {
  std::vector<double> output;
  for (uint32_t i = 0; i < p.rows; ++i)
    for (uint32_t j = 0; j < p.out_features; ++j) {
      double sum = p.bias ? bias[j] : 0;
      for (uint32_t k = 0; k < p.in_features; ++k)
        sum += double{input[size_t{i} * p.in_features + k]} * weight[size_t{j} * p.in_features + k];
      output.push_back(p.bias ? std::max(sum, 0.0) : sum);
    }
  return output;
}

Result<std::string> try_problem(const Device& device, const decide::LinearRow& row, const Problem& p) {
  const DType dtype = row.inputs == decide::Inputs::bf16 ? DType::bf16 : DType::f16;
  const auto input = trial_numbers(size_t{p.rows} * p.in_features, 1);
  const auto weight = trial_numbers(size_t{p.out_features} * p.in_features, 2);
  const auto bias = trial_numbers(p.out_features, 3);
  LinearCall call;
  WEFT_ASSIGN(call.input, trial_tensor(device, dtype, {p.rows, p.in_features}, input));
  WEFT_ASSIGN(call.weight, trial_tensor(device, dtype, {p.out_features, p.in_features}, weight));
  // Products of such numbers, and their sums here, are exact in fp32: so are the results.
  WEFT_ASSIGN(call.output, schedule::trial_output(device, DType::f32, {p.rows, p.out_features}));
  if (p.bias) {
    WEFT_ASSIGN(call.bias, trial_tensor(device, dtype, {p.out_features}, bias));
    call.activation = Activation::relu;
  }
  WEFT_ASSIGN(const LinearShape shape, validate(call));
  Recorder recorder(device);
  WEFT_TRY(record(recorder, call, shape, row));
  const std::array expected{
      schedule::Expected{"output", call.output, solve(p, input, weight, bias), 1e-4}};
  return schedule::run_and_compare(recorder, expected);
}

Result<std::string> trial(const Device& device, const decide::LinearRow& row) {
  const uint32_t rows = decide::block_rows(row) + 5, columns = decide::block_columns(row) + 4;
  for (const Problem& p : {Problem{rows, 64, columns, false}, Problem{rows, 72, columns, true}}) {
    WEFT_ASSIGN(std::string wrong, try_problem(device, row, p));
    if (!wrong.empty())
      return text(p.rows, " x ", p.out_features, " of ", p.in_features, ": ", wrong);
  }
  return std::string();
}

}  // namespace

Result<const decide::LinearRow*> choose(const Device& device, const decide::LinearProblem& problem,
                                        std::span<const decide::LinearRow> rows) {
  const auto select = [&](const decide::Findings& findings) {
    return decide::select_linear(device.traits(), problem, vulkan::overrides(*device.state()), rows,
                                 findings);
  };
  WEFT_ASSIGN(const decide::Findings findings,
              schedule::vet(*device.state(), {}, select,
                            [&](const decide::LinearRow& row) { return trial(device, row); }));
  return select(findings);
}

}  // namespace weft::ops
