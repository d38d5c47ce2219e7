#version 460
// Layer norm: result = (x - mean) / sqrt(variance + epsilon) * weight + bias; RMS norm without the mean.
// The variance takes a second pass over the row, so that a large mean does not cancel it.
// An invocation owns a row. Grid: blocks of LOCAL_SIZE rows, folded into x and y.
#extension GL_GOOGLE_include_directive : require
#include "params.h"

layout(local_size_x_id = WEFT_NORM_LOCAL_SIZE) in;
layout(constant_id = WEFT_NORM_LOCAL_SIZE) const uint LOCAL_SIZE = 8;
layout(constant_id = WEFT_NORM_KIND) const uint KIND = 0;
layout(constant_id = WEFT_NORM_DATA_TYPE) const uint DATA_TYPE = 0;
layout(constant_id = WEFT_NORM_PARAMETER_TYPE) const uint PARAMETER_TYPE = 0;
layout(constant_id = WEFT_NORM_RESULT_TYPE) const uint RESULT_TYPE = 0;
layout(constant_id = WEFT_NORM_HAS_WEIGHT) const uint HAS_WEIGHT = 0;
layout(constant_id = WEFT_NORM_HAS_BIAS) const uint HAS_BIAS = 0;
layout(constant_id = WEFT_NORM_ALIGNED) const uint ALIGNED = 1;

#include "lib/grid.glsl"
#include "lib/memory.glsl"

layout(push_constant) uniform Push { NormPush push; };

vec4 group_of(uvec2 address, uint row, uint group, uint type) {
  return load_group(address, row, group, push.dim, type, ALIGNED == 1);
}

void main() {
  const uint row = folded_index(LOCAL_SIZE);
  if (row >= push.rows) return;
  const uint data_row = row * push.data_stride_row;
  const uint groups = (push.dim + 3) / 4;
  float mean = 0;
  if (KIND == WEFT_NORM_LAYER) {
    for (uint group = 0; group < groups; ++group) mean += dot(group_of(push.data, data_row, group, DATA_TYPE), vec4(1));
    mean /= float(push.dim);
  }
  float square = 0;
  for (uint group = 0; group < groups; ++group) {
    const vec4 inside = vec4(lessThan(uvec4(0, 1, 2, 3) + 4 * group, uvec4(push.dim)));
    const vec4 x = (group_of(push.data, data_row, group, DATA_TYPE) - mean) * inside;
    square += dot(x, x);
  }
  const float factor = 1.0 / sqrt(square / float(push.dim) + push.epsilon);
  for (uint group = 0; group < groups; ++group) {
    vec4 x = (group_of(push.data, data_row, group, DATA_TYPE) - mean) * factor;
    if (HAS_WEIGHT == 1) x *= group_of(push.weight, 0, group, PARAMETER_TYPE);
    if (HAS_BIAS == 1) x += group_of(push.bias, 0, group, PARAMETER_TYPE);
    store_group(push.result, row * push.result_stride_row, group, x, push.dim, RESULT_TYPE, ALIGNED == 1);
  }
}
