#include "attention/self_test.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attention/plan.hpp"
#include "attention/record.hpp"
#include "attention/tune.hpp"
#include "attention/validate.hpp"
#include "base/text.hpp"
#include "schedule/self_test.hpp"

namespace weft::attention_detail {
namespace {

using schedule::Expected;
using schedule::trial_numbers;
using schedule::trial_tensor;

// One problem: what blocks, rows, keys and dims leave over, heads that share keys, and, where
// `masked`, all that decides which keys take part.
struct Problem {
  uint32_t batch, heads, kv_heads, q_len, kv_len, head_dim, value_dim;
  bool masked;
  float scale = 0.5f;  // makes some weights large
};

std::vector<Problem> problems_for(const decide::AttentionRow& row) {
  const auto at_most = [](uint32_t size, uint32_t most) { return most == 0 ? size : std::min(size, most); };
  const uint32_t q_len = decide::block_q(row) + 5;
  const uint32_t kv_len = at_most(2 * row.block_kv + 13, row.max_kv_len);
  const uint32_t chunk = row.value_chunk != 0 && row.value_chunk + 8 <= row.max_value_dim ? row.value_chunk : 32;
  return {{1, 4, 2, q_len, kv_len, at_most(64, row.max_head_dim), at_most(64, row.max_value_dim), false},
          {2, 2, 1, q_len, kv_len, at_most(72, row.max_head_dim), at_most(chunk + 8, row.max_value_dim), true}};
}

struct Numbers {
  std::vector<float> query, key, value, mask, bias, lengths;
};

Numbers numbers_of(const Problem& p) {
  Numbers n;
  n.query = trial_numbers(size_t{p.batch} * p.heads * p.q_len * p.head_dim, 1);
  n.key = trial_numbers(size_t{p.batch} * p.kv_heads * p.kv_len * p.head_dim, 2);
  n.value = trial_numbers(size_t{p.batch} * p.kv_heads * p.kv_len * p.value_dim, 3);
  if (!p.masked) return n;
  n.mask = trial_numbers(size_t{p.batch} * p.q_len * p.kv_len, 4);
  for (float& keep : n.mask) keep = keep > -0.5f ? 1.0f : 0.0f;
  std::fill_n(n.mask.begin() + 3 * p.kv_len, p.kv_len, 0.0f);  // a row without keys
  n.bias = trial_numbers(size_t{p.heads} * p.q_len * p.kv_len, 5);
  for (uint32_t b = 0; b < p.batch; ++b)
    n.lengths.push_back(static_cast<float>(b == 0 ? p.kv_len : p.kv_len * 2 / 3));
  return n;
}

struct Results {
  std::vector<double> output, logsumexp;
};

// The definition, in double.
Results solve(const Problem& p, const Numbers& n, bool with_lengths) {
  Results results;
  std::vector<double> weights(p.kv_len);
  for (uint32_t slice = 0; slice < p.batch * p.heads; ++slice) {
    const uint32_t b = slice / p.heads, h = slice % p.heads;
    const size_t kv_row = size_t{b * p.kv_heads + h / (p.heads / p.kv_heads)} * p.kv_len;
    const uint32_t length =
        p.masked && with_lengths ? static_cast<uint32_t>(n.lengths[b]) : p.kv_len;
    for (uint32_t i = 0; i < p.q_len; ++i) {
      double highest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (uint32_t j = 0; j < p.kv_len; ++j) {
        double score = 0;
        for (uint32_t d = 0; d < p.head_dim; ++d)
          score += double{n.query[(size_t{slice} * p.q_len + i) * p.head_dim + d]} *
                   n.key[(kv_row + j) * p.head_dim + d];
        score *= p.scale;
        if (p.masked) score += n.bias[(size_t{h} * p.q_len + i) * p.kv_len + j];
        const bool seen =
            j < length && (!p.masked || n.mask[(size_t{b} * p.q_len + i) * p.kv_len + j] != 0);
        weights[j] = seen ? score : -std::numeric_limits<double>::infinity();
        highest = std::max(highest, weights[j]);
      }
      for (double& weight : weights) {
        weight = std::isinf(weight) ? 0 : std::exp(weight - highest);
        sum += weight;
      }
      results.logsumexp.push_back(sum > 0 ? highest + std::log(sum) : highest);
      for (uint32_t d = 0; d < p.value_dim; ++d) {
        double value = 0;
        for (uint32_t j = 0; j < p.kv_len; ++j)
          value += weights[j] * n.value[(kv_row + j) * p.value_dim + d];
        results.output.push_back(sum > 0 ? value / sum : 0);
      }
    }
  }
  return results;
}

Result<AttentionCall> make_call(const Device& device, const decide::AttentionRow& row,
                                const Problem& p, const Numbers& n) {
  const DType dtype = row.inputs == decide::Inputs::bf16 ? DType::bf16 : DType::f16;
  AttentionCall call{.scale = p.scale};
  WEFT_ASSIGN(call.query, trial_tensor(device, dtype, {p.batch, p.heads, p.q_len, p.head_dim}, n.query));
  WEFT_ASSIGN(call.key, trial_tensor(device, dtype, {p.batch, p.kv_heads, p.kv_len, p.head_dim}, n.key));
  WEFT_ASSIGN(call.value,
              trial_tensor(device, dtype, {p.batch, p.kv_heads, p.kv_len, p.value_dim}, n.value));
  WEFT_ASSIGN(call.output, schedule::trial_output(device, dtype, {p.batch, p.heads, p.q_len, p.value_dim}));
  if (row.features & kFeatureLogsumexp) {
    WEFT_ASSIGN(call.logsumexp,
                schedule::trial_output(device, DType::f32, {p.batch, p.heads, p.q_len}));
  }
  if (!p.masked) return call;
  WEFT_ASSIGN(call.keep_mask, trial_tensor(device, DType::u8, {p.batch, 1, p.q_len, p.kv_len}, n.mask));
  WEFT_ASSIGN(call.bias, trial_tensor(device, dtype, {1, p.heads, p.q_len, p.kv_len}, n.bias));
  if (row.features & kFeatureKvLengths) {
    WEFT_ASSIGN(call.kv_lengths, trial_tensor(device, DType::i32, {p.batch}, n.lengths));
  }
  return call;
}

Result<std::string> try_problem(const Device& device, const decide::AttentionRow& row,
                                const Problem& problem, bool& ran) {
  const Numbers numbers = numbers_of(problem);
  WEFT_ASSIGN(const AttentionCall call, make_call(device, row, problem, numbers));
  WEFT_ASSIGN(const AttentionShape shape, validate(call));
  if (!decide::why_not(device.traits(), row, decide::problem_of(shape.desc)).empty())
    return std::string();
  ran = true;
  const Plan plan(shape.desc, row);
  Recorder recorder(device);
  WEFT_TRY(record(recorder, plan, call, shape));
  const Results results = solve(problem, numbers, static_cast<bool>(call.kv_lengths));
  // Numbers are -1 to 1. Weights and outputs are each rounded to the type of the values once or twice:
  // halves have 11 bits, bf16 has 8; the rest is a margin, far below what a wrong element is off.
  const double tolerance = call.output.dtype == DType::bf16 ? 0.03 : 0.004;
  std::vector<Expected> expected{{"output", call.output, results.output, tolerance}};
  if (call.logsumexp) expected.push_back({"logsumexp", call.logsumexp, results.logsumexp, tolerance});
  return schedule::run_and_compare(recorder, expected);
}

Result<std::string> trial(const Device& device, const decide::AttentionRow& row) {
  bool ran = false;
  for (const Problem& problem : problems_for(row)) {
    WEFT_ASSIGN(std::string wrong, try_problem(device, row, problem, ran));
    if (!wrong.empty()) return text("q_len ", problem.q_len, " kv_len ", problem.kv_len, " head_dim ",
                                    problem.head_dim, problem.masked ? " masked: " : ": ", wrong);
  }
  return ran ? std::string() : std::string("the device can't run any of its problems");
}

}  // namespace

Result<std::string> self_test(const Device& device, const decide::AttentionRow& row) {
  if (!row.self_test) return std::string();
  return schedule::self_test(*device.state(), row.name, [&] { return trial(device, row); });
}

Result<decide::Findings> find_out(const Device& device, const AttentionDesc& desc,
                                  std::span<const decide::AttentionRow> rows) {
  const decide::AttentionProblem problem = decide::problem_of(desc);
  const decide::Overrides& overrides = vulkan::overrides(*device.state());
  return schedule::vet(
      *device.state(), decide::Findings{.fastest = fastest_known(device, desc, rows)},
      [&](const decide::Findings& findings) {
        return decide::select_attention(device.traits(), problem, overrides, rows, findings);
      },
      [&](const decide::AttentionRow& row) { return trial(device, row); });
}

}  // namespace weft::attention_detail
