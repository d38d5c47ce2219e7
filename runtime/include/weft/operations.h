// What a weft_recorder takes, in C: attention, and what fusion blocks need around it. Part of
// weft.h. Each function adds one operation to a recording; nothing runs before weft_recorder_submit
// or weft_program_run.
//
// Errors of all: invalid_argument, naming operation, rule and values found; unsupported (no kernel
// row left, with every row's reason; more rows, heads or items than the device's grids hold);
// out_of_memory and device_lost where a pipeline is made. An output must not overlap an input
// unless a comment says so.
#ifndef WEFT_OPERATIONS_H_INCLUDED
#define WEFT_OPERATIONS_H_INCLUDED

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Attention ----

enum {                            // weft_attention_call.flags
  WEFT_ATTENTION_CAUSAL = 1,      // keys j <= p take part
  WEFT_ATTENTION_LIMIT_LEFT = 2,  // keys j >= p - window_left take part
  WEFT_ATTENTION_LIMIT_RIGHT = 4  // keys j <= p + window_right take part
};

// output = softmax(scale * query key^T [capped] [+ bias]) value, on strided views whose last stride
// is 1. The order is fixed: scale, softcap, mask and bias, softmax. Everything optional may be
// combined with everything else unless a comment here says otherwise. weft/attention.hpp defines
// each field in full under the same name.
//
// An axis of 1 is repeated where `output` has more. "batch" is output's; "items" are what per-item
// tensors have. A key that takes no part never influences an output, whatever its bits (NaN
// included). A row without any key gives output 0 and logsumexp -infinity. The same call on the
// same device gives the same bits.
typedef struct weft_attention_call {
  uint32_t struct_size;
  uint32_t flags;
  const weft_tensor* query;      // [batch, heads, q_len, head_dim]
  const weft_tensor* key;        // [batch, kv_heads, kv_len, head_dim]; kv_heads divides heads
  const weft_tensor* value;      // [batch, kv_heads, kv_len, value_dim]
  const weft_tensor* output;     // [batch, heads, q_len, value_dim]
  const weft_tensor* logsumexp;  // optional output: f32 [batch, heads, q_len]

  float scale;    // 0: 1 / sqrt(head_dim). Any other finite number
  float softcap;  // 0: off. Else the scaled score s becomes softcap * tanh(s / softcap)
  // Query row i is at p = i + position_offset + position_offsets[item], key j at j. -2^28 to 2^28.
  int32_t position_offset;
  int32_t window_left;   // 0 or more; with WEFT_ATTENTION_LIMIT_LEFT only
  int32_t window_right;  // 0 or more; with WEFT_ATTENTION_LIMIT_RIGHT only
  uint32_t max_q_len;    // the longest packed item, at most. 0: as long as the tensor
  uint32_t max_kv_len;
  uint32_t reserved;  // 0

  // Masks, [items | 1, heads | 1, q_len | 1, 1 to kv_len]: keys beyond the last column take none.
  const weft_tensor* keep_mask;  // u8 or i32; nonzero: the key takes part
  const weft_tensor* drop_mask;  // u8 or i32; nonzero: the key takes no part. Not with keep_mask
  const weft_tensor* bias;       // f32, f16 or bf16, added; -infinity: the key takes no part

  const weft_tensor* kv_lengths;        // i32 [items]
  const weft_tensor* position_offsets;  // i32 [items]
  const weft_tensor* q_starts;          // i32 [items + 1]: packed query and outputs
  const weft_tensor* kv_starts;         // i32 [items + 1]: packed key and value

  const weft_tensor* query_regions;  // i32 [items | 1, q_len]; packed as the query is
  const weft_tensor* key_regions;    // i32 [items | 1, kv_len]; packed as the keys are
  const weft_tensor* region_mask;    // u8 [query ids, key ids]; without it, equal ids meet

  const weft_tensor* sinks;  // f32 [heads]: a logit beside the keys' that has no value
  // Keys and values before all others, never masked.
  const weft_tensor* null_key;    // [kv_heads | 1, null_len, head_dim]
  const weft_tensor* null_value;  // [kv_heads | 1, null_len, value_dim]

  // i32 [batch]: the items that output item b takes its weights and its values from.
  const weft_tensor* score_items;
  const weft_tensor* value_items;

  // Optional output: f32 [batch, heads, q_len, kv_len], the weights of weft_attention_weights at its
  // last stage, of all heads and keys; null keys and the sink have no column.
  const weft_tensor* weights;
} weft_attention_call;

