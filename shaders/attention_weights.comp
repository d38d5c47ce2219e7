// Attention weights, or scores on the way to them, for the listed heads and keys or for all of them:
//   scaled[i][j] = scale query[i].key[j];  capped = cap(scaled);  masked = capped + bias[i][j]
//   probabilities[i][j] = exp(masked[i][j] - logsumexp[i]), logsumexp as a forward call wrote it
// A key that takes no part has masked -infinity and probability exactly 0; so has a row whose
// logsumexp is -infinity. kMean: the mean of that over the listed heads. kAccumulate: added to what
// is there. One invocation = kRows query rows x kBlockKeys listed keys. Keys are read at addresses that
// are the same for all invocations of a workgroup; kKeyLanes: rows are, and invocations are keys
// (kBlockKeys is 1). Needs no device feature (WEFT_NATIVE16: 16-bit storage). Shared memory: 0 bytes. No
// barriers, no subgroup operations.
// Grid: x = ceil(q_len / (local size x kRows)), y = ceil(key_count / kBlockKeys), z = output heads x batch,
// heads fastest. kKeyLanes: x = ceil(q_len / kRows), y = ceil(key_count / local size).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"

layout(local_size_x_id = WEFT_WEIGHTS_LOCAL_SIZE) in;
layout(constant_id = WEFT_WEIGHTS_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_WEIGHTS_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_WEIGHTS_BLOCK_KEYS) const uint kBlockKeys = 8;
layout(constant_id = WEFT_WEIGHTS_QUERY_TYPE) const uint kQueryType = 0;
layout(constant_id = WEFT_WEIGHTS_KEY_TYPE) const uint kKeyType = 0;
layout(constant_id = WEFT_WEIGHTS_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_WEIGHTS_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_WEIGHTS_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_WEIGHTS_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_WEIGHTS_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_WEIGHTS_STAGE) const uint kStage = WEFT_STAGE_PROBABILITIES;
layout(constant_id = WEFT_WEIGHTS_MEAN) const bool kMean = false;
layout(constant_id = WEFT_WEIGHTS_ACCUMULATE) const bool kAccumulate = false;
layout(constant_id = WEFT_WEIGHTS_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_WEIGHTS_ROWS) const uint kRows = 1;
layout(constant_id = WEFT_WEIGHTS_STEP_GROUPS) const uint kStepGroups = 4;
layout(constant_id = WEFT_WEIGHTS_KEY_LANES) const bool kKeyLanes = false;

layout(push_constant, std430) uniform Push { WeightsPush push; };

#include "lib/dot.glsl"
#define WEFT_ARGS_IN_PLACE
#include "lib/keys.glsl"

WEFT_BUFFER(4) buffer InOutFloats { float v[]; };

const uint kHeadGroups = (kHeadDim + 3u) / 4u;  // groups of four elements
const uint kLoopGroups = kHeadGroups / kStepGroups * kStepGroups;
const uint kScores = kRows * kBlockKeys;  // score i is of row i / kBlockKeys and key i % kBlockKeys
const bool kMasksCount = kStage >= WEFT_STAGE_MASKED;

uint keys[kBlockKeys];   // the listed keys of this invocation; of null keys, their own number
bool null_key[kBlockKeys];
uvec2 key_row[kBlockKeys];  // where they lie in the slice that find_keys was last asked for,
uvec2 slice;                // which begins here
uint query_row[kRows];      // where rows begin, in elements from the block's first
uint local_row[kRows];      // the rows, counted from the block's first
float score[kScores];
float total[kScores];
bool excluded[kScores];  // -infinity somewhere in the total

// Adds groups first to first + groups - 1 to the dot products; "groups" is a constant.
void add_dot_products(uvec2 query, uint first, const uint groups) {
  [[unroll]] for (uint i = 0; i < groups; ++i) {
    uint g = first + i;
    vec4 q[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      q[r] = load_group(kQueryType, kAligned, query, query_row[r], g, kHeadDim - 4u * g);
    }
    [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
      vec4 k = load_group(kKeyType, kAligned, key_row[j], 0u, g, kHeadDim - 4u * g);
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        score[r * kBlockKeys + j] = dot_add(q[r], k, score[r * kBlockKeys + j]);
      }
    }
  }
}

