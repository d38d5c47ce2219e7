#include "measured.hpp"

#include <algorithm>
#include <cmath>

#include "reference/attention.hpp"
#include "reference/ops.hpp"

namespace weft::bench {
namespace {

constexpr double kMaxReferenceSteps = 4e8;  // multiplications that the fp64 answer may take
constexpr int64_t kMaxPairs = 20'000'000;   // of a row and a key that are looked at to count those that meet

double bytes_of(DType dtype, int64_t elements) {
  return static_cast<double>(elements) * size_bytes(dtype);
}

Work work_of(const cases::AttentionCase& c) {
  const int64_t rows = c.batch * c.heads * c.q_len;
  const int64_t kv_items = c.broadcast_kv ? 1 : c.batch;
  const int64_t keys = kv_items * c.kv_heads * c.kv_len;
  return {.flops = 2.0 * static_cast<double>(rows * c.kv_len * (c.head_dim + c.value_dim)),
          .bytes = bytes_of(c.query, rows * c.head_dim) +
                   bytes_of(c.kv, keys * (c.head_dim + c.value_dim)) +
                   bytes_of(c.output, rows * c.value_dim)};
}

// The attention, and a product more for every weight.
Work work_of(const cases::WeightsCase& c) {
  const cases::AttentionCase& a = c.attention;
  const auto listed = [](const std::vector<uint32_t>& list, int64_t all) {
    return list.empty() ? all : static_cast<int64_t>(list.size());
  };
  const int64_t rows = a.batch * a.q_len, keys = listed(c.keys, a.kv_len),
                heads = listed(c.heads, a.heads);
  Work work = work_of(a);
  work.flops += 2.0 * static_cast<double>(rows * heads * keys * a.head_dim);
  work.bytes += bytes_of(DType::f32, rows * (c.mean_heads ? 1 : heads) * keys);
  return work;
}

Work work_of(const cases::LinearCase& c) {
  return {.flops = 2.0 * static_cast<double>(c.rows * c.in_features * c.out_features),
          .bytes = bytes_of(c.input, c.rows * c.in_features) +
                   bytes_of(c.weight, c.out_features * c.in_features) +
                   bytes_of(c.output, c.rows * c.out_features)};
}

// Two passes of sums, one of results.
Work work_of(const cases::NormCase& c) {
  return {.flops = 8.0 * static_cast<double>(c.rows * c.dim),
          .bytes = bytes_of(c.input, c.rows * c.dim) + bytes_of(c.output, c.rows * c.dim)};
}

Work work_of(const BlockCase& c) { return {.flops = flops_of(c), .bytes = bytes_of(c)}; }

Work work_of(const auto&) { return {}; }

bool all_f32(const cases::AttentionCase& c) {
  return c.query == DType::f32 && c.kv == DType::f32 && c.output == DType::f32;
}
bool all_f32(const cases::WeightsCase& c) { return all_f32(c.attention); }
bool all_f32(const cases::LinearCase& c) {
  return c.input == DType::f32 && c.weight == DType::f32 && c.output == DType::f32;
}
bool all_f32(const BlockCase& c) { return c.dtype == DType::f32; }
bool all_f32(const auto&) { return true; }  // what streams numbers is bound by memory

int64_t step_for(double steps_a_row, int64_t rows) {
  const double fit = std::max(1.0, kMaxReferenceSteps / std::max(steps_a_row, 1.0));
  return std::max<int64_t>(
      1, static_cast<int64_t>(std::ceil(static_cast<double>(rows) / std::min(fit, 1e15))));
}

// Every step-th row of axis 2.
reference::Array every(const reference::Array& from, int64_t step) {
  if (step == 1) return from;
  const auto [a, b, rows, d] = from.shape;
  reference::Array kept(a, b, (rows + step - 1) / step, d);
  for (int64_t i = 0; i < a; ++i)
    for (int64_t j = 0; j < b; ++j)
      for (int64_t r = 0; r < kept.shape[2]; ++r)
        std::copy_n(from.row(i, j, r * step), d, kept.row(i, j, r));
  return kept;
}

// How many keys all rows take; of many rows, every so many-th is asked, an odd number that no block's size divides.
double pairs_of(const reference::AttentionInputs& inputs) {
  const std::vector<reference::RowPlace> rows = reference::rows_of(inputs);
  int64_t all = 0, taken = 0, asked = 0;
  for (const reference::RowPlace& row : rows) all += row.keys;
  const auto step = static_cast<size_t>(all / kMaxPairs * 2 + 1);
  for (size_t i = 0; i < rows.size(); i += step) {
    ++asked;
    for (int64_t j = 0; j < rows[i].keys; ++j) taken += reference::takes_part(inputs, rows[i], j);
  }
  if (asked == 0) return 0.0;
  const double a_row = static_cast<double>(taken) / static_cast<double>(asked) + static_cast<double>(inputs.null_len());
  return a_row * static_cast<double>(rows.size());
}

}  // namespace

bool is_plain(const cases::AttentionCase& c) {
  const cases::AttentionCase plain{.batch = c.batch,
                                   .heads = c.heads,
                                   .kv_heads = c.kv_heads,
                                   .q_len = c.q_len,
                                   .kv_len = c.kv_len,
                                   .head_dim = c.head_dim,
                                   .value_dim = c.value_dim,
                                   .query = c.query,
                                   .kv = c.kv,
                                   .output = c.output,
                                   .mask_keys = c.kv_len,
                                   .bias_keys = c.kv_len,
                                   .scale = c.scale,
                                   .layout = c.layout,
                                   .logits = c.logits,
                                   .seed = c.seed};
  return c == plain && c.kv_len > 0;
}

float scale_of(const cases::AttentionCase& c) {
  return c.scale != 0.0f ? c.scale : 1.0f / std::sqrt(static_cast<float>(c.head_dim));
}

std::vector<float> to_floats(const reference::Array& array) {
  return {array.values.begin(), array.values.end()};
}

reference::Array to_array(const std::vector<float>& values, const std::array<int64_t, 4>& shape) {
  reference::Array array(shape[0], shape[1], shape[2], shape[3]);
  array.values.assign(values.begin(), values.end());
  return array;
}

Work Measured::work() {
  Work work = std::visit([](const auto& c) { return work_of(c); }, problem_);
  const auto* c = std::get_if<cases::AttentionCase>(&problem_);
  if (c && !is_plain(*c))
    work.flops = 2.0 * pairs_of(attention().inputs) * static_cast<double>(c->head_dim + c->value_dim);
  return work;
}

bool Measured::is_f32() const {
  return std::visit([](const auto& c) { return all_f32(c); }, problem_);
}

void Measured::draw() {
  if (std::exchange(drawn_, true)) return;
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem_))
    attention_ = cases::make_problem(*c);
  if (const auto* c = std::get_if<cases::WeightsCase>(&problem_))
    attention_ = cases::make_problem(c->attention);
  if (const auto* c = std::get_if<cases::LinearCase>(&problem_)) linear_ = cases::make_problem(*c);
  if (const auto* c = std::get_if<cases::NormCase>(&problem_)) norm_ = cases::make_problem(*c);
}

