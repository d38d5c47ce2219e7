// Attention forward, one invocation = kRows query rows x one chunk of the value dimension:
//   output[i] = sum_j p[i][j] value[j]
//   p[i] = softmax over the keys j that take part of cap(scale query[i].key[j]) + bias[i][j]
//   logsumexp[i] = log sum_j exp(cap(scale query[i].key[j]) + bias[i][j])
// A row without keys gives output 0 and logsumexp -infinity. Keys and values are read at addresses
// that are the same for all invocations of a workgroup. Online softmax in the log2 domain, kBlockKv
// keys a step, all in fp32. Needs no device feature (WEFT_NATIVE16: 16-bit storage; WEFT_VOTE: subgroups
// vote on steps that no row sees). Shared memory: 0 bytes. No barriers.
// Grid: x = ceil(q_len / (local size x kRows)) x chunks (chunk runs fastest), y = heads, z = batch.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif
#ifdef WEFT_VOTE
#extension GL_KHR_shader_subgroup_vote : require
#endif

#include "params.h"

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
layout(constant_id = WEFT_ATTENTION_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_ATTENTION_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_ATTENTION_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_ATTENTION_READ_TOGETHER) const bool kReadTogether = false;

layout(push_constant, std430) uniform Push { AttentionPush push; };

#include "lib/dot.glsl"
#define WEFT_ARGS_IN_PLACE
#include "lib/keys.glsl"

const uint kHeadGroups = (kHeadDim + 3u) / 4u;      // groups of four elements
const uint kValueGroups = (kValueDim + 3u) / 4u;
const uint kChunkGroups = kValueChunk < kValueDim ? kValueChunk / 4u : kValueGroups;
const uint kChunks = (kValueDim + kValueChunk - 1u) / kValueChunk;
// Groups read together where the query is not held; one where registers are few.
const uint kQueryStep = kAligned && kBlockKv > 1u ? 4u : 1u;
const uint kLoopGroups = kHoldQuery ? 0u : kHeadDim / 4u / kQueryStep * kQueryStep;
const uint kNoRow = ~0u;
#ifdef WEFT_NATIVE16
const bool kNative = true;
#else
const bool kNative = false;
#endif
const bool kFewLanes = kLocalSize < 32u;  // a CPU's
const bool kHalf = kKvType != WEFT_TYPE_F32;
// Keys a step: elements picked out of words take registers for each key. On CPUs, the keys of long rows and of elements
// read one by one take code, which takes seconds to compile.
const bool kPicked = kHalf && !kAligned && !kNative;
const bool kLong = kHeadDim > 128u, kHalfOrLong = kHalf || kLong;
const bool kOneByOne = kFewLanes && !kAligned && kHoldQuery && kHalfOrLong;
const bool kLongHalf = kFewLanes && kHoldQuery && kHalf && kLong;
const bool kLongest = kHeadDim > 192u, kLongMasked = kFewLanes && kHoldQuery && kMasked && kLongest;
const bool kWideOneByOne = kFewLanes && !kAligned && !kHoldQuery;
const bool kWideHalf = kWideOneByOne && kHalf;
const bool kOneKey = kPicked || kOneByOne || kWideHalf;
const bool kFewKeys = kLongHalf || kLongMasked || kWideOneByOne;
const uint kStep = kOneKey ? 1u : kFewKeys ? kBlockKv / 2u : kBlockKv;
const bool kMayPassReads = kFewLanes, kMayPassWrites = kFewLanes;

#include "lib/passes.glsl"

#ifdef WEFT_VOTE
// Blocks of keys that no row of the subgroup sees are passed over. Windows need no look at the keys.
const bool kLook = kMaskKind != WEFT_MASK_NONE || kRegions || kHasBias;
#else
const bool kLook = false;
#endif

vec4 held[kHoldQuery ? kRows * kHeadGroups : 1u];
vec4 sum[kRows * kChunkGroups];
float top[kRows], weight_sum[kRows];
uint query_row[kRows];  // where rows begin, in elements from the block's first
uint written[kRows];    // what the rows are, counted from the block's first, or kNoRow
Row rows[kRows];
Block block;
uvec2 query;       // of the (item, head) slice, from the block's first row
uvec2 key, value;  // of the next key
uint key_stride, value_stride;  // elements from row to row
uvec2 result, logsumexp;        // of the block's first row
uint group0;                    // the first group of the chunk

