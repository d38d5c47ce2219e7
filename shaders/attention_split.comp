// Attention forward for few query rows over many keys, in parts (attention_combine puts them together), for GPUs.
// A workgroup = kBlockQ rows of a fold (lib/split.glsl) x one part of the keys. kSpan neighbouring invocations share
// a key and divide its elements among them, so that a load takes whole pieces of a row; they hold a softmax of their
// own over the keys that they see, and all of a workgroup are put together at its end. Online softmax in the log2
// domain, kBlockKv keys a step, all in fp32. Dot products meet in shared memory, or with WEFT_SHUFFLE in the
// subgroup, whose invocations then number the workgroup's. Otherwise needs no device feature (WEFT_NATIVE16:
// 16-bit storage).
// Shared memory: decide/shared_memory.cpp. Grid: x = ceil(rows of a fold / kBlockQ) x parts, y = folds of heads,
// z = folds of items.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif
#ifdef WEFT_SHUFFLE
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif

#include "params.h"

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint kLocalSize = 128;
layout(constant_id = WEFT_ATTENTION_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint kValueDim = 64;
layout(constant_id = WEFT_ATTENTION_QUERY_TYPE) const uint kQueryType = 0;
layout(constant_id = WEFT_ATTENTION_KV_TYPE) const uint kKvType = 0;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint kOutputType = 0;
layout(constant_id = WEFT_ATTENTION_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_ATTENTION_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_ATTENTION_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_ATTENTION_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_ATTENTION_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_ATTENTION_BLOCK_Q) const uint kBlockQ = 1;

#include "lib/dot.glsl"
#include "lib/split.glsl"

const uint kHeadGroups = (kHeadDim + 3u) / 4u;
const uint kValueGroups = (kValueDim + 3u) / 4u;
const uint kMostGroups = kHeadGroups > kValueGroups ? kHeadGroups : kValueGroups;
// Two groups an invocation, where that many can share a key; three of the widest heads.
const uint kWantedSpan = kMostGroups <= 8u ? 4u : kMostGroups <= 16u ? 8u : kMostGroups <= 32u ? 16u
                                                                                      : kMostGroups <= 64u ? 32u : 64u;
#ifdef WEFT_SHUFFLE
layout(constant_id = WEFT_ATTENTION_SUBGROUP_SIZE) const uint kSubgroupSize = 32;
const uint kSpan = kWantedSpan < kSubgroupSize ? kWantedSpan : kSubgroupSize;
#else
const uint kSpan = kWantedSpan;
#endif
const uint kSpans = kLocalSize / kSpan;
// Keys of a step and span, at most one vec4 of scores: fewer where rows or wide heads take the registers.
const bool kWide = kMostGroups > 2u * kSpan;
const uint kBlockKv = kBlockQ > 1u || kWide ? 2u : 4u;
const uint kHeadSteps = (kHeadGroups + kSpan - 1u) / kSpan;
const uint kValueSteps = (kValueGroups + kSpan - 1u) / kSpan;

// Dot products on their way through the span, later the sums of all spans
#ifdef WEFT_SHUFFLE
const uint kMeeting = 0u;
#else
const uint kMeeting = kBlockQ * kLocalSize;
#endif
const uint kGathering = kSpans * kValueGroups;
shared vec4 exchanged[kMeeting > kGathering ? kMeeting : kGathering];
shared float tops[kSpans], weight_sums[kSpans];
// Steps of which no row sees a key are passed over.
const bool kLook = kMaskKind != WEFT_MASK_NONE || kRegions;

#include "lib/seen.glsl"

vec4 held[kBlockQ * kHeadSteps];  // the query rows, scaled
vec4 sum[kBlockQ * kValueSteps];
float top[kBlockQ], weight_sum[kBlockQ];
vec4 score[kBlockQ];
Row rows[kBlockQ];
Block block;
uvec2 key, value;                // of the (item, head) slice
uvec2 key_stride, value_stride;  // bytes from row to row
uint index, span, lane;          // of the invocation, of its span, and in the span

// The group of step s that this lane has; steps past the row's end are clamped, and their elements count for nothing.
bool has_group(const uint s, const uint groups) {
  return (s + 1u) * kSpan <= groups || s * kSpan + lane < groups;
}
uint lane_group(const uint s, const uint groups) {
  return (s + 1u) * kSpan <= groups ? s * kSpan + lane : min(s * kSpan + lane, groups - 1u);
}

vec4 load_lane(uint type, uvec2 base, uint start, const uint s, const uint groups, const uint dim) {
  uint g = lane_group(s, groups);
  vec4 values = load_group(type, kAligned, base, start, g, dim - 4u * g);
  if ((s + 1u) * kSpan <= groups) return values;
  return has_group(s, groups) ? values : vec4(0.0);
}

// Sums of the scores over the lanes of each span
void meet() {
#ifdef WEFT_SHUFFLE
  [[unroll]] for (uint step = 1u; step < kSpan; step *= 2u) {
    [[unroll]] for (uint r = 0; r < kBlockQ; ++r) score[r] += subgroupShuffleXor(score[r], step);
  }
#else
  barrier();
  [[unroll]] for (uint r = 0; r < kBlockQ; ++r) exchanged[r * kLocalSize + index] = score[r];
  barrier();
  [[unroll]] for (uint r = 0; r < kBlockQ; ++r) {
    vec4 total = vec4(0.0);
    [[unroll]] for (uint l = 0; l < kSpan; ++l) total += exchanged[r * kLocalSize + span * kSpan + l];
    score[r] = total;
  }
#endif
}

// Whether the span's key j of a step is one.
bool there(uint first, uint j, uint end) { return first + j * kSpans + span < end; }

// One step of the online softmax: keys first to first + kSpans x kBlockKv - 1, as far as they are below end.
// "masked" is a constant: keys take part anyway where it is false.
void attend(uint first, uint end, uint key_stride_row, uint value_stride_row, const bool masked) {
  uvec2 key_base = address_step(key, key_stride, first), value_base = address_step(value, value_stride, first);
  uint at[kBlockKv];  // counted from first
  [[unroll]] for (uint r = 0; r < kBlockQ; ++r) score[r] = vec4(0.0);
  [[unroll]] for (uint j = 0; j < kBlockKv; ++j) {
    at[j] = min(j * kSpans + span, max(end, first + 1u) - 1u - first);
  }
  [[unroll]] for (uint s = 0; s < kHeadSteps; ++s) {
    [[unroll]] for (uint j = 0; j < kBlockKv; ++j) {
      vec4 k = load_lane(kKvType, key_base, at[j] * key_stride_row, s, kHeadGroups, kHeadDim);
      [[unroll]] for (uint r = 0; r < kBlockQ; ++r) {
        score[r][j] = dot_add(held[r * kHeadSteps + s], k, score[r][j]);
      }
    }
  }
  meet();

  uint kept[kBlockQ * kBlockKv];  // all bits of a value, or none: many truth values at once are few registers' worth
  float shrink[kBlockQ];
  [[unroll]] for (uint r = 0; r < kBlockQ; ++r) {
    float new_top = top[r];
    [[unroll]] for (uint j = 0; j < kBlockKv; ++j) {
      float added = masked ? key_bias(block, rows[r], first + at[j]) : 0.0;
      bool keep = there(first, j, end) && added != kExcluded;
      kept[r * kBlockKv + j] = keep ? 0xffffffffu : 0u;
      score[r][j] = keep ? cap_score(score[r][j]) + added : kExcluded;
      new_top = max(new_top, score[r][j]);
    }
    shrink[r] = exp2(top[r] - new_top);
    top[r] = new_top;
    float block_sum = 0.0;
    [[unroll]] for (uint j = 0; j < kBlockKv; ++j) {
      float weight = exp2(score[r][j] - new_top);
      score[r][j] = uintBitsToFloat(floatBitsToUint(weight) & kept[r * kBlockKv + j]);
      block_sum += score[r][j];
    }
    weight_sum[r] = fma(weight_sum[r], shrink[r], block_sum);
  }

  [[unroll]] for (uint s = 0; s < kValueSteps; ++s) {
    vec4 total[kBlockQ];
    [[unroll]] for (uint r = 0; r < kBlockQ; ++r) total[r] = vec4(0.0);
    [[unroll]] for (uint j = 0; j < kBlockKv; ++j) {
      uint g = lane_group(s, kValueGroups);
      vec4 v = load_group(kKvType, kAligned, value_base, at[j] * value_stride_row, g, kValueDim - 4u * g);
      [[unroll]] for (uint r = 0; r < kBlockQ; ++r) {
        // A masked value may be NaN: it is replaced, not multiplied by 0.
        vec4 taken = uintBitsToFloat(floatBitsToUint(v) & kept[(masked ? r * kBlockKv : 0u) + j]);
        total[r] = fma(vec4(score[r][j]), taken, total[r]);
      }
    }
    [[unroll]] for (uint r = 0; r < kBlockQ; ++r) {
      uint i = r * kValueSteps + s;
      sum[i] = fma(sum[i], vec4(shrink[r]), total[r]);
    }
  }
}

// Whether some row sees the key of the step from "first" on that the invocation looks at.
bool look(uint first, uint end) {
  uint j = min(first + min(index, kSpans * kBlockKv - 1u), end - 1u);
  bool sees = false;
  [[unroll]] for (uint r = 0; r < kBlockQ; ++r) sees = sees || row_sees(block, rows[r], j);
  return sees;
}

// Loops are tested at the end: drivers that mask lanes run what follows an exit once more, reads included.
void attend_range(uvec2 keys, uint key_stride_row, uint value_stride_row, const bool masked) {
  key_stride = row_address(kKvType, uvec2(0u), key_stride_row, 1u);
  value_stride = row_address(kKvType, uvec2(0u), value_stride_row, 1u);
  uint first = keys.x, number = 0;
  if (first < keys.y) {
    [[dont_unroll]] do {
      bool sees = true;
      if (masked && kLook) sees = workgroup_sees(++number, look(first, keys.y));
      if (sees) attend(first, keys.y, key_stride_row, value_stride_row, masked);
      first += kSpans * kBlockKv;
    } while (first < keys.y);
  }
}

void find_keys(Item item, uint kv_head) {
  uint first = first_key_row(item);
  key = slice_address(push.key, args.key_stride_batch, item.score, args.key_stride_head, kv_head);
  key = row_address(kKvType, key, args.key_stride_row, first);
  value = slice_address(push.value, args.value_stride_batch, item.value, args.value_stride_head, kv_head);
  value = row_address(kKvType, value, args.value_stride_row, first);
}

// Four elements of a row that all spans have put together: finished, or this part of it.
void write_group(Fold fold, FoldedRow folded, uint f, uint part, uint g, vec4 total, float all_top, float all_weights) {
  if (split.parts == 1u) {
    store_output(fold, folded, g, total * inverse_of(all_weights));
    if (has(WEFT_FEATURE_LOGSUMEXP) && g == 0u) store_logsumexp(fold, folded, all_top, all_weights);
  } else {
    store_sums(fold, part, f, g, total);
    if (g == 0u) store_state(fold, part, f, all_top, all_weights);
  }
}

// Row r of all spans put together, in the order of the spans.
void gather_row(Fold fold, const uint r, uint part) {
  barrier();
  if (lane == 0u) tops[span] = top[r];
  barrier();
  float all_top = tops[0];
  [[unroll]] for (uint s = 1; s < kSpans; ++s) all_top = max(all_top, tops[s]);
  float shrink = exp2(top[r] - all_top);
  if (lane == 0u) weight_sums[span] = weight_sum[r] * shrink;
  [[unroll]] for (uint s = 0; s < kValueSteps; ++s) {
    if (has_group(s, kValueGroups)) {
      exchanged[span * kValueGroups + lane_group(s, kValueGroups)] = sum[r * kValueSteps + s] * shrink;
    }
  }
  barrier();
  uint f = fold.first + r;
  FoldedRow folded = folded_row(fold, f);
  float all_weights = 0.0;
  [[unroll]] for (uint s = 0; s < kSpans; ++s) all_weights += weight_sums[s];
  [[unroll]] for (uint g0 = 0; g0 < kValueGroups; g0 += kLocalSize) {
    uint g = min(g0 + index, kValueGroups - 1u);
    vec4 total = vec4(0.0);
    [[unroll]] for (uint s = 0; s < kSpans; ++s) total += exchanged[s * kValueGroups + g];
    if (folded.there && g0 + index < kValueGroups) write_group(fold, folded, f, part, g, total, all_top, all_weights);
  }
}

void main() {
  args = Arguments(push.args).a;
#ifdef WEFT_SHUFFLE
  index = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
#else
  index = gl_LocalInvocationID.x;
#endif
  span = index / kSpan;
  lane = index % kSpan;
  uint part = gl_WorkGroupID.x % split.parts;
  Item item = read_item(gl_WorkGroupID.z);
  Fold fold = find_fold(item, gl_WorkGroupID.x / split.parts * kBlockQ);
  block = read_block(item, fold.head, fold.block_row);
  uvec2 query = find_query(fold, item, kQueryType);
  [[unroll]] for (uint i = 0; i < kBlockQ * kValueSteps; ++i) sum[i] = vec4(0.0);
  [[unroll]] for (uint r = 0; r < kBlockQ; ++r) {
    FoldedRow folded = folded_row(fold, fold.first + r);
    rows[r] = read_folded_row(item, block, fold, folded);
    [[unroll]] for (uint s = 0; s < kHeadSteps; ++s) {
      vec4 q = load_lane(kQueryType, query, query_start(folded, kQueryType), s, kHeadGroups, kHeadDim);
      held[r * kHeadSteps + s] = q * push.scale_log2;
    }
    // Sinks and null keys belong to the first part, a sink to its first span.
    top[r] = kExcluded;
    if (has(WEFT_FEATURE_SINKS) && part == 0u && span == 0u) top[r] = read_sink(fold, folded);
    weight_sum[r] = top[r] != kExcluded ? 1.0 : 0.0;
  }

  if (kLook) {
    clear_seen(index);
    barrier();
  }
  if (kNullKeys && part == 0u) {
    key = address_step(args.null_key, args.null_key_stride_head, fold.kv_head);
    value = address_step(args.null_value, args.null_value_stride_head, fold.kv_head);
    attend_range(uvec2(0u, args.null_len), args.null_key_stride_row, args.null_value_stride_row, false);
  }
  find_keys(item, fold.kv_head);
  uvec2 keys = part_range(item, fold, kBlockQ, part, kSpans * kBlockKv);
  attend_range(keys, args.key_stride_row, args.value_stride_row, kMasked);
  [[unroll]] for (uint r = 0; r < kBlockQ; ++r) gather_row(fold, r, part);
}
