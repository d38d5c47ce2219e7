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
    case Activation::quick_gelu:
      return x / (1.0 + std::exp(-1.702 * x));
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

OpResult add(const Array* left, const Array& right, int64_t rows, const AddScales& scales) {
  const int64_t dim = right.shape[3];
  OpResult result = empty_result(rows, dim);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < dim; ++c) {
      const double x = left ? left->row(0, 0, r)[c] : 0.0;
      double y = right.row(0, 0, r % right.shape[2])[c];
      if (scales.gate_kind != GateKind::none) {
        const double gate = scales.gate->row(0, 0, 0)[scales.gate->shape[3] == 1 ? 0 : c];
        y *= scales.gate_kind == GateKind::tanh ? std::tanh(gate) : gate;
      }
      if (scales.row_factors) {
        const double factor = scales.row_factors->row(0, 0, 0)[r];
        y = factor == 0.0 ? 0.0 : factor * y;
      }
      result.output.row(0, 0, r)[c] = x + y;
      // a hyperbolic tangent has a relative error of its own
      result.magnitude.row(0, 0, r)[c] =
          std::abs(x) + (scales.gate_kind == GateKind::tanh ? 4.0 : 1.0) * std::abs(y);
    }
  return result;
}

OpResult multiply(const Array& left, const Array& right, Activation activation) {
  const int64_t rows = left.shape[2];
  const int64_t dim = left.shape[3];
  OpResult result = empty_result(rows, dim);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < dim; ++c) {
      const double x = left.row(0, 0, r)[c];
      const double y = right.row(0, 0, r % right.shape[2])[c];
      const double activated = activate(activation, x);
      result.output.row(0, 0, r)[c] = activated * y;
      result.magnitude.row(0, 0, r)[c] =
          (std::abs(activated) + (activation == Activation::none ? 0.0 : 3.0 * std::abs(x))) *
          std::abs(y);
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

OpResult mix_keys(const Array& input, const Array* factors, const Array* matrix, int64_t batch,
                  int64_t heads) {
  const int64_t kv_len = input.shape[2], dim = input.shape[3];
  const int64_t rows = matrix ? matrix->shape[2] : kv_len;
  OpResult result{Array(batch, heads, rows, dim), Array(batch, heads, rows, dim)};
  const auto add_row = [&](int64_t b, int64_t h, int64_t j, int64_t n, double entry) {
    const double* x = input.row(b, h, n);
    const double factor = factors ? factors->row(0, b, h)[n] : 1.0;
    for (int64_t c = 0; c < dim; ++c) {
      const double term = factor == 0.0 ? 0.0 : entry * (factor * x[c]);
      result.output.row(b, h, j)[c] += term;
      result.magnitude.row(b, h, j)[c] += std::abs(term);
    }
  };
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t j = 0; j < rows; ++j) {
        if (!matrix) {
          add_row(b, h, j, j, 1.0);
          continue;
        }
        for (int64_t n = 0; n < kv_len; ++n) add_row(b, h, j, n, matrix->row(b, h, j)[n]);
      }
  return result;
}

OpResult rotary(const Array& input, const Array& angles, bool interleaved) {
  const auto& shape = input.shape;
  const int64_t half = angles.shape[3] / 2;
  OpResult result{input, input};
  for (double& size : result.magnitude.values) size = std::abs(size);
  for (int64_t b = 0; b < shape[0]; ++b)
    for (int64_t h = 0; h < shape[1]; ++h)
      for (int64_t r = 0; r < shape[2]; ++r)
        for (int64_t p = 0; p < half; ++p) {
          const int64_t first = interleaved ? 2 * p : p,
                        second = interleaved ? 2 * p + 1 : p + half;
          const double* angle = angles.row(0, 0, r);
          const double x = input.row(b, h, r)[first], y = input.row(b, h, r)[second];
          double* output = result.output.row(b, h, r);
          double* magnitude = result.magnitude.row(b, h, r);
          output[first] = x * std::cos(angle[first]) - y * std::sin(angle[first]);
          output[second] = y * std::cos(angle[second]) + x * std::sin(angle[second]);
          magnitude[first] = magnitude[second] = std::abs(x) + std::abs(y);
        }
  return result;
}

}  // namespace weft::reference
