// The rules of a cross-attention block and its call.
#include "fusion/validate.hpp"

#include <initializer_list>

#include "base/text.hpp"
#include "fusion/parts.hpp"

namespace weft::fusion {
namespace {

using checks::Rules;

int64_t items_of(const Tensor& rows) { return rows.rank() == 3 ? rows.shape[0] : 1; }
int64_t length_of(const Tensor& rows) { return rows.shape[rows.rank() - 2]; }

int64_t kv_heads_of(const CrossAttentionBlock& block) {
  return block.kv_heads == 0 ? block.heads : block.kv_heads;
}

Result<void> check_heads(const Rules& rules, const CrossAttentionBlock& block) {
  if (block.heads == 0) return rules.broken("heads is 0; it must be at least 1");
  if (const int64_t kv_heads = kv_heads_of(block); block.heads % kv_heads != 0)
    return rules.broken(
        text("kv_heads is ", kv_heads, ", heads is ", block.heads, "; kv_heads must divide heads"));
  return {};
}

// The share of one head.
Result<int64_t> per_head(const Rules& rules, const char* name, int64_t width,
                         const char* heads_name, int64_t heads) {
  if (width % heads != 0)
    return rules.broken(text(name, " has ", width, " features, ", heads_name, " is ", heads,
                             "; it must divide them"));
  return width / heads;
}

Result<void> check_position(const Rules& rules, const char* name, const Tensor& position,
                            const Tensor& rows, const char* of) {
  if (!position) return {};
  const Named named{name, position};
  WEFT_TRY(check_rows(rules, named));
  WEFT_TRY(check_size(rules, named, position.rank() - 2, length_of(rows), of));
  WEFT_TRY(check_size(rules, named, position.rank() - 1, rows.shape.back(), of));
  if (position.rank() == 2) return {};
  return rules.match_or_1({name, position}, 0, items_of(rows), of);
}

Result<ContextShape> check_prepared(const Rules& rules, const std::string& name,
                                    const CrossAttentionBlock& block,
                                    const PreparedContext& prepared) {
  const Named key{name + ".key", prepared.key}, value{name + ".value", prepared.value};
  WEFT_TRY(check_tensor(rules, key, 4));
  WEFT_TRY(check_tensor(rules, value, 4));
  for (const Named& each : {key, value})
    WEFT_TRY(check_size(rules, each, 1, kv_heads_of(block), "the block's kv_heads"));
  for (const size_t axis : {0, 2})
    WEFT_TRY(check_size(rules, value, axis, prepared.key.shape[axis], "as the key's"));
  return ContextShape{prepared.key.shape[0], prepared.key.shape[2], prepared.key.shape[3],
                      prepared.value.shape[3]};
}

Result<void> check_one_of(const Rules& rules, const std::string& prefix, const Tensor& context,
                          const PreparedContext& prepared) {
  const bool is_prepared = prepared.key || prepared.value;
  if (static_cast<bool>(context) != is_prepared) return {};
  return rules.broken(text(prefix, "context and ", prefix, "prepared are ",
                           is_prepared ? "both given" : "not given", "; one of them must be"));
}

// Context or prepared context of the main attention.
Result<ContextShape> check_keys(const Rules& rules, const CrossAttentionBlock& block,
                                const CrossAttentionCall& call) {
  WEFT_TRY(check_one_of(rules, "", call.context, call.prepared));
  if (call.context) return check_context(rules, block, call.context, call.context_position);
  if (block.context_and_query)
    return rules.broken("prepared is given; context_and_query needs the context");
  if (call.context_position)
    return rules.broken("context_position is given; prepared holds it already");
  if (call.key_angles) return rules.broken("key_angles is given; prepared holds them already");
  return check_prepared(rules, "prepared", block, call.prepared);
}

Result<void> check_items(const Rules& rules, const std::string& name,
                         const AttentionCall& attention, int64_t found, int64_t batch) {
  // With these, the attention itself says what items there are.
  if (attention.q_starts || attention.kv_starts || attention.score_items || attention.value_items)
    return {};
  if (found == batch || found == 1) return {};
  return rules.broken(
      text(name, ".shape[0] is ", found, "; it must be ", batch, ", the query's batch, or 1"));
}

Result<void> check_sources(const Rules& rules, const CrossAttentionBlock& block,
                           const CrossAttentionCall& call, const BlockShape& shape) {
  if (block.more_sources.size() != call.more_sources.size())
    return rules.broken(text("more_sources has ", call.more_sources.size(), ", the block has ",
                             block.more_sources.size(), "; they must match"));
  for (size_t i = 0; i < call.more_sources.size(); ++i) {
    const SourceCall& source = call.more_sources[i];
    const std::string name = text("more_sources[", i, "].");
    WEFT_TRY(check_one_of(rules, name, source.context, source.prepared));
    CrossAttentionBlock like;
    like.heads = block.heads;
    like.kv_heads = block.kv_heads;
    like.context_norm = block.more_sources[i].context_norm;
    like.key = block.more_sources[i].key;
    like.value = block.more_sources[i].value;
    const auto found =
        source.context ? check_context({text(rules.operation, ": more_sources[", i, "]").c_str()},
                                       like, source.context, {})
                       : check_prepared(rules, name + "prepared", like, source.prepared);
    if (!found) return std::unexpected(found.error());
    if (found->head_dim != shape.head_dim || found->value_dim * shape.heads != shape.value_width)
      return rules.broken(text(name, "key and value have head_dim ", found->head_dim,
                               " and value_dim ", found->value_dim, "; they must be ",
                               shape.head_dim, " and ", shape.value_width / shape.heads,
                               ", as the main attention's"));
    WEFT_TRY(check_items(rules, name + (source.context ? "context" : "prepared.key"),
                         source.attention, found->batch, shape.batch));
    WEFT_TRY(check_gate(rules, name + "gate", source.gate, shape.value_width));
    WEFT_TRY(
        check_factors(rules, name + "row_factors", source.row_factors, shape.batch, shape.q_len));
    WEFT_TRY(check_attention(rules, name + "attention", source.attention));
  }
  return {};
}

// From the attention's result on.
Result<void> check_rest(const Rules& rules, const CrossAttentionBlock& block, BlockShape& shape) {
  WEFT_ASSIGN(shape.out_dim, check_projection(rules, "out", block.out, shape.value_width));
  if (block.residual && shape.out_dim != shape.dim)
    return rules.broken(text("the attention's result has ", shape.out_dim,
                             " columns; with a residual it must have the query's ", shape.dim));
  WEFT_TRY(check_gate(rules, "gate", block.gate, shape.out_dim));
  WEFT_TRY(check_norm(rules, "post_norm", block.post_norm, shape.out_dim));
  if (!block.feed_forward) return {};
  WEFT_ASSIGN(shape.out_dim,
              check_feed_forward(rules, "feed_forward.", *block.feed_forward, shape.out_dim));
  return {};
}

Result<void> check_output(const Rules& rules, const CrossAttentionCall& call,
                          const BlockShape& shape) {
  const checks::Operand output{"output", call.output};
  WEFT_TRY(check_same_rows(rules, {"output", call.output}, {"query", call.query}, shape.out_dim));
  const checks::Operand inputs[] = {{"query", call.query},
                                    {"context", call.context},
                                    {"prepared.key", call.prepared.key},
                                    {"prepared.value", call.prepared.value},
                                    {"query_position", call.query_position},
                                    {"context_position", call.context_position}};
  for (const checks::Operand& input : inputs)
    if (input.tensor) WEFT_TRY(rules.apart(output, input));
  for (const SourceCall& source : call.more_sources) {
    const checks::Operand source_inputs[] = {
        {"more_sources.context", source.context},
        {"more_sources.prepared.key", source.prepared.key},
        {"more_sources.prepared.value", source.prepared.value}};
    for (const checks::Operand& input : source_inputs)
      if (input.tensor) WEFT_TRY(rules.apart(output, input));
  }
  return {};
}

// The query up to its heads.
Result<BlockShape> check_query(const Rules& rules, const CrossAttentionBlock& block,
                               const CrossAttentionCall& call) {
  WEFT_TRY(check_rows(rules, {"query", call.query}));
  BlockShape shape;
  shape.batch = items_of(call.query);
  shape.q_len = length_of(call.query);
  shape.dim = call.query.shape.back();
  shape.heads = block.heads;
  shape.kv_heads = kv_heads_of(block);
  WEFT_TRY(check_heads(rules, block));
  WEFT_TRY(check_norm(rules, "query_norm", block.query_norm, shape.dim));
  WEFT_ASSIGN(const int64_t width, check_projection(rules, "query", block.query, shape.dim));
  WEFT_ASSIGN(shape.head_dim, per_head(rules, "query", width, "heads", shape.heads));
  WEFT_TRY(check_norm(rules, "query_head_norm", block.query_head_norm,
                      block.norm_across_heads ? width : shape.head_dim));
  WEFT_TRY(
      check_position(rules, "query_position", call.query_position, call.query, "as the query's"));
  return shape;
}

Result<void> check_null(const Rules& rules, const CrossAttentionBlock& block) {
  if (static_cast<bool>(block.null_key) != static_cast<bool>(block.null_value))
    return rules.broken(text(block.null_key ? "null_value" : "null_key", " is not given, ",
                             block.null_key ? "null_key" : "null_value",
                             " is; both must be, or none"));
  if (!block.null_key) return {};
  WEFT_TRY(check_tensor(rules, {"null_key", block.null_key}, 3));
  return check_tensor(rules, {"null_value", block.null_value}, 3);
}

}  // namespace

Result<ContextShape> check_context(const Rules& rules, const CrossAttentionBlock& block,
                                   const Tensor& context, const Tensor& position) {
  WEFT_TRY(check_heads(rules, block));
  WEFT_TRY(check_rows(rules, {"context", context}));
  const int64_t dim = context.shape.back();
  ContextShape shape{.batch = items_of(context), .kv_len = length_of(context)};
  WEFT_TRY(check_norm(rules, "context_norm", block.context_norm, dim));
  WEFT_TRY(check_position(rules, "context_position", position, context, "as the context's"));
  const int64_t kv_heads = kv_heads_of(block);
  WEFT_ASSIGN(const int64_t key_width, check_projection(rules, "key", block.key, dim));
  WEFT_ASSIGN(const int64_t value_width, check_projection(rules, "value", block.value, dim));
  WEFT_ASSIGN(shape.head_dim, per_head(rules, "key", key_width, "kv_heads", kv_heads));
  WEFT_ASSIGN(shape.value_dim, per_head(rules, "value", value_width, "kv_heads", kv_heads));
  WEFT_TRY(check_norm(rules, "key_head_norm", block.key_head_norm,
                      block.norm_across_heads ? key_width : shape.head_dim));
  return shape;
}

Result<BlockShape> validate(const Rules& rules, const CrossAttentionBlock& block,
                            const CrossAttentionCall& call, Items items) {
  WEFT_ASSIGN(BlockShape shape, check_query(rules, block, call));
  WEFT_ASSIGN(const ContextShape keys, check_keys(rules, block, call));
  if (keys.head_dim != shape.head_dim)
    return rules.broken(text("key's head_dim is ", keys.head_dim, ", query's is ", shape.head_dim,
                             "; they must match"));
  if (items == Items::of_query)
    WEFT_TRY(check_items(rules, call.context ? "context" : "prepared.key", call.attention,
                         keys.batch, shape.batch));
  if (block.context_and_query) {
    WEFT_TRY(check_size(rules, {"context", call.context}, call.context.rank() - 1, shape.dim,
                        "the query's dim (context_and_query)"));
    if (keys.batch != shape.batch && keys.batch != 1)
      return rules.broken(text("context.shape[0] is ", keys.batch, "; it must be ", shape.batch,
                               ", the query's batch, or 1"));
  }
  shape.value_width = shape.heads * keys.value_dim;
  WEFT_TRY(check_null(rules, block));
  WEFT_TRY(check_attention(rules, "attention", call.attention));
  WEFT_TRY(check_sources(rules, block, call, shape));
  WEFT_TRY(check_rest(rules, block, shape));
  WEFT_TRY(check_factors(rules, "row_factors", call.row_factors, shape.batch, shape.q_len));
  WEFT_TRY(check_factors(rules, "feed_forward_factors", call.feed_forward_factors, shape.batch,
                         shape.q_len));
  if (call.feed_forward_factors && !block.feed_forward)
    return rules.broken("feed_forward_factors is given; the block has no feed_forward");
  WEFT_TRY(check_output(rules, call, shape));
  return shape;
}

}  // namespace weft::fusion
