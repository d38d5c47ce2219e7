#version 460
// output = softmax(scale query key^T [+ bias]) value, with a running maximum and sum.
// An invocation owns ROWS query rows and one chunk of the value dimension. It reads keys and values uniformly,
// so a subgroup fetches each once; no shared memory, no barriers, no subgroup operations.
// Grid: x = blocks of LOCAL_SIZE * ROWS query rows times chunks, y = heads, z = batch.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "params.h"

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint LOCAL_SIZE = 8;
layout(constant_id = WEFT_ATTENTION_HEAD_DIM) const uint HEAD_DIM = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint VALUE_DIM = 64;
layout(constant_id = WEFT_ATTENTION_ROWS) const uint ROWS = 1;
layout(constant_id = WEFT_ATTENTION_BLOCK_KV) const uint BLOCK_KV = 4;
layout(constant_id = WEFT_ATTENTION_VALUE_CHUNK) const uint VALUE_CHUNK = 64;
layout(constant_id = WEFT_ATTENTION_HOLD_QUERY) const uint HOLD_QUERY = 1;
layout(constant_id = WEFT_ATTENTION_QUERY_TYPE) const uint QUERY_TYPE = 0;
layout(constant_id = WEFT_ATTENTION_KV_TYPE) const uint KV_TYPE = 0;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint OUTPUT_TYPE = 0;
layout(constant_id = WEFT_ATTENTION_MASK_KIND) const uint MASK_KIND = 0;
layout(constant_id = WEFT_ATTENTION_MASK_TYPE) const uint MASK_TYPE = 0;
layout(constant_id = WEFT_ATTENTION_KV_LENGTHS) const uint KV_LENGTHS = 0;
layout(constant_id = WEFT_ATTENTION_LOGSUMEXP) const uint LOGSUMEXP = 0;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const uint ALIGNED = 1;

#include "lib/constants.glsl"
#include "lib/memory.glsl"
#include "lib/mask.glsl"

