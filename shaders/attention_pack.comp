// Keys or values copied to where the rows of a head follow each other, and converted. One invocation = four elements
// of a row.
// Needs no device feature (WEFT_NATIVE16: 16-bit storage). Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: x = ceil(rows x groups of four elements / local size), groups fastest, y = heads, z = batch.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/memory.glsl"

layout(local_size_x_id = WEFT_PACK_LOCAL_SIZE) in;
layout(constant_id = WEFT_PACK_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_PACK_TYPE) const uint kType = 0;
layout(constant_id = WEFT_PACK_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_PACK_RESULT_TYPE) const uint kResultType = 0;

layout(push_constant, std430) uniform Push { PackPush push; };

void main() {
  uint groups = (push.dim + 3u) / 4u, index = gl_GlobalInvocationID.x;
  uint row = index / groups, g = index % groups, valid = push.dim - 4u * g;
  uvec2 from = slice_address(push.data, push.data_stride_batch, gl_WorkGroupID.z, push.data_stride_head,
                             gl_WorkGroupID.y);
  uvec2 to = slice_address(push.result, push.result_stride_batch, gl_WorkGroupID.z, push.result_stride_head,
                           gl_WorkGroupID.y);
  // Rows are counted from the workgroup's first: all of them are more than an index can reach.
  uint first = min(gl_WorkGroupID.x * kLocalSize / groups, push.rows - 1u), local = min(row, push.rows - 1u) - first;
  from = row_address(kType, from, push.data_stride_row, first);
  to = row_address(kResultType, to, push.dim, first);
  vec4 values = load_group(kType, kAligned, from, local * push.data_stride_row, g, valid);
  if (row < push.rows) store_group(kResultType, kAligned, to, local * push.dim, g, valid, values);
}
