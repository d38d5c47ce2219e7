// Attention forward for few query rows over many keys, in parts (attention_combine puts them together), for
// CPU drivers. One invocation = one row of a fold (lib/split.glsl) x one chunk of the value dimension. Rows of
// a workgroup are its invocations, or, where kBlockQ is 1, all invocations compute the same row: a driver that
// knows what does not differ between them computes it once, in scalar instructions, and reads it without gathering.
// Online softmax in the log2 domain, kBlockKv keys a step, all in fp32. Needs no device feature
// (WEFT_NATIVE16: 16-bit storage). Shared memory: 0 bytes. No barriers; subgroups vote where masks are.
// Grid: x = ceil(rows of a fold / kBlockQ) x parts x chunks (chunk runs fastest), y = folds of heads, z = of items.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif
#extension GL_KHR_shader_subgroup_vote : require

#include "params.h"

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_ATTENTION_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint kValueDim = 64;
layout(constant_id = WEFT_ATTENTION_BLOCK_KV) const uint kBlockKv = 8;
layout(constant_id = WEFT_ATTENTION_VALUE_CHUNK) const uint kValueChunk = 64;
layout(constant_id = WEFT_ATTENTION_QUERY_TYPE) const uint kQueryType = 0;
layout(constant_id = WEFT_ATTENTION_KV_TYPE) const uint kKvType = 0;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint kOutputType = 0;
layout(constant_id = WEFT_ATTENTION_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_ATTENTION_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_ATTENTION_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_ATTENTION_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_ATTENTION_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_ATTENTION_BLOCK_Q) const uint kBlockQ = 8;  // 1, or the local size

#include "lib/split.glsl"

const uint kHeadGroups = (kHeadDim + 3u) / 4u;
const uint kValueGroups = (kValueDim + 3u) / 4u;
const uint kChunkGroups = kValueChunk < kValueDim ? kValueChunk / 4u : kValueGroups;
const uint kChunks = (kValueDim + kValueChunk - 1u) / kValueChunk;

// Keys a step: the keys of the longest rows and of elements read one by one take code, which takes seconds to compile.
const bool kHalf = kKvType != WEFT_TYPE_F32, kHalfOrLong = kHalf || kHeadDim > 128u;
const bool kTooLong = kHeadDim > 256u, kOneByOne = !kAligned || kTooLong;
const bool kOneKey = kHalfOrLong && kOneByOne;
const uint kStep = kOneKey ? 1u : kBlockKv;
// A query that a loop has held is one for each invocation: the scalar code would be lost.
const bool kMayPassReads = kBlockQ > 1u, kMayPassWrites = true;

#include "lib/passes.glsl"

// Steps of which no row of the subgroup sees a key are passed over.
const bool kLook = kMaskKind != WEFT_MASK_NONE || kRegions;

vec4 held[kHeadGroups];  // the query row, scaled
vec4 sum[kChunkGroups];
float top, weight_sum;
Row row;
Block block;
uvec2 key, value;                // of the (item, head) slice
uvec2 key_stride, value_stride;  // bytes from row to row
uint group0;                     // the first group of the chunk
bool nulls = false;              // whether the keys are null keys

uint touched = 0;  // some bits of what was read ahead

// Reads a word of every 64 bytes of a row.
void touch_row(uvec2 base, const uint dim) {
  Words words = Words(word_address(base));
  [[unroll]] for (uint byte = 0; byte < dim << type_shift(kKvType); byte += 64u) touched |= words.v[byte / 4u];
}

// Brings rows of a step into the caches, all at once: scalar code alone asks for too little at a time to keep memory
// busy. Keys of the next step come while this one computes with its values, and values while it computes with its keys.
void touch_keys(uint first) {
  [[unroll]] for (uint j = 0; j < kStep; ++j) touch_row(address_step(key, key_stride, first + j), kHeadDim);
}

void touch_values(uint first) {
  [[unroll]] for (uint j = 0; j < kStep; ++j) {
    touch_row(address_step(value, value_stride, first + j), kChunkGroups * 4u < kValueDim ? kChunkGroups * 4u : kValueDim);
  }
}

