// Attention forward by cooperative matrices of one subgroup. What it computes: attention_lane.comp.
// Each subgroup owns kRows x M query rows: it holds their queries (where kHoldQuery; else shared
// memory does) and the sums of the output in matrices, and applies masks, biases and the softmax to
// scores as scalars, in shared memory of its own. The workgroup stages kBlockKv keys and values a
// step: keys as they are, values as pairs of keys, which is how matrix units want the side that is
// summed over. Dims end in zeros up to whole matrices. Scores, statistics and sums are fp32;
// weights are rounded to the matrices' 16-bit type, times kWeightScale so that few of them are
// subnormal. One chunk of value elements a workgroup.
// Steps of which masks, windows and regions leave no row a key are passed over (lib/coopmat_keys.glsl).
// Needs 16-bit storage and arithmetic, cooperative matrices, shuffles, full subgroups of a known
// size. Shared memory: decide/shared_memory.cpp. Barriers in uniform flow only.
// Grid: x = ceil(q_len / block_q) x chunks (chunk runs fastest), y = heads, z = parts of the keys x batch.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#define WEFT_NATIVE16
// Matrices are registers where loops over them are unrolled. WEFT_ROLLED: for a CPU driver, whose
// matrices are memory anyway and whose compiler takes seconds for what others unroll at once.
#ifdef WEFT_ROLLED
#define WEFT_EACH_TILE dont_unroll
#else
#define WEFT_EACH_TILE unroll
#endif

