// The rule that device results are held to.
//
// Inputs are rounded to their types first and the reference computes on the rounded values, so what
// remains is fp32 arithmetic and one rounding of the result. With u = 2^-24, the largest relative
// error of one fp32 operation: a sum of n terms of random sign ends within a few u times the sum of
// their sizes (its partial sums stay far below that), and exponentials and divisions add a few u of
// their own (up to 3 + 2|x| units in Vulkan). Results stored in 16 bits may be off by one unit in
// the last place besides: half of it from rounding the true value, the rest where a tiny error tips
// it over.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/array.hpp"
#include "reference/attention.hpp"
#include "reference/ops.hpp"
#include "reference/placement.hpp"

namespace weft::test {

inline constexpr double kUnit = 0x1p-24;

// The largest difference of two arrays, which a test requires to be of one size; NaN where one of them has a NaN.
double largest_difference(const std::vector<float>& found, const std::vector<float>& expected);

// Allowed fp32 error of element i of the reference array.
using Allowed = std::function<double(size_t)>;

// "" if every element lies within the allowed error and every byte between and around them, and of
// elements whose expected value is NaN, is untouched, else the worst element and how many are
// wrong.
std::string compare(const char* name, const std::vector<std::byte>& bytes,
                    const cases::Placement& placement, const reference::Array& expected,
                    const Allowed& allowed);

// Errors of a score: its dot product, and the exponential's argument in fp32.
double score_error(double magnitude);
// A row of the output: errors of scores move it by their size times its spread around the mean;
// sums over keys add theirs. Kernel rows that multiply by matrix units round every weight to the
// units' type besides, which moves the output by up to `weight_rounding` times the sum of its
// terms' sizes.
Allowed allowed_output(const reference::AttentionInputs& inputs,
                       const reference::AttentionResult& result, double weight_rounding = 0.0);
// The largest relative error of a weight that this kernel row rounds, 0 for rows that don't.
double weight_rounding(std::string_view kernel);
Allowed allowed_logsumexp(const reference::AttentionInputs& inputs,
                          const reference::AttentionResult& result);
// A weight is an exponential: a score's error is its relative error.
Allowed allowed_weights(const reference::WeightsResult& result);
// Stages before the softmax.
Allowed allowed_scores(const reference::WeightsResult& result);
// Of a merge's outputs (of size up to 1, row_width elements a row) and logsumexp (row_width 1): its
// weights are exponentials of differences of both parts'.
Allowed allowed_merge(const reference::MergeResult& left, const reference::MergeResult& right,
                      size_t row_width);
// `units` times u times the sizes of the terms.
Allowed allowed_terms(const reference::OpResult& result, double units);

}  // namespace weft::test
