// Linear, norms, activations, add and gather in fp64 and plain loops.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/array.hpp"
#include "weft/ops.hpp"

namespace weft::reference {

// What a formula gives, and what its rounding errors are measured against.
struct OpResult {
  Array output;
  Array magnitude;  // as output: the sum of the sizes of its terms, and thrice what an activation
                    // was given
};

double activate(Activation activation, double x);

// input [1, 1, rows, in_features], weight [1, 1, out_features, in_features], bias null or [1, 1, 1,
// out_features]
OpResult linear(const Array& input, const Array& weight, const Array* bias, Activation activation);

// input [1, 1, rows, dim]; weight and bias null or [1, 1, 1, dim]
OpResult layer_norm(const Array& input, const Array* weight, const Array* bias, double epsilon);
OpResult rms_norm(const Array& input, const Array* weight, const Array* bias, double epsilon);

// left [1, 1, rows, dim]; right [1, 1, right rows, dim] repeats
OpResult add(const Array& left, const Array& right);

// table [1, 1, table rows, dim]; zeros where an index lies outside
OpResult gather(const Array& table, const std::vector<int32_t>& indices);

}  // namespace weft::reference
