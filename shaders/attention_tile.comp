// Attention forward, one workgroup = kBlockQ query rows x one chunk of the value dimension; what it
// computes is what attention_lane.comp does. Blocks of kBlockKv keys, then of their values, go through
// one tile in shared memory; each invocation multiplies several rows by several keys, and weights
// of several rows by several value groups, out of registers. Online softmax in the log2 domain, all in
// fp32; blocks of which no row of the workgroup sees a key are not read.
// Needs no device feature (WEFT_NATIVE16: 16-bit storage); no subgroup operations.
// Shared memory: decide/shared_memory.cpp. Barriers: four a block, five where keys can be masked.
// Grid: x = ceil(q_len / kBlockQ) x chunks (chunk runs fastest), y = heads, z = parts of the keys x batch.
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

const bool kAllKeys = false;

#include "lib/tile.glsl"

// Of the block at hand, the one before and the next, so that one is cleared while others are in use
shared uint seen[3];     // some row sees a key
shared uint strange[3];  // some value is infinite or NaN

Row rows[kRows];
Block block;
float added[kRows * kKeys];            // to scores, by key_bias
float top[kRows], weight_sum[kRows];  // of this invocation's keys, the sum
uint group0;                          // the first group of the chunk
uint key_part;                        // part of the keys; null keys and sinks belong to the first

// Where keys and values stand: of the item, and null keys.
struct Keys {
  uvec2 key, value;
  uint key_stride, value_stride;
};

// What key_bias says of each score of the block; keys from "count" on are excluded. True: some key
// takes part.
bool look(uint first, uint count, bool null_keys) {
  bool any = false;
  [[unroll]] for (uint k = 0; k < kKeys; ++k) {
    uint j = min(local_key(k), count - 1u);
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      float bias = null_keys ? 0.0 : key_bias(block, rows[r], first + j);
      added[r * kKeys + k] = local_key(k) < count ? bias : kExcluded;
      any = any || added[r * kKeys + k] != kExcluded;
    }
  }
  return any;
}

// Scores to weights
void weigh(uint count) {
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    float new_top = max_partials(r, top[r]);
    float shrink = exp2(top[r] - new_top), total = 0.0;
    top[r] = new_top;
    [[unroll]] for (uint k = 0; k < kKeys; ++k) {
      uint i = r * kKeys + k;
      bool keep = kMasked ? added[i] != kExcluded : local_key(k) < count;
      score[i] = keep ? exp2(score[i] - new_top) : 0.0;
      total += score[i];
    }
    weight_sum[r] = fma(weight_sum[r], shrink, total);
    [[unroll]] for (uint c = 0; c < kColumnGroups; ++c) sum[r * kColumnGroups + c] *= shrink;
    store_weights(r);
  }
}

// One step of the online softmax over keys first to first + count - 1, at most kBlockKv; the step-th.
void attend(Keys keys, uint step, uint first, uint count, bool null_keys) {
  uint slot = step % 3u, before = (step + 2u) % 3u;
  if (kMasked && look(first, count, null_keys)) seen[slot] = 1u;
  barrier();  // the tile is free, and all have looked
  if (gl_LocalInvocationID.x == 0u) {
    seen[before] = 0u;
    strange[before] = 0u;
  }
  if (kMasked && seen[slot] == 0u) return;

  uvec2 base = row_address(kKvType, keys.key, keys.key_stride, first);
  load_tile(false, Source(base, keys.key_stride, count, 0u, kHeadGroups, kHeadDim), 0u, kBlockKv,
            kHeadPadded);
  barrier();
  compute_scores(0u);
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    float partial = kExcluded;
    [[unroll]] for (uint k = 0; k < kKeys; ++k) {
      uint i = r * kKeys + k;
      float capped = cap_score(score[i] * push.scale_log2);
      bool keep = kMasked ? added[i] != kExcluded : local_key(k) < count;
      score[i] = !keep ? kExcluded : kMasked ? capped + added[i] : capped;
      partial = max(partial, score[i]);
    }
    partials[local_row(r) * kColumns + column] = partial;
  }
  barrier();
  base = row_address(kKvType, keys.value, keys.value_stride, first);
  if (load_tile(false, Source(base, keys.value_stride, count, group0, kChunkGroups, kValueDim), 0u,
                kBlockKv, kChunkGroups)) {
    strange[slot] = 1u;
  }
  weigh(count);
  barrier();
  // Only a mask sets a row apart from the values of its block.
  if (kMasked && strange[slot] != 0u) add_values(0u, true);
  else add_values(0u, false);
}

