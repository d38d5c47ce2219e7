#include "device/compare.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <sstream>

#include "decide/kernels.hpp"

namespace weft::test {
namespace {

// What storing in the type may add to a correct fp32 result.
double storage_error(DType dtype, double expected) {
  if (dtype != DType::f16 && dtype != DType::bf16) return 0.0;
  const double flush =
      std::abs(expected) < cases::smallest_normal(dtype) ? cases::smallest_normal(dtype) : 0.0;
  return std::max(cases::ulp(dtype, expected), flush);
}

std::string position(const reference::Array& array, size_t index) {
  auto rest = static_cast<int64_t>(index);
  std::array<int64_t, 4> at{};
  for (size_t axis = 4; axis-- > 0;) {
    at[axis] = rest % array.shape[axis];
    rest /= array.shape[axis];
  }
  std::ostringstream text;
  text << "[" << at[0] << ", " << at[1] << ", " << at[2] << ", " << at[3] << "]";
  return text.str();
}

// The error over what is allowed; above 1 it is wrong.
double badness(double found, double expected, double allowed) {
  if (std::isnan(expected)) return 0.0;  // not written, which damage() sees
  if (std::isinf(expected)) return found == expected ? 0.0 : INFINITY;
  if (!std::isfinite(found)) return INFINITY;
  return std::abs(found - expected) / std::max(allowed, 1e-30);
}

double largest_size(const reference::Array& values) {
  double largest = 0.0;
  for (double value : values.values)
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace

double largest_difference(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = std::abs(static_cast<double>(found[i]) - expected[i]);
    largest = difference <= largest ? largest : difference;  // a NaN stays
  }
  return largest;
}

std::string compare(const char* name, const std::vector<std::byte>& bytes,
                    const cases::Placement& placement, const reference::Array& expected,
                    const Allowed& allowed) {
  const reference::Array found = cases::decode(bytes, placement);
  size_t wrong = 0, worst = 0;
  double worst_badness = 0.0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double limit = allowed(i) + storage_error(placement.dtype, expected.values[i]);
    const double ratio = badness(found.values[i], expected.values[i], limit);
    if (!(ratio <= 1.0)) ++wrong;
    if (ratio > worst_badness) {
      worst_badness = ratio;
      worst = i;
    }
  }
  std::ostringstream text;
  text.precision(9);
  if (wrong > 0)
    text << name << ": " << wrong << " of " << expected.values.size() << " elements wrong; worst "
         << position(expected, worst) << " is " << found.values[worst] << ", expected "
         << expected.values[worst] << ", " << worst_badness << " times the allowed error. ";
  if (const std::string where = cases::damage(bytes, placement, &expected); !where.empty())
    text << name << ": " << where << ". ";
  return text.str();
}

double score_error(double magnitude) { return kUnit * (8.0 * magnitude + 4.0); }

namespace {

// Sums over a row's keys, null keys and sink.
double sum_error(const reference::AttentionInputs& inputs) {
  const int64_t keys = inputs.key.shape[2] + inputs.null_len() + 1;
  return kUnit * (16.0 + 2.0 * std::sqrt(static_cast<double>(keys)));
}

}  // namespace

double weight_rounding(std::string_view kernel) {
  for (const decide::AttentionRow& row : decide::attention_rows())
    if (kernel == row.name && row.matrix.m != 0)
      return row.inputs == decide::Inputs::bf16 ? 0x1p-8 : 0x1p-11;  // half a unit of the last bit
  return 0.0;
}

Allowed allowed_output(const reference::AttentionInputs& inputs,
                       const reference::AttentionResult& result, double weight_rounding) {
  double largest = largest_size(inputs.value);
  if (inputs.null_value) largest = std::max(largest, largest_size(*inputs.null_value));
  const double sums = largest * sum_error(inputs);
  const auto value_dim = static_cast<size_t>(inputs.value.shape[3]);
  return [&result, sums, value_dim, weight_rounding](size_t i) {
    const double error = score_error(result.magnitude.values[i / value_dim]);
    // No term is further from 0 than the mean and its distance from it. Rows of no item have none.
    const double mean = result.output.values[i];
    const double sizes = std::isnan(mean) ? 0.0 : std::abs(mean) + result.spread.values[i];
    return sums + 2.0 * error * std::exp(2.0 * error) * result.spread.values[i] +
           weight_rounding * sizes;
  };
}

Allowed allowed_logsumexp(const reference::AttentionInputs& inputs,
                          const reference::AttentionResult& result) {
  const double sums = sum_error(inputs);
  return [&result, sums](size_t i) {
    const double logsumexp = result.logsumexp.values[i];
    return sums + score_error(result.magnitude.values[i]) +
           (std::isfinite(logsumexp) ? 4.0 * kUnit * std::abs(logsumexp) : 0.0);
  };
}

Allowed allowed_weights(const reference::WeightsResult& result) {
  // Weights below the smallest fp32 number may be flushed to zero.
  return [&result](size_t i) {
    const double weight = result.values.values[i];
    const double relative =
        std::expm1(2.0 * score_error(result.magnitude.values[i])) + 64.0 * kUnit;
    const double exponential = weight > 0.0 ? 4.0 * kUnit * std::abs(std::log2(weight)) : 0.0;
    return (relative + exponential) * weight + 0x1p-126;
  };
}

Allowed allowed_scores(const reference::WeightsResult& result) {
  return [&result](size_t i) { return score_error(result.magnitude.values[i]); };
}

Allowed allowed_merge(const reference::MergeResult& left, const reference::MergeResult& right,
                      size_t row_width) {
  return [&left, &right, row_width](size_t i) {
    double largest = 1.0;
    for (const reference::MergeResult* part : {&left, &right})
      if (const double sum = part->logsumexp.values[i / row_width]; std::isfinite(sum))
        largest = std::max(largest, std::abs(sum));
    return 2.0 * score_error(largest);
  };
}

Allowed allowed_terms(const reference::OpResult& result, double units) {
  return [&result, units](size_t i) { return kUnit * units * result.magnitude.values[i]; };
}

}  // namespace weft::test
