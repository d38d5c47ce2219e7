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
  quick_gelu = 5,  // x / (1 + exp(-1.702 x))
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

enum class GateKind : int32_t {
  none = 0,
  value = 1,  // multiplies by the gate's value
  tanh = 2,   // by its hyperbolic tangent
};

struct Gate {
  GateKind kind = GateKind::none;
  Tensor value{};  // [1], or [dim]: one for each column
};

struct AddCall {
  Tensor left{};  // rows of dim; not given: 0
  Tensor right;   // rows of dim; its row count divides output's: it repeats (positions, biases)
  Tensor output;  // rows of dim; in place over left allowed
  Gate gate{};    // of right
  Tensor row_factors{};  // optional: f32 [output rows], dense: multiplies right. Where it is 0, right is not looked at
};
// output[r] = left[r] + row_factors[r] * gate * right[r mod right rows]
WEFT_EXPORT Result<void> add(Recorder& recorder, const AddCall& call);

struct MultiplyCall {
  Tensor left;    // rows of dim
  Tensor right;   // rows of dim; its row count divides left's: it repeats
  Tensor output;  // as left; in place over left allowed
  Activation activation = Activation::none;  // of left
};
// output[r] = activation(left[r]) * right[r mod right rows]
WEFT_EXPORT Result<void> multiply(Recorder& recorder, const MultiplyCall& call);

struct GatherCall {
  Tensor table;    // [table rows, dim]
  Tensor indices;  // i32 [count], dense
  Tensor output;   // [count, dim]
};
// output[i] = table[indices[i]]; a row of zeros where the index lies outside the table
WEFT_EXPORT Result<void> gather(Recorder& recorder, const GatherCall& call);

// Keys or values, changed along their length. Tensors of [batch, heads, length, dim] with any strides whose last is 1;
// an axis of 1 of input, factors or matrix repeats along output's batch and heads.
struct MixKeysCall {
  Tensor input;      // [batch, heads, kv_len, dim]
  Tensor factors{};  // optional: f32 [batch, heads, kv_len], one for each row of the input. A row whose factor is 0
                     // counts as zeros, whatever its bits
  Tensor matrix{};   // optional: f32 [batch, heads, rows, kv_len]; without it output has the input's rows
  Tensor output;     // [batch, heads, rows, dim], apart from the inputs
};
// output[j] = sum over n of matrix[j][n] * factors[n] * input[n]; a strided copy, and a conversion of type, where
// neither is given.
WEFT_EXPORT Result<void> mix_keys(Recorder& recorder, const MixKeysCall& call);

struct RotaryCall {
  Tensor input;   // [batch, heads, length, dim], any strides whose last is 1
  Tensor angles;  // f32 [length, n], n even and at most dim, in radians up to 50000
  Tensor output;  // as input; in place allowed
  bool interleaved = false;
};
// The first n columns x turned by their angles: output = x cos(angle) + turned(x) sin(angle), where turned(x) is
// [-second half, first half] or, interleaved, pairs (-x1, x0); columns from n on are copied.
// (Su et al., arXiv 2104.09864; both pairings are in use.)
WEFT_EXPORT Result<void> rotary(Recorder& recorder, const RotaryCall& call);

}  // namespace weft
