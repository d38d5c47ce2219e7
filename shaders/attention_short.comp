// Attention forward where keys are few, kBlockKv at most and null keys; what it computes is what
// attention_lane.comp does. One workgroup = kBlockQ query rows x one chunk of the value dimension: it
// keeps the keys and the values in shared memory and goes over its rows by tiles of kTileRows. All
// scores of a row stand at once, so the softmax is one pass and exact: nothing is rescaled.
// Needs no device feature (WEFT_NATIVE16: 16-bit storage); no subgroup operations. All in fp32.
// Shared memory: decide/shared_memory.cpp. Barriers: one, and three a tile.
// Grid: x = ceil(q_len / kBlockQ) x chunks (chunk runs fastest), y = heads, z = batch.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/tile_constants.glsl"

const bool kAllKeys = true;

#include "lib/tile.glsl"

const uint kValueTile = kTileKeys * kKvStride;  // where values begin, after the keys

shared float row_sums[kTileRows * kColumns];  // of each column of invocations
shared uint strange;                          // some value is infinite or NaN

float top[kRows];

// What is the same for all tiles of the workgroup.
struct Problem {
  Item item;
  Block block;
  uint head, batch, block_row, first_row;  // first_row: block_row in the query tensor
  uint count;                              // rows
  uint group0;                             // the first group of the chunk
  bool first_chunk;
};

// "rows" rows of the tile of keys or values from row "at" on, "count" of them from memory.
bool load_rows(Source from, uint at, const uint rows, const uint padded) {
  // A tensor without rows may have no address.
  if (from.count > 0u) return load_tile(false, from, at, rows, padded);
  uint index = gl_LocalInvocationID.x;
  do {
    uint item = min(index, rows * padded - 1u), to = at + item / padded * kKvStride + item % padded;
    if (kWideKv) keep_group(false, to, vec4(0.0));
    else keep_group(false, to, uvec2(0u));
    index += kLocalSize;
  } while (index < rows * padded);
  return false;
}

void load_keys_and_values(Problem p) {
  uint kv_head = p.head / push.group_size, first = first_key_row(p.item), count = p.item.kv_count;
  uvec2 key = slice_address(push.key, args.key_stride_batch, p.item.score, args.key_stride_head, kv_head);
  key = row_address(kKvType, key, args.key_stride_row, first);
  uvec2 value = slice_address(push.value, args.value_stride_batch, p.item.value, args.value_stride_head, kv_head);
  value = row_address(kKvType, value, args.value_stride_row, first);
  load_rows(Source(key, args.key_stride_row, count, 0u, kHeadGroups, kHeadDim), 0u, kBlockKv, kHeadPadded);
  bool odd = load_rows(Source(value, args.value_stride_row, count, p.group0, kChunkGroups, kValueDim),
                       kValueTile, kBlockKv, kChunkGroups);
  if (kNullKeys) {
    key = address_step(args.null_key, args.null_key_stride_head, kv_head);
    value = address_step(args.null_value, args.null_value_stride_head, kv_head);
    uint at = kBlockKv * kKvStride;
    load_tile(false, Source(key, args.null_key_stride_row, args.null_len, 0u, kHeadGroups, kHeadDim), at,
              kNullRows, kHeadPadded);
    odd = load_tile(false, Source(value, args.null_value_stride_row, args.null_len, p.group0, kChunkGroups,
                                  kValueDim), kValueTile + at, kNullRows, kChunkGroups) || odd;
  }
  if (odd) strange = 1u;
}

// What is added to the score of the key in row j of the tile, kExcluded where it takes no part.
float tile_bias(Problem p, Row row, uint j) {
  if (kNullKeys && j >= kBlockKv) return j - kBlockKv < args.null_len ? 0.0 : kExcluded;
  float added = kMasked ? key_bias(p.block, row, min(j, max(p.item.kv_count, 1u) - 1u)) : 0.0;
  return j < p.item.kv_count ? added : kExcluded;
}

// Scores, kExcluded where a key takes no part, and their maxima over this column's keys
void finish_scores(Problem p, uint tile_row) {
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    Row row = read_row(p.item, p.block, p.block_row, min(tile_row + local_row(r), p.count - 1u));
    float partial = kExcluded;
    [[unroll]] for (uint k = 0; k < kKeys; ++k) {
      uint i = r * kKeys + k;
      float capped = cap_score(score[i] * push.scale_log2);
      float added = tile_bias(p, row, local_key(k));
      score[i] = added != kExcluded ? capped + added : kExcluded;
      partial = max(partial, score[i]);
    }
    partials[local_row(r) * kColumns + column] = partial;
  }
}