#include "params.h"

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint kLocalSize = 128;
layout(constant_id = WEFT_ATTENTION_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint kValueDim = 64;
layout(constant_id = WEFT_ATTENTION_ROWS) const uint kRows = 1;
layout(constant_id = WEFT_ATTENTION_BLOCK_KV) const uint kBlockKv = 32;
layout(constant_id = WEFT_ATTENTION_VALUE_CHUNK) const uint kValueChunk = 64;
layout(constant_id = WEFT_ATTENTION_HOLD_QUERY) const bool kHoldQuery = true;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint kOutputType = 0;
layout(constant_id = WEFT_ATTENTION_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_ATTENTION_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_ATTENTION_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_ATTENTION_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_ATTENTION_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_ATTENTION_BLOCK_Q) const uint kBlockQ = 64;
layout(constant_id = WEFT_ATTENTION_SUBGROUP_SIZE) const uint kSubgroupSize = 32;
layout(constant_id = WEFT_ATTENTION_SUBGROUPS) const uint kSubgroups = 4;
layout(constant_id = WEFT_ATTENTION_MATRIX_M) const uint kMatrixM = 16;
layout(constant_id = WEFT_ATTENTION_MATRIX_N) const uint kMatrixN = 16;
layout(constant_id = WEFT_ATTENTION_MATRIX_K) const uint kMatrixK = 16;

layout(push_constant, std430) uniform Push { AttentionPush push; };

#include "lib/keys.glsl"
#include "lib/matrix.glsl"

const uint kChunk = kValueChunk < kValueDim ? kValueChunk : kValueDim;
const uint kChunks = (kValueDim + kChunk - 1u) / kChunk;
const uint kHeadTiles = (kHeadDim + kMatrixK - 1u) / kMatrixK;
const uint kValueTiles = (kChunk + kMatrixN - 1u) / kMatrixN;
const uint kScoreTiles = kBlockKv / kMatrixN;
const uint kWeightTiles = kBlockKv / kMatrixK;
const uint kRowLanes = kSubgroupSize / kMatrixM;           // invocations that share a row
const uint kRowParts = kBlockKv / (8u * kRowLanes);  // groups of eight keys that each takes of it
const uint kQueryGroups = (kMatrixM * kMatrixK / 8u + kSubgroupSize - 1u) / kSubgroupSize;

// Sums shrink right before they grow, unless queries leave no registers to keep the factors until
// then.
const bool kShrinkFirst = kHeadTiles > 8u;

// Strides, padded to spread rows over memory banks; a matrix's rows stay on 16 bytes.
const uint kKeyParts = kHeadTiles * kMatrixK / 8u;
const uint kKeyStride = kKeyParts + 1u;                 // uvec4, eight elements
const uint kValueGroups = kValueTiles * kMatrixN / 4u;
const uint kValueStride = kBlockKv / 2u + 4u;           // uint, a pair of keys
const uint kRowStride = kBlockKv / 4u + 1u;             // uvec4, four scores or eight weights

shared uvec4 keys[kBlockKv * kKeyStride];
shared uvec4 queries[kHoldQuery ? 1u : kSubgroups * kRows * kMatrixM * kKeyStride];
shared uint values[kValueTiles * kMatrixN * kValueStride];    // [value element][pair of keys]
shared uvec4 scratch[kSubgroups * kMatrixM * kRowStride];     // scores of a row, then its weights
shared float factors[kSubgroups * kMatrixM];                  // what sums of a row shrink by
// Where kMasked: keys of the block whose values hold an infinity or NaN, by the block's number;
// that block; the first such key that a row takes, and the key after the last.
shared uint bad_keys[kBlockKv];
shared uint bad[3];

MatrixA held[kHoldQuery ? kRows * kHeadTiles : kRows];
MatrixSum sum[kRows * kValueTiles];
float top[kRows], weight_sum[kRows];
Row rows[kRows];
Item item;
Block block;
uint subgroup, lane, invocation;
uint scratch_base;             // of this subgroup
uint block_row, block_rows, local0;
uint chunk, chunk_dim;         // value elements of this workgroup
uint key_part;                 // part of the keys; null keys and sinks belong to the first
uvec2 query, key, value;       // of the (item, head) slice; value from the chunk's first element

// Rows that do not exist compute with the last one's numbers.
uint near_row(uint local) { return min(local, max(block_rows, 1u) - 1u); }

// Not kHoldQuery: puts a matrix of query rows where load_queries reads them.
void stage_query(uint t) {
  const uint parts = kMatrixM * kKeyParts;
  uint base = (local0 + t * kMatrixM) * kKeyStride;
  for (uint place = lane; place < parts; place += kSubgroupSize) {
    uint row = place / kKeyParts, part = place % kKeyParts;
    uint local = near_row(local0 + t * kMatrixM + row);
    queries[base + row * kKeyStride + part] =
        load_eight(kAligned, query, local * args.query_stride_row, part, kHeadDim);
  }
}

// Queries reach matrices through the room for scores, packed as weights; all reads come first.
void hold_query(uint t) {
  uvec4 bits[kHeadTiles * kQueryGroups];
  [[WEFT_EACH_TILE]] for (uint k = 0; k < kHeadTiles; ++k) {
    [[unroll]] for (uint i = 0; i < kQueryGroups; ++i) {
      uint place = lane + i * kSubgroupSize;
      uint local = near_row(local0 + t * kMatrixM + place / (kMatrixK / 8u));
      bits[k * kQueryGroups + i] = load_eight(kAligned, query, local * args.query_stride_row,
                                              k * (kMatrixK / 8u) + place % (kMatrixK / 8u),
                                              kHeadDim);
    }
  }
  [[WEFT_EACH_TILE]] for (uint k = 0; k < kHeadTiles; ++k) {
    [[unroll]] for (uint i = 0; i < kQueryGroups; ++i) {
      uint place = lane + i * kSubgroupSize;
      if (place < kMatrixM * kMatrixK / 8u) {
        scratch[scratch_base + place / (kMatrixK / 8u) * kRowStride + place % (kMatrixK / 8u)] =
            bits[k * kQueryGroups + i];
      }
    }
    subgroup_sync();
    coopMatLoad(held[t * kHeadTiles + k], scratch, scratch_base, kRowStride,
                gl_CooperativeMatrixLayoutRowMajor);
    subgroup_sync();
  }
}

#include "lib/coopmat_keys.glsl"

// Remembers a key that a row takes and whose value is not finite.
void note_bad(Step step, uint c) {
  if (bad_keys[c] != step.number) return;
  atomicMin(bad[1], step.first + c);
  atomicMax(bad[2], step.first + c + 1u);
}

// The scores of the invocation's group i of four keys, as they enter the softmax; kExcluded where
// the key takes no part.
vec4 finish_scores(Step step, uint t, uint i, vec4 raw) {
  vec4 result;
  [[unroll]] for (uint e = 0; e < 4u; ++e) {
    float score = cap_score(raw[e] * push.scale_log2);
    uint c = 4u * key_group(i) + e;
    bool keep = c < step.count;
    if (kLook) keep = (kept[t] & (1u << (4u * i + e))) != 0u;
    if (kHasBias && !step.null_keys) {
      uint j = step.first + min(c, step.count - 1u);
      float added = load_bias(kBiasType, block.bias, rows[t].bias + j);
      keep = keep && added != kExcluded;
      score += added;
    }
    if (kMasked && keep && bad[0] == step.number) note_bad(step, c);
    result[e] = keep ? score : kExcluded;
  }
  return result;
}

// The softmax of one matrix of rows: scores to weights, and what the sums so far shrink by.
void soften(Step step, uint t) {
  uint row = lane / kRowLanes, part = lane % kRowLanes;
  uint base = scratch_base + row * kRowStride;
  vec4 score[2u * kRowParts];
  float new_top = top[t];
  [[unroll]] for (uint i = 0; i < 2u * kRowParts; ++i) {
    score[i] = finish_scores(step, t, i, uintBitsToFloat(scratch[base + key_group(i)]));
    new_top = max(new_top, max(max(score[i].x, score[i].y), max(score[i].z, score[i].w)));
  }
  [[unroll]] for (uint i = 1u; i < kRowLanes; i *= 2u) {
    new_top = max(new_top, subgroupShuffleXor(new_top, i));
  }
  float shrink = exp2(top[t] - new_top);
  top[t] = new_top;

  float block_sum = 0.0;
  uvec2 packed[2u * kRowParts];
  [[unroll]] for (uint i = 0; i < 2u * kRowParts; ++i) {
    vec4 weight = exp2(score[i] - new_top) * kWeightScale;
    weight = mix(weight, vec4(0.0), equal(score[i], vec4(kExcluded)));
    block_sum += (weight.x + weight.y) + (weight.z + weight.w);
    packed[i] = uvec2(pack_weights(weight.x, weight.y), pack_weights(weight.z, weight.w));
  }
  [[unroll]] for (uint i = 1u; i < kRowLanes; i *= 2u) {
    block_sum += subgroupShuffleXor(block_sum, i);
  }
  weight_sum[t] = fma(weight_sum[t], shrink, block_sum);

  subgroup_sync();  // weights take the place of scores that others of the row read
  [[unroll]] for (uint i = 0; i < kRowParts; ++i) {
    scratch[base + part + i * kRowLanes] = uvec4(packed[2u * i], packed[2u * i + 1u]);
  }
  if (part == 0u) factors[subgroup * kMatrixM + row] = shrink;
}

// Not kHoldQuery: part k of the dims of the queries.
void load_queries(uint k) {
  [[unroll]] for (uint t = 0; t < kRows; ++t) {
    coopMatLoad(held[t], queries, (local0 + t * kMatrixM) * kKeyStride + k * (kMatrixK / 8u),
                kKeyStride, gl_CooperativeMatrixLayoutRowMajor);
  }
}

// One step of the online softmax over the staged keys and values.
void attend(Step step) {
  MatrixSum score[kRows * kScoreTiles];
  [[unroll]] for (uint i = 0; i < kRows * kScoreTiles; ++i) score[i] = MatrixSum(0.0);
  [[WEFT_EACH_TILE]] for (uint k = 0; k < kHeadTiles; ++k) {
    if (!kHoldQuery) load_queries(k);
    [[unroll]] for (uint n = 0; n < kScoreTiles; ++n) {
      MatrixB b;
      coopMatLoad(b, keys, n * kMatrixN * kKeyStride + k * (kMatrixK / 8u), kKeyStride,
                  gl_CooperativeMatrixLayoutColumnMajor);
      [[unroll]] for (uint t = 0; t < kRows; ++t) {
        uint i = t * kScoreTiles + n;
        score[i] = coopMatMulAdd(held[kHoldQuery ? t * kHeadTiles + k : t], b, score[i]);
      }
    }
  }

  MatrixA weight[kRows * kWeightTiles];
  MatrixSum factor[kRows];
  [[unroll]] for (uint t = 0; t < kRows; ++t) {
    [[unroll]] for (uint n = 0; n < kScoreTiles; ++n) {
      coopMatStore(score[t * kScoreTiles + n], scratch, scratch_base + n * (kMatrixN / 4u),
                   kRowStride, gl_CooperativeMatrixLayoutRowMajor);
    }
    subgroup_sync();
    soften(step, t);
    subgroup_sync();
    [[unroll]] for (uint k = 0; k < kWeightTiles; ++k) {
      coopMatLoad(weight[t * kWeightTiles + k], scratch, scratch_base + k * (kMatrixK / 8u),
                  kRowStride, gl_CooperativeMatrixLayoutRowMajor);
    }
    // Columns without a stride between them: each row's factor in all of its elements.
    coopMatLoad(factor[t], factors, subgroup * kMatrixM, 0u, gl_CooperativeMatrixLayoutColumnMajor);
    if (kShrinkFirst) {
      [[WEFT_EACH_TILE]] for (uint v = 0; v < kValueTiles; ++v) {
        sum[t * kValueTiles + v] *= factor[t];
      }
    }
  }
  [[WEFT_EACH_TILE]] for (uint v = 0; v < kValueTiles; ++v) {
    if (!kShrinkFirst) {
      [[unroll]] for (uint t = 0; t < kRows; ++t) sum[t * kValueTiles + v] *= factor[t];
    }
    [[unroll]] for (uint k = 0; k < kWeightTiles; ++k) {
      MatrixB b;
      coopMatLoad(b, values, v * kMatrixN * kValueStride + k * (kMatrixK / 2u), kValueStride,
                  gl_CooperativeMatrixLayoutColumnMajor);
      [[unroll]] for (uint t = 0; t < kRows; ++t) {
        uint i = t * kValueTiles + v;
        sum[i] = coopMatMulAdd(weight[t * kWeightTiles + k], b, sum[i]);
      }
    }
  }
}

// Where the rows of a matrix end: factors for the output, and logsumexp.
void finish_rows(uint t, uint head, uint batch) {
  uint row = lane / kRowLanes, local = local0 + t * kMatrixM + row;
  if (lane % kRowLanes != 0u) return;
  factors[subgroup * kMatrixM + row] = inverse_of(weight_sum[t]);
  if (has(WEFT_FEATURE_LOGSUMEXP) && chunk == 0u && local < block_rows) {
    uvec2 slice = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                                args.logsumexp_stride_head, head);
    OutWords(words_from(slice, first_query_row(item, block_row))).v[local] =
        logsumexp_bits(top[t], weight_sum[t] / kWeightScale);
  }
}