bool nulls = false;  // whether the keys are null keys
uvec2 key_row[kBlockKv];
// Sums that don't wait for each other, where a step has too few scores to keep a CPU's adders busy.
const bool kFewScores = kRows * kBlockKv < 8u;
const bool kPartialSums = kFewLanes && kFewScores;
vec4 partial[kRows * kBlockKv];
float score[kRows * kBlockKv];
float added[kRows * kBlockKv];  // to the scores; kExcluded where a key takes no part

// The row of key or value after one.
uvec2 next_row(uvec2 row, uint stride) {
  const uint shift = type_shift(kKvType);
  return address_add(row, uvec2(stride << shift, stride >> (32u - shift)));
}

// Adds groups first_group to first_group + groups - 1 to the dot products with count keys; both
// counts are constants, and so is "whole": the groups have four elements.
void add_dot_products(uint first_group, const uint groups, const uint count, const bool whole) {
  [[unroll]] for (uint i = 0; i < groups; ++i) {
    uint g = first_group + i;
    uint valid = whole ? 4u : kHeadDim - 4u * g;
    vec4 q[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      if (kHoldQuery) q[r] = held[r * kHeadGroups + g];
      else q[r] = load_group(kQueryType, kAligned, query, query_row[r], g, valid);
    }
    [[unroll]] for (uint j = 0; j < count; ++j) {
      vec4 k = load_group(kKvType, kAligned, key_row[j], 0u, g, valid);
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        uint i = r * kBlockKv + j;
        if (kPartialSums) partial[i] = fma(q[r], k, partial[i]);
        else score[i] = dot_add(q[r], k, score[i]);
      }
    }
  }
}

void compute_scores(const uint count) {
  [[unroll]] for (uint i = 0; i < kRows * kBlockKv; ++i) {
    partial[i] = vec4(0.0);
    score[i] = 0.0;
  }
  if (kHoldQuery) {
    add_dot_products(0u, kHeadGroups, count, false);
  } else {
    // A loop that stays one: unrolled, its query reads would move into registers.
    if (kLoopGroups > 0u) {
      uint g = 0;
      [[dont_unroll]] do {
        add_dot_products(g, kQueryStep, count, true);
        g += kQueryStep;
      } while (g < kLoopGroups);
    }
    add_dot_products(kLoopGroups, kHeadGroups - kLoopGroups, count, false);
  }
  [[unroll]] for (uint i = 0; i < kRows * kBlockKv; ++i) {
    if (kPartialSums) score[i] = (partial[i].x + partial[i].y) + (partial[i].z + partial[i].w);
    if (!kHoldQuery) score[i] *= push.scale_log2;
    score[i] = cap_score(score[i]);
  }
}

// What masks say of keys first to first + count - 1; whether any row here sees any of them.
bool look(uint first, const uint count) {
  bool seen = false;
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint j = 0; j < count; ++j) {
      float bias = kNullKeys && nulls ? 0.0 : key_bias(block, rows[r], first + j);
      added[r * kBlockKv + j] = bias;
      seen = seen || bias != kExcluded;
    }
  }
  return seen;
}

// One step of the online softmax over the next keys, first to first + count - 1. "count" and "looked" are constants;
// count is at most kBlockKv. looked: `added` is filled.
void attend(uint first, const uint count, const bool looked) {
  key_row[0] = key;
  [[unroll]] for (uint j = 1; j < count; ++j) key_row[j] = next_row(key_row[j - 1], key_stride);
  compute_scores(count);
  if (kMasked && !looked) look(first, count);

  bool keep[kRows * kBlockKv];
  float shrink[kRows];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    float new_top = top[r];
    [[unroll]] for (uint j = 0; j < count; ++j) {
      uint i = r * kBlockKv + j;
      if (kMasked) {
        keep[i] = added[i] != kExcluded;
        score[i] = keep[i] ? score[i] + added[i] : kExcluded;
      }
      new_top = max(new_top, score[i]);
    }
    shrink[r] = exp2(top[r] - new_top);
    top[r] = new_top;
    float block_sum = 0.0;  // keys are summed by blocks: fewer roundings meet the large sum
    [[unroll]] for (uint j = 0; j < count; ++j) {
      uint i = r * kBlockKv + j;
      score[i] = exp2(score[i] - new_top);
      if (kMasked && !keep[i]) score[i] = 0.0;
      block_sum += score[i];
    }
    weight_sum[r] = fma(weight_sum[r], shrink[r], block_sum);
  }

  uvec2 value_row[kBlockKv];
  value_row[0] = value;
  [[unroll]] for (uint j = 1; j < count; ++j) {
    value_row[j] = next_row(value_row[j - 1], value_stride);
  }
  [[unroll]] for (uint g = 0; g < kChunkGroups; ++g) {
    vec4 total[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) total[r] = vec4(0.0);
    [[unroll]] for (uint j = 0; j < count; ++j) {
      vec4 v = load_group(kKvType, kAligned, value_row[j], 0u, g, kValueDim - 4u * (group0 + g));
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        uint i = r * kBlockKv + j;
        // A masked value may be NaN: it is replaced, not multiplied by 0.
        vec4 taken = kMasked && !keep[i] ? vec4(0.0) : v;
        total[r] = fma(vec4(score[i]), taken, total[r]);
      }
    }
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      uint i = r * kChunkGroups + g;
      sum[i] = fma(sum[i], vec4(shrink[r]), total[r]);
    }
  }
  key = next_row(key_row[count - 1], key_stride);
  value = next_row(value_row[count - 1], value_stride);
}

