// Fusion blocks in C: norms, projections, attention, gate, residual and feed-forward as plain data
// and functions that record them, like any operation; and blocks of published models, loaded by
// family. Part of weft.h. weft/fusion.hpp and weft/families.hpp define each field in full under the
// same name.
//
// Rows of a stream are [batch, length, dim] (or [length, dim] for batch 1), f32, f16 or bf16; what
// lies between a block's operations is transient and of the type of the rows that come in. Weights
// may be of any of the three types. Parts are pointers: NULL leaves a part out. Errors of all:
// those of the operations, beginning with the part's name; invalid_argument where shapes or options
// contradict each other. A function that fails has recorded nothing.
#ifndef WEFT_FUSION_H_INCLUDED
#define WEFT_FUSION_H_INCLUDED

#include "weft.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Parts ----

typedef int32_t weft_norm_kind;
enum { WEFT_NORM_NONE = 0, WEFT_NORM_LAYER = 1, WEFT_NORM_RMS = 2 };

typedef struct weft_norm {
  uint32_t struct_size;
  weft_norm_kind kind;
  const weft_tensor* weight;  // optional: [dim]
  const weft_tensor* bias;    // optional: [dim]
  float epsilon;              // 0: 1e-5
  uint32_t reserved;          // 0
} weft_norm;

// input weight^T + bias; without a weight the input itself.
typedef struct weft_projection {
  uint32_t struct_size;
  uint32_t reserved;          // 0
  const weft_tensor* weight;  // [out_features, in_features]
  const weft_tensor* bias;    // optional: [out_features]
} weft_projection;

typedef struct weft_gate {
  uint32_t struct_size;
  weft_gate_kind kind;
  const weft_tensor* value;  // [1], or [dim]: one for each column
} weft_gate;

// flags of blocks
enum {
  WEFT_BLOCK_NO_RESIDUAL = 1,       // of a feed-forward too; the others are of cross-attention only
  WEFT_BLOCK_RESIDUAL_OF_NORM = 2,  // adds to query_norm(query) instead of to query
  WEFT_BLOCK_NORM_ACROSS_HEADS = 4,  // head norms are over all heads: [heads * head_dim]
  // Keys and values are of the context's rows and, behind them, of the (normed) query's own.
  WEFT_BLOCK_CONTEXT_AND_QUERY = 8
};

// x + gate * down(activation(up(norm(x)))), or down(activation(gate_up(n)) * up(n)) where gate_up
// is given.
typedef struct weft_feed_forward_block {
  uint32_t struct_size;
  weft_activation activation;
  const weft_projection* up;       // [hidden, dim]
  const weft_projection* down;     // [dim, hidden]
  const weft_projection* gate_up;  // [hidden, dim]
  const weft_norm* norm;
  const weft_gate* gate;
  const weft_norm* post_norm;  // of the result
  uint32_t flags;              // WEFT_BLOCK_NO_RESIDUAL
  uint32_t reserved;           // 0
} weft_feed_forward_block;

// Further keys and values with a softmax of their own ("decoupled attention"), whose outputs are
// added.
typedef struct weft_attention_source {
  uint32_t struct_size;
  uint32_t reserved;  // 0
  const weft_projection* key;
  const weft_projection* value;
  const weft_norm* context_norm;
} weft_attention_source;

// One cross-attention block:
//   n = query_norm(query), c = context_norm(context)
//   q = query_head_norm(query_projection(n + query_position))
//   k = key_head_norm(key_projection(c + context_position))
//   a = attention(q, k, value_projection(c))
//       + sum over more_sources of gate * row_factors * attention(q, ...)
//   x = post_norm([query or n] + gate * out(a)), then feed_forward(x)
typedef struct weft_cross_attention_block {
  uint32_t struct_size;
  uint32_t flags;
  const char* name;   // of its operations in times and traces. NULL: none
  uint32_t heads;     // divides the query projection's out_features. 0: 1
  uint32_t kv_heads;  // divides heads and the out_features of key and value. 0: heads
  const weft_projection* query;
  const weft_projection* key;
  const weft_projection* value;
  const weft_projection* out;
  const weft_norm* query_norm;
  const weft_norm* context_norm;
  const weft_norm* query_head_norm;  // after the projection, per head: weights of [head_dim]
  const weft_norm* key_head_norm;
  float scale;                    // 0: 1 / sqrt(head_dim)
  float softcap;                  // 0: off
  const weft_tensor* null_key;    // [kv_heads | 1, null_len, head_dim]
  const weft_tensor* null_value;  // [kv_heads | 1, null_len, value_dim]
  const weft_attention_source* const* more_sources;
  uint32_t more_source_count;
  uint32_t reserved;  // 0
  const weft_gate* gate;
  const weft_norm* post_norm;
  const weft_feed_forward_block* feed_forward;
} weft_cross_attention_block;