// One step of the online softmax over keys first to first + count - 1. "count" is a constant, at most kBlockKv. ahead:
// touches the values, and the keys from "next" on, before they are used.
void attend(uint first, const uint count, bool ahead, uint next) {
  if (ahead) touch_values(first);
  uvec2 at[kBlockKv];
  at[0] = address_step(key, key_stride, first);
  [[unroll]] for (uint j = 1; j < count; ++j) at[j] = address_add(at[j - 1], key_stride);
  vec4 parts[kBlockKv];  // of scores: sums that don't wait for each other, so that a step of few keys is fast
  [[unroll]] for (uint j = 0; j < count; ++j) parts[j] = vec4(0.0);
  [[unroll]] for (uint g = 0; g < kHeadGroups; ++g) {
    [[unroll]] for (uint j = 0; j < count; ++j) {
      vec4 k = load_group(kKvType, kAligned, at[j], 0u, g, kHeadDim - 4u * g);
      parts[j] = fma(held[g], k, parts[j]);
    }
  }

  float score[kBlockKv];
  bool keep[kBlockKv];
  float new_top = top;
  [[unroll]] for (uint j = 0; j < count; ++j) {
    score[j] = cap_score((parts[j].x + parts[j].y) + (parts[j].z + parts[j].w));
    if (kMasked) {
      float added = kNullKeys && nulls ? 0.0 : key_bias(block, row, first + j);
      keep[j] = added != kExcluded;
      score[j] = keep[j] ? score[j] + added : kExcluded;
    }
    new_top = max(new_top, score[j]);
  }
  float shrink = exp2(top - new_top), block_sum = 0.0;
  top = new_top;
  [[unroll]] for (uint j = 0; j < count; ++j) {
    score[j] = exp2(score[j] - new_top);
    if (kMasked && !keep[j]) score[j] = 0.0;
    block_sum += score[j];
  }
  weight_sum = fma(weight_sum, shrink, block_sum);

  if (ahead) touch_keys(next);
  at[0] = address_step(value, value_stride, first);
  [[unroll]] for (uint j = 1; j < count; ++j) at[j] = address_add(at[j - 1], value_stride);
  [[unroll]] for (uint g = 0; g < kChunkGroups; ++g) {
    vec4 total = vec4(0.0);
    [[unroll]] for (uint j = 0; j < count; ++j) {
      vec4 v = load_group(kKvType, kAligned, at[j], 0u, g, kValueDim - 4u * (group0 + g));
      // A masked value may be NaN: it is replaced, not multiplied by 0.
      total = fma(vec4(score[j]), kMasked && !keep[j] ? vec4(0.0) : v, total);
    }
    sum[g] = fma(sum[g], vec4(shrink), total);
  }
}

// Whether any row here sees any key of a whole step
bool step_seen(uint first) {
  bool seen = kNullKeys && nulls;
  [[unroll]] for (uint j = 0; j < kStep; ++j) seen = seen || row_sees(block, row, first + j);
  return kBlockQ > 1u ? subgroupAny(seen) : seen;
}

// Loops are tested at the end: drivers that mask lanes run what follows an exit once more, reads included.
void attend_range(uvec2 keys) {
  uint first = keys.x;
  // Only where rows follow each other: far apart, the next rows would drive each other out.
  bool ahead = kBlockQ == 1u && key_stride.x == kHeadDim << type_shift(kKvType) &&
               value_stride.x == kValueDim << type_shift(kKvType);
  if (first + kStep <= keys.y) {
    do {
      bool seen = true;
      if (kLook) seen = step_seen(first);
      if (seen) attend(first, kStep, ahead, min(first + kStep, keys.y - kStep));
      first += kStep;
    } while (first + kStep <= keys.y);
  }
  if (kStep > 1u && first < keys.y) {
    [[dont_unroll]] do {
      attend(first, 1u, false, 0u);
    } while (++first < keys.y);
  }
}

void find_null_keys(uint kv_head) {
  key = address_step(args.null_key, args.null_key_stride_head, kv_head);
  value = address_step(args.null_value, args.null_value_stride_head, kv_head);
  value = address_add(value, group0 * 4u << type_shift(kKvType));
  key_stride = row_address(kKvType, uvec2(0u), args.null_key_stride_row, 1u);
  value_stride = row_address(kKvType, uvec2(0u), args.null_value_stride_row, 1u);
}

void find_keys(Item item, uint kv_head) {
  uint first = first_key_row(item);
  key = slice_address(push.key, args.key_stride_batch, item.score, args.key_stride_head, kv_head);
  key = row_address(kKvType, key, args.key_stride_row, first);
  value = slice_address(push.value, args.value_stride_batch, item.value, args.value_stride_head, kv_head);
  value = row_address(kKvType, value, args.value_stride_row, first);
  value = address_add(value, group0 * 4u << type_shift(kKvType));
  key_stride = row_address(kKvType, uvec2(0u), args.key_stride_row, 1u);
  value_stride = row_address(kKvType, uvec2(0u), args.value_stride_row, 1u);
}

