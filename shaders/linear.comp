// Linear: result[i][n] = activation(sum_k data[i][k] weight[n][k] + bias[n]), sums in fp32.
// One invocation = kRows rows x kColumns output columns; weights are read at addresses that are the
// same for all invocations of a workgroup. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: x = ceil(rows / (local size x kRows)), y = ceil(out_features / kColumns).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/dot.glsl"
#include "lib/memory.glsl"
#include "lib/activation.glsl"

layout(local_size_x_id = WEFT_LINEAR_LOCAL_SIZE) in;
layout(constant_id = WEFT_LINEAR_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_LINEAR_ROWS) const uint kRows = 1;
layout(constant_id = WEFT_LINEAR_COLUMNS) const uint kColumns = 16;
layout(constant_id = WEFT_LINEAR_DATA_TYPE) const uint kDataType = 0;
layout(constant_id = WEFT_LINEAR_WEIGHT_TYPE) const uint kWeightType = 0;
layout(constant_id = WEFT_LINEAR_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_LINEAR_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_LINEAR_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_LINEAR_ACTIVATION) const uint kActivation = 0;
layout(constant_id = WEFT_LINEAR_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_LINEAR_READ_TOGETHER) const bool kReadTogether = false;

// Groups of four data elements in registers while the columns pass; one where each element is read
// by itself: the reads of all columns together overflow the registers.
const uint kStepGroups = kAligned ? 4u : 1u;
const uint kColumnsAbreast = 8u;  // columns summed at the same time

layout(push_constant, std430) uniform Push { LinearPush push; };

uint data_row[kReadTogether ? kLocalSize : kRows];  // where the rows begin, in elements
uvec2 weight_row[kColumns];
float sum[kRows * kColumns];

// Four features of an invocation's row. A CPU driver reads from addresses that differ between
// invocations more slowly than all of them one after the other.
vec4 read_data(uint r, uint group, uint valid) {
  vec4 mine = load_group(kDataType, kAligned, push.data, data_row[r], group, valid);
  if (kReadTogether) {
    [[unroll]] for (uint i = 1; i < kLocalSize; ++i) {
      vec4 other = load_group(kDataType, kAligned, push.data, data_row[i], group, valid);
      mine = gl_LocalInvocationID.x == i ? other : mine;
    }
  }
  return mine;
}

// Adds groups first to first + count - 1 of the inner dimension, count a constant; of each group
// "valid" elements exist.
void accumulate(uint first, const uint count, uint valid) {
  vec4 x[kRows * kStepGroups];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint g = 0; g < count; ++g) {
      x[r * kStepGroups + g] = read_data(r, first + g, valid);
    }
  }
  [[unroll]] for (uint c = 0; c < kColumns; c += kColumnsAbreast) {
    [[unroll]] for (uint g = 0; g < count; ++g) {
      [[unroll]] for (uint j = c; j < min(c + kColumnsAbreast, kColumns); ++j) {
        vec4 w = load_group(kWeightType, kAligned, weight_row[j], 0u, first + g, valid);
        [[unroll]] for (uint r = 0; r < kRows; ++r) {
          sum[r * kColumns + j] = dot_add(x[r * kStepGroups + g], w, sum[r * kColumns + j]);
        }
      }
    }
  }
}

// whole_groups: the columns are all there and fall into aligned groups of four.
void write_row(uint r, uint row, uint column0, bool whole_groups) {
  uint start = row * push.result_stride_row;
  if (whole_groups) {
    [[unroll]] for (uint j = 0; j < kColumns; j += 4u) {
      uint i = r * kColumns + j;
      vec4 values = vec4(sum[i], sum[i + 1u], sum[i + 2u], sum[i + 3u]);
      store_group(kResultType, true, push.result, start, (column0 + j) / 4u, 4u, values);
    }
  } else {
    [[unroll]] for (uint j = 0; j < kColumns; ++j) {
      if (column0 + j < push.out_features) {
        store_element(kResultType, push.result, start + column0 + j, sum[r * kColumns + j]);
      }
    }
  }
}

void main() {
  uint row0 = gl_GlobalInvocationID.x * kRows;
  uint column0 = gl_WorkGroupID.y * kColumns;
  // Rows past the end compute and do not write.
  uint first_row = kReadTogether ? gl_WorkGroupID.x * kLocalSize : row0;
  [[unroll]] for (uint r = 0; r < (kReadTogether ? kLocalSize : kRows); ++r) {
    data_row[r] = min(first_row + r, push.rows - 1u) * push.data_stride_row;
  }
  [[unroll]] for (uint j = 0; j < kColumns; ++j) {
    uint column = min(column0 + j, push.out_features - 1u);
    weight_row[j] = row_address(kWeightType, push.weight, push.weight_stride_row, column);
  }
  [[unroll]] for (uint i = 0; i < kRows * kColumns; ++i) sum[i] = 0.0;

  // Loops are tested at the end: drivers that mask lanes run what follows an exit once more, reads
  // included.
  uint full = push.in_features / 4u, left = push.in_features % 4u, g = 0;
  if (full >= kStepGroups) {
    do {
      accumulate(g, kStepGroups, 4u);
      g += kStepGroups;
    } while (g + kStepGroups <= full);
  }
  if (kStepGroups > 1u && g < full) {
    do {
      accumulate(g, 1u, 4u);
    } while (++g < full);
  }
  if (!kAligned && left != 0u) accumulate(full, 1u, left);

  [[unroll]] for (uint j = 0; j < kColumns; ++j) {
    uint column = min(column0 + j, push.out_features - 1u);
    float bias = kHasBias ? load_element(kBiasType, push.bias, column) : 0.0;
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      sum[r * kColumns + j] = activate(kActivation, sum[r * kColumns + j] + bias);
    }
  }
  uint group_bytes = 4u << type_shift(kResultType);
  bool whole_groups = column0 + kColumns <= push.out_features &&
                      push.result.x % group_bytes == 0u && push.result_stride_row % 4u == 0u;
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if (row0 + r < push.rows) write_row(r, row0 + r, column0, whole_groups);
  }
}