// Four value elements of one of the subgroup's rows
struct Place {
  uint row;    // of the matrix
  uint local;  // of the block
  uint group;  // of the value matrix's columns
  bool there;
};
Place place_of(uint t, uint v, uint i) {
  uint index = lane + i * kSubgroupSize;
  Place place;
  place.row = index / (kMatrixN / 4u);
  place.local = local0 + t * kMatrixM + place.row;
  place.group = index % (kMatrixN / 4u);
  place.there = place.row < kMatrixM && place.local < block_rows &&
                v * kMatrixN + 4u * place.group < chunk_dim;
  return place;
}
const uint kPlaces = (kMatrixM * kMatrixN / 4u + kSubgroupSize - 1u) / kSubgroupSize;

void write_tile(uvec2 result, uint t, uint v) {
  [[unroll]] for (uint i = 0; i < kPlaces; ++i) {
    Place place = place_of(t, v, i);
    if (place.there) {
      uint group = (chunk * kChunk + v * kMatrixN) / 4u + place.group;
      store_group(kOutputType, kAligned, result, place.local * args.output_stride_row, group,
                  kValueDim - 4u * group,
                  uintBitsToFloat(scratch[scratch_base + place.row * kRowStride + place.group]) *
                      factors[subgroup * kMatrixM + place.row]);
    }
  }
}

