// Keys or values changed along their length, in fp32: result[j] = sum over n of matrix[j][n] factors[n] data[n];
// without a matrix result[j] = factors[j] data[j]. A row of data whose factor is 0 counts as zeros, NaN or not.
// One invocation = four columns of a row. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: ceil(rows x ceil(dim / 4) / local size) workgroups, folded into x and y; z = batch x heads, heads fastest.
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

layout(local_size_x_id = WEFT_MIX_KEYS_LOCAL_SIZE) in;
layout(constant_id = WEFT_MIX_KEYS_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_MIX_KEYS_DATA_TYPE) const uint kDataType = 0;
layout(constant_id = WEFT_MIX_KEYS_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_MIX_KEYS_HAS_FACTORS) const bool kHasFactors = false;
layout(constant_id = WEFT_MIX_KEYS_HAS_MATRIX) const bool kHasMatrix = false;
layout(constant_id = WEFT_MIX_KEYS_ALIGNED) const bool kAligned = true;

layout(push_constant, std430) uniform Push { MixKeysPush push; };

void main() {
  uint batch = gl_WorkGroupID.z / push.heads, head = gl_WorkGroupID.z % push.heads;
  uvec2 data = slice_address(push.data, push.data_stride_batch, batch, push.data_stride_head, head);
  uvec2 factors = slice_address(push.factors, push.factors_stride_batch, batch, push.factors_stride_head, head);
  uvec2 matrix = slice_address(push.matrix, push.matrix_stride_batch, batch, push.matrix_stride_head, head);
  uvec2 result = slice_address(push.result, push.result_stride_batch, batch, push.result_stride_head, head);

  uint groups = (push.dim + 3u) / 4u, index = folded_index(kLocalSize);
  uint row = min(index / groups, push.rows - 1u), g = index % groups, valid = push.dim - 4u * g;
  vec4 sum = vec4(0.0);
  if (push.kv_len != 0u) {
    uint n = kHasMatrix ? 0u : row;
    do {
      vec4 values = load_group(kDataType, kAligned, data, n * push.data_stride_row, g, valid);
      if (kHasFactors) {
        float factor = Floats(factors).v[n];
        values = factor == 0.0 ? vec4(0.0) : factor * values;
      }
      sum = kHasMatrix ? fma(vec4(Floats(matrix).v[row * push.matrix_stride_row + n]), values, sum) : values;
      ++n;
    } while (kHasMatrix && n < push.kv_len);
  }
  if (index / groups < push.rows) {
    store_group(kResultType, kAligned, result, row * push.result_stride_row, g, valid, sum);
  }
}