// ---- Recording ----

// What runs in place of weft_attention, to look at a call or to change it: records what writes
// call->output, which need not be the call as it comes. `recorder` is the one that records the
// block; record with it, and with nothing else of it. `call` is complete but for logsumexp and
// weights; it and its tensors live until the callback returns (retain a buffer to keep it). Fails by
// returning another status than WEFT_OK with a message in `error`, which the block's function then
// fails with.
typedef weft_status (*weft_attend_callback)(void* user, weft_recorder* recorder,
                                            const weft_attention_call* call, weft_error* error);

typedef struct weft_source_call {
  uint32_t struct_size;
  uint32_t reserved;                // 0
  const weft_tensor* context;       // [batch | 1, kv_len, context_dim]; or
  const weft_tensor* prepared_key;  // both of weft_prepare_context, instead
  const weft_tensor* prepared_value;
  const weft_gate* gate;  // how much of this source: in memory, so that replays may change it
  const weft_tensor* row_factors;        // f32 [batch, q_len]: where it applies
  const weft_attention_call* attention;  // as weft_cross_attention_call's
} weft_source_call;

typedef struct weft_cross_attention_call {
  uint32_t struct_size;
  uint32_t more_source_count;       // as many as the block has
  const weft_tensor* query;         // [batch, q_len, dim]
  const weft_tensor* context;       // [batch | 1, kv_len, context_dim]; or prepared_key and _value
  const weft_tensor* output;        // [batch, q_len, out_dim], apart from the inputs
  const weft_tensor* prepared_key;  // of weft_prepare_context
  const weft_tensor* prepared_value;
  // Added to what queries and keys are projected from, not values: [batch | 1, length, dim].
  const weft_tensor* query_position;
  const weft_tensor* context_position;
  // Rotations of projected queries and keys (weft_rotary_call.angles): f32 [length, n].
  const weft_tensor* query_angles;
  const weft_tensor* key_angles;
  // Masks, bias, lengths, windows, positions, regions, packed starts, sinks, items. Its query, key,
  // value, output, logsumexp, weights, null keys, scale and softcap are 0.
  const weft_attention_call* attention;
  // f32 [batch, q_len] multiplies what attention and feed-forward add to a row.
  const weft_tensor* row_factors;
  const weft_tensor* feed_forward_factors;  // the same for the feed-forward alone
  const weft_source_call* const* more_sources;
  weft_attend_callback attend;  // of the main attention. NULL: weft_attention
  void* attend_user;
} weft_cross_attention_call;
WEFT_EXPORT weft_status weft_cross_attention(weft_recorder* recorder,
                                             const weft_cross_attention_block* block,
                                             const weft_cross_attention_call* call,
                                             weft_error* error);

// x -> feed_forward(x). `row_factors` may be NULL.
WEFT_EXPORT weft_status weft_feed_forward(weft_recorder* recorder,
                                          const weft_feed_forward_block* block,
                                          const weft_tensor* input, const weft_tensor* output,
                                          const weft_tensor* row_factors, weft_error* error);

typedef struct weft_prepare_call {
  uint32_t struct_size;
  uint32_t q_len;  // what a call will typically have (1 for a decoder). 0: unknown
  const weft_tensor* context;
  const weft_tensor* context_position;  // as in the call
  const weft_tensor* key_angles;
} weft_prepare_call;
// Projects a context's keys and values once, for any number of calls: an encoder's outputs while a
// decoder runs, a prompt over the steps of a denoiser. For a source of more_sources: a block with
// that source's context_norm, key and value. The caller releases both buffers.
WEFT_EXPORT weft_status weft_prepare_context(weft_recorder* recorder,
                                             const weft_cross_attention_block* block,
                                             const weft_prepare_call* call, weft_tensor* key,
                                             weft_tensor* value, weft_error* error);