// What values that are not finite add to a row that takes their keys: an infinity, NaN, or 0.
vec4 bad_sum(Place place, uint group) {
  Row row = read_row(item, block, block_row, near_row(place.local));
  vec4 total = vec4(0.0);
  uint j = bad[1];
  do {
    uvec2 from = row_address(WEFT_TYPE_F16, value, args.value_stride_row, j);
    uvec2 bits = load_packed(kAligned, from, 0u, group, chunk_dim);
    uvec2 wrong = not_finite(bits);
    vec4 taken = bits16_to_float(kElementType, bits & wrong);
    if (key_bias(block, row, j) != kExcluded) total += taken;
  } while (++j < bad[2]);
  return total;
}

// Writes the elements that such values reach, by the invocations that wrote them before.
void write_bad(uvec2 result) {
  for (uint tile = 0; tile < kRows * kValueTiles; ++tile) {
    uint v = tile % kValueTiles;
    for (uint i = 0; i < kPlaces; ++i) {
      Place place = place_of(tile / kValueTiles, v, i);
      vec4 total = bad_sum(place, v * (kMatrixN / 4u) + place.group);
      uint first = chunk * kChunk + v * kMatrixN + 4u * place.group;
      for (uint e = 0; e < 4u; ++e) {
        if (place.there && first + e < kValueDim && total[e] != 0.0) {
          store_element(kOutputType, result, place.local * args.output_stride_row + first + e,
                        total[e]);
        }
      }
    }
  }
}