// Where a row ends: one row of output, and its logsumexp. "local" counts from the block's first row.
void write_row(uint r, uint local) {
  float inverse = inverse_of(weight_sum[r]);
  uint start = local * args.output_stride_row;
  if (kPassWrites > 0u) {
    uint pass = 0;
    [[dont_unroll]] do {
      [[unroll]] for (uint n = 0; n < kPassGroups; ++n) {
        store_group(kOutputType, kAligned, result, start, group0 + pass + n, 4u, sum[r * kChunkGroups + n] * inverse);
      }
      [[unroll]] for (uint g = kPassGroups; g < kPassWrites; ++g) {
        sum[r * kChunkGroups + g - kPassGroups] = sum[r * kChunkGroups + g];
      }
      pass += kPassGroups;
    } while (pass < kPassWrites);
  }
  [[unroll]] for (uint g = kPassWrites; g < kChunkGroups; ++g) {
    uint at = group0 + g;
    store_group(kOutputType, kAligned, result, start, at, kValueDim - 4u * at,
                sum[r * kChunkGroups + g] * inverse);
  }
  if (has(WEFT_FEATURE_LOGSUMEXP) && group0 == 0u) {
    OutWords(logsumexp).v[local] = logsumexp_bits(top[r], weight_sum[r]);
  }
}

// The state of the softmax before the first key: nothing, or a sink with its share.
void start_rows(uint head) {
  float sink = kExcluded;
  if (has(WEFT_FEATURE_SINKS)) sink = load_bias(WEFT_TYPE_F32, args.sinks, head);
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint g = 0; g < kChunkGroups; ++g) sum[r * kChunkGroups + g] = vec4(0.0);
    top[r] = sink;
    weight_sum[r] = sink != kExcluded ? 1.0 : 0.0;
  }
}

#ifdef WEFT_VOTE
// Whether any row here sees any key of a whole step, `added` filled.
bool step_seen(uint first) { return subgroupAny(look(first, kStep)); }
#else
bool step_seen(uint first) { return true; }
#endif

// Steps of "count" keys, a constant, as long as there are as many; the next key. Loops are tested at the end: drivers
// that mask lanes run what follows an exit once more, reads included.
uint attend_steps(uint first, uint end, const uint count) {
  if (first + count <= end) {
    do {
      attend(first, count, false);
      first += count;
    } while (first + count <= end);
  }
  return first;
}

// Steps over rows begin to end - 1 of key and value.
void attend_range(uint begin, uint end) {
  uint first = begin;
  key = row_address(kKvType, key, key_stride, begin);
  value = row_address(kKvType, value, value_stride, begin);
  if (first + kStep <= end) {
    do {
      bool seen = true;
      if (kLook) seen = step_seen(first);
      if (seen) {
        attend(first, kStep, kLook);
      } else {
        key = row_address(kKvType, key, key_stride, kStep);
        value = row_address(kKvType, value, value_stride, kStep);
      }
      first += kStep;
    } while (first + kStep <= end);
  }
  // Of a long step half is worth its code.
  if (kStep >= 8u) first = attend_steps(first, end, kStep / 2u);
  if (kStep > 1u) attend_steps(first, end, 1u);
}

