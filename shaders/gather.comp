// Gather: result[i] = table[indices[i]], zeros where the index is outside the table.
// One invocation = four elements of a row. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: ceil(count x ceil(dim / 4) / local size) workgroups, folded into x and y as the host likes.
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

layout(local_size_x_id = WEFT_GATHER_LOCAL_SIZE) in;
layout(constant_id = WEFT_GATHER_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_GATHER_TABLE_TYPE) const uint kTableType = 0;
layout(constant_id = WEFT_GATHER_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_GATHER_ALIGNED) const bool kAligned = true;

layout(push_constant, std430) uniform Push { GatherPush push; };

void main() {
  uint groups = (push.dim + 3u) / 4u, index = folded_index(kLocalSize);
  uint row = index / groups, g = index % groups, valid = push.dim - 4u * g;
  if (row < push.count) {
    uint source = Words(push.indices).v[row];  // a negative index is beyond every table
    vec4 values = vec4(0.0);
    if (source < push.table_rows) {
      uint start = source * push.table_stride_row;
      values = load_group(kTableType, kAligned, push.table, start, g, valid);
    }
    uint start = row * push.result_stride_row;
    store_group(kResultType, kAligned, push.result, start, g, valid, values);
  }
}
