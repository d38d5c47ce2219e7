#include "reference/ops.hpp"

#include <cmath>
#include <numbers>

namespace weft::reference {
namespace {

OpResult empty_result(int64_t rows, int64_t columns) {
  return {.output = Array(1, 1, rows, columns), .magnitude = Array(1, 1, rows, columns)};
}

// (x - centre) / divisor * weight + bias for one row; a centre of 0 for the RMS norm.
void normalise_row(const double* input, int64_t dim, double centre, double divisor,
                   const Array* weight, const Array* bias, double* output, double* magnitude) {
  for (int64_t c = 0; c < dim; ++c) {
    const double factor = (weight ? weight->row(0, 0, 0)[c] : 1.0) / divisor;
    const double shift = bias ? bias->row(0, 0, 0)[c] : 0.0;
    output[c] = (input[c] - centre) * factor + shift;
    magnitude[c] = (std::abs(input[c]) + std::abs(centre)) * std::abs(factor) + std::abs(shift);
  }
}

}  // namespace

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x > 0.0 ? x : 0.0;
    case Activation::silu:
      return x / (1.0 + std::exp(-x));
    case Activation::gelu:
      return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2));
    case Activation::gelu_tanh:
      return 0.5 * x *
             (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  }
  return x;
}

OpResult linear(const Array& input, const Array& weight, const Array* bias, Activation activation) {
  const int64_t rows = input.shape[2];
  const int64_t in_features = input.shape[3];
  const int64_t out_features = weight.shape[2];
  OpResult result = empty_result(rows, out_features);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t n = 0; n < out_features; ++n) {
      const double* x = input.row(0, 0, r);
      const double* w = weight.row(0, 0, n);
      double sum = bias ? bias->row(0, 0, 0)[n] : 0.0;
      double terms = std::abs(sum);
      for (int64_t c = 0; c < in_features; ++c) {
        sum += x[c] * w[c];
        terms += std::abs(x[c] * w[c]);
      }
      result.output.row(0, 0, r)[n] = activate(activation, sum);
      result.magnitude.row(0, 0, r)[n] =
          terms + (activation == Activation::none ? 0.0 : 3.0 * std::abs(sum));
    }
  return result;
}

OpResult layer_norm(const Array& input, const Array* weight, const Array* bias, double epsilon) {
  const int64_t rows = input.shape[2];
  const int64_t dim = input.shape[3];
  OpResult result = empty_result(rows, dim);
  for (int64_t r = 0; r < rows; ++r) {
    const double* x = input.row(0, 0, r);
    double mean = 0.0;
    for (int64_t c = 0; c < dim; ++c) mean += x[c] / static_cast<double>(dim);
    double variance = 0.0;
    for (int64_t c = 0; c < dim; ++c)
      variance += (x[c] - mean) * (x[c] - mean) / static_cast<double>(dim);
    normalise_row(x, dim, mean, std::sqrt(variance + epsilon), weight, bias,
                  result.output.row(0, 0, r), result.magnitude.row(0, 0, r));
  }
  return result;
}

OpResult rms_norm(const Array& input, const Array* weight, const Array* bias, double epsilon) {
  const int64_t rows = input.shape[2];
  const int64_t dim = input.shape[3];
  OpResult result = empty_result(rows, dim);
  for (int64_t r = 0; r < rows; ++r) {
    const double* x = input.row(0, 0, r);
    double mean_square = 0.0;
    for (int64_t c = 0; c < dim; ++c) mean_square += x[c] * x[c] / static_cast<double>(dim);
    normalise_row(x, dim, 0.0, std::sqrt(mean_square + epsilon), weight, bias,
                  result.output.row(0, 0, r), result.magnitude.row(0, 0, r));
  }
  return result;
}

OpResult add(const Array& left, const Array& right) {
  const int64_t rows = left.shape[2];
  const int64_t dim = left.shape[3];
  OpResult result = empty_result(rows, dim);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < dim; ++c) {
      const double x = left.row(0, 0, r)[c];
      const double y = right.row(0, 0, r % right.shape[2])[c];
      result.output.row(0, 0, r)[c] = x + y;
      result.magnitude.row(0, 0, r)[c] = std::abs(x) + std::abs(y);
    }
  return result;
}

OpResult gather(const Array& table, const std::vector<int32_t>& indices) {
  const auto count = static_cast<int64_t>(indices.size());
  const int64_t dim = table.shape[3];
  OpResult result = empty_result(count, dim);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t index = indices[i];
    if (index < 0 || index >= table.shape[2]) continue;
    for (int64_t c = 0; c < dim; ++c) result.output.row(0, 0, i)[c] = table.row(0, 0, index)[c];
  }
  return result;
}

}  // namespace weft::reference
