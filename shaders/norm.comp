// Norm over the last dimension, in fp32:
//   layer: result = (x - mean) / sqrt(variance + epsilon) weight + bias, the variance in a second
//          pass over the row, so that a large mean does not cancel it
//   rms:   result = x / sqrt(mean of x^2 + epsilon) weight + bias
// One invocation = one row. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: ceil(rows / local size) workgroups, folded into x and y as the host likes.
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

layout(local_size_x_id = WEFT_NORM_LOCAL_SIZE) in;
layout(constant_id = WEFT_NORM_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_NORM_KIND) const uint kKind = 0;
layout(constant_id = WEFT_NORM_DATA_TYPE) const uint kDataType = 0;
layout(constant_id = WEFT_NORM_PARAMETER_TYPE) const uint kParameterType = 0;
layout(constant_id = WEFT_NORM_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_NORM_HAS_WEIGHT) const bool kHasWeight = false;
layout(constant_id = WEFT_NORM_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_NORM_ALIGNED) const bool kAligned = true;

layout(push_constant, std430) uniform Push { NormPush push; };

vec4 group_of(uint type, uvec2 base, uint start, uint g) {
  return load_group(type, kAligned, base, start, g, push.dim - 4u * g);
}

void main() {
  uint index = folded_index(kLocalSize), row = min(index, push.rows - 1u);
  uint groups = (push.dim + 3u) / 4u, last = groups - 1u;
  uint data = row * push.data_stride_row, result = row * push.result_stride_row;
  vec4 inside_last = vec4(lessThan(uvec4(0u, 1u, 2u, 3u), uvec4(push.dim - 4u * last)));

  // Loops are tested at the end: drivers that mask lanes run what follows an exit once more, reads
  // included.
  uint g = 0;
  float mean = 0.0;
  if (kKind == WEFT_NORM_LAYER) {
    vec4 sums = vec4(0.0);
    do {
      sums += group_of(kDataType, push.data, data, g);
    } while (++g < groups);
    mean = (sums.x + sums.y + sums.z + sums.w) / float(push.dim);
    g = 0;
  }
  vec4 squares = vec4(0.0);
  do {
    vec4 inside = g == last ? inside_last : vec4(1.0);
    vec4 x = (group_of(kDataType, push.data, data, g) - mean) * inside;
    squares += x * x;
  } while (++g < groups);
  float mean_square = (squares.x + squares.y + squares.z + squares.w) / float(push.dim);
  float factor = 1.0 / sqrt(mean_square + push.epsilon);
  g = 0;
  do {
    vec4 x = (group_of(kDataType, push.data, data, g) - mean) * factor;
    if (kHasWeight) x *= group_of(kParameterType, push.weight, 0u, g);
    if (kHasBias) x += group_of(kParameterType, push.bias, 0u, g);
    if (index < push.rows) {
      store_group(kResultType, kAligned, push.result, result, g, push.dim - 4u * g, x);
    }
  } while (++g < groups);
}
