#version 460
// weights = exp(scale query key^T [+ bias] - logsumexp), recomputed for the listed heads and keys, or their mean
// over heads. An invocation owns one query row and BLOCK_KEYS listed keys.
// Grid: x = blocks of LOCAL_SIZE query rows, y = blocks of BLOCK_KEYS listed keys, z = output heads times batch.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "params.h"

layout(local_size_x_id = WEFT_WEIGHTS_LOCAL_SIZE) in;
layout(constant_id = WEFT_WEIGHTS_LOCAL_SIZE) const uint LOCAL_SIZE = 8;
layout(constant_id = WEFT_WEIGHTS_HEAD_DIM) const uint HEAD_DIM = 64;
layout(constant_id = WEFT_WEIGHTS_BLOCK_KEYS) const uint BLOCK_KEYS = 8;
layout(constant_id = WEFT_WEIGHTS_QUERY_TYPE) const uint QUERY_TYPE = 0;
layout(constant_id = WEFT_WEIGHTS_KEY_TYPE) const uint KEY_TYPE = 0;
layout(constant_id = WEFT_WEIGHTS_MASK_KIND) const uint MASK_KIND = 0;
layout(constant_id = WEFT_WEIGHTS_MASK_TYPE) const uint MASK_TYPE = 0;
layout(constant_id = WEFT_WEIGHTS_KV_LENGTHS) const uint KV_LENGTHS = 0;
layout(constant_id = WEFT_WEIGHTS_MEAN) const uint MEAN = 0;
layout(constant_id = WEFT_WEIGHTS_ALIGNED) const uint ALIGNED = 1;

#include "lib/constants.glsl"
#include "lib/memory.glsl"
#include "lib/mask.glsl"

layout(push_constant) uniform Push { WeightsPush push; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Args { WeightsArgs a; };

const uint HEAD_GROUPS = (HEAD_DIM + 3) / 4;

uint keys[BLOCK_KEYS];       // the listed keys of this invocation
float weights[BLOCK_KEYS];   // sums over heads so far

// Adds the weights of one head, times `factor`.
void add_head(Args args, uint head, uint batch, uint row, uint kv_end, float factor) {
  const uvec2 query = address_at(address_at(push.query, batch, args.a.query_stride_batch), head, args.a.query_stride_head);
  const uvec2 key = address_at(address_at(push.key, batch, args.a.key_stride_batch), head / push.group_size,
                               args.a.key_stride_head);
  const uvec2 lse = address_at(address_at(push.logsumexp, batch, args.a.logsumexp_stride_batch), head,
                               args.a.logsumexp_stride_head);
  uvec2 mask_row = uvec2(0);
  if (MASK_KIND != WEFT_MASK_NONE) {
    mask_row = address_at(address_at(push.mask, batch, args.a.mask_stride_batch), head, args.a.mask_stride_head);
    mask_row = address_at(mask_row, row, uvec2(args.a.mask_stride_row * mask_element_bytes(), 0));
  }
  float score[BLOCK_KEYS];
  [[unroll]] for (uint j = 0; j < BLOCK_KEYS; ++j) score[j] = 0;
  [[unroll]] for (uint group = 0; group < HEAD_GROUPS; ++group) {
    const vec4 q = load_group(query, row * args.a.query_stride_row, group, HEAD_DIM, QUERY_TYPE, ALIGNED == 1);
    [[unroll]] for (uint j = 0; j < BLOCK_KEYS; ++j) {
      const uint index = min(keys[j], push.kv_len - 1);
      const vec4 k = load_group(key, index * args.a.key_stride_row, group, HEAD_DIM, KEY_TYPE, ALIGNED == 1);
      float s = fma(q.x, k.x, score[j]);
      s = fma(q.y, k.y, s);
      s = fma(q.z, k.z, s);
      score[j] = fma(q.w, k.w, s);
    }
  }
  const uint lse_bits = Words(lse).v[row];
  const float shift = uintBitsToFloat(lse_bits) * kLog2e;
  [[unroll]] for (uint j = 0; j < BLOCK_KEYS; ++j) {
    float s = score[j] * push.scale_log2;
    bool takes_part = keys[j] < kv_end && lse_bits != kMinusInfinityBits;
    if (keys[j] < kv_end) takes_part = mask_key(mask_row, keys[j], s) && takes_part;
    if (takes_part && !(s <= kLowest)) weights[j] += exp2(s - shift) * factor;
  }
}

void main() {
  const uint row = gl_GlobalInvocationID.x;
  if (row >= push.q_len) return;
  Args args = Args(push.args);
  const uint heads = MEAN == 1 ? 1 : args.a.head_count;
  const uint out_head = gl_WorkGroupID.z % heads;
  const uint batch = gl_WorkGroupID.z / heads;
  const uint first = gl_WorkGroupID.y * BLOCK_KEYS;
  const bool all_heads = args.a.head_list == uvec2(0);
  const bool all_keys = args.a.key_list == uvec2(0);

  uint kv_end = push.kv_len;
  if (KV_LENGTHS == 1) kv_end = uint(clamp(Ints(push.kv_lengths).v[batch], 0, int(push.kv_len)));
  [[unroll]] for (uint j = 0; j < BLOCK_KEYS; ++j) {
    const uint listed = min(first + j, args.a.key_count - 1);
    keys[j] = all_keys ? listed : Words(args.a.key_list).v[listed];
    weights[j] = 0;
  }
  const uint begin = MEAN == 1 ? 0 : out_head;
  const uint end = MEAN == 1 ? args.a.head_count : out_head + 1;
  const float factor = MEAN == 1 ? 1.0 / float(args.a.head_count) : 1.0;
  for (uint i = begin; i < end; ++i)
    add_head(args, all_heads ? i : Words(args.a.head_list).v[i], batch, row, kv_end, factor);

  const uvec2 base = address_at(address_at(push.weights, batch, args.a.weights_stride_batch), out_head,
                                args.a.weights_stride_head);
  [[unroll]] for (uint j = 0; j < BLOCK_KEYS; ++j)
    if (first + j < args.a.key_count) OutFloats(base).v[row * args.a.weights_stride_row + first + j] = weights[j];
}
