#include "reference/problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weft::cases {
namespace {

// Rows of a plain operation. Layout blhd stands for a dense tensor of three axes.
Placement place_rows(DType dtype, int64_t rows, int64_t dim, Layout layout) {
  if (layout == Layout::blhd && rows % 2 == 0)
    return place(dtype, {2, rows / 2, dim}, Layout::bhld);
  return place(dtype, {rows, dim}, layout);
}

Operand rows_operand(Random& random, DType dtype, int64_t rows, int64_t dim, Layout layout,
                     double size) {
  return {random_array(random, dtype, {1, 1, rows, dim}, size),
          place_rows(dtype, rows, dim, layout)};
}

Operand vector_operand(Random& random, DType dtype, int64_t dim, Layout layout, double size) {
  return {random_array(random, dtype, {1, 1, 1, dim}, size), place(dtype, {dim}, layout)};
}

void fill_nan(double* row, int64_t dim) {
  std::fill_n(row, dim, std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

uint64_t Random::bits() {
  uint64_t z = state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-52 - 1.0; }

int64_t Random::below(int64_t count) {
  return static_cast<int64_t>(bits() % static_cast<uint64_t>(count));
}

reference::Array random_array(Random& random, DType dtype, const std::array<int64_t, 4>& shape,
                              double size) {
  reference::Array array(shape[0], shape[1], shape[2], shape[3]);
  for (double& value : array.values) value = round_to(dtype, size * random.uniform());
  return array;
}

LinearProblem make_problem(const LinearCase& c) {
  Random random(c.seed, 6);
  // Sums of about unit size, whatever the number of features.
  const double weight_size =
      3.0 / std::sqrt(static_cast<double>(std::max<int64_t>(c.in_features, 1)));
  const Layout weight_layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  LinearProblem problem;
  problem.input = rows_operand(random, c.input, c.rows, c.in_features, c.layout, 1.0);
  problem.weight =
      rows_operand(random, c.weight, c.out_features, c.in_features, weight_layout, weight_size);
  if (c.bias) problem.bias = vector_operand(random, c.bias_type, c.out_features, c.layout, 1.0);
  problem.output = place_rows(c.output, c.rows, c.out_features, c.layout);
  return problem;
}

NormProblem make_problem(const NormCase& c) {
  Random random(c.seed, 7);
  NormProblem problem;
  problem.input = rows_operand(random, c.input, c.rows, c.dim, c.layout, 1.0);
  for (double& value : problem.input.values.values) value = round_to(c.input, value + c.offset);
  if (!c.no_weight) problem.weight = vector_operand(random, c.weight, c.dim, c.layout, 2.0);
  if (c.bias) problem.bias = vector_operand(random, c.weight, c.dim, c.layout, 1.0);
  problem.output = place_rows(c.output, c.rows, c.dim, c.layout);
  return problem;
}

AddProblem make_problem(const AddCase& c) {
  Random random(c.seed, 8);
  const Layout right_layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  AddProblem problem;
  problem.left = rows_operand(random, c.left, c.rows, c.dim, c.layout, 1.0);
  problem.right = rows_operand(random, c.right, c.right_rows, c.dim, right_layout, 1.0);
  problem.output = place_rows(c.output, c.rows, c.dim, c.layout);
  if (c.gate != GateKind::none)
    problem.gate = vector_operand(random, c.gate_type, c.gate_columns ? c.dim : 1, c.layout, 3.0);
  if (c.row_factors) {
    problem.row_factors = vector_operand(random, DType::f32, c.rows, Layout::bhld, 2.0);
    for (int64_t r = 0; r < c.rows; r += 3) {
      problem.row_factors.values.row(0, 0, 0)[r] = 0.0;
      if (c.right_rows == c.rows) fill_nan(problem.right.values.row(0, 0, r), c.dim);
    }
  }
  return problem;
}

MultiplyProblem make_problem(const MultiplyCase& c) {
  Random random(c.seed, 10);
  const Layout right_layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  return {.left = rows_operand(random, c.left, c.rows, c.dim, c.layout, 4.0),
          .right = rows_operand(random, c.right, c.right_rows, c.dim, right_layout, 1.0),
          .output = place_rows(c.output, c.rows, c.dim, c.layout)};
}

GatherProblem make_problem(const GatherCase& c) {
  Random random(c.seed, 9);
  const Layout layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  GatherProblem problem{.table = rows_operand(random, c.table, c.table_rows, c.dim, layout, 1.0),
                        .indices = {},
                        .output = place_rows(c.output, c.count, c.dim, layout)};
  constexpr int32_t kOutside[] = {-1, std::numeric_limits<int32_t>::min(),
                                  std::numeric_limits<int32_t>::max()};
  for (int64_t i = 0; i < c.count; ++i) {
    const auto rows = static_cast<int32_t>(c.table_rows);
    if (c.outside && i % 2 == 0)
      problem.indices.push_back(i % 8 == 6 ? rows : kOutside[i % 8 / 2]);
    else
      problem.indices.push_back(rows > 0 ? static_cast<int32_t>(random.below(rows)) : 0);
  }
  return problem;
}

MixKeysProblem make_problem(const MixKeysCase& c) {
  Random random(c.seed, 11);
  const auto items = [&](OneOfMix one) { return c.ones & one ? 1 : c.batch; };
  const auto heads = [&](OneOfMix one) { return c.ones & one ? 1 : c.heads; };
  const auto operand = [&](DType dtype, int64_t b, int64_t h, int64_t rows, int64_t columns) {
    return Operand{random_array(random, dtype, {b, h, rows, columns}, 1.0),
                   place(dtype, {b, h, rows, columns}, c.layout)};
  };
  MixKeysProblem problem;
  const int64_t b = items(kOneInput), h = heads(kOneInputHead);
  problem.input = operand(c.input, b, h, c.kv_len, c.dim);
  if (c.matrix)
    problem.matrix =
        operand(DType::f32, items(kOneMatrix), heads(kOneMatrixHead), c.rows, c.kv_len);
  problem.output = place(c.output, {c.batch, c.heads, c.rows, c.dim}, c.layout);
  if (!c.factors) return problem;
  const int64_t fb = items(kOneFactors), fh = heads(kOneFactorsHead);
  problem.factors = {random_array(random, DType::f32, {1, fb, fh, c.kv_len}, 2.0),
                     place(DType::f32, {fb, fh, c.kv_len}, c.layout)};
  for (int64_t n = 1; n < c.kv_len; n += 3) {
    for (int64_t i = 0; i < fb * fh; ++i) problem.factors.values.row(0, i / fh, i % fh)[n] = 0.0;
    for (int64_t i = 0; i < b * h; ++i) fill_nan(problem.input.values.row(i / h, i % h, n), c.dim);
  }
  return problem;
}

RotaryProblem make_problem(const RotaryCase& c) {
  Random random(c.seed, 12);
  const Dims shape = {c.batch, c.heads, c.length, c.dim};
  const Layout angles_layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  return {.input = {random_array(random, c.input, {c.batch, c.heads, c.length, c.dim}, 1.0),
                    place(c.input, shape, c.layout)},
          .angles = rows_operand(random, DType::f32, c.length, c.turned, angles_layout, c.angle),
          .output = place(c.output, shape, c.layout)};
}

}  // namespace weft::cases