// Both directions at once, each from the old state of both. The blocks may be the same one (shared
// weights). A call without context, prepared or not, attends to the other's query.
WEFT_EXPORT weft_status weft_co_attention(weft_recorder* recorder,
                                          const weft_cross_attention_block* left_block,
                                          const weft_cross_attention_block* right_block,
                                          const weft_cross_attention_call* left,
                                          const weft_cross_attention_call* right,
                                          weft_error* error);

// One softmax over the keys of several attentions, each with queries of its own (a joint softmax
// over cameras): output = softmax([s_1 s_2 ...]) [v_1; v_2; ...].
typedef struct weft_joint_attention_call {
  uint32_t struct_size;
  uint32_t part_count;                      // 1 or more
  const weft_attention_call* const* parts;  // without output, logsumexp and weights
  const weft_tensor* output;                // [batch, heads, q_len, value_dim]
  const weft_tensor* logsumexp;             // optional output: f32 [batch, heads, q_len]
} weft_joint_attention_call;
WEFT_EXPORT weft_status weft_joint_attention(weft_recorder* recorder,
                                             const weft_joint_attention_call* call,
                                             weft_error* error);

// Retrieved neighbours (RETRO): the chunk_len rows from the last one of chunk c on attend to the
// neighbours of chunk c; the rows before get nothing from the attention.
typedef struct weft_chunked_attention_call {
  uint32_t struct_size;
  uint32_t reserved;         // 0
  const weft_tensor* query;  // [batch, q_len, dim]
  const weft_tensor*
      context;                // [batch, q_len / chunk_len, neighbours * neighbour_len, context_dim]
  const weft_tensor* output;  // as query
  int64_t chunk_len;          // 0: 64
  const weft_tensor* kv_lengths;    // i32 [batch * chunks]: keys of a chunk
  const weft_tensor* query_angles;  // f32 [chunk_len, n], for the rows of a chunk
  const weft_tensor* key_angles;    // f32 [neighbours * neighbour_len, n]
  weft_attend_callback attend;      // may be called several times. NULL: weft_attention
  void* attend_user;
} weft_chunked_attention_call;
WEFT_EXPORT weft_status weft_chunked_cross_attention(weft_recorder* recorder,
                                                     const weft_cross_attention_block* block,
                                                     const weft_chunked_attention_call* call,
                                                     weft_error* error);

// Cosine similarities: output[i][j] = scale <left_i, right_j> / (|left_i| |right_j|) of the
// projected rows; 0 where one of them is all zeros.
typedef struct weft_similarity_block {
  uint32_t struct_size;
  float scale;  // 0: 1. CLIP's exp(logit_scale)
  const weft_projection* left;
  const weft_projection* right;
} weft_similarity_block;
// left [n, dim], right [m, dim], output [n, m].
WEFT_EXPORT weft_status weft_similarity(weft_recorder* recorder, const weft_similarity_block* block,
                                        const weft_tensor* left, const weft_tensor* right,
                                        const weft_tensor* output, weft_error* error);

// ---- Published models ----

typedef struct weft_family_info {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name;     // "whisper", "t5"; these texts live as long as the library
  const char* models;   // whom it serves
  const char* block;    // what is computed
  const char* example;  // a tensor's name: "model.decoder.layers.0.encoder_attn.q_proj.weight"
} weft_family_info;
WEFT_EXPORT uint32_t weft_family_count(void);
WEFT_EXPORT weft_status weft_family_get(uint32_t index, weft_family_info* info, weft_error* error);

#define WEFT_MAX_SOURCE_RANK 8

// Where weights come from: named tensors that somebody else keeps. weft/checkpoint.h gives one for
// published files; an app may give its own. The functions are called during a call that takes the
// source only, on its thread, and change nothing. Those that fail return the status and write a
// message.
typedef struct weft_tensor_source {
  uint32_t struct_size;
  uint32_t reserved;  // 0
  void* user;         // given to every call
  uint64_t count;     // of tensors
  // Each tensor's name, once; must live as long as the source is used.
  const char* (*name)(void* user, uint64_t index);
  // Writes the rank, and as many lengths, outermost first: 0 for a single number.
  weft_status (*shape)(void* user, const char* name, uint32_t* rank,
                       int64_t shape[WEFT_MAX_SOURCE_RANK], weft_error* error);
  // Writes elements `first` and on, in row-major order, as many as `bytes` hold, converted to
  // `dtype` (f32, f16, bf16 or i32).
  weft_status (*read)(void* user, const char* name, weft_dtype dtype, uint64_t first, void* data,
                      uint64_t bytes, weft_error* error);
} weft_tensor_source;

