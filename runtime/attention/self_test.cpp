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
#include "decide/split.hpp"
#include "schedule/self_test.hpp"

namespace weft::attention_detail {
namespace {

using schedule::Expected;
using schedule::trial_numbers;
using schedule::trial_tensor;

// One problem: what blocks, rows, keys and dims leave over, and heads that share keys.
struct Problem {
  uint32_t batch, heads, kv_heads, q_len, kv_len, head_dim, value_dim;
  // masked: a mask, a bias and lengths. windowed: elements that begin anywhere, a mask, a window, a
  // null key, a sink and softcap; a key that no row sees is NaN; rows that take parts of the keys get
  // two. Packed items, regions, offsets and chosen items are left to the tests.
  enum class Kind { plain, masked, windowed } kind;
  float scale = 0.5f;  // makes some weights large
};
using Kind = Problem::Kind;

std::vector<Problem> problems_for(const decide::AttentionRow& row) {
  const auto at_most = [](uint32_t size, uint32_t most) { return most == 0 ? size : std::min(size, most); };
  const uint32_t q_len = decide::block_q(row) + 5;
  const uint32_t kv_len = at_most(2 * row.block_kv + 13, row.max_kv_len);
  const uint32_t chunk = row.value_chunk != 0 && row.value_chunk + 8 <= row.max_value_dim ? row.value_chunk : 32;
  const auto of = [&](Kind kind, uint32_t batch, uint32_t heads, uint32_t kv_heads,
                      uint32_t head_dim, uint32_t value_dim) -> Problem {
    head_dim = at_most(head_dim, row.max_head_dim);
    value_dim = at_most(value_dim, row.max_value_dim);
    const bool parts = kind == Kind::windowed && decide::takes_parts(row.path);
    const uint32_t keys = parts ? 2 * decide::kLeastPartKeys + 13 : kv_len;
    return {batch, heads, kv_heads, q_len, keys, head_dim, value_dim, kind};
  };
  return {of(Kind::plain, 1, 4, 2, 64, 64), of(Kind::masked, 2, 2, 1, 72, chunk + 8),
          of(Kind::windowed, 1, 2, 1, 45, 37)};
}

// The numbers of a problem, as far as the row can take them; what is empty is not given.
struct Numbers {
  std::vector<float> query, key, value, mask, bias, lengths, null_key, null_value, sinks;
  bool window = false;
  float softcap = 0;
};

int64_t window_left(const Problem& p) { return p.kv_len / 3; }
constexpr int32_t kWindowRight = 2;
int64_t position_offset(const Problem& p) { return int64_t{p.kv_len} - p.q_len; }

void add_mask(const Problem& p, Numbers& n) {
  n.mask = trial_numbers(size_t{p.batch} * p.q_len * p.kv_len, 4);
  for (float& keep : n.mask) keep = keep > -0.5f ? 1.0f : 0.0f;
  std::fill_n(n.mask.begin() + 3 * p.kv_len, p.kv_len, 0.0f);  // a row without keys
}

// NaN in a key that the mask hides from every row, among others of the same step, and in its value.
void spoil_key(const Problem& p, Numbers& n) {
  const uint32_t hidden = p.kv_len / 2;
  for (size_t row = 0; row < size_t{p.batch} * p.q_len; ++row)
    n.mask[row * p.kv_len + hidden] = 0.0f;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  n.key[size_t{hidden} * p.head_dim] = kNan;
  n.value[size_t{hidden} * p.value_dim + p.value_dim / 2] = kNan;
}

Numbers numbers_of(const decide::AttentionRow& row, const Problem& p) {
  const auto can = [&](uint32_t feature) { return (row.features & feature) != 0; };
  Numbers n;
  n.query = trial_numbers(size_t{p.batch} * p.heads * p.q_len * p.head_dim, 1);
  n.key = trial_numbers(size_t{p.batch} * p.kv_heads * p.kv_len * p.head_dim, 2);
  n.value = trial_numbers(size_t{p.batch} * p.kv_heads * p.kv_len * p.value_dim, 3);
  if (p.kind == Kind::plain) return n;
  add_mask(p, n);
  if (p.kind == Kind::masked) {
    n.bias = trial_numbers(size_t{p.heads} * p.q_len * p.kv_len, 5);
    for (uint32_t b = 0; can(kFeatureKvLengths) && b < p.batch; ++b)
      n.lengths.push_back(static_cast<float>(b == 0 ? p.kv_len : p.kv_len * 2 / 3));
    return n;
  }
  spoil_key(p, n);
  n.window = can(kFeatureWindow);
  if (can(kFeatureSoftcap)) n.softcap = 2;
  if (can(kFeatureSinks)) n.sinks = trial_numbers(p.heads, 6);
  if (can(kFeatureNullKeys)) {
    n.null_key = trial_numbers(size_t{p.kv_heads} * p.head_dim, 7);
    n.null_value = trial_numbers(size_t{p.kv_heads} * p.value_dim, 8);
  }
  return n;
}

// A query row by its indices.
struct Place {
  uint32_t b, h, i;
};

bool takes_part(const Problem& p, const Numbers& n, Place at, uint32_t j) {
  if (!n.lengths.empty() && static_cast<float>(j) >= n.lengths[at.b]) return false;
  const int64_t distance = int64_t{j} - (at.i + position_offset(p));
  if (n.window && (distance < -window_left(p) || distance > kWindowRight)) return false;
  return n.mask.empty() || n.mask[(size_t{at.b} * p.q_len + at.i) * p.kv_len + j] != 0;
}

// A key that a query row takes: its score and its value.
struct Taken {
  double score;
  const float* value;
};

std::vector<Taken> taken_by(const Problem& p, const Numbers& n, Place at) {
  const float* query =
      n.query.data() + (size_t{at.b * p.heads + at.h} * p.q_len + at.i) * p.head_dim;
  const auto score_of = [&](const float* key) {
    double score = 0;
    for (uint32_t d = 0; d < p.head_dim; ++d) score += double{query[d]} * key[d];
    score *= p.scale;
    return n.softcap == 0 ? score : n.softcap * std::tanh(score / n.softcap);
  };
  const uint32_t kv_head = at.h / (p.heads / p.kv_heads);
  const size_t first = size_t{at.b * p.kv_heads + kv_head} * p.kv_len;
  std::vector<Taken> taken;
  if (!n.null_key.empty())
    taken.push_back({score_of(n.null_key.data() + size_t{kv_head} * p.head_dim),
                     n.null_value.data() + size_t{kv_head} * p.value_dim});
  for (uint32_t j = 0; j < p.kv_len; ++j) {
    if (!takes_part(p, n, at, j)) continue;
    double score = score_of(n.key.data() + (first + j) * p.head_dim);
    if (!n.bias.empty()) score += n.bias[(size_t{at.h} * p.q_len + at.i) * p.kv_len + j];
    taken.push_back({score, n.value.data() + (first + j) * p.value_dim});
  }
  return taken;
}

struct Results {
  std::vector<double> output, logsumexp;
};

void solve_row(const Problem& p, const Numbers& n, Place at, Results& results) {
  std::vector<Taken> taken = taken_by(p, n, at);
  double highest = n.sinks.empty() ? -std::numeric_limits<double>::infinity() : n.sinks[at.h];
  for (const Taken& key : taken) highest = std::max(highest, key.score);
  double sum = n.sinks.empty() ? 0 : std::exp(n.sinks[at.h] - highest);
  std::vector<double> output(p.value_dim);
  for (const Taken& key : taken) {
    const double weight = std::exp(key.score - highest);
    sum += weight;
    for (uint32_t d = 0; d < p.value_dim; ++d) output[d] += weight * key.value[d];
  }
  for (const double total : output) results.output.push_back(sum > 0 ? total / sum : 0);
  results.logsumexp.push_back(sum > 0 ? highest + std::log(sum) : highest);
}

// The definition, in double.
Results solve(const Problem& p, const Numbers& n) {
  Results results;
  for (uint32_t b = 0; b < p.batch; ++b)
    for (uint32_t h = 0; h < p.heads; ++h)
      for (uint32_t i = 0; i < p.q_len; ++i) solve_row(p, n, {b, h, i}, results);
  return results;
}

Result<AttentionCall> make_call(const Device& device, const decide::AttentionRow& row,
                                const Problem& p, const Numbers& n) {
  const DType dtype = row.inputs == decide::Inputs::bf16 ? DType::bf16 : DType::f16;
  AttentionCall call{.scale = p.scale, .softcap = n.softcap};
  const auto give = [&](Tensor& tensor, DType type, const Dims& shape,
                        const std::vector<float>& numbers) -> Result<void> {
    if (numbers.empty()) return {};
    WEFT_ASSIGN(tensor, trial_tensor(device, type, shape, numbers));
    return {};
  };
  WEFT_TRY(give(call.query, dtype, {p.batch, p.heads, p.q_len, p.head_dim}, n.query));
  WEFT_TRY(give(call.key, dtype, {p.batch, p.kv_heads, p.kv_len, p.head_dim}, n.key));
  WEFT_TRY(give(call.value, dtype, {p.batch, p.kv_heads, p.kv_len, p.value_dim}, n.value));
  WEFT_TRY(give(call.keep_mask, DType::u8, {p.batch, 1, p.q_len, p.kv_len}, n.mask));
  WEFT_TRY(give(call.bias, dtype, {1, p.heads, p.q_len, p.kv_len}, n.bias));
  WEFT_TRY(give(call.kv_lengths, DType::i32, {p.batch}, n.lengths));
  WEFT_TRY(give(call.sinks, DType::f32, {p.heads}, n.sinks));
  WEFT_TRY(give(call.null_key, dtype, {p.kv_heads, 1, p.head_dim}, n.null_key));
  WEFT_TRY(give(call.null_value, dtype, {p.kv_heads, 1, p.value_dim}, n.null_value));
  if (n.window) {
    call.window_left = static_cast<int32_t>(window_left(p));
    call.window_right = kWindowRight;
    call.position_offset = static_cast<int32_t>(position_offset(p));
  }
  WEFT_ASSIGN(call.output,
              schedule::trial_output(device, dtype, {p.batch, p.heads, p.q_len, p.value_dim}));
  if ((row.features & kFeatureLogsumexp) == 0) return call;
  WEFT_ASSIGN(call.logsumexp,
              schedule::trial_output(device, DType::f32, {p.batch, p.heads, p.q_len}));
  return call;
}

Result<std::string> try_problem(const Device& device, const decide::AttentionRow& row,
                                const Problem& problem, bool& ran) {
  const Numbers numbers = numbers_of(row, problem);
  WEFT_ASSIGN(const AttentionCall call, make_call(device, row, problem, numbers));
  WEFT_ASSIGN(const AttentionShape shape, validate(call));
  if (!decide::why_not(device.traits(), row, decide::problem_of(shape.desc)).empty())
    return std::string();
  ran = true;
  const Plan plan(shape.desc, row);
  Recorder recorder(device);
  WEFT_TRY(record(recorder, plan, call, shape));
  const Results results = solve(problem, numbers);
  // Numbers are -1 to 1. Weights and outputs are each rounded to the type of the values once or twice:
  // halves have 11 bits, bf16 has 8; the rest is a margin, far below what a wrong element is off.
  const double tolerance = call.output.dtype == DType::bf16 ? 0.03 : 0.004;
  std::vector<Expected> expected{{"output", call.output, results.output, tolerance}};
  if (call.logsumexp) expected.push_back({"logsumexp", call.logsumexp, results.logsumexp, tolerance});
  return schedule::run_and_compare(recorder, expected);
}

const char* name_of(Kind kind) {
  return kind == Kind::masked ? " masked: " : kind == Kind::windowed ? " windowed: " : ": ";
}

Result<std::string> trial(const Device& device, const decide::AttentionRow& row) {
  bool ran = false;
  for (const Problem& problem : problems_for(row)) {
    WEFT_ASSIGN(std::string wrong, try_problem(device, row, problem, ran));
    if (!wrong.empty())
      return text("q_len ", problem.q_len, " kv_len ", problem.kv_len, " head_dim ",
                  problem.head_dim, name_of(problem.kind), wrong);
  }
  return ran ? std::string() : std::string("the device can't run any of its problems");
}

}  // namespace

Result<std::string> self_test(const Device& device, const decide::AttentionRow& row) {
  if (!row.self_test) return std::string();
  return schedule::self_test(*device.state(), row.name, [&] { return trial(device, row); });
}

Result<decide::Findings> find_out(const Device& device, const AttentionDesc& desc,
                                  std::span<const decide::AttentionRow> rows, bool large_kv) {
  const decide::AttentionProblem problem = decide::problem_of(desc, large_kv);
  const decide::Overrides& overrides = vulkan::overrides(*device.state());
  return schedule::vet(
      *device.state(), decide::Findings{.fastest = fastest_known(device, desc, rows)},
      [&](const decide::Findings& findings) {
        return decide::select_attention(device.traits(), problem, overrides, rows, findings);
      },
      [&](const decide::AttentionRow& row) { return trial(device, row); });
}

}  // namespace weft::attention_detail