// Every invocation's rows of query, scaled; last: the block's last row. A CPU driver reads from addresses that differ
// between invocations more slowly than from all of them one after the other.
void hold_query(uint last) {
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if (kPassReads > 0u) {
      uint pass = 0;
      [[dont_unroll]] do {
        [[unroll]] for (uint g = kPassGroups; g < kPassReads; ++g) {
          held[r * kHeadGroups + g - kPassGroups] = held[r * kHeadGroups + g];
        }
        [[unroll]] for (uint n = 0; n < kPassGroups; ++n) {
          vec4 q = load_group(kQueryType, kAligned, query, query_row[r], pass + n, 4u);
          held[r * kHeadGroups + kPassReads - kPassGroups + n] = q * push.scale_log2;
        }
        pass += kPassGroups;
      } while (pass < kPassReads);
    }
    [[unroll]] for (uint g = kPassReads; g < kHeadGroups; ++g) {
      uint valid = kHeadDim - 4u * g;
      vec4 q = load_group(kQueryType, kAligned, query, kReadTogether ? 0u : query_row[r], g, valid);
      [[unroll]] for (uint j = 1; j < (kReadTogether ? kLocalSize : 0u); ++j) {
        vec4 other = load_group(kQueryType, kAligned, query, min(j, last) * args.query_stride_row, g, valid);
        q = gl_LocalInvocationID.x == j ? other : q;
      }
      held[r * kHeadGroups + g] = q * push.scale_log2;
    }
  }
}

void find_null_keys(uint kv_head) {
  key = address_step(args.null_key, args.null_key_stride_head, kv_head);
  value = address_step(args.null_value, args.null_value_stride_head, kv_head);
  value = address_add(value, group0 * 4u << type_shift(kKvType));
  key_stride = args.null_key_stride_row;
  value_stride = args.null_value_stride_row;
}

void find_keys(Item item, uint kv_head) {
  uint first = first_key_row(item);
  key = slice_address(push.key, args.key_stride_batch, item.score, args.key_stride_head, kv_head);
  key = row_address(kKvType, key, args.key_stride_row, first);
  value = slice_address(push.value, args.value_stride_batch, item.value, args.value_stride_head, kv_head);
  value = row_address(kKvType, value, args.value_stride_row, first);
  value = address_add(value, group0 * 4u << type_shift(kKvType));
  key_stride = args.key_stride_row;
  value_stride = args.value_stride_row;
}

// Rows begin to end - 1 of key and value, then null keys: where they are is found when the others' addresses are no
// longer held.
void attend_all(Item item, uint kv_head, uint begin, uint end) {
  find_keys(item, kv_head);
  if (!kNullKeys) {
    attend_range(begin, end);
    return;
  }
  do {
    attend_range(begin, end);
    nulls = !nulls;
    find_null_keys(kv_head);
    begin = 0u;
    end = args.null_len;
  } while (nulls);
}

// Where the block's rows of the results go. Addresses are made before the loops: what they are made
// of would take more registers there.
void find_results(uint batch, uint head, uint first_row) {
  result = slice_address(push.output_values, args.output_stride_batch, batch,
                         args.output_stride_head, head);
  result = row_address(kOutputType, result, args.output_stride_row, first_row);
  if (has(WEFT_FEATURE_LOGSUMEXP)) {
    logsumexp = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                              args.logsumexp_stride_head, head);
    logsumexp = words_from(logsumexp, first_row);
  }
}

void main() {
  uint chunk = kChunks == 1u ? 0u : gl_WorkGroupID.x % kChunks;
  uint block_row = gl_WorkGroupID.x / kChunks * kLocalSize * kRows;
  uint local0 = gl_LocalInvocationID.x * kRows;
  uint head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z, kv_head = head / push.group_size;
  Item item = read_item(batch);
  uint first_row = first_query_row(item, block_row);
  // The last chunk ends with the row: it may overlap the one before, and both write the same
  // numbers there.
  group0 = chunk * kChunkGroups;
  if (kValueGroups % kChunkGroups != 0u) group0 = min(group0, kValueGroups - kChunkGroups);

  query = slice_address(push.query, args.query_stride_batch, item.score, args.query_stride_head, head);
  query = row_address(kQueryType, query, args.query_stride_row, first_row);
  block = read_block(item, head, block_row);
  uint block_rows = item.q_count > block_row ? item.q_count - block_row : 0u;
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    // Rows past the end compute and do not write.
    uint local = min(local0 + r, max(block_rows, 1u) - 1u);
    rows[r] = read_row(item, block, block_row, local);
    query_row[r] = local * args.query_stride_row;
    written[r] = local0 + r < block_rows ? local : kNoRow;
  }
  if (kHoldQuery) hold_query(max(block_rows, 1u) - 1u);

  start_rows(head);
  find_results(batch, head, first_row);
  uint last_row = block_row + min(kLocalSize * kRows, max(block_rows, 1u)) - 1u;
  uvec2 keys = key_range(item, block_row, last_row);
  attend_all(item, kv_head, keys.x, block_rows > 0u ? keys.y : 0u);

  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if (written[r] != kNoRow) write_row(r, written[r]);
  }
}
