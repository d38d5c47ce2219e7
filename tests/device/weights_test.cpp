// Attention weights: every weights line of ops.txt, with and without 16-bit storage, against the
// reference.
#include <algorithm>
#include <cmath>

#include "device/attention_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

struct Problem {
  cases::WeightsCase problem;
  std::string line;
  cases::AttentionProblem data;
  reference::AttentionResult attention;
  reference::Array expected;
  cases::Placement placement;

  explicit Problem(const cases::WeightsCase& c) : problem(c), line(cases::print(c)) {
    problem.attention.logsumexp = true;
    data = cases::make_problem(problem.attention);
    attention = reference::attention(data.inputs);
    expected = reference::attention_weights(data.inputs, c.heads, c.keys, c.mean_heads);
    const auto& shape = expected.shape;
    placement =
        cases::place(DType::f32, {shape[0], shape[1], shape[2], shape[3]}, c.attention.layout);
  }
};

// Rows over all keys sum to 1, or to 0 where a row has no key; a mean of such rows lies between.
// Large scores leave their rounding error in the logsumexp, and so in the whole row.
std::string check_sums(const Problem& p, const std::vector<std::byte>& bytes) {
  double largest = 0.0;
  for (double magnitude : p.attention.magnitude.values) largest = std::max(largest, magnitude);
  const double allowed = 1e-5 + 2.0 * score_error(largest);
  const reference::Array found = cases::decode(bytes, p.placement);
  const auto keys = static_cast<size_t>(found.shape[3]);
  for (size_t row = 0; keys > 0 && row < found.values.size() / keys; ++row) {
    double sum = 0.0, expected = 0.0;
    for (size_t k = 0; k < keys; ++k) {
      sum += found.values[row * keys + k];
      expected += p.expected.values[row * keys + k];
    }
    if (!(std::abs(sum - expected) <= allowed))
      return "row " + std::to_string(row) + " sums to " + std::to_string(sum) + ", expected " +
             std::to_string(expected);
  }
  return {};
}

// Masked keys get exactly 0.
std::string check_zeros(const Problem& p, const std::vector<std::byte>& bytes) {
  if (p.problem.mean_heads) return {};
  const reference::Array found = cases::decode(bytes, p.placement);
  const auto [items, heads, rows, keys] = found.shape;
  for (int64_t b = 0; b < items; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t k = 0; k < keys; ++k) {
          const int64_t head = p.problem.heads.empty() ? h : p.problem.heads[h];
          const int64_t key = p.problem.keys.empty() ? k : p.problem.keys[k];
          if (!reference::takes_part(p.data.inputs, b, head, i, key) &&
              found.row(b, h, i)[k] != 0.0)
            return "key " + std::to_string(key) + " takes no part in row " + std::to_string(i) +
                   " and has a weight";
        }
  return {};
}

Result<std::string> run_weights(const Device& device, const Problem& p) {
  WEFT_ASSIGN(const AttentionCall attention, cases::make_call(device, p.problem.attention, p.data));
  WEFT_ASSIGN(const Tensor weights, cases::poisoned(device, p.placement));
  Recorder recorder(device);
  WEFT_TRY(weft::attention(recorder, attention));
  WEFT_TRY(attention_weights(recorder, {.query = attention.query,
                                        .key = attention.key,
                                        .mask = attention.mask,
                                        .kv_lengths = attention.kv_lengths,
                                        .logsumexp = attention.logsumexp,
                                        .weights = weights,
                                        .scale = attention.scale,
                                        .heads = p.problem.heads,
                                        .keys = p.problem.keys,
                                        .mean_heads = p.problem.mean_heads}));
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, {weights}));
  std::string problem = compare("weights", runs.first[0], p.placement, p.expected,
                                allowed_weights(p.expected, p.attention));
  if (p.problem.keys.empty()) problem += check_sums(p, runs.first[0]);
  problem += check_zeros(p, runs.first[0]);
  if (!runs.same) problem += "the second run gave other bits. ";
  return problem;
}

void run_all(const char* file) {
  int count = 0;
  for (const cases::Case& any : cases_of(file)) {
    if (!std::holds_alternative<cases::WeightsCase>(any)) continue;
    const Problem p(std::get<cases::WeightsCase>(any));
    ++count;
    for (const bool without_16bit : {false, true}) {
      INFO("--case \"" << p.line << "\"" << (without_16bit ? ", without 16-bit storage" : ""));
      const auto result = run_weights(device({.without_16bit = without_16bit}), p);
      if (!result)
        FAIL_CHECK(to_string(result.error().code) << ": " << result.error().message);
      else
        CHECK(*result == "");
    }
  }
  CHECK(count > 0);
}

}  // namespace

TEST_CASE("attention weights: every line of ops.txt") { run_all("ops.txt"); }
TEST_CASE("one case of the command line", "[.][one]") { run_all(""); }
