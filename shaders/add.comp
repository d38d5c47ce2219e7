// Add: result[r] = left[r] + row_factors[r] gate right[r mod right_rows], each of them but right where it is given.
// Where a row's factor is 0 its right is not looked at: it may be NaN.
// One invocation = four elements of a row. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: ceil(rows x ceil(dim / 4) / local size) workgroups, folded into x and y as the host likes.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/grid.glsl"
#include "lib/memory.glsl"
#include "lib/tanh.glsl"

layout(local_size_x_id = WEFT_ADD_LOCAL_SIZE) in;
layout(constant_id = WEFT_ADD_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_ADD_LEFT_TYPE) const uint kLeftType = 0;
layout(constant_id = WEFT_ADD_RIGHT_TYPE) const uint kRightType = 0;
layout(constant_id = WEFT_ADD_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_ADD_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_ADD_HAS_LEFT) const bool kHasLeft = true;
layout(constant_id = WEFT_ADD_GATE) const uint kGate = 0;
layout(constant_id = WEFT_ADD_GATE_TYPE) const uint kGateType = 0;
layout(constant_id = WEFT_ADD_GATE_COLUMNS) const bool kGateColumns = false;
layout(constant_id = WEFT_ADD_ROW_FACTORS) const bool kRowFactors = false;

layout(push_constant, std430) uniform Push { AddPush push; };

vec4 gate_of(uint g, uint valid) {
  vec4 gate = kGateColumns ? load_group(kGateType, kAligned, push.gate, 0u, g, valid)
                           : vec4(load_element(kGateType, push.gate, 0u));
  return kGate == WEFT_GATE_TANH ? hyperbolic_tangent(gate) : gate;
}

void main() {
  uint groups = (push.dim + 3u) / 4u, index = folded_index(kLocalSize);
  uint row = index / groups, g = index % groups, valid = push.dim - 4u * g;
  if (row < push.rows) {
    uint left = row * push.left_stride_row, right = row % push.right_rows * push.right_stride_row;
    vec4 sum = vec4(0.0);
    if (kHasLeft) sum = load_group(kLeftType, kAligned, push.left, left, g, valid);
    vec4 added = load_group(kRightType, kAligned, push.right, right, g, valid);
    if (kGate != WEFT_GATE_NONE) added *= gate_of(g, valid);
    if (kRowFactors) {
      float factor = Floats(push.row_factors).v[row];
      added = factor == 0.0 ? vec4(0.0) : factor * added;
    }
    sum = kHasLeft ? sum + added : added;
    store_group(kResultType, kAligned, push.result, row * push.result_stride_row, g, valid, sum);
  }
}