// The i-th entry of a list, or i where there is none. The read happens either way, from an address
// that is there.
uint listed(uvec2 list, uint i) {
  bool all = address_is_null(list);
  uint entry = Words(all ? args_address() : list).v[all ? 0u : i];
  return all ? i : entry;
}

// The keys of this invocation, as they lie in a slice at address 0. Those that are not there stand for one that is.
// The host has checked the list's entries.
void list_keys(Item item, uint first) {
  slice = uvec2(0u);
  [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
    uint number = listed(push.key_list, min(first + j, push.key_count - 1u));
    null_key[j] = kNullKeys && number - push.null_first < args.null_len;
    keys[j] = number;
    if (null_key[j]) keys[j] = number - push.null_first;
    else if (kNullKeys && push.null_first == 0u) keys[j] = number - args.null_len;
    key_row[j] = row_address(kKeyType, slice, args.key_stride_row, min(keys[j], max(item.kv_there, 1u) - 1u));
  }
  [[unroll]] for (uint i = 0; i < kScores; ++i) {
    total[i] = 0.0;
    excluded[i] = false;
  }
}

// Null keys have slices of their own.
void find_null_keys(Item item, uint kv_head) {
  uvec2 nulls = address_step(args.null_key, args.null_key_stride_head, kv_head);
  [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
    uint n = null_key[j] ? keys[j] : 0u;
    uvec2 null_row = row_address(kKeyType, nulls, args.null_key_stride_row, n);
    uvec2 there = row_address(kKeyType, slice, args.key_stride_row, min(keys[j], max(item.kv_there, 1u) - 1u));
    key_row[j] = null_key[j] || item.kv_there == 0u ? null_row : there;
  }
}

// Where the listed keys of a head lie: as far from its slice as from the one before.
void find_keys(Item item, uint kv_head) {
  uvec2 from = address_add(~slice, 1u);
  slice = slice_address(push.key, args.key_stride_batch, item.score, args.key_stride_head, kv_head);
  slice = row_address(kKeyType, slice, args.key_stride_row, first_key_row(item));
  if (kNullKeys) {
    find_null_keys(item, kv_head);
    return;
  }
  uvec2 step = address_add(slice, from);
  [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) key_row[j] = address_add(key_row[j], step);
}

// The sum's term of listed key j of one head and row r
void add_term(Item item, Block block, Row row, uint r, uint j, bool empty, float top) {
  uint i = r * kBlockKeys + j;
  bool there = keys[j] < item.kv_there || (kNullKeys && null_key[j]);
  float s = score[i] * push.scale_log2;
  if (kStage >= WEFT_STAGE_CAPPED) s = cap_score(s);
  float added = 0.0;
  if (kMasksCount) {
    bool may = keys[j] < item.kv_count;
    if (kMasked) added = key_bias(block, row, min(keys[j], max(item.kv_count, 1u) - 1u));
    if (!may) added = kExcluded;
    if (kNullKeys && null_key[j]) added = 0.0;
  }
  bool keep = there && added != kExcluded;
  if (kStage == WEFT_STAGE_PROBABILITIES) {
    // No weight is above 1, whatever a huge bias leaves of the logsumexp's last bits.
    float exponent = s + added - top;
    total[i] += keep && !empty ? exp2(exponent > 0.0 ? 0.0 : exponent) : 0.0;
  } else {
    total[i] += keep ? (s + added) * kLn2 : 0.0;
    excluded[i] = excluded[i] || (kMasksCount && !keep);
  }
}

