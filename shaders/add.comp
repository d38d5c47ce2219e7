#version 460
// result[r] = left[r] + right[r mod right_rows]. An invocation owns four elements of a row.
// Grid: blocks of LOCAL_SIZE groups of four elements, counted row by row and folded into x and y.
#extension GL_GOOGLE_include_directive : require
#include "params.h"

layout(local_size_x_id = WEFT_ADD_LOCAL_SIZE) in;
layout(constant_id = WEFT_ADD_LOCAL_SIZE) const uint LOCAL_SIZE = 8;
layout(constant_id = WEFT_ADD_LEFT_TYPE) const uint LEFT_TYPE = 0;
layout(constant_id = WEFT_ADD_RIGHT_TYPE) const uint RIGHT_TYPE = 0;
layout(constant_id = WEFT_ADD_RESULT_TYPE) const uint RESULT_TYPE = 0;
layout(constant_id = WEFT_ADD_ALIGNED) const uint ALIGNED = 1;

#include "lib/grid.glsl"
#include "lib/memory.glsl"

layout(push_constant) uniform Push { AddPush push; };

void main() {
  const uint groups = (push.dim + 3) / 4;
  const uint index = folded_index(LOCAL_SIZE);
  const uint row = index / groups;
  const uint group = index % groups;
  if (row >= push.rows) return;
  const vec4 left = load_group(push.left, row * push.left_stride_row, group, push.dim, LEFT_TYPE, ALIGNED == 1);
  const vec4 right = load_group(push.right, row % push.right_rows * push.right_stride_row, group, push.dim, RIGHT_TYPE,
                                ALIGNED == 1);
  store_group(push.result, row * push.result_stride_row, group, left + right, push.dim, RESULT_TYPE, ALIGNED == 1);
}
