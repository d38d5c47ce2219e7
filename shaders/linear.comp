#version 460
// result = activation(data weight^T + bias). An invocation owns ROWS rows and COLUMNS output columns; weights
// are read uniformly, so a subgroup fetches each once. No shared memory, no barriers, no subgroup operations.
// Grid: x = blocks of LOCAL_SIZE * ROWS rows, y = blocks of COLUMNS output columns.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "params.h"

layout(local_size_x_id = WEFT_LINEAR_LOCAL_SIZE) in;
layout(constant_id = WEFT_LINEAR_LOCAL_SIZE) const uint LOCAL_SIZE = 8;
layout(constant_id = WEFT_LINEAR_ROWS) const uint ROWS = 1;
layout(constant_id = WEFT_LINEAR_COLUMNS) const uint COLUMNS = 16;
layout(constant_id = WEFT_LINEAR_DATA_TYPE) const uint DATA_TYPE = 0;
layout(constant_id = WEFT_LINEAR_WEIGHT_TYPE) const uint WEIGHT_TYPE = 0;
layout(constant_id = WEFT_LINEAR_RESULT_TYPE) const uint RESULT_TYPE = 0;
layout(constant_id = WEFT_LINEAR_BIAS_TYPE) const uint BIAS_TYPE = 0;
layout(constant_id = WEFT_LINEAR_HAS_BIAS) const uint HAS_BIAS = 0;
layout(constant_id = WEFT_LINEAR_ACTIVATION) const uint ACTIVATION = 0;
layout(constant_id = WEFT_LINEAR_ALIGNED) const uint ALIGNED = 1;

#include "lib/memory.glsl"
#include "lib/activation.glsl"

layout(push_constant) uniform Push { LinearPush push; };

void main() {
  const uint first_row = gl_GlobalInvocationID.x * ROWS;
  const uint first_column = gl_WorkGroupID.y * COLUMNS;
  if (first_row >= push.rows) return;

  uint data_row[ROWS];
  float sums[ROWS * COLUMNS];
  [[unroll]] for (uint row = 0; row < ROWS; ++row)
    data_row[row] = min(first_row + row, push.rows - 1) * push.data_stride_row;
  uint weight_row[COLUMNS];
  [[unroll]] for (uint j = 0; j < COLUMNS; ++j)
    weight_row[j] = min(first_column + j, push.out_features - 1) * push.weight_stride_row;
  [[unroll]] for (uint i = 0; i < ROWS * COLUMNS; ++i) sums[i] = 0;

  const uint groups = (push.in_features + 3) / 4;
  for (uint group = 0; group < groups; ++group) {
    vec4 x[ROWS];
    [[unroll]] for (uint row = 0; row < ROWS; ++row)
      x[row] = load_group(push.data, data_row[row], group, push.in_features, DATA_TYPE, ALIGNED == 1);
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
      const vec4 w = load_group(push.weight, weight_row[j], group, push.in_features, WEIGHT_TYPE, ALIGNED == 1);
      [[unroll]] for (uint row = 0; row < ROWS; ++row) {
        float s = sums[row * COLUMNS + j];
        s = fma(x[row].x, w.x, s);
        s = fma(x[row].y, w.y, s);
        s = fma(x[row].z, w.z, s);
        sums[row * COLUMNS + j] = fma(x[row].w, w.w, s);
      }
    }
  }

  [[unroll]] for (uint row = 0; row < ROWS; ++row) {
    if (first_row + row >= push.rows) break;
    const uint result_row = (first_row + row) * push.result_stride_row;
    [[unroll]] for (uint j = 0; j < COLUMNS; ++j) {
      const uint column = first_column + j;
      if (column < push.out_features) {
        const float bias = HAS_BIAS == 1 ? load(push.bias, column, BIAS_TYPE) : 0.0;
        store(push.result, result_row + column, activate(sums[row * COLUMNS + j] + bias, ACTIVATION), RESULT_TYPE);
      }
    }
  }
}