// Plans (once per description and device) and records.
WEFT_EXPORT weft_status weft_attention(weft_recorder* recorder, const weft_attention_call* call,
                                       weft_error* error);
// Records, runs and waits: the output is there on return. Errors: device_lost too.
WEFT_EXPORT weft_status weft_attend(const weft_device* device, const weft_attention_call* call,
                                    weft_error* error);

typedef int32_t weft_mask_kind;
enum { WEFT_MASK_NONE = 0, WEFT_MASK_KEEP = 1, WEFT_MASK_DROP = 2 };

enum {  // weft_attention_desc.features
  WEFT_FEATURE_KV_LENGTHS = 1,
  WEFT_FEATURE_LOGSUMEXP = 1 << 1,
  WEFT_FEATURE_WINDOW = 1 << 2,            // causal or limited to the left or right
  WEFT_FEATURE_POSITION_OFFSETS = 1 << 3,  // the tensor
  WEFT_FEATURE_PACKED_QUERY = 1 << 4,      // q_starts
  WEFT_FEATURE_PACKED_KV = 1 << 5,         // kv_starts
  WEFT_FEATURE_REGIONS = 1 << 6,
  WEFT_FEATURE_REGION_MASK = 1 << 7,
  WEFT_FEATURE_SOFTCAP = 1 << 8,
  WEFT_FEATURE_SINKS = 1 << 9,
  WEFT_FEATURE_NULL_KEYS = 1 << 10,
  WEFT_FEATURE_SCORE_ITEMS = 1 << 11,
  WEFT_FEATURE_VALUE_ITEMS = 1 << 12,
  WEFT_FEATURE_WEIGHTS = 1 << 13
};

// What a plan fixes. Everything else (lengths, strides, scale, offsets) may differ in every call.
typedef struct weft_attention_desc {
  uint32_t struct_size;
  weft_dtype query_dtype;  // f32, f16, bf16
  weft_dtype kv_dtype;     // of key and value
  weft_dtype output_dtype;
  uint32_t head_dim;   // 1 to 576
  uint32_t value_dim;  // 1 to 576; 0: head_dim
  weft_mask_kind mask;
  weft_dtype mask_dtype;  // u8 or i32; not read without a mask
  uint32_t bias;          // 1: there is one
  weft_dtype bias_dtype;  // f32, f16 or bf16; not read without a bias
  uint32_t features;
  // Typical lengths, for choosing a kernel only; any lengths stay correct. 0: unknown.
  uint32_t q_len;
  uint32_t kv_len;
} weft_attention_desc;

// What a call describes.
WEFT_EXPORT weft_status weft_attention_describe(const weft_attention_call* call,
                                                weft_attention_desc* desc, weft_error* error);
// Every kernel row in order of preference: chosen, or why not. For people.
WEFT_EXPORT weft_status weft_attention_explain(const weft_device* device,
                                               const weft_attention_desc* desc, char** text,
                                               weft_error* error);

// A chosen kernel, ready to record. Making one may build a pipeline: slow the first time on some
// drivers.
typedef struct weft_plan weft_plan;
WEFT_EXPORT weft_status weft_plan_create(const weft_device* device, const weft_attention_desc* desc,
                                         weft_plan** plan, weft_error* error);
WEFT_EXPORT weft_plan* weft_plan_retain(weft_plan* plan);
WEFT_EXPORT void weft_plan_release(weft_plan* plan);
// The kernel row chosen; lives as long as the library. NULL for NULL.
WEFT_EXPORT const char* weft_plan_kernel(const weft_plan* plan);
// Records a call that fits the description.
WEFT_EXPORT weft_status weft_plan_record(const weft_plan* plan, weft_recorder* recorder,
                                         const weft_attention_call* call, weft_error* error);

// Keys and values that many calls use (an encoder's outputs, a prompt), laid out as the kernel row
// of these calls reads them fastest: tensors of the shapes given, of that type or f32 (describe the calls
// that have them by it), for any call. Where a copy
// would make no call faster they are those given, and nothing is recorded. What is written to the
// given tensors afterwards need not show. The caller releases both buffers.
WEFT_EXPORT weft_status weft_prepare_key_value(weft_recorder* recorder,
                                               const weft_attention_desc* desc,
                                               const weft_tensor* key, const weft_tensor* value,
                                               weft_tensor* prepared_key,
                                               weft_tensor* prepared_value, weft_error* error);