Keys keys_of(Item item, uint kv_head) {
  uint first = first_key_row(item);
  Keys keys;
  keys.key = slice_address(push.key, args.key_stride_batch, item.score, args.key_stride_head, kv_head);
  keys.key = row_address(kKvType, keys.key, args.key_stride_row, first);
  keys.value = slice_address(push.value, args.value_stride_batch, item.value, args.value_stride_head, kv_head);
  keys.value = row_address(kKvType, keys.value, args.value_stride_row, first);
  keys.key_stride = args.key_stride_row;
  keys.value_stride = args.value_stride_row;
  return keys;
}

Keys null_keys_of(uint kv_head) {
  return Keys(address_step(args.null_key, args.null_key_stride_head, kv_head),
              address_step(args.null_value, args.null_value_stride_head, kv_head),
              args.null_key_stride_row, args.null_value_stride_row);
}

// Null keys first, where there are any, then rows range.x to range.y - 1 of key and value.
void attend_all(Item item, uint kv_head, uvec2 range) {
  Keys keys = keys_of(item, kv_head);
  uint nulls = kNullKeys && key_part == 0u ? 1u : 0u;
  uint steps = nulls + (range.y - range.x + kBlockKv - 1u) / kBlockKv;
  if (steps == 0u) return;
  uint step = 0;
  do {
    bool null_step = kNullKeys && step < nulls;
    uint first = null_step ? 0u : range.x + (step - nulls) * kBlockKv;
    uint count = null_step ? args.null_len : min(range.y - first, kBlockKv);
    Keys from = keys;
    if (null_step) from = null_keys_of(kv_head);
    attend(from, step, first, count, null_step);
  } while (++step < steps);
}

void start_rows(Item item, uint head, uint block_row, uint block_rows) {
  float sink = kExcluded;
  if (has(WEFT_FEATURE_SINKS) && key_part == 0u) sink = load_bias(WEFT_TYPE_F32, args.sinks, head);
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    // Rows past the end compute and do not write.
    uint local = min(local_row(r), block_rows - 1u);
    rows[r] = read_row(item, block, block_row, local);
    query_row[r] = local * args.query_stride_row;
    [[unroll]] for (uint c = 0; c < kColumnGroups; ++c) sum[r * kColumnGroups + c] = vec4(0.0);
    top[r] = sink;
    weight_sum[r] = sink != kExcluded && column == 0u ? 1.0 : 0.0;
  }
}

// The sum of row r, in a fixed order
float row_sum(uint r) {
  float total = 0.0;
  [[unroll]] for (uint c = 0; c < kColumns; ++c) total += partials[local_row(r) * kColumns + c];
  return total;
}

void main() {
  args = Arguments(push.args).a;
  uint chunk = kChunks == 1u ? 0u : gl_WorkGroupID.x % kChunks;
  uint block_row = gl_WorkGroupID.x / kChunks * kBlockQ;
  uint head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z, kv_head = head / push.group_size;
  column = gl_LocalInvocationID.x % kColumns;
  row_thread = gl_LocalInvocationID.x / kColumns;
  key_part = batch / args.batch;
  Item item = read_item(batch % args.batch);
  uint first_row = first_query_row(item, block_row);
  uint count = item.q_count > block_row ? min(item.q_count - block_row, kBlockQ) : 0u;
  // The last chunk ends with the row: it may overlap the one before, and both write the same
  // numbers there.
  group0 = kChunks == 1u ? 0u : min(chunk * kChunkGroups, kValueGroups - kChunkGroups);

  query = slice_address(push.query, args.query_stride_batch, item.score, args.query_stride_head, head);
  query = row_address(kQueryType, query, args.query_stride_row, first_row);
  block = read_block(item, head, block_row);
  uint block_rows = max(count, 1u);
  start_rows(item, head, block_row, block_rows);
  if (gl_LocalInvocationID.x < 3u) {
    seen[gl_LocalInvocationID.x] = 0u;
    strange[gl_LocalInvocationID.x] = 0u;
  }
  if (kHoldQuery) {
    load_tile(true, Source(query, args.query_stride_row, block_rows, 0u, kHeadGroups, kHeadDim), 0u,
              kBlockQ, kHeadPadded);
  }
  barrier();
  uvec2 range = key_range(item, block_row, block_row + block_rows - 1u);
  attend_all(item, kv_head, count > 0u ? key_share(range, key_part, args.parts, kBlockKv) : uvec2(0u));

  barrier();
  [[unroll]] for (uint r = 0; r < kRows; ++r) partials[local_row(r) * kColumns + column] = weight_sum[r];
  barrier();
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if (local_row(r) < count) {
      write_row(r, first_row, head, batch, group0, chunk == 0u, top[r], row_sum(r));
    }
  }
}