const cases::AttentionProblem& Measured::attention() {
  draw();
  return attention_;
}

const cases::LinearProblem& Measured::linear() {
  draw();
  return linear_;
}

const cases::NormProblem& Measured::norm() {
  draw();
  return norm_;
}

Result<const BlockProblem*> Measured::block() {
  if (!block_) {
    WEFT_ASSIGN(BlockProblem made, make_problem(device_, std::get<BlockCase>(problem_)));
    block_ = std::make_unique<BlockProblem>(std::move(made));
  }
  return block_.get();
}

Result<void> Measured::solve() {
  if (!expected_.values.empty()) return {};
  draw();
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem_)) {
    if (is_plain(*c))
      step_ = step_for(static_cast<double>(c->batch * c->heads * c->kv_len) *
                           static_cast<double>(c->head_dim + c->value_dim),
                       c->q_len);
    // In place: keys and values of long cases fill a good part of the host's memory.
    reference::Array whole = std::move(attention_.inputs.query);
    attention_.inputs.query = every(whole, step_);
    expected_ = reference::attention(attention_.inputs).output;
    attention_.inputs.query = std::move(whole);
  }
  if (const auto* c = std::get_if<cases::WeightsCase>(&problem_))
    expected_ =
        reference::attention_weights(attention_.inputs, {.stage = c->stage,
                                                         .heads = c->heads,
                                                         .keys = c->keys,
                                                         .null_keys_last = c->null_keys_last,
                                                         .mean_heads = c->mean_heads})
            .values;
  if (const auto* c = std::get_if<cases::LinearCase>(&problem_)) {
    step_ = step_for(static_cast<double>(c->in_features * c->out_features), c->rows);
    expected_ = reference::linear(every(linear_.input.values, step_), linear_.weight.values,
                                  c->bias ? &linear_.bias.values : nullptr, c->activation)
                    .output;
  }
  if (const auto* c = std::get_if<cases::NormCase>(&problem_)) {
    const auto norm = c->norm == cases::Norm::layer ? reference::layer_norm : reference::rms_norm;
    expected_ = norm(norm_.input.values, c->no_weight ? nullptr : &norm_.weight.values,
                     c->bias ? &norm_.bias.values : nullptr, c->epsilon)
                    .output;
  }
  if (const auto* c = std::get_if<BlockCase>(&problem_)) {
    step_ = step_for(static_cast<double>(c->batch) * steps_a_row(*c), c->q_len);
    WEFT_ASSIGN(const BlockProblem* problem, block());
    WEFT_ASSIGN(expected_, bench::solve(device_, *problem, step_));
  }
  return {};
}

std::string Measured::check(const reference::Array& output) {
  if (const auto solved = solve(); !solved) return solved.error().message;
  const reference::Array kept = every(output, step_);
  if (kept.values.size() != expected_.values.size()) return "the output has the wrong size";
  for (size_t i = 0; i < kept.values.size(); ++i) {
    const double right = expected_.values[i];
    // A NaN must fail too.
    if (!(std::abs(kept.values[i] - right) <= 4e-3 * (1.0 + std::abs(right))))
      return "wrong result: element " + std::to_string(i) + " of every " + std::to_string(step_) +
             "th row is " + std::to_string(kept.values[i]) + ", expected " + std::to_string(right);
  }
  return {};
}

}  // namespace weft::bench