// Where in the computation of the weights to stop.
typedef int32_t weft_weights_stage;
enum {
  WEFT_WEIGHTS_SCALED = 0,        // scale * query.key, of every key that is there, masked or not
  WEFT_WEIGHTS_CAPPED = 1,        // after softcap
  WEFT_WEIGHTS_MASKED = 2,        // plus bias; -infinity for a key that takes no part
  WEFT_WEIGHTS_PROBABILITIES = 3  // after softmax; exactly 0 for a key that takes no part
};

enum {  // weft_attention_weights_call.flags
  // Key j is number j and null key n is kv_len + n; without it, they are null_len + j and n.
  WEFT_WEIGHTS_NULL_KEYS_LAST = 1,
  WEFT_WEIGHTS_MEAN_HEADS = 2,  // the mean over the listed heads in place of each
  WEFT_WEIGHTS_ACCUMULATE = 4   // adds to what `weights` holds in place of writing it
};

// The weights, or scores at an earlier stage, of an attention: chosen heads and keys, per head or
// averaged.
typedef struct weft_attention_weights_call {
  uint32_t struct_size;
  weft_weights_stage stage;
  // value, output, null_value and its own weights are not read; logsumexp is read for probabilities,
  // and must be what this attention wrote.
  const weft_attention_call* attention;
  // f32 output [batch, listed heads (1 if averaged), q_len, listed keys].
  const weft_tensor* weights;
  const uint32_t* heads;  // head_count heads to write, or to average
  const uint32_t* keys;   // key_count keys to write
  uint32_t head_count;    // 0: all
  uint32_t key_count;     // 0: all
  uint32_t flags;
  uint32_t reserved;  // 0
} weft_attention_weights_call;
WEFT_EXPORT weft_status weft_attention_weights(weft_recorder* recorder,
                                               const weft_attention_weights_call* call,
                                               weft_error* error);

// The attention over the keys of both parts, of which the sink and null keys may be in one only:
//   logsumexp = log(exp(left_logsumexp) + exp(right_logsumexp))
//   output = exp(left_logsumexp - logsumexp) left_output
//            + exp(right_logsumexp - logsumexp) right_output
// A part whose logsumexp is -infinity is left out, whatever its output; of two such the result is 0
// and -infinity.
typedef struct weft_attention_merge_call {
  uint32_t struct_size;
  uint32_t reserved;                  // 0
  const weft_tensor* left_output;     // [batch, heads, q_len, value_dim]; f32, f16 or bf16
  const weft_tensor* left_logsumexp;  // f32 [batch, heads, q_len]
  const weft_tensor* right_output;
  const weft_tensor* right_logsumexp;
  const weft_tensor* output;     // may be exactly left_output or right_output
  const weft_tensor* logsumexp;  // optional output: f32
} weft_attention_merge_call;
WEFT_EXPORT weft_status weft_attention_merge(weft_recorder* recorder,
                                             const weft_attention_merge_call* call,
                                             weft_error* error);

// ---- Around attention ----
// "Rows" tensors are [..., rows, dim] of rank 1 to 4 whose leading axes fold into one row stride;
// f32, f16 or bf16.

typedef int32_t weft_activation;
enum {
  WEFT_ACTIVATION_NONE = 0,
  WEFT_ACTIVATION_RELU = 1,      // max(x, 0)
  WEFT_ACTIVATION_SILU = 2,      // x / (1 + exp(-x))
  WEFT_ACTIVATION_GELU = 3,      // 0.5 x (1 + erf(x / sqrt 2))
  WEFT_ACTIVATION_GELU_TANH = 4,  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  WEFT_ACTIVATION_QUICK_GELU = 5  // x / (1 + exp(-1.702 x))
};

typedef struct weft_linear_call {
  uint32_t struct_size;
  weft_activation activation;
  const weft_tensor* input;   // rows of in_features
  const weft_tensor* weight;  // [out_features, in_features]
  const weft_tensor* output;  // rows of out_features
  const weft_tensor* bias;    // optional: [out_features]
} weft_linear_call;
// output = activation(input weight^T + bias)
WEFT_EXPORT weft_status weft_linear(weft_recorder* recorder, const weft_linear_call* call,
                                    weft_error* error);

typedef struct weft_norm_call {
  uint32_t struct_size;
  float epsilon;              // >= 0, as given: 0 is 0
  const weft_tensor* input;   // rows of dim
  const weft_tensor* output;  // rows of dim; may be exactly `input`
  const weft_tensor* weight;  // optional: [dim]
  const weft_tensor* bias;    // optional: [dim], of the weight's type
} weft_norm_call;
// output = (x - mean) / sqrt(variance + epsilon) * weight + bias, the variance being the mean
// square deviation
WEFT_EXPORT weft_status weft_layer_norm(weft_recorder* recorder, const weft_norm_call* call,
                                        weft_error* error);
