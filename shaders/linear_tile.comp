// Linear by tiles in shared memory. What it computes: linear.comp.
// The workgroup stages kStep features of its rows of data and weight as fp32, feature by feature, so
// that an invocation reads four rows at once; it owns kRows x kColumns sums, both multiples of 4.
// Rows that do not exist repeat the last one and are not written; features past the end are zeros.
// Needs no device feature (WEFT_NATIVE16: 16-bit storage). No subgroup operations.
// Shared memory: decide/shared_memory.cpp. Barriers in uniform flow only.
// Grid: x = ceil(rows / kBlockRows), y = ceil(out_features / kBlockColumns).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"

layout(local_size_x_id = WEFT_LINEAR_LOCAL_SIZE) in;
layout(constant_id = WEFT_LINEAR_LOCAL_SIZE) const uint kLocalSize = 64;
layout(constant_id = WEFT_LINEAR_ROWS) const uint kRows = 4;
layout(constant_id = WEFT_LINEAR_COLUMNS) const uint kColumns = 4;
layout(constant_id = WEFT_LINEAR_DATA_TYPE) const uint kDataType = 0;
layout(constant_id = WEFT_LINEAR_WEIGHT_TYPE) const uint kWeightType = 0;
layout(constant_id = WEFT_LINEAR_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_LINEAR_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_LINEAR_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_LINEAR_ACTIVATION) const uint kActivation = 0;
layout(constant_id = WEFT_LINEAR_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_LINEAR_BLOCK_ROWS) const uint kBlockRows = 32;
layout(constant_id = WEFT_LINEAR_BLOCK_COLUMNS) const uint kBlockColumns = 32;

layout(push_constant, std430) uniform Push { LinearPush push; };

#include "lib/linear_result.glsl"

const uint kStep = 16u;  // features
const uint kStepGroups = kStep / 4u;
const uint kStepAbreast = kRows * kColumns > 16u ? 2u : 4u;  // features multiplied without a loop
const uint kDataStride = kBlockRows + 4u;      // from feature to feature, padded for memory banks
const uint kWeightStride = kBlockColumns + 4u;
const uint kColumnThreads = kBlockColumns / kColumns;
const uint kRowThreads = kBlockRows / kRows;

shared float data_tile[kStep * kDataStride];
shared float weight_tile[kStep * kWeightStride];

vec4 sum[kRows * kColumns / 4u];  // of a row, four columns each
uint row_thread, column_thread;

// Group q of four rows, or columns, that an invocation owns: all invocations' groups lie side by side.
uint local_row(uint q) { return (q * kRowThreads + row_thread) * 4u; }
uint local_column(uint q) { return (q * kColumnThreads + column_thread) * 4u; }

// Four features of a row; those that do not exist are zeros, read where some exist.
vec4 load_features(uint type, uvec2 base, uint start, uint group) {
  uint last = (push.in_features - 1u) / 4u, near = min(group, last);
  vec4 values = load_group(type, kAligned, base, start, near, push.in_features - 4u * near);
  return group <= last ? values : vec4(0.0);
}

void stage_data(uint step, uint row0) {
  const uint places = kBlockRows * kStepGroups;
  [[unroll]] for (uint i = 0; i < (places + kLocalSize - 1u) / kLocalSize; ++i) {
    uint place = gl_LocalInvocationIndex + i * kLocalSize;
    uint local = place / kStepGroups, group = place % kStepGroups;
    uint row = min(row0 + local, push.rows - 1u);
    vec4 values = load_features(kDataType, push.data, row * push.data_stride_row,
                                step * kStepGroups + group);
    if (place < places) {
      [[unroll]] for (uint e = 0; e < 4u; ++e) {
        data_tile[(group * 4u + e) * kDataStride + local] = values[e];
      }
    }
  }
}

void stage_weight(uint step, uint column0) {
  const uint places = kBlockColumns * kStepGroups;
  [[unroll]] for (uint i = 0; i < (places + kLocalSize - 1u) / kLocalSize; ++i) {
    uint place = gl_LocalInvocationIndex + i * kLocalSize;
    uint local = place / kStepGroups, group = place % kStepGroups;
    uint row = min(column0 + local, push.out_features - 1u);
    vec4 values = load_features(kWeightType, push.weight, row * push.weight_stride_row,
                                step * kStepGroups + group);
    if (place < places) {
      [[unroll]] for (uint e = 0; e < 4u; ++e) {
        weight_tile[(group * 4u + e) * kWeightStride + local] = values[e];
      }
    }
  }
}

void multiply(uint feature) {
  vec4 w[kColumns / 4u];
  [[unroll]] for (uint c = 0; c < kColumns / 4u; ++c) {
    uint at = feature * kWeightStride + local_column(c);
    w[c] = vec4(weight_tile[at], weight_tile[at + 1u], weight_tile[at + 2u], weight_tile[at + 3u]);
  }
  [[unroll]] for (uint q = 0; q < kRows / 4u; ++q) {
    uint at = feature * kDataStride + local_row(q);
    [[unroll]] for (uint e = 0; e < 4u; ++e) {
      vec4 x = vec4(data_tile[at + e]);
      [[unroll]] for (uint c = 0; c < kColumns / 4u; ++c) {
        uint i = (q * 4u + e) * (kColumns / 4u) + c;
        sum[i] = fma(x, w[c], sum[i]);
      }
    }
  }
}

void main() {
  uint row0 = gl_WorkGroupID.x * kBlockRows, column0 = gl_WorkGroupID.y * kBlockColumns;
  row_thread = gl_LocalInvocationIndex / kColumnThreads;
  column_thread = gl_LocalInvocationIndex % kColumnThreads;
  [[unroll]] for (uint i = 0; i < kRows * kColumns / 4u; ++i) sum[i] = vec4(0.0);

  uint steps = (push.in_features + kStep - 1u) / kStep, step = 0;
  if (steps > 0u) {
    do {
      stage_data(step, row0);
      stage_weight(step, column0);
      barrier();
      uint k = 0;
      [[dont_unroll]] do {
        [[unroll]] for (uint j = 0; j < kStepAbreast; ++j) multiply(k + j);
        k += kStepAbreast;
      } while (k < kStep);
      barrier();
    } while (++step < steps);
  }

  bool groups_fit = result_groups_fit();
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint c = 0; c < kColumns / 4u; ++c) {
      write_group(sum[r * (kColumns / 4u) + c], row0 + local_row(r / 4u) + r % 4u,
                  column0 + local_column(c), groups_fit);
    }
  }
}
