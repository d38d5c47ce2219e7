#version 460
// result[i] = table[indices[i]], zeros where the index lies outside the table. An invocation owns four elements.
// Grid: blocks of LOCAL_SIZE groups of four elements, counted row by row and folded into x and y.
#extension GL_GOOGLE_include_directive : require
#include "params.h"

layout(local_size_x_id = WEFT_GATHER_LOCAL_SIZE) in;
layout(constant_id = WEFT_GATHER_LOCAL_SIZE) const uint LOCAL_SIZE = 8;
layout(constant_id = WEFT_GATHER_TABLE_TYPE) const uint TABLE_TYPE = 0;
layout(constant_id = WEFT_GATHER_RESULT_TYPE) const uint RESULT_TYPE = 0;
layout(constant_id = WEFT_GATHER_ALIGNED) const uint ALIGNED = 1;

#include "lib/grid.glsl"
#include "lib/memory.glsl"

layout(push_constant) uniform Push { GatherPush push; };

void main() {
  const uint groups = (push.dim + 3) / 4;
  const uint index = folded_index(LOCAL_SIZE);
  const uint row = index / groups;
  const uint group = index % groups;
  if (row >= push.count) return;
  const uint source = uint(Ints(push.indices).v[row]);  // a negative one is beyond every table
  vec4 value = vec4(0);
  if (source < push.table_rows)
    value = load_group(push.table, source * push.table_stride_row, group, push.dim, TABLE_TYPE, ALIGNED == 1);
  store_group(push.result, row * push.result_stride_row, group, value, push.dim, RESULT_TYPE, ALIGNED == 1);
}
