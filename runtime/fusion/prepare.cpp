// Keys and values of a context that many calls use.
#include "fusion/keys.hpp"
#include "fusion/validate.hpp"

namespace weft {
namespace {

using namespace fusion;

// Projected rows in memory that outlives the recording; a copy where there is no projection.
Result<Tensor> kept_rows(const Scope& scope, const char* part, const Projection& projection,
                         const Tensor& input) {
  const int64_t width = projection.weight ? projection.weight.shape[0] : input.shape[2];
  WEFT_ASSIGN(const Tensor memory, scope.recorder().device().tensor(
                                       scope.dtype(), {input.shape[0], input.shape[1], width}));
  WEFT_TRY(projection.weight ? project_into(scope, part, projection, input, memory)
                             : copy_into(scope, part, input, memory));
  return memory;
}

Result<KeyValue> kept_keys(const Scope& scope, const CrossAttentionBlock& block,
                           const Tensor& context, const Tensor& position, const Tensor& angles) {
  const KeyParts parts = key_parts(block);
  WEFT_ASSIGN(const Tensor plain,
              normed(scope, "context_norm", block.context_norm, as_rows(context)));
  WEFT_ASSIGN(const Tensor keyed, positioned(scope, "context_position", plain, position));
  KeyValue rows;
  WEFT_ASSIGN(rows.key, kept_rows(scope, "key", block.key, keyed));
  WEFT_ASSIGN(rows.value, kept_rows(scope, "value", block.value, plain));
  const HeadParts heads{.part = "key",
                        .heads = parts.kv_heads,
                        .norm = parts.key_head_norm,
                        .across_heads = parts.across_heads,
                        .angles = &angles,
                        .in_place = true};
  WEFT_ASSIGN(rows.key, finish_heads(scope, heads, rows.key));
  WEFT_ASSIGN(rows.key, rows.key.split_heads(parts.kv_heads));
  WEFT_ASSIGN(rows.value, rows.value.split_heads(parts.kv_heads));
  return rows;
}

// The calls that will use them, as far as the block tells.
AttentionDesc description(const CrossAttentionBlock& block, const KeyValue& keys, uint32_t q_len) {
  const DType dtype = keys.key.dtype;
  AttentionDesc desc{.query_dtype = dtype, .kv_dtype = dtype, .output_dtype = dtype};
  desc.head_dim = static_cast<uint32_t>(keys.key.shape[3]);
  desc.value_dim = static_cast<uint32_t>(keys.value.shape[3]);
  if (block.softcap != 0.0f) desc.features |= kFeatureSoftcap;
  if (block.null_key) desc.features |= kFeatureNullKeys;
  desc.q_len = q_len;
  desc.kv_len = static_cast<uint32_t>(keys.key.shape[2]);
  return desc;
}

}  // namespace

Result<PreparedContext> prepare_context(Recorder& recorder, const CrossAttentionBlock& block,
                                        const Tensor& context, uint32_t q_len,
                                        const Tensor& context_position, const Tensor& key_angles) {
  Scope scope(recorder, "prepare_context", block.name);
  if (block.context_and_query)
    return scope.rules().broken("the block has context_and_query; its keys need each call's query");
  WEFT_TRY(check_context(scope.rules(), block, context, context_position));
  scope.set_dtype(context.dtype);
  WEFT_ASSIGN(const KeyValue keys, kept_keys(scope, block, context, context_position, key_angles));
  PreparedContext prepared;
  const auto lay_out = [&](Recorder& into, const AttentionDesc& desc) -> Result<void> {
    WEFT_ASSIGN(const PreparedKeyValue laid, prepare_key_value(into, desc, keys.key, keys.value));
    prepared = {laid.key, laid.value};
    return {};
  };
  WEFT_TRY(scope.part("lay_out", lay_out, description(block, keys, q_len)));
  WEFT_TRY(scope.keep());
  return prepared;
}

}  // namespace weft
