// Fusion blocks: norm, query, key and value projections, attention, output projection, gate, residual and
// feed-forward, as plain data (options and weights) and functions that record them. A block is made of the
// operations of attention.hpp and ops.hpp and nothing else: it may be part of a Program, of an app's command buffer
// (record_into), and of any larger recording.
//
// Rows of a stream are [batch, length, dim] (or [length, dim] for batch 1), f32, f16 or bf16; what lies between the
// operations is transient and of the type of the rows that come in. Weights may be of any of the three types.
// Errors of all: those of the operations, with the label of the part; invalid_argument where shapes or options
// contradict each other, naming block, rule and values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "weft/attention.hpp"
#include "weft/export.hpp"
#include "weft/ops.hpp"
#include "weft/recorder.hpp"

namespace weft {

// ---- Parts ----

enum class NormKind : int32_t { none = 0, layer = 1, rms = 2 };

struct Norm {
  NormKind kind = NormKind::none;
  Tensor weight{};  // optional: [dim]
  Tensor bias{};    // optional: [dim]
  float epsilon = 1e-5f;
};

// input weight^T + bias; without a weight the input itself. Fused projections are slices of rows of one
// weight: where a key's and a value's lie one behind the other in memory, they run as one product.
struct Projection {
  Tensor weight{};  // [out_features, in_features]
  Tensor bias{};    // optional: [out_features]
};

// x + gate * down(activation(up(norm(x)))), or down(activation(gate_up(n)) * up(n)) where gate_up is given.
struct FeedForward {
  Norm norm{};
  Projection up{};       // [hidden, dim]
  Projection gate_up{};  // optional: [hidden, dim]
  Activation activation = Activation::gelu;
  Projection down{};  // [dim, hidden]
  Gate gate{};
  bool residual = true;
  Norm post_norm{};  // of the result
};

// Further keys and values with a softmax of their own ("decoupled attention"), whose outputs are added.
struct AttentionSource {
  Norm context_norm{};
  Projection key, value;
};

// One cross-attention block:
//   n = query_norm(query), c = context_norm(context)
//   q = query_head_norm(query_projection(n + query_position)), k = key_head_norm(key_projection(c + context_position))
//   a = attention(q, k, value_projection(c)) + sum over more_sources of gate * row_factors * attention(q, ...)
//   x = post_norm([query or n] + gate * out(a)), then feed_forward(x)
struct CrossAttentionBlock {
  std::string name{};       // of its operations in times and traces: "layers.3.cross.query"
  uint32_t heads = 1;     // divides the query projection's out_features, or query's dim without a projection
  uint32_t kv_heads = 0;  // 0: heads. Divides heads and the out_features of key and value
  Norm query_norm{}, context_norm{};
  Projection query{}, key{}, value{}, out{};
  // After the projections: per head where `norm_across_heads` is false (weights of [head_dim]), else over all heads
  // ([heads * head_dim]).
  Norm query_head_norm{}, key_head_norm{};
  bool norm_across_heads = false;
  float scale = 0.0f;    // 0: 1 / sqrt(head_dim)
  float softcap = 0.0f;  // 0: off
  Tensor null_key{}, null_value{};  // as AttentionCall's: [kv_heads | 1, null_len, head_dim]
  // Keys and values are of the context's rows and, behind them, of the (normed) query's own: a resampler's
  // latents. context_dim is dim; masks cover kv_len + q_len keys.
  bool context_and_query = false;
  std::vector<AttentionSource> more_sources{};
  Gate gate{};
  bool residual = true;
  bool residual_of_norm = false;  // adds to query_norm(query) instead of to query
  Norm post_norm{};
  std::optional<FeedForward> feed_forward{};
};

// ---- Recording ----

// What runs in place of weft::attention, to look at a call or to change it (weft/attention_map.hpp,
// weft/attention_edit.hpp). `call` is complete, but for logsumexp and weights, which are not given. It records with
// `recorder`, whose recording it must not end.
using AttentionFunction = std::function<Result<void>(Recorder&, const AttentionCall& call)>;

// A context's keys and values, projected once and used by any number of calls: an encoder's outputs while
// a decoder runs, a prompt over the steps of a denoiser.
struct PreparedContext {
  Tensor key;    // [batch, kv_heads, kv_len, head_dim]
  Tensor value;  // [batch, kv_heads, kv_len, value_dim]
};

struct SourceCall {
  Tensor context;      // [batch | 1, kv_len, context_dim]; or
  PreparedContext prepared{};  // instead
  Gate gate{};           // of this source's outputs: how much of it, in memory, so that replays may change it
  Tensor row_factors{};  // optional: f32 [batch, q_len] multiplies this source's outputs: where it applies
  AttentionCall attention{};  // as CrossAttentionCall::attention
};

struct CrossAttentionCall {
  Tensor query;      // [batch, q_len, dim]
  Tensor context{};  // [batch | 1, kv_len, context_dim]; or
  PreparedContext prepared{};  // instead
  Tensor output;     // [batch, q_len, out_dim], apart from the inputs
  // Added to what queries and keys are projected from, not values: [batch | 1, length, dim].
  Tensor query_position{}, context_position{};
  // Rotations of projected queries and keys (RotaryCall::angles): f32 [length, n].
  Tensor query_angles{}, key_angles{};
  // Masks, bias, lengths, windows, positions, regions, packed starts, sinks, items. query, key, value, output,
  // logsumexp, weights, null keys, scale and softcap must be left as they are.
  AttentionCall attention{};
  // Optional: f32 [batch, q_len] multiplies what attention and feed-forward add to a row; 0 leaves the row as it is,
  // but for the post norms.
  Tensor row_factors{};
  Tensor feed_forward_factors{};  // the same for the feed-forward alone
  std::vector<SourceCall> more_sources{};  // as many as the block has
  AttentionFunction attend{};  // of the main attention, not of more_sources; empty: weft::attention
};

WEFT_EXPORT Result<void> cross_attention(Recorder& recorder, const CrossAttentionBlock& block,
                                         const CrossAttentionCall& call);

// x -> feed_forward(x). `row_factors` as above; may be empty.
WEFT_EXPORT Result<void> feed_forward(Recorder& recorder, const FeedForward& block, const Tensor& input,
                                      const Tensor& output, const Tensor& row_factors = {});

// Projects keys and values of `context` into memory of their own, of the context's type or f32 (prepare_key_value), to
// be passed as `prepared`.
// `q_len` is what a call will typically have (1 for a decoder); 0: unknown. `context_position` and `key_angles` as in
// the call. For a source of more_sources: a block with that source's context_norm, key and value.
WEFT_EXPORT Result<PreparedContext> prepare_context(Recorder& recorder, const CrossAttentionBlock& block,
                                                    const Tensor& context, uint32_t q_len = 0,
                                                    const Tensor& context_position = {},
                                                    const Tensor& key_angles = {});

// Both directions at once, each from the old state of both: left' = left_block(left <- right),
// right' = right_block(right <- left). The blocks may be the same one (shared weights).
struct CoAttentionCall {
  CrossAttentionCall left, right;  // context empty: the other's query
};
WEFT_EXPORT Result<void> co_attention(Recorder& recorder, const CrossAttentionBlock& left_block,
                                      const CrossAttentionBlock& right_block, const CoAttentionCall& call);

// One softmax over the keys of several attentions, each with queries of its own (a joint softmax over cameras):
// output = softmax([s_1 s_2 ...]) [v_1; v_2; ...], merged by logsumexp. Every part's output, logsumexp and weights are left
// empty; `output` is [batch, heads, q_len, value_dim], `logsumexp` optional. 1 or more parts; the sink may be in one.
struct JointAttentionCall {
  std::vector<AttentionCall> parts{};
  Tensor output;
  Tensor logsumexp{};
};
WEFT_EXPORT Result<void> joint_attention(Recorder& recorder, const JointAttentionCall& call);

// Retrieved neighbours (RETRO): query rows are cut into chunks of chunk_len. What is retrieved for a chunk is seen
// from its last row on: the chunk_len rows from c * chunk_len + chunk_len - 1 attend to the neighbours of chunk c, as
// far as there are rows (those of a last, incomplete chunk too). The rows before chunk_len - 1 get nothing from the
// attention: they are left as they are (residual), or 0, null keys or not.
struct ChunkedAttentionCall {
  Tensor query;    // [batch, q_len, dim]
  Tensor context;  // [batch, q_len / chunk_len, neighbours * neighbour_len, context_dim]
  Tensor output;   // as query
  int64_t chunk_len = 64;
  Tensor kv_lengths{};  // optional: i32 [batch * chunks]: keys of a chunk
  Tensor query_angles{};  // f32 [chunk_len, n], for the rows of a chunk
  Tensor key_angles{};    // f32 [neighbours * neighbour_len, n]
  // Called for each item of the query, and once more where fewer rows see its last chunk; the items of these calls
  // are chunks.
  AttentionFunction attend{};
};
WEFT_EXPORT Result<void> chunked_cross_attention(Recorder& recorder, const CrossAttentionBlock& block,
                                                 const ChunkedAttentionCall& call);

// Cosine similarities: output[i][j] = scale <left_i, right_j> / (|left_i| |right_j|) of the projected rows; 0 where
// one of them is all zeros.
struct Similarity {
  Projection left, right;
  float scale = 1.0f;  // CLIP's exp(logit_scale); finite, not 0
};
// left [n, dim], right [m, dim], output [n, m].
WEFT_EXPORT Result<void> similarity(Recorder& recorder, const Similarity& block, const Tensor& left,
                                    const Tensor& right, const Tensor& output);

// ---- Stacks ----

// A step of a stack: a block from one stream to another.
struct FusionStep {
  CrossAttentionBlock block;
  bool swapped = false;     // queries are the stack's context, context is its query
  bool self = false;        // context is the queries' own stream
  bool together = false;    // reads the same state as the step before (both directions from old states)
  bool positions = true;    // adds the call's positions to queries and keys
};

// Blocks one behind the other on two streams: "query" (text, latents, tokens) and "context" (image, media, memory).
struct FusionStack {
  std::string family{};  // of weft/families.hpp, or any name
  Tensor latents{};    // [count, dim]: given, the query stream begins as these, repeated for each item
  Projection input{};    // of the context, before the first step
  std::vector<FusionStep> steps{};
  Projection output{};   // of the query stream, after the last step
  Norm last_norm{};      // of that
  std::optional<Similarity> similarity{};  // the whole stack is this, and has no steps
  int64_t chunk_len = 0;  // > 0: its step runs as chunked_cross_attention
};

struct FusionCall {
  Tensor query{};    // [batch, q_len, dim]; empty where the stack has latents
  Tensor context;    // [batch, kv_len, context_dim]
  Tensor output;     // the query stream's end: [batch, q_len, dim]
  Tensor context_output{};  // optional: the context stream's end
  Tensor query_position{}, context_position{};
  Tensor query_angles{}, key_angles{};
  AttentionCall attention{};  // of steps that go from query to context
  AttentionCall swapped_attention{};  // of steps that go from context to query
  Tensor row_factors{}, feed_forward_factors{};
  std::vector<SourceCall> more_sources{};
  AttentionFunction attend{};  // of the same steps
};
WEFT_EXPORT Result<void> fuse(Recorder& recorder, const FusionStack& stack, const FusionCall& call);

}  // namespace weft