layout(push_constant) uniform Push { AttentionPush push; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Args { AttentionArgs a; };

const uint HEAD_GROUPS = (HEAD_DIM + 3) / 4;     // groups of four elements
const uint CHUNK_GROUPS = VALUE_CHUNK / 4;
const uint CHUNKS = (VALUE_DIM + VALUE_CHUNK - 1) / VALUE_CHUNK;
const uint HELD_GROUPS = HOLD_QUERY == 1 ? HEAD_GROUPS * ROWS : 1;

vec4 held_query[HELD_GROUPS];
vec4 sums[CHUNK_GROUPS * ROWS];
float row_max[ROWS];
float row_sum[ROWS];
uint query_row[ROWS];      // element index of the row in its (batch, head) slice
uvec2 mask_row[ROWS];
uvec2 query_base, key_base, value_base;
uint key_stride, value_stride, first_group;

vec4 query_group(uint row, uint group) {
  if (HOLD_QUERY == 1) return held_query[row * HEAD_GROUPS + group];
  return load_group(query_base, query_row[row], group, HEAD_DIM, QUERY_TYPE, ALIGNED == 1) * push.scale_log2;
}

// One step of the running softmax over keys [key, key + count); count is a constant, at most BLOCK_KV.
void attend_keys(uint key, const uint count) {
  float score[ROWS * BLOCK_KV];
  bool takes_part[ROWS * BLOCK_KV];
  [[unroll]] for (uint i = 0; i < ROWS * BLOCK_KV; ++i) score[i] = 0;
  [[unroll]] for (uint group = 0; group < HEAD_GROUPS; ++group) {
    vec4 q[ROWS];
    [[unroll]] for (uint row = 0; row < ROWS; ++row) q[row] = query_group(row, group);
    [[unroll]] for (uint j = 0; j < count; ++j) {
      const vec4 k = load_group(key_base, (key + j) * key_stride, group, HEAD_DIM, KV_TYPE, ALIGNED == 1);
      [[unroll]] for (uint row = 0; row < ROWS; ++row) {
        float s = score[row * BLOCK_KV + j];
        s = fma(q[row].x, k.x, s);
        s = fma(q[row].y, k.y, s);
        s = fma(q[row].z, k.z, s);
        score[row * BLOCK_KV + j] = fma(q[row].w, k.w, s);
      }
    }
  }
  float correction[ROWS];
  [[unroll]] for (uint row = 0; row < ROWS; ++row) {
    float top = row_max[row];
    [[unroll]] for (uint j = 0; j < count; ++j) {
      const uint i = row * BLOCK_KV + j;
      takes_part[i] = mask_key(mask_row[row], key + j, score[i]);
      if (!takes_part[i]) score[i] = kLowest;
      top = max(top, score[i]);
    }
    correction[row] = exp2(row_max[row] - top);
    row_max[row] = top;
    row_sum[row] *= correction[row];
    [[unroll]] for (uint j = 0; j < count; ++j) {
      const uint i = row * BLOCK_KV + j;
      score[i] = score[i] <= kLowest ? 0.0 : exp2(score[i] - top);
      row_sum[row] += score[i];
    }
  }
  [[unroll]] for (uint group = 0; group < CHUNK_GROUPS; ++group) {
    vec4 sum[ROWS];
    [[unroll]] for (uint row = 0; row < ROWS; ++row) sum[row] = sums[row * CHUNK_GROUPS + group] * correction[row];
    [[unroll]] for (uint j = 0; j < count; ++j) {
      const vec4 v = load_group(value_base, (key + j) * value_stride, first_group + group, VALUE_DIM, KV_TYPE, ALIGNED == 1);
      [[unroll]] for (uint row = 0; row < ROWS; ++row) {
        const uint i = row * BLOCK_KV + j;
        const vec4 added = fma(vec4(score[i]), v, sum[row]);
        // Selected, so that nothing a masked value holds can come through.
        sum[row] = MASK_KIND == WEFT_MASK_NONE || takes_part[i] ? added : sum[row];
      }
    }
    [[unroll]] for (uint row = 0; row < ROWS; ++row) sums[row * CHUNK_GROUPS + group] = sum[row];
  }
}

void write_row(Args args, uint row, uint row_index, uint head, uint batch, uint chunk) {
  const float scale = row_sum[row] == 0.0 ? 0.0 : 1.0 / row_sum[row];
  const uvec2 base = address_at(address_at(push.output_values, batch, args.a.output_stride_batch), head,
                                args.a.output_stride_head);
  [[unroll]] for (uint group = 0; group < CHUNK_GROUPS; ++group)
    store_group(base, row_index * args.a.output_stride_row, first_group + group,
                sums[row * CHUNK_GROUPS + group] * scale, VALUE_DIM, OUTPUT_TYPE, ALIGNED == 1);
  if (LOGSUMEXP == 1 && chunk == 0) {
    const uvec2 lse = address_at(address_at(push.logsumexp, batch, args.a.logsumexp_stride_batch), head,
                                 args.a.logsumexp_stride_head);
    const float value = (row_max[row] + log2(row_sum[row])) * kLn2;
    Words(lse).v[row_index] = row_sum[row] == 0.0 ? kMinusInfinityBits : floatBitsToUint(value);
  }
}

void main() {
  const uint chunk = CHUNKS == 1 ? 0 : gl_WorkGroupID.x % CHUNKS;
  const uint first_row = (gl_WorkGroupID.x / CHUNKS * LOCAL_SIZE + gl_LocalInvocationID.x) * ROWS;
  const uint head = gl_WorkGroupID.y;
  const uint batch = gl_WorkGroupID.z;
  if (first_row >= push.q_len) return;
  Args args = Args(push.args);
  const uint kv_head = head / push.group_size;
  query_base = address_at(address_at(push.query, batch, args.a.query_stride_batch), head, args.a.query_stride_head);
  key_base = address_at(address_at(push.key, batch, args.a.key_stride_batch), kv_head, args.a.key_stride_head);
  value_base = address_at(address_at(push.value, batch, args.a.value_stride_batch), kv_head, args.a.value_stride_head);
  key_stride = args.a.key_stride_row;
  value_stride = args.a.value_stride_row;
  first_group = chunk * CHUNK_GROUPS;

  uvec2 mask_base = uvec2(0);
  if (MASK_KIND != WEFT_MASK_NONE)
    mask_base = address_at(address_at(push.mask, batch, args.a.mask_stride_batch), head, args.a.mask_stride_head);
  [[unroll]] for (uint row = 0; row < ROWS; ++row) {
    const uint index = min(first_row + row, push.q_len - 1);  // rows past the end compute and don't write
    query_row[row] = index * args.a.query_stride_row;
    row_max[row] = kLowest;
    row_sum[row] = 0;
    if (MASK_KIND != WEFT_MASK_NONE)
      mask_row[row] = address_at(mask_base, index, uvec2(args.a.mask_stride_row * mask_element_bytes(), 0));
    if (HOLD_QUERY == 1)
      [[unroll]] for (uint group = 0; group < HEAD_GROUPS; ++group)
        held_query[row * HEAD_GROUPS + group] =
            load_group(query_base, query_row[row], group, HEAD_DIM, QUERY_TYPE, ALIGNED == 1) * push.scale_log2;
  }
  [[unroll]] for (uint i = 0; i < CHUNK_GROUPS * ROWS; ++i) sums[i] = vec4(0);

  uint kv_end = push.kv_len;
  if (KV_LENGTHS == 1) kv_end = uint(clamp(Ints(push.kv_lengths).v[batch], 0, int(push.kv_len)));
  uint key = 0;
  for (; key + BLOCK_KV <= kv_end; key += BLOCK_KV) attend_keys(key, BLOCK_KV);
  for (; key < kv_end; ++key) attend_keys(key, 1);

  [[unroll]] for (uint row = 0; row < ROWS; ++row)
    if (first_row + row < push.q_len) write_row(args, row, first_row + row, head, batch, chunk);
}