void compute_scores(Item item, uint head, uint first_row) {
  uvec2 query = slice_address(push.query, args.query_stride_batch, item.score, args.query_stride_head, head);
  query = row_address(kQueryType, query, args.query_stride_row, first_row);
  [[unroll]] for (uint i = 0; i < kScores; ++i) score[i] = 0.0;
  if (kLoopGroups > 0u) {
    uint g = 0;
    [[dont_unroll]] do {
      add_dot_products(query, g, kStepGroups);
      g += kStepGroups;
    } while (g < kLoopGroups);
  }
  add_dot_products(query, kLoopGroups, kHeadGroups - kLoopGroups);
}

// Adds the terms of one head. There is at least one key, null or not.
void add_head(Item item, uint batch, uint head, uint block_row) {
  uint first_row = first_query_row(item, block_row);
  find_keys(item, head / push.group_size);
  compute_scores(item, head, first_row);

  Block block = read_block(item, head, block_row);
  if (item.kv_count == 0u) {  // masks may have no column then: what is read is not used
    block.mask = args_address();
    block.bias = args_address();
    block.key_regions = args_address();
  }
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    Row row = read_row(item, block, block_row, local_row[r]);
    if (item.kv_count == 0u) {
      row.mask = 0u;
      row.bias = 0u;
    }
    bool empty = false;
    float top = 0.0;
    if (kStage == WEFT_STAGE_PROBABILITIES) {
      uvec2 logsumexp = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                                      args.logsumexp_stride_head, head);
      uint bits = Words(words_from(logsumexp, first_row)).v[local_row[r]];
      empty = bits == kMinusInfinityBits;
      top = empty ? 0.0 : uintBitsToFloat(bits) * kLog2E;
    }
    [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) add_term(item, block, row, r, j, empty, top);
  }
}

void write_row(Item item, uint batch, uint output_head, uint block_row, uint r, uint first) {
  uvec2 result = slice_address(push.weights, push.weights_stride_batch, batch,
                               push.weights_stride_head, output_head);
  result = row_address(WEFT_TYPE_F32, result, push.weights_stride_row, first_query_row(item, block_row));
  uint start = local_row[r] * push.weights_stride_row + first;
  float share = kMean ? 1.0 / float(push.head_count) : 1.0;
  [[unroll]] for (uint j = 0; j < kBlockKeys; ++j) {
    if (first + j < push.key_count) {
      uint i = r * kBlockKeys + j;
      float value = total[i] * share;
      if (kAccumulate) value += InOutFloats(result).v[start + j];
      OutWords(result).v[start + j] = excluded[i] ? kMinusInfinityBits : floatBitsToUint(value);
    }
  }
}

void main() {
  uint output_heads = kMean ? 1u : push.head_count;
  uint lane = gl_LocalInvocationID.x;
  uint first = kKeyLanes ? gl_WorkGroupID.y * kLocalSize + lane : gl_WorkGroupID.y * kBlockKeys;
  uint output_head = gl_WorkGroupID.z % output_heads, batch = gl_WorkGroupID.z / output_heads;
  uint block_row = gl_WorkGroupID.x * (kKeyLanes ? kRows : kLocalSize * kRows), local0 = kKeyLanes ? 0u : lane * kRows;
  Item item = read_item(batch);
  uint block_rows = item.q_count > block_row ? item.q_count - block_row : 0u;
  // Rows past the end compute and do not write.
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    local_row[r] = min(local0 + r, max(block_rows, 1u) - 1u);
    query_row[r] = local_row[r] * args.query_stride_row;
  }
  list_keys(item, first);

  if (item.kv_there > 0u || kNullKeys) {
    uint i = output_head, end = kMean ? push.head_count : output_head + 1u;
    // Loops are tested at the end: drivers that mask lanes run what follows an exit once more,
    // reads included.
    do {
      add_head(item, batch, listed(push.head_list, i), block_row);
    } while (++i < end);
  } else if (kStage == WEFT_STAGE_MASKED) {
    [[unroll]] for (uint i = 0; i < kScores; ++i) excluded[i] = true;
  }
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if (local0 + r < block_rows) write_row(item, batch, output_head, block_row, r, first);
  }
}
