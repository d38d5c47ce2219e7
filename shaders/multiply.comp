// Multiply: result[r] = activation(left[r]) right[r mod right_rows].
// One invocation = four elements of a row. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: ceil(rows x ceil(dim / 4) / local size) workgroups, folded into x and y as the host likes.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/activation.glsl"
#include "lib/grid.glsl"
#include "lib/memory.glsl"

layout(local_size_x_id = WEFT_MULTIPLY_LOCAL_SIZE) in;
layout(constant_id = WEFT_MULTIPLY_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_MULTIPLY_LEFT_TYPE) const uint kLeftType = 0;
layout(constant_id = WEFT_MULTIPLY_RIGHT_TYPE) const uint kRightType = 0;
layout(constant_id = WEFT_MULTIPLY_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_MULTIPLY_ACTIVATION) const uint kActivation = 0;
layout(constant_id = WEFT_MULTIPLY_ALIGNED) const bool kAligned = true;

layout(push_constant, std430) uniform Push { MultiplyPush push; };

void main() {
  uint groups = (push.dim + 3u) / 4u, index = folded_index(kLocalSize);
  uint row = index / groups, g = index % groups, valid = push.dim - 4u * g;
  if (row < push.rows) {
    uint left = row * push.left_stride_row, right = row % push.right_rows * push.right_stride_row;
    vec4 product = load_group(kLeftType, kAligned, push.left, left, g, valid);
    [[unroll]] for (uint i = 0; i < 4u; ++i) product[i] = activate(kActivation, product[i]);
    product *= load_group(kRightType, kAligned, push.right, right, g, valid);
    store_group(kResultType, kAligned, push.result, row * push.result_stride_row, g, valid, product);
  }
}
