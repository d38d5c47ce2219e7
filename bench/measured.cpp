#include "measured.hpp"

#include <cmath>

#include "reference/attention.hpp"
#include "reference/ops.hpp"

namespace weft::bench {
namespace {

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

Work work_of(const auto&) { return {}; }

}  // namespace

Work Measured::work() const {
  return std::visit([](const auto& c) { return work_of(c); }, problem_);
}

void Measured::draw() {
  if (std::exchange(drawn_, true)) return;
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem_))
    attention_ = cases::make_problem(*c);
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

const reference::Array& Measured::expected() {
  if (!expected_.values.empty()) return expected_;
  draw();
  if (std::holds_alternative<cases::AttentionCase>(problem_))
    expected_ = reference::attention(attention_.inputs).output;
  if (const auto* c = std::get_if<cases::LinearCase>(&problem_))
    expected_ = reference::linear(linear_.input.values, linear_.weight.values,
                                  c->bias ? &linear_.bias.values : nullptr, c->activation)
                    .output;
  if (const auto* c = std::get_if<cases::NormCase>(&problem_)) {
    const auto norm = c->norm == cases::Norm::layer ? reference::layer_norm : reference::rms_norm;
    expected_ = norm(norm_.input.values, c->no_weight ? nullptr : &norm_.weight.values,
                     c->bias ? &norm_.bias.values : nullptr, c->epsilon)
                    .output;
  }
  return expected_;
}

std::string Measured::check(const reference::Array& output) {
  const reference::Array& right = expected();
  if (output.values.size() != right.values.size()) return "the output has the wrong size";
  for (size_t i = 0; i < right.values.size(); ++i)
    if (!(std::abs(output.values[i] - right.values[i]) <= 4e-3 * (1.0 + std::abs(right.values[i]))))
      return "wrong result: element " + std::to_string(i) + " is " +
             std::to_string(output.values[i]) + ", expected " + std::to_string(right.values[i]);
  return {};
}

}  // namespace weft::bench
