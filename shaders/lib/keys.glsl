// Which query rows and keys an item has, which of them meet, and what is added to a score. Shared by
// the kernels that compute scores; they declare push (with q_len and kv_len) and the constants
// kFeatures, kMaskKind, kMaskType, kHasBias and kBiasType first.
#ifndef WEFT_KEYS_GLSL
#define WEFT_KEYS_GLSL

#include "lib/mask.glsl"

const bool kWindow = (kFeatures & WEFT_FEATURE_WINDOW) != 0u;
const bool kRegions = (kFeatures & WEFT_FEATURE_REGIONS) != 0u;
const bool kNullKeys = (kFeatures & WEFT_FEATURE_NULL_KEYS) != 0u;
const bool kMasked = kWindow || kRegions || kHasBias || kMaskKind != WEFT_MASK_NONE;

bool has(const uint feature) { return (kFeatures & feature) != 0u; }

WEFT_BUFFER(8) readonly buffer Arguments { AttentionArgs a; };
uvec2 args_address() { return push.args; }
#ifdef WEFT_ARGS_IN_PLACE  // read where they are used: no register holds them until then
#define args Arguments(push.args).a
#else
AttentionArgs args;  // read by main
#endif

int read_int(uvec2 list, uint i) { return int(Words(list).v[i]); }

// What is the same for all rows of an item.
struct Item {
  uint score, value;         // the items of query and key, and of value
  uint q_begin, q_count;     // rows of the query tensor
  uint kv_begin, kv_count;   // rows of the key tensor that may take part
  uint kv_there;             // keys that are there, masked and beyond lengths too
  int offset;                // position of the first row
};

// starts[i] to starts[i + 1], inside the tensor: first row and count
uvec2 packed_range(uvec2 starts, uint i, uint rows, uint longest) {
  int begin = clamp(read_int(starts, i), 0, int(rows));
  int end = clamp(read_int(starts, i + 1u), begin, int(rows));
  return uvec2(begin, min(uint(end - begin), longest));
}

Item read_item(uint batch) {
  Item item = Item(batch, batch, 0u, push.q_len, 0u, push.kv_len, 0u, args.position_offset);
  if (has(WEFT_FEATURE_SCORE_ITEMS)) {
    item.score = uint(clamp(read_int(args.score_items, batch), 0, int(args.item_count) - 1));
  }
  if (has(WEFT_FEATURE_VALUE_ITEMS)) {
    item.value = uint(clamp(read_int(args.value_items, batch), 0, int(args.value_count) - 1));
  }
  if (has(WEFT_FEATURE_PACKED_QUERY)) {
    uvec2 range = packed_range(args.q_starts, batch, args.query_rows, push.q_len);
    item.q_begin = range.x;
    item.q_count = range.y;
  }
  if (has(WEFT_FEATURE_PACKED_KV)) {
    uvec2 range = packed_range(args.kv_starts, batch, args.key_rows, push.kv_len);
    item.kv_begin = range.x;
    item.kv_count = range.y;
  }
  item.kv_there = item.kv_count;
  item.kv_count = min(item.kv_count, args.kv_limit);
  if (has(WEFT_FEATURE_KV_LENGTHS)) {
    item.kv_count = min(item.kv_count, uint(max(read_int(args.kv_lengths, item.score), 0)));
  }
  if (has(WEFT_FEATURE_POSITION_OFFSETS)) {
    item.offset += clamp(read_int(args.position_offsets, item.score), -WEFT_MAX_POSITION_OFFSET,
                         WEFT_MAX_POSITION_OFFSET);
  }
  return item;
}

// Where a block of rows of an item begins in the query tensor, so that reads stay inside it even where
// the item has no rows.
uint first_query_row(Item item, uint block_row) {
  return min(item.q_begin + block_row, args.query_rows - 1u);
}

// Where the keys of an item begin in the key tensor, likewise.
uint first_key_row(Item item) { return min(item.kv_begin, max(args.key_rows, 1u) - 1u); }

// The first key, and the key after the last, that any row from first_row to last_row can see
uvec2 key_range(Item item, uint first_row, uint last_row) {
  if (!kWindow) return uvec2(0u, item.kv_count);
  int low = int(first_row) + item.offset - args.window_left;
  int high = int(last_row) + item.offset + args.window_right;
  int end = high < int(item.kv_count) ? max(high + 1, 0) : int(item.kv_count);
  return uvec2(min(max(low, 0), end), end);
}

