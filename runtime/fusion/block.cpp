// One cross-attention block: queries, keys and values, attentions, and what follows them.
#include "fusion/block.hpp"

#include "fusion/keys.hpp"

namespace weft {
namespace fusion {
namespace {

// One recording of a block.
struct Run {
  const Scope& scope;
  const CrossAttentionBlock& block;
  const CrossAttentionCall& call;
  const BlockShape& shape;
  const Tensor& row_factors;  // of what the attention adds
  Tensor query{}, output{};   // rows
  Tensor normed_query{};
  Tensor queries{};  // [batch, heads, q_len, head_dim]

  bool adds() const { return block.residual || block.gate.kind != GateKind::none || row_factors; }
  bool norms() const { return block.post_norm.kind != NormKind::none; }
  bool feeds() const { return block.feed_forward.has_value(); }
  Tensor rows(int64_t dim) const { return scope.rows(shape.batch, shape.q_len, dim); }
};

Result<Tensor> project_queries(const Run& run) {
  WEFT_ASSIGN(const Tensor placed,
              positioned(run.scope, "query_position", run.normed_query, run.call.query_position));
  WEFT_ASSIGN(Tensor rows, projected(run.scope, "query", run.block.query, placed));
  const HeadParts heads{.part = "query",
                        .heads = run.shape.heads,
                        .norm = &run.block.query_head_norm,
                        .across_heads = run.block.norm_across_heads,
                        .angles = &run.call.query_angles,
                        .in_place = static_cast<bool>(run.block.query.weight)};
  WEFT_ASSIGN(rows, finish_heads(run.scope, heads, rows));
  return rows.split_heads(run.shape.heads);
}

// Keys and values, in the shape that attention takes.
Result<PreparedContext> split(const KeyValue& rows, int64_t kv_heads) {
  PreparedContext result;
  WEFT_ASSIGN(result.key, rows.key.split_heads(kv_heads));
  WEFT_ASSIGN(result.value, rows.value.split_heads(kv_heads));
  return result;
}

Result<PreparedContext> main_keys(const Run& run) {
  if (run.call.prepared.key) return run.call.prepared;
  const auto rows = run.block.context_and_query
                        ? record_keys_with_query(run.scope, run.block, run.call)
                        : record_keys(run.scope, key_parts(run.block), run.call.context,
                                      run.call.context_position, run.call.key_angles);
  if (!rows) return std::unexpected(rows.error());
  return split(*rows, run.shape.kv_heads);
}

Result<PreparedContext> source_keys(const Run& run, size_t i) {
  const SourceCall& source = run.call.more_sources[i];
  if (source.prepared.key) return source.prepared;
  WEFT_ASSIGN(const KeyValue rows,
              record_keys(run.scope, key_parts(run.block, i), source.context, {}, {}));
  return split(rows, run.shape.kv_heads);
}

// Null keys have the type of the keys.
Result<Tensor> null_rows(const Run& run, const Tensor& given, DType dtype) {
  if (!given || given.dtype == dtype) return given;
  const Tensor converted = run.scope.recorder().transient(dtype, given.shape);
  WEFT_TRY(copy_into(run.scope, "null_keys", given, converted));
  return converted;
}

// The options of the caller with the block's; what it writes are rows.
Result<AttentionCall> attention_call(const Run& run, const AttentionCall& options,
                                     const PreparedContext& keys, const Tensor& output) {
  AttentionCall attention = options;
  attention.query = run.queries;
  attention.key = keys.key;
  attention.value = keys.value;
  WEFT_ASSIGN(attention.output, output.split_heads(run.shape.heads));
  attention.scale = run.block.scale;
  attention.softcap = run.block.softcap;
  return attention;
}

Result<void> record_attention(const Run& run, const Tensor& output) {
  WEFT_ASSIGN(const PreparedContext keys, main_keys(run));
  WEFT_ASSIGN(AttentionCall call, attention_call(run, run.call.attention, keys, output));
  WEFT_ASSIGN(call.null_key, null_rows(run, run.block.null_key, keys.key.dtype));
  WEFT_ASSIGN(call.null_value, null_rows(run, run.block.null_value, keys.value.dtype));
  if (run.call.attend) return run.scope.part("attention", run.call.attend, call);
  return run.scope.part("attention", attention, call);
}

// Adds gate * row_factors * attention over a further source to `sum`.
Result<void> add_source(const Run& run, size_t i, const Tensor& sum) {
  const SourceCall& source = run.call.more_sources[i];
  const std::string part = "source." + std::to_string(i + 1) + ".";
  const Tensor own = run.rows(run.shape.value_width);
  WEFT_ASSIGN(const PreparedContext keys, source_keys(run, i));
  WEFT_ASSIGN(const AttentionCall call, attention_call(run, source.attention, keys, own));
  WEFT_TRY(run.scope.part(part + "attention", attention, call));
  return run.scope.part(part + "add", add,
                        AddCall{.left = sum,
                                .right = own,
                                .output = sum,
                                .gate = source.gate,
                                .row_factors = flat(source.row_factors)});
}

// Both factors of the feed-forward's rows as one.
Result<Tensor> feed_forward_factors(const Run& run) {
  const CrossAttentionCall& call = run.call;
  if (!call.row_factors || !call.feed_forward_factors)
    return call.row_factors ? call.row_factors : call.feed_forward_factors;
  const Tensor both = run.scope.recorder().transient(DType::f32, {call.row_factors.elements()});
  WEFT_TRY(run.scope.part("feed_forward.factors", multiply,
                          MultiplyCall{.left = flat(call.row_factors),
                                       .right = flat(call.feed_forward_factors),
                                       .output = both}));
  return both;
}

// Output projection, gate, residual, norm and feed-forward: each that is there writes rows of its
// own, and the last one the output.
Result<void> record_rest(const Run& run, Tensor x) {
  const CrossAttentionBlock& block = run.block;
  const bool adds = run.adds(), norms = run.norms(), feeds = run.feeds();
  const int64_t dim = block.out.weight ? block.out.weight.shape[0] : run.shape.value_width;
  const auto target = [&](bool last) { return last ? run.output : run.rows(dim); };
  if (block.out.weight) {
    const Tensor product = target(!adds && !norms && !feeds);
    WEFT_TRY(project_into(run.scope, "out", block.out, x, product));
    x = product;
  }
  if (adds) {
    const Tensor sum = target(!norms && !feeds);
    const Tensor& residual = block.residual_of_norm ? run.normed_query : run.query;
    WEFT_TRY(run.scope.part("add", add,
                            AddCall{.left = block.residual ? residual : Tensor{},
                                    .right = x,
                                    .output = sum,
                                    .gate = block.gate,
                                    .row_factors = flat(run.row_factors)}));
    x = sum;
  }
  if (norms) {
    const Tensor result = target(!feeds);
    WEFT_TRY(norm_into(run.scope, "post_norm", block.post_norm, x, result));
    x = result;
  }
  if (!feeds) return {};
  WEFT_ASSIGN(const Tensor factors, feed_forward_factors(run));
  return record_feed_forward(run.scope, *block.feed_forward, x, run.output, factors);
}

}  // namespace

Result<void> record_block(const Scope& scope, const CrossAttentionBlock& block,
                          const CrossAttentionCall& call, const BlockShape& shape,
                          const Tensor& attention_factors) {
  Run run{.scope = scope,
          .block = block,
          .call = call,
          .shape = shape,
          .row_factors = call.row_factors ? call.row_factors : attention_factors};
  run.query = as_rows(call.query);
  run.output = as_rows(call.output);
  WEFT_ASSIGN(run.normed_query, normed(scope, "query_norm", block.query_norm, run.query));
  WEFT_ASSIGN(run.queries, project_queries(run));
  const bool last = !block.out.weight && !run.adds() && !run.norms() && !run.feeds();
  const Tensor attended = last ? run.output : run.rows(shape.value_width);
  WEFT_TRY(record_attention(run, attended));
  for (size_t i = 0; i < call.more_sources.size(); ++i) WEFT_TRY(add_source(run, i, attended));
  return record_rest(run, attended);
}

}  // namespace fusion

Result<void> cross_attention(Recorder& recorder, const CrossAttentionBlock& block,
                             const CrossAttentionCall& call) {
  fusion::Scope scope(recorder, "cross_attention", block.name);
  WEFT_ASSIGN(const fusion::BlockShape shape,
              fusion::validate(scope.rules(), block, call, fusion::Items::of_query));
  scope.set_dtype(call.query.dtype);
  WEFT_TRY(fusion::record_block(scope, block, call, shape));
  return scope.keep();
}

}  // namespace weft
