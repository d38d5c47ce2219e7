// Tiles of query, key and value rows in shared memory, as they are in memory (two 16-bit elements a
// word, or fp32), and the two products on them. A workgroup's invocations stand in kColumns columns:
// invocation (r, c) has the query rows r, r + kRowThreads, ... and of them the scores of keys
// c, c + kColumns, ..., then the output groups c, c + kColumns, ...
// The includer declares kAllKeys: false: one tile holds kBlockKv keys, then their values; true: keys,
// null keys and the values of both stay in shared memory, and kBlockQ is not the tile's rows.
#ifndef WEFT_TILE_GLSL
#define WEFT_TILE_GLSL

#include "lib/dot.glsl"
#include "lib/keys.glsl"

const uint kHeadGroups = (kHeadDim + 3u) / 4u;  // groups of four elements
const uint kValueGroups = (kValueDim + 3u) / 4u;
const uint kChunkGroups = kValueChunk < kValueDim ? kValueChunk / 4u : kValueGroups;
const uint kChunks = (kValueDim + kValueChunk - 1u) / kValueChunk;

const uint kHeadStep = 2u;  // groups a step of the dot products: more take registers that some lack
const uint kHeadPadded = (kHeadGroups + kHeadStep - 1u) / kHeadStep * kHeadStep;
// Odd numbers of groups from row to row: rows side by side lie in different banks.
const uint kQueryStride = kHeadPadded | 1u;
const uint kKvStride = (kHeadPadded > kChunkGroups ? kHeadPadded : kChunkGroups) | 1u;

const uint kColumns = kAllKeys ? 8u : kLocalSize * kRows / kBlockQ;
const uint kRowThreads = kLocalSize / kColumns;
const uint kTileRows = kRowThreads * kRows;
const uint kNullRows = WEFT_MAX_NULL_KEYS;
const uint kTileKeys = kAllKeys && kNullKeys ? kBlockKv + kNullRows : kBlockKv;
const uint kKeys = kTileKeys / kColumns;  // keys an invocation, an even number
const uint kColumnGroups = (kChunkGroups + kColumns - 1u) / kColumns;
const uint kSlots = kTileKeys / 2u;    // pairs of weights a row
const uint kSlotStride = kSlots + 2u;  // rows side by side in different banks again

const bool kWideQuery = kQueryType == WEFT_TYPE_F32;
const bool kWideKv = kKvType == WEFT_TYPE_F32;
const uint kKvTileGroups = (kAllKeys ? 2u : 1u) * kTileKeys * kKvStride;
const uint kQueryTileGroups = kHoldQuery ? kTileRows * kQueryStride : 1u;
shared uvec2 query_pairs[kWideQuery ? 1u : kQueryTileGroups];
shared vec4 query_vectors[kWideQuery ? kQueryTileGroups : 1u];
shared uvec2 kv_pairs[kWideKv ? 1u : kKvTileGroups];
shared vec4 kv_vectors[kWideKv ? kKvTileGroups : 1u];
shared vec2 weights[kTileRows * kSlotStride];
shared float partials[kTileRows * kColumns];  // of row maxima, one a column

uint row_thread, column;
uvec2 query;            // from the block's first row
uint query_row[kRows];  // where rows begin, in elements from there
float score[kRows * kKeys];
vec4 sum[kRows * kColumnGroups];

uint local_row(uint r) { return row_thread + r * kRowThreads; }
// The key of a block that score[r * kKeys + k] belongs to
uint local_key(uint k) { return column + k * kColumns; }

vec4 read_kv(uint at) {
  if (kWideKv) return kv_vectors[at];
  return bits16_to_float(kKvType, kv_pairs[at]);
}

// Group g of row r of query; from memory, rows clamped, where the query is not held.
vec4 read_query(uint r, uint g) {
  if (!kHoldQuery) {
    uint group = min(g, kHeadGroups - 1u);
    vec4 q = load_group(kQueryType, kAligned, query, query_row[r], group, kHeadDim - 4u * group);
    return g < kHeadGroups ? q : vec4(0.0);
  }
  uint at = local_row(r) * kQueryStride + g;
  if (kWideQuery) return query_vectors[at];
  return bits16_to_float(kQueryType, query_pairs[at]);
}

// Some 16-bit element of the pairs, or fp32 one, is infinite or NaN: its exponent carries.
bool has_infinity_or_nan(uint type, uvec2 pairs) {
  uint exponent = type == WEFT_TYPE_BF16 ? 0x7f807f80u : 0x7c007c00u;
  uint one = type == WEFT_TYPE_BF16 ? 0x00800080u : 0x04000400u;
  uvec2 carried = (pairs & exponent) + one;
  return ((carried.x | carried.y) & 0x80008000u) != 0u;
}
bool has_infinity_or_nan(vec4 values) {
  uvec4 carried = (floatBitsToUint(values) & 0x7f800000u) + 0x00800000u;
  return ((carried.x | carried.y | carried.z | carried.w) & 0x80000000u) != 0u;
}

// What of a matrix in memory a tile takes: "count" rows from "base", and of them "groups" groups from
// first_group; each row has "elements".
struct Source {
  uvec2 base;
  uint stride, count, first_group, groups, elements;
};

void keep_group(const bool query, uint at, vec4 v) {
  if (query) query_vectors[at] = v;
  else kv_vectors[at] = v;
}
void keep_group(const bool query, uint at, uvec2 v) {
  if (query) query_pairs[at] = v;
  else kv_pairs[at] = v;
}

