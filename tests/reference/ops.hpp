// What stands around attention, in fp64 and plain loops.
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

// What add does to right. Null: nothing. A row whose factor is 0 adds 0, whatever right is.
struct AddScales {
  GateKind gate_kind = GateKind::none;
  const Array* gate = nullptr;         // [1, 1, 1, 1 or dim]
  const Array* row_factors = nullptr;  // [1, 1, 1, rows]
};
// left null or [1, 1, rows, dim]; right [1, 1, right rows, dim] repeats
OpResult add(const Array* left, const Array& right, int64_t rows, const AddScales& scales);

// left [1, 1, rows, dim]; right [1, 1, right rows, dim] repeats
OpResult multiply(const Array& left, const Array& right, Activation activation);

// table [1, 1, table rows, dim]; zeros where an index lies outside
OpResult gather(const Array& table, const std::vector<int32_t>& indices);

// input [batch, heads, kv_len, dim]; factors null or [1, batch, heads, kv_len]; matrix null or
// [batch, heads, rows, kv_len]; batch and heads of 1 repeat along those of the result. A row whose
// factor is 0 counts as zeros.
OpResult mix_keys(const Array& input, const Array* factors, const Array* matrix, int64_t batch,
                  int64_t heads);

// input [batch, heads, length, dim], angles [1, 1, length, turned]
OpResult rotary(const Array& input, const Array& angles, bool interleaved);

}  // namespace weft::reference
