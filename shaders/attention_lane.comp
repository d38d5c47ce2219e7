// Attention forward, one invocation = kRows query rows x one chunk of the value dimension:
//   output[i] = sum_j p[i][j] value[j]
//   p[i] = softmax over the keys j that take part of scale query[i].key[j] + bias[i][j]
//   logsumexp[i] = log sum_j exp(scale query[i].key[j] + bias[i][j])
// A row without keys gives output 0 and logsumexp -infinity. Keys and values are read at addresses
// that are the same for all invocations of a workgroup. Online softmax in the log2 domain, kBlockKv
// keys a step, all in fp32. Needs no device feature (WEFT_NATIVE16: 16-bit storage).
// Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: x = ceil(q_len / (local size x kRows)) x chunks (chunk runs fastest), y = heads, z = batch.
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

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_ATTENTION_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint kValueDim = 64;
layout(constant_id = WEFT_ATTENTION_ROWS) const uint kRows = 1;
layout(constant_id = WEFT_ATTENTION_BLOCK_KV) const uint kBlockKv = 4;
layout(constant_id = WEFT_ATTENTION_VALUE_CHUNK) const uint kValueChunk = 64;
layout(constant_id = WEFT_ATTENTION_HOLD_QUERY) const bool kHoldQuery = true;
layout(constant_id = WEFT_ATTENTION_QUERY_TYPE) const uint kQueryType = 0;
layout(constant_id = WEFT_ATTENTION_KV_TYPE) const uint kKvType = 0;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint kOutputType = 0;
layout(constant_id = WEFT_ATTENTION_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_ATTENTION_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_ATTENTION_KV_LENGTHS) const bool kKvLengths = false;
layout(constant_id = WEFT_ATTENTION_LOGSUMEXP) const bool kLogsumexp = false;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const bool kAligned = true;

const uint kHeadGroups = (kHeadDim + 3u) / 4u;      // groups of four elements
const uint kValueGroups = (kValueDim + 3u) / 4u;
const uint kChunkGroups = kValueChunk < kValueDim ? kValueChunk / 4u : kValueGroups;
const uint kChunks = (kValueDim + kValueChunk - 1u) / kValueChunk;
const uint kQueryStep = 4u;  // groups read together where the query is not held
const uint kLoopGroups = kHoldQuery ? 0u : kHeadGroups / kQueryStep * kQueryStep;
const bool kMasked = kMaskKind != WEFT_MASK_NONE;

WEFT_BUFFER(8) readonly buffer Arguments { AttentionArgs a; };
layout(push_constant, std430) uniform Push { AttentionPush push; };

uint key_count(uint batch) {
  if (!kKvLengths) return push.kv_len;
  int listed = int(Words(push.kv_lengths).v[batch]);
  return uint(clamp(listed, 0, int(push.kv_len)));
}

vec4 held[kHoldQuery ? kRows * kHeadGroups : 1u];
vec4 sum[kRows * kChunkGroups];
float top[kRows], weight_sum[kRows];
uint query_row[kRows], mask_row[kRows];  // where rows begin, in elements
uvec2 query, mask, key, value;   // of the (batch, head) slice
uvec2 key_stride, value_stride;  // bytes from row to row
uint group0;                     // the first group of the chunk

uvec2 key_row[kBlockKv];
float score[kRows * kBlockKv];

// Adds groups first_group to first_group + groups - 1 to the dot products with count keys; both
// counts are constants.
void add_dot_products(uint first_group, const uint groups, const uint count) {
  [[unroll]] for (uint i = 0; i < groups; ++i) {
    uint g = first_group + i;
    vec4 q[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      if (kHoldQuery) q[r] = held[r * kHeadGroups + g];
      else q[r] = load_group(kQueryType, kAligned, query, query_row[r], g, kHeadDim - 4u * g);
    }
    [[unroll]] for (uint j = 0; j < count; ++j) {
      vec4 k = load_group(kKvType, kAligned, key_row[j], 0u, g, kHeadDim - 4u * g);
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        score[r * kBlockKv + j] = dot_add(q[r], k, score[r * kBlockKv + j]);
      }
    }
  }
}

void compute_scores(const uint count) {
  [[unroll]] for (uint i = 0; i < kRows * kBlockKv; ++i) score[i] = 0.0;
  if (kHoldQuery) {
    add_dot_products(0u, kHeadGroups, count);
    return;
  }
  // A loop that stays one: unrolled, its query reads would move into registers.
  if (kLoopGroups > 0u) {
    uint g = 0;
    [[dont_unroll]] do {
      add_dot_products(g, kQueryStep, count);
      g += kQueryStep;
    } while (g < kLoopGroups);
  }
  add_dot_products(kLoopGroups, kHeadGroups - kLoopGroups, count);
  [[unroll]] for (uint i = 0; i < kRows * kBlockKv; ++i) score[i] *= push.scale_log2;
}