// Null keys, which belong to the first part, then the part's rows of key and value
void attend_all(Item item, uint kv_head, uvec2 keys, uint part) {
  if (!kNullKeys) {
    find_keys(item, kv_head);
    attend_range(keys);
    return;
  }
  nulls = true;
  find_null_keys(kv_head);
  uvec2 range = uvec2(0u, part == 0u ? args.null_len : 0u);
  do {
    attend_range(range);
    nulls = !nulls;
    find_keys(item, kv_head);
    range = keys;
  } while (!nulls);
}

// A finished row, or this part of one
void write_row(Fold fold, FoldedRow folded, uint f, uint part, bool first_chunk) {
  bool finished = split.parts == 1u;
  float inverse = inverse_of(weight_sum);
  if (kPassWrites > 0u) {
    uint pass = 0;
    [[dont_unroll]] do {
      [[unroll]] for (uint n = 0; n < kPassGroups; ++n) {
        if (finished) store_output(fold, folded, group0 + pass + n, sum[n] * inverse);
        else store_sums(fold, part, f, group0 + pass + n, sum[n]);
      }
      [[unroll]] for (uint g = kPassGroups; g < kPassWrites; ++g) sum[g - kPassGroups] = sum[g];
      pass += kPassGroups;
    } while (pass < kPassWrites);
  }
  if (finished) {
    [[unroll]] for (uint g = kPassWrites; g < kChunkGroups; ++g) {
      store_output(fold, folded, group0 + g, sum[g] * inverse);
    }
    if (has(WEFT_FEATURE_LOGSUMEXP) && first_chunk) store_logsumexp(fold, folded, top, weight_sum);
  } else {
    [[unroll]] for (uint g = kPassWrites; g < kChunkGroups; ++g) store_sums(fold, part, f, group0 + g, sum[g]);
    if (first_chunk) store_state(fold, part, f, top, weight_sum);
  }
}

void hold_query(Fold fold, FoldedRow folded, Item item) {
  uvec2 query = find_query(fold, item, kQueryType);
  uint start = query_start(folded, kQueryType);
  if (kPassReads > 0u) {
    uint pass = 0;
    [[dont_unroll]] do {
      [[unroll]] for (uint g = kPassGroups; g < kPassReads; ++g) held[g - kPassGroups] = held[g];
      [[unroll]] for (uint n = 0; n < kPassGroups; ++n) {
        vec4 q = load_group(kQueryType, kAligned, query, start, pass + n, 4u);
        held[kPassReads - kPassGroups + n] = q * push.scale_log2;
      }
      pass += kPassGroups;
    } while (pass < kPassReads);
  }
  [[unroll]] for (uint g = kPassReads; g < kHeadGroups; ++g) {
    held[g] = load_group(kQueryType, kAligned, query, start, g, kHeadDim - 4u * g) * push.scale_log2;
  }
}

void main() {
  args = Arguments(push.args).a;
  uint chunk = kChunks == 1u ? 0u : gl_WorkGroupID.x % kChunks;
  uint part = gl_WorkGroupID.x / kChunks % split.parts;
  uint first = gl_WorkGroupID.x / kChunks / split.parts * kBlockQ;
  // The last chunk ends with the row: it may overlap the one before, and both write the same numbers there.
  group0 = kChunks == 1u ? 0u : min(chunk * kChunkGroups, kValueGroups - kChunkGroups);
  Item item = read_item(gl_WorkGroupID.z);
  Fold fold = find_fold(item, first);
  uint f = kBlockQ == 1u ? first : first + gl_LocalInvocationID.x;
  FoldedRow folded = folded_row(fold, f);
  block = read_block(item, fold.head, fold.block_row);
  row = read_folded_row(item, block, fold, folded);
  hold_query(fold, folded, item);

  // Sinks belong to the first part.
  [[unroll]] for (uint g = 0; g < kChunkGroups; ++g) sum[g] = vec4(0.0);
  top = kExcluded;
  if (has(WEFT_FEATURE_SINKS) && part == 0u) top = read_sink(fold, folded);
  weight_sum = top != kExcluded ? 1.0 : 0.0;
  attend_all(item, fold.kv_head, part_range(item, fold, kBlockQ, part, kBlockKv), part);

  bool writes = kBlockQ > 1u || gl_LocalInvocationID.x == 0u;
  if (split.parts == 0u && touched == 0u) writes = false;  // never: but the reads are made
  if (folded.there && writes) write_row(fold, folded, f, part, chunk == 0u);
}
