// Split attention: rows that share keys and values, which keys a workgroup takes, and where its part of the
// result goes. Shared by the kernels that compute parts and the one that combines them; they declare
// kHeadDim, kValueDim, kOutputType, kAligned and what keys.glsl wants first.
//
// Rows of a fold share keys: query rows of the heads of a group, and of all items where those share
// keys. Row f of a fold is query row f % q_len of head f / q_len % fold_heads of item f / q_len / fold_heads.
// Grid: y = folds of heads, z = folds of items.
#ifndef WEFT_SPLIT_GLSL
#define WEFT_SPLIT_GLSL

layout(push_constant, std430) uniform Push {
  AttentionPush push;
  SplitPush split;
};

#include "lib/keys.glsl"

// What the rows of a workgroup have in common
struct Fold {
  uint head, kv_head, batch;  // the first of them
  uint first;                 // row of the fold that the workgroup begins with
  uint block_row;             // query row that addresses are counted from, and
  uint query_row;             // where that is in the query tensor
  uint rows;                  // query rows that the item has from there on
  uint place;                 // of "first" among all rows
};

bool folded() { return split.fold_heads * split.fold_items > 1u; }

Fold find_fold(Item item, uint first) {
  Fold fold;
  fold.head = gl_WorkGroupID.y * split.fold_heads;
  fold.kv_head = fold.head / push.group_size;
  fold.batch = gl_WorkGroupID.z;
  fold.first = first;
  fold.block_row = folded() ? 0u : first;
  fold.query_row = first_query_row(item, fold.block_row);
  fold.rows = item.q_count > fold.block_row ? item.q_count - fold.block_row : 0u;
  fold.place = (gl_WorkGroupID.z * split.head_folds + gl_WorkGroupID.y) * split.fold_rows + first;
  return fold;
}

// A row of a fold: its query row, counted from block_row, its head and item, counted from the fold's.
struct FoldedRow {
  uint local, head, item;
  bool there;  // else it computes with the last row's numbers and is not written
};

FoldedRow folded_row(Fold fold, uint f) {
  FoldedRow row = FoldedRow(f - fold.block_row, 0u, 0u, f < split.fold_rows);
  if (folded()) {
    uint at = min(f, split.fold_rows - 1u);
    row.local = at % push.q_len;
    row.head = at / push.q_len % split.fold_heads;
    row.item = at / push.q_len / split.fold_heads;
  }
  row.there = row.there && row.local < fold.rows;
  row.local = min(row.local, max(fold.rows, 1u) - 1u);
  return row;
}

// Elements from the fold's first row to this one; the host folds only what an index can reach.
uint row_start(FoldedRow row, uint type, uint stride_row, uvec2 stride_head, uvec2 stride_item) {
  return row.local * stride_row +
         ((row.head * stride_head.x + row.item * stride_item.x) >> type_shift(type));
}

uvec2 find_query(Fold fold, Item item, const uint type) {
  uvec2 slice = slice_address(push.query, args.query_stride_batch, item.score, args.query_stride_head, fold.head);
  return row_address(type, slice, args.query_stride_row, fold.query_row);
}

uint query_start(FoldedRow row, const uint type) {
  return row_start(row, type, args.query_stride_row, args.query_stride_head, args.query_stride_batch);
}

// As read_row; "block" is that of the fold's first head.
Row read_folded_row(Item item, Block block, Fold fold, FoldedRow folded) {
  Row row = read_row(item, block, fold.block_row, folded.local);
  if (kMaskKind != WEFT_MASK_NONE) row.mask += folded.head * args.mask_stride_head.x >> mask_shift();
  if (kHasBias) row.bias += folded.head * args.bias_stride_head.x >> type_shift(kBiasType);
  return row;
}

float read_sink(Fold fold, FoldedRow row) {
  return load_bias(WEFT_TYPE_F32, args.sinks, fold.head + row.head);
}

// The keys of this part: an equal share of those that any of "count" rows can see, in whole steps.
uvec2 part_range(Item item, Fold fold, uint count, uint part, uint keys_a_step) {
  uint last = fold.block_row + min(folded() ? push.q_len : count, max(fold.rows, 1u)) - 1u;
  uvec2 keys = key_range(item, fold.block_row, last);
  return fold.rows == 0u ? uvec2(0u) : key_share(keys, part, split.parts, keys_a_step);
}

// Four elements of a finished row
void store_output(Fold fold, FoldedRow row, uint group, vec4 values) {
  uvec2 slice = slice_address(push.output_values, args.output_stride_batch, fold.batch,
                              args.output_stride_head, fold.head);
  slice = row_address(kOutputType, slice, args.output_stride_row, fold.query_row);
  uint start = row_start(row, kOutputType, args.output_stride_row, args.output_stride_head,
                         args.output_stride_batch);
  store_group(kOutputType, kAligned, slice, start, group, kValueDim - 4u * group, values);
}

void store_logsumexp(Fold fold, FoldedRow row, float top, float weight_sum) {
  uvec2 slice = slice_address(push.logsumexp, args.logsumexp_stride_batch, fold.batch,
                              args.logsumexp_stride_head, fold.head);
  uint start = row_start(row, WEFT_TYPE_F32, 1u, args.logsumexp_stride_head, args.logsumexp_stride_batch);
  OutWords(words_from(slice, fold.query_row)).v[start] = logsumexp_bits(top, weight_sum);
}

// Where the sums and the state of the workgroup's first row lie in a part
uvec2 part_sums(Fold fold, uint part) {
  return address_row(split.sums, kValueDim, part * split.rows + fold.place, 2u);
}
uvec2 part_states(Fold fold, uint part) {
  return address_row(split.states, 2u, part * split.rows + fold.place, 2u);
}

// A row's state of the softmax: its maximum in the log2 domain and the sum of its weights. The sums over
// values are stored as they are, not divided by it.
void store_state(Fold fold, uint part, uint f, float top, float weight_sum) {
  OutFloats states = OutFloats(part_states(fold, part));
  states.v[2u * (f - fold.first)] = top;
  states.v[2u * (f - fold.first) + 1u] = weight_sum;
}
void store_sums(Fold fold, uint part, uint f, uint group, vec4 values) {
  store_group(WEFT_TYPE_F32, kAligned, part_sums(fold, part), (f - fold.first) * kValueDim, group,
              kValueDim - 4u * group, values);
}

#endif