// One step of the online softmax over keys first to first + count - 1; count is a constant of at
// most kBlockKv.
void attend(uint first, const uint count) {
  key_row[0] = address_step(key, key_stride, first);
  [[unroll]] for (uint j = 1; j < count; ++j) key_row[j] = address_add(key_row[j - 1], key_stride);
  compute_scores(count);

  bool keep[kRows * kBlockKv];
  float shrink[kRows];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    float new_top = top[r];
    [[unroll]] for (uint j = 0; j < count; ++j) {
      uint i = r * kBlockKv + j;
      if (kMasked) {
        float added = load_mask(kMaskKind, kMaskType, mask, mask_row[r] + first + j);
        keep[i] = added > kExcluded;
        score[i] = keep[i] ? score[i] + added : kExcluded;
      }
      new_top = max(new_top, score[i]);
    }
    shrink[r] = exp2(top[r] - new_top);
    top[r] = new_top;
    weight_sum[r] *= shrink[r];
    [[unroll]] for (uint j = 0; j < count; ++j) {
      uint i = r * kBlockKv + j;
      score[i] = exp2(score[i] - new_top);
      if (kMasked && !keep[i]) score[i] = 0.0;
      weight_sum[r] += score[i];
    }
  }

  uvec2 value_row[kBlockKv];
  value_row[0] = address_step(value, value_stride, first);
  [[unroll]] for (uint j = 1; j < count; ++j) {
    value_row[j] = address_add(value_row[j - 1], value_stride);
  }
  [[unroll]] for (uint g = 0; g < kChunkGroups; ++g) {
    vec4 total[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) total[r] = sum[r * kChunkGroups + g] * shrink[r];
    [[unroll]] for (uint j = 0; j < count; ++j) {
      vec4 v = load_group(kKvType, kAligned, value_row[j], 0u, g, kValueDim - 4u * (group0 + g));
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        uint i = r * kBlockKv + j;
        // A masked value may be NaN: it is replaced, not multiplied by 0.
        vec4 taken = kMasked && !keep[i] ? vec4(0.0) : v;
        total[r] = fma(vec4(score[i]), taken, total[r]);
      }
    }
    [[unroll]] for (uint r = 0; r < kRows; ++r) sum[r * kChunkGroups + g] = total[r];
  }
}

// Where a row ends: one row of output, and its logsumexp.
void write_row(AttentionArgs args, uint r, uint row, uint head, uint batch, bool first_chunk) {
  bool empty = !(top[r] > kExcluded);
  float inverse = empty ? 0.0 : 1.0 / weight_sum[r];
  uvec2 result = slice_address(push.output_values, args.output_stride_batch, batch,
                               args.output_stride_head, head);
  uint start = row * args.output_stride_row;
  [[unroll]] for (uint g = 0; g < kChunkGroups; ++g) {
    uint at = group0 + g;
    store_group(kOutputType, kAligned, result, start, at, kValueDim - 4u * at,
                sum[r * kChunkGroups + g] * inverse);
  }
  if (kLogsumexp && first_chunk) {
    uvec2 slice = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                                args.logsumexp_stride_head, head);
    float logsumexp = (top[r] + log2(weight_sum[r])) * kLn2;
    OutWords(slice).v[row] = empty ? kMinusInfinityBits : floatBitsToUint(logsumexp);
  }
}

void main() {
  AttentionArgs args = Arguments(push.args).a;
  uint chunk = kChunks == 1u ? 0u : gl_WorkGroupID.x % kChunks;
  uint row0 = (gl_WorkGroupID.x / kChunks * kLocalSize + gl_LocalInvocationID.x) * kRows;
  uint head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z, kv_head = head / push.group_size;
  uint kv_count = key_count(batch);
  // The last chunk ends with the row: it may overlap the one before, and both write the same
  // numbers there.
  group0 = kChunks == 1u ? 0u : min(chunk * kChunkGroups, kValueGroups - kChunkGroups);

  query = slice_address(push.query, args.query_stride_batch, batch, args.query_stride_head, head);
  key = slice_address(push.key, args.key_stride_batch, batch, args.key_stride_head, kv_head);
  value =
      slice_address(push.value, args.value_stride_batch, batch, args.value_stride_head, kv_head);
  value = address_add(value, group0 * 4u << type_shift(kKvType));
  key_stride = row_address(kKvType, uvec2(0u), args.key_stride_row, 1u);
  value_stride = row_address(kKvType, uvec2(0u), args.value_stride_row, 1u);
  if (kMasked) {
    mask = slice_address(push.mask, args.mask_stride_batch, batch, args.mask_stride_head, head);
  }

  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    uint row = min(row0 + r, push.q_len - 1u);  // rows past the end compute and do not write
    query_row[r] = row * args.query_stride_row;
    if (kMasked) mask_row[r] = row * args.mask_stride_row;
    if (kHoldQuery) {
      [[unroll]] for (uint g = 0; g < kHeadGroups; ++g) {
        vec4 q = load_group(kQueryType, kAligned, query, query_row[r], g, kHeadDim - 4u * g);
        held[r * kHeadGroups + g] = q * push.scale_log2;
      }
    }
    [[unroll]] for (uint g = 0; g < kChunkGroups; ++g) sum[r * kChunkGroups + g] = vec4(0.0);
    top[r] = kExcluded;
    weight_sum[r] = 0.0;
  }

  // Loops are tested at the end: drivers that mask lanes run what follows an exit once more, reads
  // included.
  uint first = 0;
  if (kv_count >= kBlockKv) {
    do {
      attend(first, kBlockKv);
      first += kBlockKv;
    } while (first + kBlockKv <= kv_count);
  }
  if (first < kv_count) {
    do {
      attend(first, 1u);
    } while (++first < kv_count);
  }

  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if (row0 + r < push.q_len) write_row(args, r, row0 + r, head, batch, chunk == 0u);
  }
}
