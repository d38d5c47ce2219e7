// What the host tells a kernel, read by C++ and by GLSL: push constants, argument blocks, constant ids.
// Only 4-byte scalars and 8-byte addresses, so std430 equals the C++ layout; tests compare both sides.
#ifndef WEFT_SHADERS_PARAMS_H
#define WEFT_SHADERS_PARAMS_H

#ifdef __cplusplus
#include <cstdint>
namespace weft::params {
using uint = uint32_t;
using Address = uint64_t;  // a device address, or a 64-bit count of bytes
#else
#define Address uvec2  // low word first: no 64-bit integers are needed in shaders
#endif

// Element types of tensors in memory; arithmetic is fp32 always.
#define WEFT_TYPE_F32 0
#define WEFT_TYPE_F16 1
#define WEFT_TYPE_BF16 2

#define WEFT_MASK_NONE 0
#define WEFT_MASK_KEEP 1  // nonzero: the key takes part
#define WEFT_MASK_DROP 2  // nonzero: the key takes no part

#define WEFT_MASK_U8 0
#define WEFT_MASK_I32 1

// AttentionFeature, bit by bit
#define WEFT_FEATURE_KV_LENGTHS 0x0001
#define WEFT_FEATURE_LOGSUMEXP 0x0002
#define WEFT_FEATURE_WINDOW 0x0004
#define WEFT_FEATURE_POSITION_OFFSETS 0x0008
#define WEFT_FEATURE_PACKED_QUERY 0x0010
#define WEFT_FEATURE_PACKED_KV 0x0020
#define WEFT_FEATURE_REGIONS 0x0040
#define WEFT_FEATURE_REGION_MASK 0x0080
#define WEFT_FEATURE_SOFTCAP 0x0100
#define WEFT_FEATURE_SINKS 0x0200
#define WEFT_FEATURE_NULL_KEYS 0x0400
#define WEFT_FEATURE_SCORE_ITEMS 0x0800
#define WEFT_FEATURE_VALUE_ITEMS 0x1000
#define WEFT_FEATURE_WEIGHTS 0x2000

#define WEFT_STAGE_SCALED 0
#define WEFT_STAGE_CAPPED 1
#define WEFT_STAGE_MASKED 2
#define WEFT_STAGE_PROBABILITIES 3

#define WEFT_MAX_NULL_KEYS 16
#define WEFT_MAX_POSITION_OFFSET 0x10000000  // 2^28
#define WEFT_NO_WINDOW 0x3fffffff            // a window side without a limit; sums with positions fit 31 bits

#define WEFT_ACTIVATION_NONE 0
#define WEFT_ACTIVATION_RELU 1
#define WEFT_ACTIVATION_SILU 2
#define WEFT_ACTIVATION_GELU 3       // 0.5 x (1 + erf(x / sqrt 2))
#define WEFT_ACTIVATION_GELU_TANH 4  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
#define WEFT_ACTIVATION_QUICK_GELU 5  // x / (1 + exp(-1.702 x))

#define WEFT_GATE_NONE 0
#define WEFT_GATE_VALUE 1
#define WEFT_GATE_TANH 2

#define WEFT_NORM_LAYER 0
#define WEFT_NORM_RMS 1

// --- attention: forward ------------------------------------------------------------------------
// Grid: x = blocks of query rows times chunks of the value dimension, y = heads, z = batch or items.
struct AttentionPush {
  Address query;
  Address key;
  Address value;
  Address output_values;
  Address logsumexp;  // f32 [batch, heads, q_len]
  Address args;       // an AttentionArgs
  uint q_len;         // rows of an item at most
  uint kv_len;        // keys of an item at most
  uint group_size;    // heads / kv_heads
  float scale_log2;   // scale times log2(e)
};

// Everything of a call that push constants have no room for; attention_weights leaves out what only values
// need. Batch and head strides in bytes, row strides in elements; a stride of 0 repeats.
struct AttentionArgs {
  Address query_stride_batch;
  Address query_stride_head;
  Address key_stride_batch;
  Address key_stride_head;
  Address value_stride_batch;
  Address value_stride_head;
  Address output_stride_batch;
  Address output_stride_head;
  Address logsumexp_stride_batch;
  Address logsumexp_stride_head;
  Address weights_stride_batch;
  Address weights_stride_head;
  Address mask_stride_batch;
  Address mask_stride_head;
  Address bias_stride_batch;
  Address bias_stride_head;
  Address query_regions_stride_batch;
  Address key_regions_stride_batch;
  Address null_key_stride_head;
  Address null_value_stride_head;
  Address mask;
  Address bias;
  Address kv_lengths;        // int32 [items]
  Address position_offsets;  // int32 [items]
  Address q_starts;          // int32 [items + 1]
  Address kv_starts;         // int32 [items + 1]
  Address query_regions;     // int32
  Address key_regions;       // int32
  Address region_mask;       // u8 [query_ids, key_ids]
  Address sinks;             // f32 [heads]
  Address null_key;
  Address null_value;
  Address score_items;       // int32 [batch]
  Address value_items;       // int32 [batch]
  Address weights;           // f32 [batch, heads, q_len, kv_len]
  uint query_stride_row;
  uint key_stride_row;
  uint value_stride_row;
  uint output_stride_row;
  uint mask_stride_row;
  uint bias_stride_row;
  uint null_key_stride_row;
  uint null_value_stride_row;
  uint null_len;
  uint kv_limit;      // columns of mask and bias: keys beyond take no part
  uint query_rows;    // rows of the query tensor
  uint key_rows;      // rows of the key tensor
  uint item_count;    // items of query and key
  uint value_count;   // items of value
  uint query_ids;
  uint key_ids;
  uint region_stride_row;
  int position_offset;
  int window_left;    // WEFT_NO_WINDOW: no limit
  int window_right;
  float softcap_log2; // softcap times log2(e)
  uint weights_stride_row;
  // Grids of tile, coopmat and coopmat2: z = part of the keys x batch + item. Of several parts, output and logsumexp
  // are [parts x batch, ...], and attention_combine follows.
  uint parts;
  uint batch;
};

// Beside an AttentionPush where the keys are split: a part of them to each workgroup, and rows that share keys
// folded together (lib/split.glsl).
struct SplitPush {
  Address sums;     // f32 [parts, rows, value_dim]: over the values of a part, or its output where parts are finished
  Address states;   // f32 [parts, rows, 2]: maximum in the log2 domain, sum of the weights; or [parts, rows]: logsumexp
  uint parts;       // 1: nothing is left to combine, sums and states are not used
  uint rows;        // query rows of all heads and items
  uint fold_heads;  // heads that are folded together: group_size or 1
  uint fold_items;  // likewise items: batch or 1
  uint fold_rows;   // q_len x fold_heads x fold_items
  uint head_folds;  // heads / fold_heads: the grid's y
};

#define WEFT_ATTENTION_LOCAL_SIZE 0    // invocations a workgroup
#define WEFT_ATTENTION_HEAD_DIM 1
#define WEFT_ATTENTION_VALUE_DIM 2
#define WEFT_ATTENTION_ROWS 3          // query rows an invocation
#define WEFT_ATTENTION_BLOCK_KV 4      // keys a step
#define WEFT_ATTENTION_VALUE_CHUNK 5   // value elements an invocation, a multiple of 4
#define WEFT_ATTENTION_HOLD_QUERY 6    // 1: the query row stays in registers, 0: read again for each step
#define WEFT_ATTENTION_QUERY_TYPE 7
#define WEFT_ATTENTION_KV_TYPE 8
#define WEFT_ATTENTION_OUTPUT_TYPE 9
#define WEFT_ATTENTION_MASK_KIND 10
#define WEFT_ATTENTION_MASK_TYPE 11    // WEFT_MASK_U8 or WEFT_MASK_I32
#define WEFT_ATTENTION_HAS_BIAS 12
#define WEFT_ATTENTION_BIAS_TYPE 13
#define WEFT_ATTENTION_FEATURES 14     // WEFT_FEATURE_... bits
#define WEFT_ATTENTION_ALIGNED 15      // 1: every row of query, key, value, output and null keys and values starts on 4 elements, dims are multiples of 4

// Paths other than lane:
#define WEFT_ATTENTION_BLOCK_Q 16        // query rows a workgroup
#define WEFT_ATTENTION_SUBGROUP_SIZE 17  // invocations a subgroup, where the row counts in full subgroups
#define WEFT_ATTENTION_SUBGROUPS 18      // of a workgroup
#define WEFT_ATTENTION_MATRIX_M 19       // cooperative matrices: a [m, k] b [k, n]
#define WEFT_ATTENTION_MATRIX_N 20
#define WEFT_ATTENTION_MATRIX_K 21
#define WEFT_ATTENTION_READ_TOGETHER 22  // lane, one row an invocation: all read every query row, at one address at a time
#define WEFT_ATTENTION_FINISHED 23       // attention_combine: parts are outputs with their logsumexp

// --- attention: weights ------------------------------------------------------------------------
// Grid: x = blocks of query rows, y = blocks of WEFT_WEIGHTS_BLOCK_KEYS listed keys, z = output heads times batch.
struct WeightsPush {
  Address query;
  Address key;
  Address logsumexp;
  Address weights;    // f32 [batch, output heads, q_len, listed keys]
  Address args;       // an AttentionArgs
  Address head_list;  // uint32 heads to write or to average; 0: all
  Address key_list;   // uint32 keys to write; 0: all
  Address weights_stride_batch;  // in bytes
  Address weights_stride_head;
  uint weights_stride_row;  // in elements
  uint head_count;  // listed heads
  uint key_count;   // listed keys
  uint q_len;
  uint kv_len;
  uint group_size;
  float scale_log2;
  uint null_first;  // number of the first null key: 0 or kv_len
};

#define WEFT_WEIGHTS_LOCAL_SIZE 0
#define WEFT_WEIGHTS_HEAD_DIM 1
#define WEFT_WEIGHTS_BLOCK_KEYS 2
#define WEFT_WEIGHTS_QUERY_TYPE 3
#define WEFT_WEIGHTS_KEY_TYPE 4
#define WEFT_WEIGHTS_MASK_KIND 5
#define WEFT_WEIGHTS_MASK_TYPE 6
#define WEFT_WEIGHTS_HAS_BIAS 7
#define WEFT_WEIGHTS_BIAS_TYPE 8
#define WEFT_WEIGHTS_FEATURES 9
#define WEFT_WEIGHTS_STAGE 10       // WEFT_STAGE_...
#define WEFT_WEIGHTS_MEAN 11        // 1: one output head, the mean over the listed heads
#define WEFT_WEIGHTS_ACCUMULATE 12  // 1: added to what is there
#define WEFT_WEIGHTS_ALIGNED 13     // as WEFT_ATTENTION_ALIGNED, for query and key
#define WEFT_WEIGHTS_ROWS 14        // query rows an invocation
#define WEFT_WEIGHTS_STEP_GROUPS 15  // groups of four elements that are read together
#define WEFT_WEIGHTS_KEY_LANES 16    // 1: a workgroup's invocations are keys, and its rows all of them

// --- attention: keys or values copied so that a head's rows follow each other, in another type where asked ----
// Grid: x = ceil(rows x groups of four elements / local size), y = heads, z = batch.
struct PackPush {
  Address data;    // [batch, heads, rows, dim]
  Address result;  // the same, dense
  Address data_stride_batch;  // in bytes
  Address data_stride_head;
  Address result_stride_batch;
  Address result_stride_head;
  uint rows;
  uint dim;
  uint data_stride_row;  // in elements
  uint reserved;
};

#define WEFT_PACK_LOCAL_SIZE 0
#define WEFT_PACK_TYPE 1
#define WEFT_PACK_ALIGNED 2
#define WEFT_PACK_RESULT_TYPE 3

// --- attention: merge of two parts by their logsumexp --------------------------------------------
// Grid: x = ceil(q_len x groups of four value elements / local size), y = heads, z = batch.
struct MergePush {
  Address left;
  Address right;
  Address left_logsumexp;   // f32 [batch, heads, q_len]
  Address right_logsumexp;
  Address result;
  Address logsumexp;  // f32 [batch, heads, q_len]
  Address args;       // a MergeArgs
  uint q_len;
  uint value_dim;
};

// Batch and head strides in bytes, row strides in elements.
struct MergeArgs {
  Address left_stride_batch;
  Address left_stride_head;
  Address right_stride_batch;
  Address right_stride_head;
  Address left_logsumexp_stride_batch;
  Address left_logsumexp_stride_head;
  Address right_logsumexp_stride_batch;
  Address right_logsumexp_stride_head;
  Address result_stride_batch;
  Address result_stride_head;
  Address logsumexp_stride_batch;
  Address logsumexp_stride_head;
  uint left_stride_row;
  uint right_stride_row;
  uint result_stride_row;
  uint reserved;
};

#define WEFT_MERGE_LOCAL_SIZE 0
#define WEFT_MERGE_LEFT_TYPE 1
#define WEFT_MERGE_RIGHT_TYPE 2
#define WEFT_MERGE_RESULT_TYPE 3
#define WEFT_MERGE_LOGSUMEXP 4  // 1: logsumexp is written
#define WEFT_MERGE_ALIGNED 5

// --- linear: output = activation(input weight^T + bias) -----------------------------------------
// Grid: x = blocks of rows, y = blocks of output columns.
struct LinearPush {
  Address data;    // [rows, in_features]
  Address weight;  // [out_features, in_features]
  Address bias;    // [out_features]
  Address result;  // [rows, out_features]
  uint rows;
  uint in_features;
  uint out_features;
  uint data_stride_row;  // in elements
  uint weight_stride_row;
  uint result_stride_row;
};

#define WEFT_LINEAR_LOCAL_SIZE 0
#define WEFT_LINEAR_ROWS 1     // rows an invocation
#define WEFT_LINEAR_COLUMNS 2  // output columns an invocation, a multiple of 4
#define WEFT_LINEAR_DATA_TYPE 3
#define WEFT_LINEAR_WEIGHT_TYPE 4
#define WEFT_LINEAR_RESULT_TYPE 5
#define WEFT_LINEAR_BIAS_TYPE 6
#define WEFT_LINEAR_HAS_BIAS 7
#define WEFT_LINEAR_ACTIVATION 8
#define WEFT_LINEAR_ALIGNED 9  // 1: rows of data and weight start on 4 elements, in_features is a multiple of 4

#define WEFT_LINEAR_BLOCK_ROWS 10     // paths other than lane: rows and columns a workgroup
#define WEFT_LINEAR_BLOCK_COLUMNS 11
#define WEFT_LINEAR_SUBGROUP_SIZE 12  // as WEFT_ATTENTION_SUBGROUP_SIZE
#define WEFT_LINEAR_SUBGROUPS 13
#define WEFT_LINEAR_MATRIX_M 14
#define WEFT_LINEAR_MATRIX_N 15
#define WEFT_LINEAR_MATRIX_K 16
#define WEFT_LINEAR_READ_TOGETHER 17  // lane, one row an invocation: all read every row, at one address at a time

// --- norm: layer or RMS norm over the last dimension ---------------------------------------------
struct NormPush {
  Address data;    // [rows, dim]
  Address weight;  // [dim]
  Address bias;    // [dim]
  Address result;  // [rows, dim]
  uint rows;
  uint dim;
  uint data_stride_row;
  uint result_stride_row;
  float epsilon;
};

#define WEFT_NORM_LOCAL_SIZE 0
#define WEFT_NORM_KIND 1
#define WEFT_NORM_DATA_TYPE 2
#define WEFT_NORM_PARAMETER_TYPE 3  // of weight and bias
#define WEFT_NORM_RESULT_TYPE 4
#define WEFT_NORM_HAS_WEIGHT 5
#define WEFT_NORM_HAS_BIAS 6
#define WEFT_NORM_ALIGNED 7
#define WEFT_NORM_LANES 8  // invocations a row, a power of two; they fill a workgroup

// --- add: result[r] = left[r] + row_factors[r] gate right[r mod right_rows] ------------------------
struct AddPush {
  Address left;
  Address right;
  Address result;
  Address gate;         // [1] or [dim]
  Address row_factors;  // f32 [rows]
  uint rows;
  uint dim;
  uint right_rows;
  uint left_stride_row;
  uint right_stride_row;
  uint result_stride_row;
};

#define WEFT_ADD_LOCAL_SIZE 0
#define WEFT_ADD_LEFT_TYPE 1
#define WEFT_ADD_RIGHT_TYPE 2
#define WEFT_ADD_RESULT_TYPE 3
#define WEFT_ADD_ALIGNED 4
#define WEFT_ADD_HAS_LEFT 5
#define WEFT_ADD_GATE 6          // WEFT_GATE_...
#define WEFT_ADD_GATE_TYPE 7
#define WEFT_ADD_GATE_COLUMNS 8  // 1: a gate for each column, 0: one for all
#define WEFT_ADD_ROW_FACTORS 9

// --- multiply: result[r] = activation(left[r]) right[r mod right_rows] -----------------------------
struct MultiplyPush {
  Address left;
  Address right;
  Address result;
  uint rows;
  uint dim;
  uint right_rows;
  uint left_stride_row;
  uint right_stride_row;
  uint result_stride_row;
};

#define WEFT_MULTIPLY_LOCAL_SIZE 0
#define WEFT_MULTIPLY_LEFT_TYPE 1
#define WEFT_MULTIPLY_RIGHT_TYPE 2
#define WEFT_MULTIPLY_RESULT_TYPE 3
#define WEFT_MULTIPLY_ACTIVATION 4
#define WEFT_MULTIPLY_ALIGNED 5

// --- gather: result[i] = table[indices[i]]; zeros where the index is outside the table -------------
struct GatherPush {
  Address table;
  Address indices;  // int32 [count]
  Address result;
  uint count;
  uint dim;
  uint table_rows;
  uint table_stride_row;
  uint result_stride_row;
};

#define WEFT_GATHER_LOCAL_SIZE 0
#define WEFT_GATHER_TABLE_TYPE 1
#define WEFT_GATHER_RESULT_TYPE 2
#define WEFT_GATHER_ALIGNED 3

// --- mix_keys: result[j] = sum over n of matrix[j][n] factors[n] data[n] ----------------------------
// Grid: x and y = blocks of elements, z = batch times heads. Batch and head strides in bytes, row strides in
// elements; a stride of 0 repeats.
struct MixKeysPush {
  Address data;     // [kv_len, dim]
  Address factors;  // f32 [kv_len]
  Address matrix;   // f32 [rows, kv_len]
  Address result;   // [rows, dim]
  Address data_stride_batch;
  Address data_stride_head;
  Address factors_stride_batch;
  Address factors_stride_head;
  Address matrix_stride_batch;
  Address matrix_stride_head;
  Address result_stride_batch;
  Address result_stride_head;
  uint heads;
  uint rows;
  uint kv_len;
  uint dim;
  uint data_stride_row;
  uint matrix_stride_row;
  uint result_stride_row;
  uint reserved;
};

#define WEFT_MIX_KEYS_LOCAL_SIZE 0
#define WEFT_MIX_KEYS_DATA_TYPE 1
#define WEFT_MIX_KEYS_RESULT_TYPE 2
#define WEFT_MIX_KEYS_HAS_FACTORS 3
#define WEFT_MIX_KEYS_HAS_MATRIX 4  // 0: row j of the result is of row j of the data alone
#define WEFT_MIX_KEYS_ALIGNED 5

// --- rotary: columns turned by angles, two by two ---------------------------------------------------
// Grid: x and y = blocks of elements, z = batch times heads. Strides as above.
struct RotaryPush {
  Address data;    // [rows, dim]
  Address angles;  // f32 [rows, turned]
  Address result;  // [rows, dim]
  Address data_stride_batch;
  Address data_stride_head;
  Address result_stride_batch;
  Address result_stride_head;
  uint heads;
  uint rows;
  uint dim;
  uint turned;  // columns that are turned, the first ones; an even number
  uint data_stride_row;
  uint angles_stride_row;
  uint result_stride_row;
  uint reserved;
};

#define WEFT_ROTARY_LOCAL_SIZE 0
#define WEFT_ROTARY_DATA_TYPE 1
#define WEFT_ROTARY_RESULT_TYPE 2
#define WEFT_ROTARY_INTERLEAVED 3
#define WEFT_ROTARY_ALIGNED 4  // 1: rows start on 4 elements, dim is a multiple of 4, turned one of 8

#ifdef __cplusplus
static_assert(sizeof(AttentionPush) == 64);
static_assert(sizeof(AttentionArgs) == 376);
static_assert(sizeof(SplitPush) == 40);
static_assert(sizeof(WeightsPush) == 104);
static_assert(sizeof(PackPush) == 64);
static_assert(sizeof(MergePush) == 64);
static_assert(sizeof(MergeArgs) == 112);
static_assert(sizeof(LinearPush) == 56);
static_assert(sizeof(NormPush) == 56);
static_assert(sizeof(AddPush) == 64);
static_assert(sizeof(MultiplyPush) == 48);
static_assert(sizeof(GatherPush) == 48);
static_assert(sizeof(MixKeysPush) == 128);
static_assert(sizeof(RotaryPush) == 88);
}  // namespace weft::params
#endif
#endif