// Fills "rows" rows of "padded" groups from "at" of a tile; rows and groups that are not there become
// zeros. True: some element is infinite or NaN. "query", "rows" and "padded" are constants.
bool load_tile(const bool query, Source from, uint at, const uint rows, const uint padded) {
  uint type = query ? kQueryType : kKvType, stride = query ? kQueryStride : kKvStride;
  bool strange = false;
  uint index = gl_LocalInvocationID.x;
  do {
    [[unroll]] for (uint i = 0; i < 4u; ++i) {
      uint item = min(index + i * kLocalSize, rows * padded - 1u);
      uint row = item / padded, group = item % padded;
      bool there = row < from.count && group < from.groups;
      uint start = min(row, from.count - 1u) * from.stride;
      uint g = from.first_group + min(group, from.groups - 1u);
      uint to = at + row * stride + group, valid = from.elements - 4u * g;
      if (type == WEFT_TYPE_F32) {
        vec4 v = load_group(type, kAligned, from.base, start, g, valid);
        v = there ? v : vec4(0.0);
        strange = strange || has_infinity_or_nan(v);
        keep_group(query, to, v);
      } else {
        uvec2 v = load_pairs(kAligned, from.base, start, g, valid);
        v = there ? v : uvec2(0u);
        strange = strange || has_infinity_or_nan(type, v);
        keep_group(query, to, v);
      }
    }
    index += 4u * kLocalSize;
  } while (index < rows * padded);
  return strange;
}

// Raw scores of the rows against the tile of keys at "tile"
void compute_scores(uint tile) {
  [[unroll]] for (uint i = 0; i < kRows * kKeys; ++i) score[i] = 0.0;
  uint first = 0;
  [[dont_unroll]] do {
    [[unroll]] for (uint i = 0; i < kHeadStep; ++i) {
      uint g = first + i;
      vec4 q[kRows];
      [[unroll]] for (uint r = 0; r < kRows; ++r) q[r] = read_query(r, g);
      [[unroll]] for (uint k = 0; k < kKeys; ++k) {
        vec4 key = read_kv(tile + local_key(k) * kKvStride + g);
        [[unroll]] for (uint r = 0; r < kRows; ++r) {
          score[r * kKeys + k] = dot_add(q[r], key, score[r * kKeys + k]);
        }
      }
    }
    first += kHeadStep;
  } while (first < kHeadPadded);
}

// Weights of the block, two keys of an invocation side by side: slot s of a row has keys
// s % kColumns + kColumns x 2 (s / kColumns), and kColumns on.
void store_weights(uint r) {
  [[unroll]] for (uint k = 0; k < kKeys; k += 2u) {
    uint slot = k / 2u * kColumns + column;
    weights[local_row(r) * kSlotStride + slot] = vec2(score[r * kKeys + k], score[r * kKeys + k + 1u]);
  }
}

uint slot_key(uint slot) { return slot % kColumns + slot / kColumns * 2u * kColumns; }

// sum += weights of the block x the tile of values at "tile". Where a value may be infinite or NaN
// ("select", a constant), weights of 0 take it away; 0 x NaN would be NaN.
void add_values(uint tile, const bool select) {
  uint at[kColumnGroups];
  [[unroll]] for (uint c = 0; c < kColumnGroups; ++c) {
    at[c] = tile + min(column + c * kColumns, kChunkGroups - 1u);
  }
  uint slot = 0;
  [[dont_unroll]] do {
    [[unroll]] for (uint s = 0; s < 2u; ++s) {
      uint key = slot_key(slot + s);
      vec2 weight[kRows];
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        weight[r] = weights[local_row(r) * kSlotStride + slot + s];
      }
      [[unroll]] for (uint k = 0; k < 2u; ++k) {
        [[unroll]] for (uint c = 0; c < kColumnGroups; ++c) {
          vec4 v = read_kv(at[c] + (key + k * kColumns) * kKvStride);
          [[unroll]] for (uint r = 0; r < kRows; ++r) {
            vec4 taken = select && weight[r][k] == 0.0 ? vec4(0.0) : v;
            uint i = r * kColumnGroups + c;
            sum[i] = fma(vec4(weight[r][k]), taken, sum[i]);
          }
        }
      }
    }
    slot += 2u;
  } while (slot < kSlots);
}

float max_partials(uint r, float least) {
  [[unroll]] for (uint c = 0; c < kColumns; ++c) {
    least = max(least, partials[local_row(r) * kColumns + c]);
  }
  return least;
}

// Output of row r, and its logsumexp. Row "first" of the tensor is the block's first row.
void write_row(uint r, uint first, uint head, uint batch, uint group0, bool with_logsumexp, float top,
               float weight_sum) {
  float inverse = inverse_of(weight_sum);
  uvec2 result = slice_address(push.output_values, args.output_stride_batch, batch,
                               args.output_stride_head, head);
  result = row_address(kOutputType, result, args.output_stride_row, first);
  uint start = local_row(r) * args.output_stride_row;
  [[unroll]] for (uint c = 0; c < kColumnGroups; ++c) {
    uint group = column + c * kColumns, g = group0 + group;
    if (group < kChunkGroups) {
      store_group(kOutputType, kAligned, result, start, g, kValueDim - 4u * g,
                  sum[r * kColumnGroups + c] * inverse);
    }
  }
  if (has(WEFT_FEATURE_LOGSUMEXP) && with_logsumexp && column == 0u) {
    uvec2 slice = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                                args.logsumexp_stride_head, head);
    OutWords(words_from(slice, first)).v[local_row(r)] = logsumexp_bits(top, weight_sum);
  }
}

#endif
