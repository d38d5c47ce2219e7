// Rotary: the first columns of a row turned by their angles, two by two, the others copied:
//   result[a] = data[a] cos(angles[a]) - data[b] sin(angles[a])
//   result[b] = data[b] cos(angles[b]) + data[a] sin(angles[b])
// where b is half of the turned columns after a, or, interleaved, follows a. One invocation = eight elements that need
// no others, so that data and result may be the same memory. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: ceil(rows x parts / local size) workgroups, folded into x and y; z = batch x heads, heads fastest; parts of
// a row = ceil(turned / 8) + ceil((dim - turned) / 8).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/angle.glsl"
#include "lib/grid.glsl"
#include "lib/memory.glsl"

layout(local_size_x_id = WEFT_ROTARY_LOCAL_SIZE) in;
layout(constant_id = WEFT_ROTARY_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_ROTARY_DATA_TYPE) const uint kDataType = 0;
layout(constant_id = WEFT_ROTARY_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_ROTARY_INTERLEAVED) const bool kInterleaved = false;
layout(constant_id = WEFT_ROTARY_ALIGNED) const bool kAligned = true;

layout(push_constant, std430) uniform Push { RotaryPush push; };

// Two groups of up to four columns: where they begin, and how many of the second exist.
struct Part {
  uint left, right;
  uint left_valid, right_valid;
};

Part part_of(uint p, uint turned_parts) {
  bool turned = p < turned_parts;
  if (turned && !kInterleaved) {
    uint pairs = push.turned / 2u, valid = min(pairs - 4u * p, 4u);
    return Part(4u * p, pairs + 4u * p, valid, valid);
  }
  uint first = turned ? 8u * p : push.turned + 8u * (p - turned_parts);
  uint left = (turned ? push.turned : push.dim) - first;
  return Part(first, left > 4u ? first + 4u : first, min(left, 4u), min(max(left, 4u) - 4u, 4u));
}

// The right group of a part may be empty: it is read where the left one is, and not written.
vec4 load_right(uint type, uvec2 base, uint start, Part part) {
  uint valid = part.right_valid != 0u ? part.right_valid : part.left_valid;
  return load_group(type, kAligned, base, start + part.right, 0u, valid);
}

// x and what x is turned towards: (-x1, x0) of each pair
vec4 turn_pairs(vec4 x, vec4 sine, vec4 cosine) { return x * cosine + vec4(-x.y, x.x, -x.w, x.z) * sine; }

void main() {
  uint turned_parts = (push.turned + 7u) / 8u, parts = turned_parts + (push.dim - push.turned + 7u) / 8u;
  uint index = folded_index(kLocalSize);
  uint row = min(index / parts, push.rows - 1u), p = index % parts;
  uint batch = gl_WorkGroupID.z / push.heads, head = gl_WorkGroupID.z % push.heads;
  uvec2 data = slice_address(push.data, push.data_stride_batch, batch, push.data_stride_head, head);

  Part part = part_of(p, turned_parts);
  uint start = row * push.data_stride_row;
  vec4 left = load_group(kDataType, kAligned, data, start + part.left, 0u, part.left_valid);
  vec4 right = load_right(kDataType, data, start, part);
  // Parts that are copied read the angles of the first part, and use them for nothing.
  if (push.turned != 0u) {
    bool turned = p < turned_parts;
    Part at = part_of(turned ? p : 0u, turned_parts);
    uint angles = row * push.angles_stride_row;
    vec4 sine, cosine, right_sine, right_cosine;
    sine_cosine(load_group(WEFT_TYPE_F32, kAligned, push.angles, angles + at.left, 0u, at.left_valid), sine, cosine);
    sine_cosine(load_right(WEFT_TYPE_F32, push.angles, angles, at), right_sine, right_cosine);
    vec4 left_turned = kInterleaved ? turn_pairs(left, sine, cosine) : left * cosine - right * sine;
    vec4 right_turned =
        kInterleaved ? turn_pairs(right, right_sine, right_cosine) : right * right_cosine + left * right_sine;
    left = turned ? left_turned : left;
    right = turned ? right_turned : right;
  }
  if (index / parts < push.rows) {
    uvec2 result = slice_address(push.result, push.result_stride_batch, batch, push.result_stride_head, head);
    uint place = row * push.result_stride_row;
    store_group(kResultType, kAligned, result, place + part.left, 0u, part.left_valid, left);
    if (part.right_valid != 0u) {
      store_group(kResultType, kAligned, result, place + part.right, 0u, part.right_valid, right);
    }
  }
}