// Scores to weights, and this column's sums of them
void weigh(float sink) {
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    top[r] = max_partials(r, sink);
    float total = sink != kExcluded && column == 0u ? exp2(sink - top[r]) : 0.0;
    [[unroll]] for (uint k = 0; k < kKeys; ++k) {
      uint i = r * kKeys + k;
      score[i] = score[i] != kExcluded ? exp2(score[i] - top[r]) : 0.0;
      total += score[i];
    }
    row_sums[local_row(r) * kColumns + column] = total;
    store_weights(r);
  }
}

float row_sum(uint r) {
  float total = 0.0;
  [[unroll]] for (uint c = 0; c < kColumns; ++c) total += row_sums[local_row(r) * kColumns + c];
  return total;
}

// Weights of the rows of a tile, divided by their sums. A score of 0 is of a key that takes no part.
void write_weights(Problem p, uint tile_row, uint rows) {
  uvec2 result = slice_address(args.weights, args.weights_stride_batch, p.batch, args.weights_stride_head, p.head);
  result = row_address(WEFT_TYPE_F32, result, args.weights_stride_row, p.first_row + tile_row);
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    float inverse = 1.0 / row_sum(r);
    uint start = local_row(r) * args.weights_stride_row;
    uint count = local_row(r) < rows ? push.kv_len : 0u;
    [[unroll]] for (uint k = 0; k < kKeys; ++k) {
      uint i = r * kKeys + k;
      float weight = score[i] != 0.0 ? score[i] * inverse : 0.0;
      if (local_key(k) < count) OutFloats(result).v[start + local_key(k)] = weight;
    }
  }
}

// Rows from tile_row of the block on, kTileRows at most.
void attend_tile(Problem p, uint tile_row, float sink) {
  uint rows = min(p.count - tile_row, kTileRows);
  uvec2 first = row_address(kQueryType, query, args.query_stride_row, tile_row);
  load_tile(true, Source(first, args.query_stride_row, rows, 0u, kHeadGroups, kHeadDim), 0u, kTileRows,
            kHeadPadded);
  barrier();
  compute_scores(0u);
  finish_scores(p, tile_row);
  barrier();
  weigh(sink);
  barrier();
  if (has(WEFT_FEATURE_WEIGHTS) && p.first_chunk) write_weights(p, tile_row, rows);
  [[unroll]] for (uint i = 0; i < kRows * kColumnGroups; ++i) sum[i] = vec4(0.0);
  // Only a mask sets a row apart from the other rows' values.
  if (kMasked && strange != 0u) add_values(kValueTile, true);
  else add_values(kValueTile, false);
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if (local_row(r) < rows) {
      write_row(r, p.first_row + tile_row, p.head, p.batch, p.group0, p.first_chunk, top[r], row_sum(r));
    }
  }
}

void main() {
  args = Arguments(push.args).a;
  Problem p;
  uint chunk = kChunks == 1u ? 0u : gl_WorkGroupID.x % kChunks;
  p.block_row = gl_WorkGroupID.x / kChunks * kBlockQ;
  p.head = gl_WorkGroupID.y;
  p.batch = gl_WorkGroupID.z;
  p.first_chunk = chunk == 0u;
  column = gl_LocalInvocationID.x % kColumns;
  row_thread = gl_LocalInvocationID.x / kColumns;
  p.item = read_item(p.batch);
  p.first_row = first_query_row(p.item, p.block_row);
  p.count = p.item.q_count > p.block_row ? min(p.item.q_count - p.block_row, kBlockQ) : 0u;
  // The last chunk ends with the row: it may overlap the one before, and both write the same
  // numbers there.
  p.group0 = kChunks == 1u ? 0u : min(chunk * kChunkGroups, kValueGroups - kChunkGroups);
  p.block = read_block(p.item, p.head, p.block_row);

  query = slice_address(push.query, args.query_stride_batch, p.item.score, args.query_stride_head, p.head);
  query = row_address(kQueryType, query, args.query_stride_row, p.first_row);
  if (gl_LocalInvocationID.x == 0u) strange = 0u;
  barrier();
  load_keys_and_values(p);
  float sink = kExcluded;
  if (has(WEFT_FEATURE_SINKS)) sink = load_bias(WEFT_TYPE_F32, args.sinks, p.head);
  uint tile_row = 0;
  if (tile_row < p.count) {
    do {
      attend_tile(p, tile_row, sink);
      tile_row += kTileRows;
    } while (tile_row < p.count);
  }
}
