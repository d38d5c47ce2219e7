// Attention weights, recomputed from a forward call's logsumexp, for the listed heads and keys or
// for all of them:
//   weights[i][j] = exp(scale query[i].key[j] + bias[i][j] - logsumexp[i])
// and exactly 0 for a key that takes no part or a row whose logsumexp is -infinity; or, kMean, the
// mean of that over the listed heads.
// One invocation = one query row x kBlockKeys listed keys; keys are read at addresses that are the
// same for all invocations of a workgroup. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: x = ceil(q_len / local size), y = ceil(key_count / kBlockKeys), z = output heads x batch,
// heads fastest.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/dot.glsl"
#include "lib/mask.glsl"

layout(local_size_x_id = WEFT_WEIGHTS_LOCAL_SIZE) in;
layout(constant_id = WEFT_WEIGHTS_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_WEIGHTS_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_WEIGHTS_BLOCK_KEYS) const uint kBlockKeys = 8;
layout(constant_id = WEFT_WEIGHTS_QUERY_TYPE) const uint kQueryType = 0;
layout(constant_id = WEFT_WEIGHTS_KEY_TYPE) const uint kKeyType = 0;
layout(constant_id = WEFT_WEIGHTS_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_WEIGHTS_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_WEIGHTS_KV_LENGTHS) const bool kKvLengths = false;
layout(constant_id = WEFT_WEIGHTS_MEAN) const bool kMean = false;
layout(constant_id = WEFT_WEIGHTS_ALIGNED) const bool kAligned = true;

const uint kHeadGroups = (kHeadDim + 3u) / 4u;  // groups of four elements
const uint kStepGroups = 4u;                    // groups read together
const uint kLoopGroups = kHeadGroups / kStepGroups * kStepGroups;
const bool kMasked = kMaskKind != WEFT_MASK_NONE;

WEFT_BUFFER(8) readonly buffer Arguments { WeightsArgs a; };
layout(push_constant, std430) uniform Push { WeightsPush push; };

uint keys[kBlockKeys];  // the listed keys of this invocation
float total[kBlockKeys];
uvec2 key_row[kBlockKeys];
float score[kBlockKeys];

// Adds groups first to first + groups - 1 to the dot products; "groups" is a constant.
void add_dot_products(uvec2 query, uint query_row, uint first, const uint groups) {
  [[unroll]] for (uint i = 0; i < groups; ++i) {
    uint g = first + i;
    vec4 q = load_group(kQueryType, kAligned, query, query_row, g, kHeadDim - 4u * g);
    [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
      vec4 k = load_group(kKeyType, kAligned, key_row[j], 0u, g, kHeadDim - 4u * g);
      score[j] = dot_add(q, k, score[j]);
    }
  }
}

// The i-th entry of a list, or i where there is none. The read happens either way, from an address
// that is there.
uint listed(uvec2 list, uint i) {
  bool all = address_is_null(list);
  uint entry = Words(all ? push.args : list).v[all ? 0u : i];
  return all ? i : entry;
}

// Adds the weights of one head. There is at least one key.
void add_head(WeightsArgs args, uint batch, uint head, uint row, uint kv_count) {
  uvec2 query =
      slice_address(push.query, args.query_stride_batch, batch, args.query_stride_head, head);
  uint query_row = row * args.query_stride_row;
  uvec2 key = slice_address(push.key, args.key_stride_batch, batch, args.key_stride_head,
                            head / push.group_size);
  [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
    key_row[j] = row_address(kKeyType, key, args.key_stride_row, min(keys[j], kv_count - 1u));
    score[j] = 0.0;
  }
  if (kLoopGroups > 0u) {
    uint g = 0;
    [[dont_unroll]] do {
      add_dot_products(query, query_row, g, kStepGroups);
      g += kStepGroups;
    } while (g < kLoopGroups);
  }
  add_dot_products(query, query_row, kLoopGroups, kHeadGroups - kLoopGroups);

  uvec2 mask = uvec2(0u);
  if (kMasked) {
    mask = slice_address(push.mask, args.mask_stride_batch, batch, args.mask_stride_head, head);
  }
  uvec2 logsumexp = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                                  args.logsumexp_stride_head, head);
  uint bits = Words(logsumexp).v[row];
  bool empty = bits == kMinusInfinityBits;
  float top = empty ? 0.0 : uintBitsToFloat(bits) * kLog2E;
  [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
    uint read = row * args.mask_stride_row + min(keys[j], kv_count - 1u);
    float added = kMasked ? load_mask(kMaskKind, kMaskType, mask, read) : 0.0;
    bool keep = !empty && keys[j] < kv_count && added > kExcluded;
    total[j] += keep ? exp2(fma(score[j], push.scale_log2, added) - top) : 0.0;
  }
}

void main() {
  WeightsArgs args = Arguments(push.args).a;
  uint output_heads = kMean ? 1u : args.head_count;
  uint row = gl_GlobalInvocationID.x, written_row = row;
  row = min(row, push.q_len - 1u);  // rows past the end compute and do not write
  uint first = gl_WorkGroupID.y * kBlockKeys;
  uint output_head = gl_WorkGroupID.z % output_heads, batch = gl_WorkGroupID.z / output_heads;
  uint kv_count = push.kv_len;
  if (kKvLengths) {
    kv_count = uint(clamp(int(Words(push.kv_lengths).v[batch]), 0, int(push.kv_len)));
  }
  [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
    keys[j] = listed(args.key_list, min(first + j, args.key_count - 1u));
    total[j] = 0.0;
  }

  if (kv_count > 0u) {
    uint i = output_head, end = kMean ? args.head_count : output_head + 1u;
    // Loops are tested at the end: drivers that mask lanes run what follows an exit once more,
    // reads included.
    do {
      add_head(args, batch, listed(args.head_list, i), row, kv_count);
    } while (++i < end);
  }

  uvec2 result = slice_address(push.weights, args.weights_stride_batch, batch,
                               args.weights_stride_head, output_head);
  uint start = row * args.weights_stride_row + first;
  float share = kMean ? 1.0 / float(args.head_count) : 1.0;
  if (written_row < push.q_len) {
    [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
      if (first + j < args.key_count) OutFloats(result).v[start + j] = total[j] * share;
    }
  }
}
