// Norm over the last dimension, in fp32:
//   layer: result = (x - mean) / sqrt(variance + epsilon) weight + bias, the variance in a second
//          pass over the row, so that a large mean does not cancel it
//   rms:   result = x / sqrt(mean of x^2 + epsilon) weight + bias
// kLanes invocations = one row, every kLanes-th group of four elements each; CPUs take one.
// Needs no device feature (WEFT_NATIVE16: 16-bit storage). No subgroup operations.
// Shared memory: 4 bytes an invocation. Barriers in uniform flow, none with one lane.
// Grid: ceil(rows x kLanes / local size) workgroups, folded into x and y as the host likes.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
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
layout(constant_id = WEFT_NORM_LANES) const uint kLanes = 1;

// Groups of a row in each turn of a loop: on a CPU driver a turn costs as much as reading one or two.
const uint kStepGroups = kLanes > 1u ? 1u : 4u;

layout(push_constant, std430) uniform Push { NormPush push; };

shared float parts[kLanes > 1u ? kLocalSize : 1u];

vec4 group_of(uint type, uvec2 base, uint start, uint g) {
  return load_group(type, kAligned, base, start, g, push.dim - 4u * g);
}

// The sum over the lanes of a row, in an order that depends on nothing else.
float sum_of_row(vec4 own) {
  float sum = own.x + own.y + own.z + own.w;
  if (kLanes == 1u) return sum;
  uint place = gl_LocalInvocationID.x;
  barrier();
  parts[place] = sum;
  for (uint half_lanes = kLanes / 2u; half_lanes > 0u; half_lanes /= 2u) {
    barrier();
    if (place % kLanes < half_lanes) parts[place] += parts[place + half_lanes];
  }
  barrier();
  return parts[place / kLanes * kLanes];
}

void main() {
  uint place = gl_LocalInvocationID.x, lane = place % kLanes;
  uint index = folded_index(kLocalSize / kLanes) - place + place / kLanes;
  uint row = min(index, push.rows - 1u);
  uint groups = (push.dim + 3u) / 4u, last = groups - 1u;
  uint data = row * push.data_stride_row, result = row * push.result_stride_row;
  vec4 inside_last = vec4(lessThan(uvec4(0u, 1u, 2u, 3u), uvec4(push.dim - 4u * last)));

  // Loops are tested at the end: drivers that mask lanes run what follows an exit once more, reads
  // included. A lane past the last group reads that one and adds nothing.
  uint g = lane;
  float mean = 0.0;
  if (kKind == WEFT_NORM_LAYER) {
    vec4 sums = vec4(0.0);
    do {
      [[unroll]] for (uint i = 0; i < kStepGroups; ++i, g += kLanes) {
        vec4 x = group_of(kDataType, push.data, data, min(g, last));
        sums += g <= last ? x : vec4(0.0);
      }
    } while (g < groups);
    mean = sum_of_row(sums) / float(push.dim);
    g = lane;
  }
  vec4 squares = vec4(0.0);
  do {
    [[unroll]] for (uint i = 0; i < kStepGroups; ++i, g += kLanes) {
      vec4 inside = g < last ? vec4(1.0) : g == last ? inside_last : vec4(0.0);
      vec4 x = group_of(kDataType, push.data, data, min(g, last)) - mean;
      squares += inside.x > 0.0 ? x * x * inside : vec4(0.0);
    }
  } while (g < groups);
  float mean_square = sum_of_row(squares) / float(push.dim);
  float factor = 1.0 / sqrt(mean_square + push.epsilon);
  g = lane;
  do {
    [[unroll]] for (uint i = 0; i < kStepGroups; ++i, g += kLanes) {
      uint near = min(g, last);
      vec4 x = (group_of(kDataType, push.data, data, near) - mean) * factor;
      if (kHasWeight) x *= group_of(kParameterType, push.weight, 0u, near);
      if (kHasBias) x += group_of(kParameterType, push.bias, 0u, near);
      if (index < push.rows && g <= last) {
        store_group(kResultType, kAligned, push.result, result, g, push.dim - 4u * g, x);
      }
    }
  } while (g < groups);
}