// A block that a source holds. Texts live as long as the list.
typedef struct weft_found_block {
  uint32_t struct_size;
  uint32_t heads;  // where the shapes say it, else the family's default. 0: must be given
  const char* family;
  const char* prefix;  // what stands before the family's names: "model.decoder.layers.0."
  uint32_t kv_heads;
  uint32_t reserved;
  int64_t dim;  // columns of the two streams, and of one query head; 0 where nothing says it
  int64_t context_dim;
  int64_t head_dim;
  const char* missing;  // tensors that the family needs and the source lacks, one a line
  const char* wrong;    // "NAME: shape [3, 4], expected [4, 4]", one a line
} weft_found_block;
// Every block of every family that the names allow, by prefix.
typedef struct weft_block_list weft_block_list;
WEFT_EXPORT weft_status weft_find_blocks(const weft_tensor_source* source, weft_block_list** list,
                                         weft_error* error);
WEFT_EXPORT uint32_t weft_block_list_count(const weft_block_list* list);  // 0 for NULL
WEFT_EXPORT weft_status weft_block_list_get(const weft_block_list* list, uint32_t index,
                                            weft_found_block* block, weft_error* error);
WEFT_EXPORT void weft_block_list_release(weft_block_list* list);

// What tensors' shapes can't say. 0: the family's own default.
typedef struct weft_family_options {
  uint32_t struct_size;
  weft_dtype dtype;  // of the weights on the device; norms, biases and gates are f32
  uint32_t heads;
  uint32_t kv_heads;
  float epsilon;      // of all norms
  float scale;        // of the attention's scores
  int64_t chunk_len;  // RETRO
} weft_family_options;

// Blocks one behind the other on two streams: "query" (text, latents, tokens) and "context" (image,
// media, memory). Immutable: any number of recorders may use one at the same time.
typedef struct weft_fusion_stack weft_fusion_stack;
// Loads a family's block to the device, streamed in pieces, and checks every shape. Waits. Where
// its tensors lie in files of their own (an adapter beside its UNet), the source must give those of
// all. `options` may be NULL. Errors: invalid_argument (no such family, with all names; tensors
// that are missing or have other shapes, all in one message), those of the source, out_of_memory.
WEFT_EXPORT weft_status weft_fusion_stack_load(const weft_device* device,
                                               const weft_tensor_source* source, const char* family,
                                               const char* prefix,
                                               const weft_family_options* options,
                                               weft_fusion_stack** stack, weft_error* error);
WEFT_EXPORT weft_fusion_stack* weft_fusion_stack_retain(weft_fusion_stack* stack);
WEFT_EXPORT void weft_fusion_stack_release(weft_fusion_stack* stack);

// Fields as weft_cross_attention_call's, for the steps from query to context.
typedef struct weft_fusion_call {
  uint32_t struct_size;
  uint32_t more_source_count;
  const weft_tensor* context;         // [batch, kv_len, context_dim]
  const weft_tensor* output;          // the query stream's end: [batch, q_len, dim]
  const weft_tensor* query;           // [batch, q_len, dim]; NULL where the stack has latents
  const weft_tensor* context_output;  // optional: the context stream's end
  const weft_tensor* query_position;
  const weft_tensor* context_position;
  const weft_tensor* query_angles;
  const weft_tensor* key_angles;
  const weft_attention_call* attention;
  const weft_attention_call* swapped_attention;  // of the steps from context to query
  const weft_tensor* row_factors;
  const weft_tensor* feed_forward_factors;
  const weft_source_call* const* more_sources;
  weft_attend_callback attend;
  void* attend_user;
} weft_fusion_call;
WEFT_EXPORT weft_status weft_fuse(weft_recorder* recorder, const weft_fusion_stack* stack,
                                  const weft_fusion_call* call, weft_error* error);

#ifdef __cplusplus
}
#endif

#endif  // WEFT_FUSION_H_INCLUDED