void write_rows(uint head, uint batch) {
  uvec2 result = slice_address(push.output_values, args.output_stride_batch, batch,
                               args.output_stride_head, head);
  result = row_address(kOutputType, result, args.output_stride_row,
                       first_query_row(item, block_row));
  [[unroll]] for (uint t = 0; t < kRows; ++t) {
    subgroup_sync();
    finish_rows(t, head, batch);
    [[WEFT_EACH_TILE]] for (uint v = 0; v < kValueTiles; ++v) {
      coopMatStore(sum[t * kValueTiles + v], scratch, scratch_base, kRowStride,
                   gl_CooperativeMatrixLayoutRowMajor);
      subgroup_sync();
      write_tile(result, t, v);
      subgroup_sync();
    }
  }
  if (kMasked) {
    barrier();
    if (bad[1] < bad[2]) write_bad(result);
  }
}

void start(uint head) {
  float sink = kExcluded;
  if (has(WEFT_FEATURE_SINKS) && key_part == 0u) sink = load_bias(WEFT_TYPE_F32, args.sinks, head);
  [[unroll]] for (uint t = 0; t < kRows; ++t) {
    uint local = local0 + t * kMatrixM + lane / kRowLanes;
    rows[t] = read_row(item, block, block_row, near_row(local));
    top[t] = sink;
    weight_sum[t] = sink != kExcluded ? kWeightScale : 0.0;
    if (kHoldQuery) hold_query(t);
    else stage_query(t);
  }
  if (!kHoldQuery) subgroup_sync();
  [[WEFT_EACH_TILE]] for (uint i = 0; i < kRows * kValueTiles; ++i) sum[i] = MatrixSum(0.0);
  if (kMasked) {
    if (invocation < kBlockKv) bad_keys[invocation] = 0u;
    if (invocation < 3u) bad[invocation] = invocation == 1u ? 0xffffffffu : 0u;
    clear_seen(invocation);
    barrier();
  }
}

void main() {
  args = Arguments(push.args).a;
  subgroup = gl_SubgroupID;
  lane = gl_SubgroupInvocationID;
  invocation = subgroup * kSubgroupSize + lane;
  scratch_base = subgroup * kMatrixM * kRowStride;
  chunk = kChunks == 1u ? 0u : gl_WorkGroupID.x % kChunks;
  chunk_dim = kChunks == 1u ? kValueDim : min(kChunk, kValueDim - chunk * kChunk);
  block_row = gl_WorkGroupID.x / kChunks * kBlockQ;
  local0 = subgroup * kRows * kMatrixM;
  uint head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z, kv_head = head / push.group_size;
  key_part = batch / args.batch;
  item = read_item(batch % args.batch);
  query = slice_address(push.query, args.query_stride_batch, item.score, args.query_stride_head,
                        head);
  query = row_address(WEFT_TYPE_F16, query, args.query_stride_row,
                      first_query_row(item, block_row));
  block = read_block(item, head, block_row);
  block_rows = item.q_count > block_row ? item.q_count - block_row : 0u;
  start(head);
  find_keys(kv_head);

  Walk walk;
  walk.kv_head = kv_head;
  walk.range = key_range(item, block_row, block_row + min(kBlockQ, max(block_rows, 1u)) - 1u);
  walk.range = key_share(walk.range, key_part, args.parts, kBlockKv);
  walk.null_blocks = kNullKeys && key_part == 0u ? (args.null_len + kBlockKv - 1u) / kBlockKv : 0u;
  uint count = block_rows > 0u && walk.range.y > walk.range.x ? walk.range.y - walk.range.x : 0u;
  walk.blocks = walk.null_blocks + (count + kBlockKv - 1u) / kBlockKv;
  if (walk.blocks > 0u) {
    uint number = 0;
    do {
      Step step;
      bool sees = next_step(walk, number, step);
      number = step.number;
      if (sees) {
        stage_keys(step);
        stage_values(step);
        barrier();
        attend(step);
      }
    } while (number < walk.blocks);
  }
  write_rows(head, batch);
}
