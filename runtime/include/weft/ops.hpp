// What fusion blocks need around attention. Arithmetic is fp32; every tensor may be f32, f16 or bf16.
//
// "Rows" tensors are [..., rows, dim] of rank 1 to 4 whose leading axes fold into one row stride (any dense
// tensor does, and so does a slice of columns); the last stride is 1. Row counts and dims may be 0.
// Errors of all: invalid_argument, naming operation, rule and values found; unsupported (more rows than the
// device's grids hold, no kernel row left); out_of_memory and device_lost where a pipeline is made. An output must
// not overlap an input, judged from first to last byte, except where it is exactly the same view and the comment
// says "in place".
#pragma once

#include "weft/export.hpp"
#include "weft/recorder.hpp"

namespace weft {

enum class Activation : int32_t {
  none = 0,
  relu = 1,       // max(x, 0)
  silu = 2,       // x / (1 + exp(-x))
  gelu = 3,       // 0.5 x (1 + erf(x / sqrt 2))
  gelu_tanh = 4,  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
};

struct LinearCall {
  Tensor input;   // rows of in_features
  Tensor weight;  // [out_features, in_features]
  Tensor bias{};  // optional: [out_features]
  Tensor output;  // rows of out_features
  Activation activation = Activation::none;
};
// output = activation(input weight^T + bias)
WEFT_EXPORT Result<void> linear(Recorder& recorder, const LinearCall& call);

struct NormCall {
  Tensor input;   // rows of dim
  Tensor weight{};  // optional: [dim]
  Tensor bias{};  // optional: [dim], of the weight's type
  Tensor output;  // rows of dim; in place allowed
  float epsilon = 1e-5f;  // >= 0
};
// output = (x - mean) / sqrt(variance + epsilon) * weight + bias, the variance being the mean square deviation
WEFT_EXPORT Result<void> layer_norm(Recorder& recorder, const NormCall& call);
// output = x / sqrt(mean(x^2) + epsilon) * weight + bias
WEFT_EXPORT Result<void> rms_norm(Recorder& recorder, const NormCall& call);

struct AddCall {
  Tensor left;    // rows of dim
  Tensor right;   // rows of dim; its row count divides left's: it repeats (positions, biases)
  Tensor output;  // as left; in place over left allowed
};
// output[r] = left[r] + right[r mod right rows]
WEFT_EXPORT Result<void> add(Recorder& recorder, const AddCall& call);

struct GatherCall {
  Tensor table;    // [table rows, dim]
  Tensor indices;  // i32 [count], dense
  Tensor output;   // [count, dim]
};
// output[i] = table[indices[i]]; a row of zeros where the index lies outside the table
WEFT_EXPORT Result<void> gather(Recorder& recorder, const GatherCall& call);

}  // namespace weft
