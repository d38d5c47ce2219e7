#include "device/attention_run.hpp"

#include <algorithm>
#include <cmath>

#include "decide/select.hpp"

namespace weft::test {
namespace {

// The kFeature... bits of a case.
uint32_t features_of(const cases::AttentionCase& c) {
  using namespace cases;
  uint32_t features = 0;
  const auto add = [&](uint32_t feature, bool asked) { features |= asked ? feature : 0u; };
  add(kFeatureKvLengths, c.lengths != Lengths::none);
  add(kFeatureLogsumexp, c.logsumexp);
  add(kFeatureWindow, c.causal || c.window_left >= 0 || c.window_right >= 0);
  add(kFeaturePositionOffsets, c.offsets != Offsets::none);
  add(kFeaturePackedQuery, c.packed == Packed::q || c.packed == Packed::qk);
  add(kFeaturePackedKv, c.packed == Packed::k || c.packed == Packed::qk);
  add(kFeatureRegions, c.regions != Regions::none);
  add(kFeatureRegionMask, c.regions == Regions::mask);
  add(kFeatureSoftcap, c.softcap > 0.0f);
  add(kFeatureSinks, c.sinks);
  add(kFeatureNullKeys, c.null_len > 0);
  add(kFeatureScoreItems, c.score_items > 0);
  add(kFeatureValueItems, c.value_items > 0);
  add(kFeatureWeights, c.weights);
  return features;
}

// Keys that take no part get exactly 0.
std::string judge_weights(const AttentionTest& test, const std::vector<std::byte>& bytes) {
  const reference::Array& expected = test.weights.values;
  const Allowed near = allowed_weights(test.weights);
  std::string found = compare("weights", bytes, test.data.weights, expected, [&](size_t i) {
    return std::isnan(expected.values[i]) ? 0.0 : near(i);
  });
  const reference::Array written = cases::decode(bytes, test.data.weights);
  for (size_t i = 0; i < written.values.size(); ++i)
    if (expected.values[i] == 0.0 && written.values[i] != 0.0)
      return found + "weights: element " + std::to_string(i) + " is of a key that takes no part. ";
  return found;
}

}  // namespace

AttentionTest::AttentionTest(const cases::AttentionCase& c)
    : problem(c),
      line(cases::print(c)),
      data(cases::make_problem(c)),
      expected(reference::attention(data.inputs)),
      weights(c.weights ? reference::all_weights(data.inputs) : reference::WeightsResult{}) {}

DeviceKind kind_of(const decide::AttentionRow& row) {
  return {.kernel = row.name, .without_16bit = row.needs == decide::kNeedNothing};
}

bool can_run(const decide::AttentionRow& row, const cases::AttentionCase& c) {
  // Packed keys without a longest item count as long as all of them together.
  if (row.max_kv_len > 0 && (features_of(c) & kFeaturePackedKv) != 0 && c.no_max) return false;
  const decide::AttentionProblem asked{.head_dim = static_cast<uint32_t>(c.head_dim),
                                       .value_dim = static_cast<uint32_t>(c.value_dim),
                                       .q_len = static_cast<uint32_t>(c.q_len),
                                       .half = c.kv != DType::f32,
                                       .features = features_of(c),
                                       .kv_len = static_cast<uint32_t>(std::max<int64_t>(c.kv_len, 1)),
                                       .inputs = decide::common_inputs({c.query, c.kv}),
                                       .query_half = c.query != DType::f32};
  return decide::why_not(device().traits(), row, asked).empty();
}

Result<std::string> run_attention(const Device& device, const AttentionTest& test,
                                  const std::string& row, const Judge& judge) {
  const auto& [problem, line, data, expected, weights] = test;
  WEFT_ASSIGN(const AttentionCall call, cases::make_call(device, problem, data));
  WEFT_ASSIGN(const AttentionDesc desc, describe(call));
  WEFT_ASSIGN(const Attention plan, Attention::plan(device, desc));
  Recorder recorder(device);
  WEFT_TRY(plan.record(recorder, call));
  std::vector<Tensor> outputs{call.output};
  if (problem.logsumexp) outputs.push_back(call.logsumexp);
  if (problem.weights) outputs.push_back(call.weights);
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, outputs));

  std::string found;
  if (!row.empty() && plan.kernel() != row)
    found += std::string("the row ") + plan.kernel() + " ran. ";
  found += compare("output", runs.first[0], data.output, expected.output,
                   allowed_output(data.inputs, expected, weight_rounding(plan.kernel())));
  if (problem.logsumexp)
    found += compare("logsumexp", runs.first[1], data.logsumexp, expected.logsumexp,
                     allowed_logsumexp(data.inputs, expected));
  if (problem.weights) found += judge_weights(test, runs.first.back());
  if (judge) found += judge(runs);
  if (!runs.same) found += "the second run gave other bits. ";
  return found;
}

void check_attention(const Device& device, const AttentionTest& test, const std::string& row,
                     const Judge& judge) {
  const auto result = run_attention(device, test, row, judge);
  const std::string command =
      (row.empty() ? "" : "--kernel " + row + " ") + "--case \"" + test.line + "\"";
  if (!result)
    FAIL_CHECK(command << "\n  " << to_string(result.error().code) << ": "
                       << result.error().message);
  else if (!result->empty())
    FAIL_CHECK(command << "\n  " << *result);
  else
    SUCCEED(command);
}

}  // namespace weft::test