// A part's share of keys, in whole steps
uvec2 key_share(uvec2 keys, uint part, uint parts, uint keys_a_step) {
  if (keys.y <= keys.x) return uvec2(0u);
  uint steps = (keys.y - keys.x + keys_a_step - 1u) / keys_a_step;
  uint share = (steps + parts - 1u) / parts * keys_a_step;
  uint begin = min(part * share, keys.y - keys.x);
  return keys.x + uvec2(begin, min(begin + share, keys.y - keys.x));
}

// What is the same for all keys of a row: where it begins in the mask and the bias, counted from its
// block, the keys in its window, and its region.
struct Row {
  uint mask, bias;
  int low, high;
  int region;
};

// Addresses of one block of rows
struct Block {
  uvec2 mask, bias, query_regions, key_regions;
};

uvec2 words_from(uvec2 address, uint first) { return address_row(address, 1u, first, 2u); }

uint mask_shift() { return kMaskType == WEFT_MASK_U8 ? 0u : 2u; }

Block read_block(Item item, uint head, uint block_row) {
  Block block;
  if (kMaskKind != WEFT_MASK_NONE) {
    block.mask = slice_address(args.mask, args.mask_stride_batch, item.score, args.mask_stride_head, head);
    block.mask = address_row(block.mask, args.mask_stride_row, block_row, mask_shift());
  }
  if (kHasBias) {
    block.bias = slice_address(args.bias, args.bias_stride_batch, item.score, args.bias_stride_head, head);
    block.bias = row_address(kBiasType, block.bias, args.bias_stride_row, block_row);
  }
  if (kRegions) {
    block.query_regions = address_step(args.query_regions, args.query_regions_stride_batch, item.score);
    block.query_regions = words_from(block.query_regions, first_query_row(item, block_row));
    block.key_regions = address_step(args.key_regions, args.key_regions_stride_batch, item.score);
    block.key_regions = words_from(block.key_regions, first_key_row(item));
  }
  return block;
}

// The row that comes "local" rows after the block's first, block_row.
Row read_row(Item item, Block block, uint block_row, uint local) {
  Row row = Row(0u, 0u, 0, 0, 0);
  if (kMaskKind != WEFT_MASK_NONE) row.mask = local * args.mask_stride_row;
  if (kHasBias) row.bias = local * args.bias_stride_row;
  if (kWindow) {
    int position = int(block_row + local) + item.offset;
    row.low = position - args.window_left;
    row.high = position + args.window_right;
  }
  if (kRegions) row.region = read_int(block.query_regions, local);
  return row;
}

bool regions_meet(int query_region, int key_region) {
  if (!has(WEFT_FEATURE_REGION_MASK)) return query_region >= 0 && query_region == key_region;
  bool inside = uint(query_region) < args.query_ids && uint(key_region) < args.key_ids;
  uint at = inside ? uint(query_region) * args.region_stride_row + uint(key_region) : 0u;
  return load_byte(args.region_mask, at) != 0u && inside;
}

// Whether windows, masks and regions leave key j, which the item has, to the row; its bias may yet not.
bool row_sees(Block block, Row row, uint j) {
  bool keep = true;
  if (kWindow) keep = int(j) >= row.low && int(j) <= row.high;
  if (kMaskKind != WEFT_MASK_NONE) {
    keep = keep && load_mask(kMaskType, block.mask, row.mask + j) == (kMaskKind == WEFT_MASK_KEEP);
  }
  if (kRegions) keep = keep && regions_meet(row.region, read_int(block.key_regions, j));
  return keep;
}

// What is added to the score of key j: a bias in the log2 domain, or kExcluded where the key takes no
// part.
float key_bias(Block block, Row row, uint j) {
  bool keep = row_sees(block, row, j);
  float added = 0.0;
  if (kHasBias) added = load_bias(kBiasType, block.bias, row.bias + j);
  return keep ? added : kExcluded;
}

// softcap x tanh(score / softcap), both in the log2 domain
float cap_score(float score) {
  if (!has(WEFT_FEATURE_SOFTCAP)) return score;
  float x = score / args.softcap_log2, square = x * x;
  // Near 0 the odd series of tanh keeps the relative error that the closed form loses.
  float series = x * fma(square, fma(square, fma(square, -17.0 / 315.0, 2.0 / 15.0), -1.0 / 3.0), 1.0);
  float e = exp2(-2.0 * kLog2E * abs(x));
  float closed = (1.0 - e) / (1.0 + e);
  return args.softcap_log2 * (abs(x) < 0.125 ? series : x < 0.0 ? -closed : closed);
}

#endif
