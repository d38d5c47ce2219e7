#include "device/weights_run.hpp"

#include <algorithm>
#include <cmath>

#include "device/compare.hpp"

namespace weft::test {
namespace {

struct WeightsTest {
  cases::WeightsCase problem;
  cases::AttentionProblem data;
  reference::WeightsResult expected;
  cases::Placement placement;
  std::vector<std::byte> initial;  // what the weights hold before
  reference::Array sum;            // expected, with what they held where it accumulates

  explicit WeightsTest(const cases::WeightsCase& c) : problem(c) {
    // The logsumexp says how many heads there are where the query has but one.
    problem.attention.logsumexp =
        c.stage == WeightsStage::probabilities || (c.attention.ones & cases::kOneQueryHead) != 0;
    data = cases::make_problem(problem.attention);
    expected = reference::attention_weights(data.inputs, {.stage = c.stage,
                                                          .heads = c.heads,
                                                          .keys = c.keys,
                                                          .null_keys_last = c.null_keys_last,
                                                          .mean_heads = c.mean_heads});
    const auto& shape = expected.values.shape;
    placement =
        cases::place(DType::f32, {shape[0], shape[1], shape[2], shape[3]}, c.attention.layout);
    initial.assign(placement.buffer_bytes, cases::kGuardByte);
    sum = expected.values;
    if (c.accumulate) add_to_drawn();
  }

  bool plain_probabilities() const {
    return problem.stage == WeightsStage::probabilities && !problem.accumulate;
  }

 private:
  // Rows of no item keep what they held.
  void add_to_drawn() {
    cases::Random random(problem.attention.seed, 20);
    const reference::Array drawn =
        cases::random_array(random, DType::f32, expected.values.shape, 1.0);
    initial = cases::encode(drawn, placement);
    for (size_t i = 0; i < drawn.values.size(); ++i) {
      double& value = sum.values[i];
      value = std::isnan(value) ? drawn.values[i] : drawn.values[i] + value;
    }
  }
};

// Rows over all keys sum to what the reference's do: 1, less the sink's share, or 0 where a row has
// no key.
std::string check_sums(const WeightsTest& test, const reference::Array& found) {
  const auto keys = static_cast<size_t>(found.shape[3]);
  for (size_t row = 0; keys > 0 && row < found.values.size() / keys; ++row) {
    double sum = 0.0, expected = 0.0, largest = 0.0;
    for (size_t k = row * keys; k < (row + 1) * keys; ++k) {
      sum += found.values[k];
      expected += test.expected.values.values[k];
      largest = std::max(largest, test.expected.magnitude.values[k]);
    }
    // Large scores leave their rounding error in the logsumexp, and so in the whole row.
    const double allowed = 1e-5 + 2.0 * score_error(largest);
    if (!std::isnan(expected) && !(std::abs(sum - expected) <= allowed))
      return "row " + std::to_string(row) + " sums to " + std::to_string(sum) + ", expected " +
             std::to_string(expected);
  }
  return {};
}

// Keys that take no part get exactly 0.
std::string check_zeros(const WeightsTest& test, const reference::Array& found) {
  for (size_t i = 0; i < found.values.size(); ++i)
    if (test.expected.values.values[i] == 0.0 && found.values[i] != 0.0)
      return "element " + std::to_string(i) + " is of a key that takes no part and has a weight";
  return {};
}

// The call of a case, without what only the attention looks at.
AttentionWeightsCall weights_of(const WeightsTest& test, const AttentionCall& attention,
                                const Tensor& weights) {
  AttentionWeightsCall call{.attention = attention,
                            .weights = weights,
                            .stage = test.problem.stage,
                            .heads = test.problem.heads,
                            .keys = test.problem.keys,
                            .null_keys_last = test.problem.null_keys_last,
                            .mean_heads = test.problem.mean_heads,
                            .accumulate = test.problem.accumulate};
  AttentionCall& a = call.attention;
  a.value = a.null_value = a.output = a.sinks = a.value_items = {};
  return call;
}

Result<std::string> run_weights(const Device& device, const WeightsTest& test) {
  WEFT_ASSIGN(const AttentionCall attention,
              cases::make_call(device, test.problem.attention, test.data));
  WEFT_ASSIGN(const Tensor weights, cases::upload(device, test.initial, test.placement));
  Recorder recorder(device);
  if (attention.logsumexp) WEFT_TRY(weft::attention(recorder, attention));
  WEFT_TRY(attention_weights(recorder, weights_of(test, attention, weights)));
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, {weights}, test.initial));
  const Allowed size = test.problem.stage == WeightsStage::probabilities
                           ? allowed_weights(test.expected)
                           : allowed_scores(test.expected);
  const Allowed allowed = [&](size_t i) {
    const double weight = test.expected.values.values[i];
    const double added = std::isfinite(weight) ? 2.0 * kUnit * (1.0 + std::abs(weight)) : 0.0;
    return (std::isnan(weight) ? 0.0 : size(i)) + (test.problem.accumulate ? added : 0.0);
  };
  std::string problem = compare("weights", runs.first[0], test.placement, test.sum, allowed);
  if (test.plain_probabilities()) {
    const reference::Array found = cases::decode(runs.first[0], test.placement);
    if (test.problem.keys.empty()) problem += check_sums(test, found);
    problem += check_zeros(test, found);
  }
  if (!runs.same) problem += "the second run gave other bits. ";
  return problem;
}

Result<std::string> run_merge(const Device& device, const cases::MergeCase& c) {
  const cases::MergeProblem data = cases::make_problem(c);
  const reference::MergeResult expected = reference::attention_merge(data.left, data.right);
  WEFT_ASSIGN(const AttentionMergeCall call, cases::make_call(device, c, data));
  // In place, a second run must find its part again.
  std::vector<std::byte> initial(data.output.buffer_bytes, cases::kGuardByte);
  if (c.in_place != cases::InPlace::none)
    initial = cases::encode(
        c.in_place == cases::InPlace::left ? data.left.output : data.right.output, data.output);
  Recorder recorder(device);
  WEFT_TRY(attention_merge(recorder, call));
  std::vector<Tensor> outputs{call.output};
  if (c.logsumexp) outputs.push_back(call.logsumexp);
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, outputs, initial));
  std::string problem =
      compare("output", runs.first[0], data.output, expected.output,
              allowed_merge(data.left, data.right, static_cast<size_t>(c.value_dim)));
  if (c.logsumexp)
    problem += compare("logsumexp", runs.first[1], data.logsumexp, expected.logsumexp,
                       allowed_merge(data.left, data.right, 1));
  if (!runs.same) problem += "the second run gave other bits. ";
  return problem;
}

template <class C>
void judge(const Result<std::string>& result, const C& problem) {
  INFO("--case \"" << cases::print(problem) << "\"");
  if (!result)
    FAIL_CHECK(to_string(result.error().code) << ": " << result.error().message);
  else
    CHECK(*result == "");
}

}  // namespace

void check_weights(const Device& device, const cases::WeightsCase& problem) {
  judge(run_weights(device, WeightsTest(problem)), problem);
}

void check_merge(const Device& device, const cases::MergeCase& problem) {
  judge(run_merge(device, problem), problem);
}

}  // namespace weft::test