// output = x / sqrt(mean(x^2) + epsilon) * weight + bias
WEFT_EXPORT weft_status weft_rms_norm(weft_recorder* recorder, const weft_norm_call* call,
                                      weft_error* error);

typedef int32_t weft_gate_kind;
enum {
  WEFT_GATE_NONE = 0,
  WEFT_GATE_VALUE = 1,  // multiplies by the gate's value
  WEFT_GATE_TANH = 2    // by its hyperbolic tangent
};

typedef struct weft_add_call {
  uint32_t struct_size;
  weft_gate_kind gate_kind;        // of right
  const weft_tensor* left;         // optional: rows of dim; not given: 0
  const weft_tensor* right;        // rows of dim; its row count divides output's: it repeats
  const weft_tensor* output;       // rows of dim; may be exactly `left`
  const weft_tensor* gate;         // [1] or [dim], where gate_kind is not WEFT_GATE_NONE
  const weft_tensor* row_factors;  // optional: f32 [output rows], dense: multiplies right. Where it
                                   // is 0, right is not looked at
} weft_add_call;
// output[r] = left[r] + row_factors[r] * gate * right[r mod right rows]
WEFT_EXPORT weft_status weft_add(weft_recorder* recorder, const weft_add_call* call,
                                 weft_error* error);

typedef struct weft_multiply_call {
  uint32_t struct_size;
  weft_activation activation;  // of left
  const weft_tensor* left;     // rows of dim
  const weft_tensor* right;    // rows of dim; its row count divides left's: it repeats
  const weft_tensor* output;   // as left; may be exactly `left`
} weft_multiply_call;
// output[r] = activation(left[r]) * right[r mod right rows]
WEFT_EXPORT weft_status weft_multiply(weft_recorder* recorder, const weft_multiply_call* call,
                                      weft_error* error);

typedef struct weft_gather_call {
  uint32_t struct_size;
  uint32_t reserved;           // 0
  const weft_tensor* table;    // [table rows, dim]
  const weft_tensor* indices;  // i32 [count], dense
  const weft_tensor* output;   // [count, dim]
} weft_gather_call;
// output[i] = table[indices[i]]; a row of zeros where the index lies outside the table
WEFT_EXPORT weft_status weft_gather(weft_recorder* recorder, const weft_gather_call* call,
                                    weft_error* error);

// Keys or values, changed along their length. Tensors of [batch, heads, length, dim] with any
// strides whose last is 1; an axis of 1 of input, factors or matrix repeats along output's batch
// and heads.
typedef struct weft_mix_keys_call {
  uint32_t struct_size;
  uint32_t reserved;           // 0
  const weft_tensor* input;    // [batch, heads, kv_len, dim]
  const weft_tensor* output;   // [batch, heads, rows, dim], apart from the inputs
  const weft_tensor* factors;  // optional: f32 [batch, heads, kv_len], one for each row of the
                               // input. A row whose factor is 0 counts as zeros, whatever its bits
  const weft_tensor* matrix;   // optional: f32 [batch, heads, rows, kv_len]; without it output has
                               // the input's rows
} weft_mix_keys_call;
// output[j] = sum over n of matrix[j][n] * factors[n] * input[n]; a strided copy, and a conversion
// of type, where neither is given.
WEFT_EXPORT weft_status weft_mix_keys(weft_recorder* recorder, const weft_mix_keys_call* call,
                                      weft_error* error);

typedef struct weft_rotary_call {
  uint32_t struct_size;
  uint32_t interleaved;       // 0 or 1
  const weft_tensor* input;   // [batch, heads, length, dim], any strides whose last is 1
  const weft_tensor* angles;  // f32 [length, n], n even and at most dim, in radians up to 50000
  const weft_tensor* output;  // as input; may be exactly `input`
} weft_rotary_call;
// The first n columns x turned by their angles: output = x cos(angle) + turned(x) sin(angle), where
// turned(x) is [-second half, first half] or, interleaved, pairs (-x1, x0); columns from n on are
// copied.
WEFT_EXPORT weft_status weft_rotary(weft_recorder* recorder, const weft_rotary_call* call,
                                    weft_error* error);

#ifdef __cplusplus
}
#endif

// Parts that need the above, here so that each header may be included by itself.
#include "weft/fusion.h"
#include "weft/tune.h"

#endif  // WEFT_OPERATIONS_H_INCLUDED
