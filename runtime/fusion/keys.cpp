#include "fusion/keys.hpp"

namespace weft::fusion {
namespace {

// Whether one product may give both: a norm of single heads does not fold over slices of columns.
bool may_join(const KeyParts& parts) {
  return !parts.key_head_norm || parts.key_head_norm->kind == NormKind::none ||
         parts.across_heads || parts.kv_heads == 1;
}

// Keys are projected from `keyed`, values from `plain`; where no position was added they are one
// tensor.
Result<KeyValue> project_keys(const Scope& scope, const KeyParts& parts, const Tensor& plain,
                              const Tensor& keyed) {
  const bool one_input = plain.buffer.state() == keyed.buffer.state();
  KeyValue rows;
  if (const auto both = joined(parts.key, parts.value); both && one_input && may_join(parts)) {
    const int64_t key_width = parts.key.weight.shape[0];
    WEFT_ASSIGN(const Tensor products, projected(scope, parts.part + "key_value", *both, plain));
    WEFT_ASSIGN(rows.key, products.slice(2, 0, key_width));
    WEFT_ASSIGN(rows.value, products.slice(2, key_width, parts.value.weight.shape[0]));
    return rows;
  }
  WEFT_ASSIGN(rows.key, projected(scope, parts.part + "key", parts.key, keyed));
  WEFT_ASSIGN(rows.value, projected(scope, parts.part + "value", parts.value, plain));
  return rows;
}

Result<KeyValue> finish_keys(const Scope& scope, const KeyParts& parts, const Tensor& plain,
                             const Tensor& keyed, const Tensor& angles) {
  WEFT_ASSIGN(KeyValue rows, project_keys(scope, parts, plain, keyed));
  const HeadParts heads{.part = parts.part + "key",
                        .heads = parts.kv_heads,
                        .norm = parts.key_head_norm,
                        .across_heads = parts.across_heads,
                        .angles = &angles,
                        .in_place = static_cast<bool>(parts.key.weight)};
  WEFT_ASSIGN(rows.key, finish_heads(scope, heads, rows.key));
  return rows;
}

// Writes each item's rows into its part of `all` [batch, length, dim], from row `first` on.
Result<void> lay_rows(const Scope& scope, const std::string& part, const Norm& norm,
                      const Tensor& rows, const Tensor& all, int64_t first) {
  const int64_t batch = all.shape[0];
  WEFT_ASSIGN(const Tensor place, all.slice(1, first, rows.shape[1]));
  for (int64_t b = 0; b < batch; ++b) {
    WEFT_ASSIGN(const Tensor from, rows.slice(0, rows.shape[0] == 1 ? 0 : b, 1));
    WEFT_ASSIGN(const Tensor to, place.slice(0, b, 1));
    WEFT_TRY(norm_into(scope, part, norm, from, to));
  }
  return {};
}

// Adds positions of the context's and of the query's own rows.
Result<Tensor> with_positions(const Scope& scope, const Tensor& all, const Tensor& context_position,
                              const Tensor& query_position, int64_t kv_len) {
  if (!context_position && !query_position) return all;
  const Tensor sum = scope.rows_like(all);
  const auto add_part = [&](int64_t first, int64_t length, const Tensor& given) -> Result<void> {
    const Tensor position = as_rows(given);
    for (int64_t b = 0; b < all.shape[0]; ++b) {
      AddCall call;
      WEFT_ASSIGN(const Tensor from, all.slice(0, b, 1));
      WEFT_ASSIGN(const Tensor to, sum.slice(0, b, 1));
      WEFT_ASSIGN(call.left, from.slice(1, first, length));
      WEFT_ASSIGN(call.output, to.slice(1, first, length));
      if (given) {
        WEFT_ASSIGN(call.right, position.slice(0, position.shape[0] == 1 ? 0 : b, 1));
      } else {
        call.right = call.left;
        call.left = {};
      }
      WEFT_TRY(scope.part("context_position", add, call));
    }
    return {};
  };
  WEFT_TRY(add_part(0, kv_len, context_position));
  WEFT_TRY(add_part(kv_len, all.shape[1] - kv_len, query_position));
  return sum;
}

}  // namespace

KeyParts key_parts(const CrossAttentionBlock& block) {
  return {.part = {},
          .context_norm = block.context_norm,
          .key = block.key,
          .value = block.value,
          .key_head_norm = &block.key_head_norm,
          .across_heads = block.norm_across_heads,
          .kv_heads = block.kv_heads == 0 ? block.heads : block.kv_heads};
}

KeyParts key_parts(const CrossAttentionBlock& block, size_t source) {
  const AttentionSource& from = block.more_sources[source];
  return {.part = "source." + std::to_string(source + 1) + ".",
          .context_norm = from.context_norm,
          .key = from.key,
          .value = from.value,
          .kv_heads = block.kv_heads == 0 ? block.heads : block.kv_heads};
}

Result<KeyValue> record_keys(const Scope& scope, const KeyParts& parts, const Tensor& context,
                             const Tensor& position, const Tensor& angles) {
  WEFT_ASSIGN(const Tensor plain,
              normed(scope, parts.part + "context_norm", parts.context_norm, as_rows(context)));
  WEFT_ASSIGN(const Tensor keyed,
              positioned(scope, parts.part + "context_position", plain, position));
  return finish_keys(scope, parts, plain, keyed, angles);
}

Result<KeyValue> record_keys_with_query(const Scope& scope, const CrossAttentionBlock& block,
                                        const CrossAttentionCall& call) {
  const KeyParts parts = key_parts(block);
  const Tensor query = as_rows(call.query), context = as_rows(call.context);
  const int64_t kv_len = context.shape[1];
  // The norms write where the rows belong: no copy of its own, and one product for all rows.
  const Tensor all = scope.rows(query.shape[0], kv_len + query.shape[1], query.shape[2]);
  WEFT_TRY(lay_rows(scope, "context_norm", block.context_norm, context, all, 0));
  WEFT_TRY(lay_rows(scope, "query_norm", block.query_norm, query, all, kv_len));
  WEFT_ASSIGN(const Tensor keyed,
              with_positions(scope, all, call.context_position, call.query_position, kv_len));
  return finish_keys(scope, parts, all, keyed, call.key_angles);
}

}  // namespace weft::fusion
