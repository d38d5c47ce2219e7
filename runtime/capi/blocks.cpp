// Blocks and their calls, from C.
#include "capi/fusion.hpp"

namespace weft::capi {
namespace {

Result<Norm> read_norm(Function function, const char* argument, const weft_norm* in) {
  Norm out;
  if (!in) return out;
  WEFT_ASSIGN(const weft_norm norm, read(function, argument, in));
  WEFT_ASSIGN(out.kind,
              read_enum(function, text(argument, ".kind").c_str(), norm.kind, NormKind::rms));
  WEFT_TRY(read_tensors(function, argument,
                        {{"weight", norm.weight, &out.weight}, {"bias", norm.bias, &out.bias}}));
  if (norm.epsilon != 0) out.epsilon = norm.epsilon;
  return out;
}

Result<Gate> read_gate(Function function, const char* argument, const weft_gate* in) {
  Gate out;
  if (!in) return out;
  WEFT_ASSIGN(const weft_gate gate, read(function, argument, in));
  WEFT_ASSIGN(out.kind,
              read_enum(function, text(argument, ".kind").c_str(), gate.kind, GateKind::tanh));
  WEFT_TRY(read_tensors(function, argument, {{"value", gate.value, &out.value}}));
  return out;
}

struct NormField {
  const char* name;
  const weft_norm* from;
  Norm* to;
};
Result<void> read_norms(Function function, const char* in,
                        std::initializer_list<NormField> fields) {
  for (const auto& [name, from, to] : fields) {
    WEFT_ASSIGN(*to, read_norm(function, text(in, ".", name).c_str(), from));
  }
  return {};
}

struct ProjectionField {
  const char* name;
  const weft_projection* from;
  Projection* to;
};
Result<void> read_projections(Function function, const char* in,
                              std::initializer_list<ProjectionField> fields) {
  for (const auto& [name, from, to] : fields) {
    WEFT_ASSIGN(*to, read_projection(function, text(in, ".", name).c_str(), from));
  }
  return {};
}

Result<AttentionSource> read_source(Function function, const char* argument,
                                    const weft_attention_source* in) {
  WEFT_ASSIGN(const weft_attention_source source, read(function, argument, in));
  AttentionSource out;
  WEFT_TRY(read_projections(function, argument,
                            {{"key", source.key, &out.key}, {"value", source.value, &out.value}}));
  WEFT_TRY(
      read_norms(function, argument, {{"context_norm", source.context_norm, &out.context_norm}}));
  return out;
}

Result<SourceCall> read_source_call(Function function, const char* argument,
                                    const weft_source_call* in) {
  WEFT_ASSIGN(const weft_source_call source, read(function, argument, in));
  SourceCall out;
  WEFT_TRY(read_tensors(function, argument,
                        {{"context", source.context, &out.context},
                         {"prepared_key", source.prepared_key, &out.prepared.key},
                         {"prepared_value", source.prepared_value, &out.prepared.value},
                         {"row_factors", source.row_factors, &out.row_factors}}));
  WEFT_ASSIGN(out.gate, read_gate(function, text(argument, ".gate").c_str(), source.gate));
  WEFT_ASSIGN(out.attention,
              read_options(function, text(argument, ".attention").c_str(), source.attention));
  return out;
}

}  // namespace

Result<Projection> read_projection(Function function, const char* argument,
                                   const weft_projection* in) {
  Projection out;
  if (!in) return out;
  WEFT_ASSIGN(const weft_projection projection, read(function, argument, in));
  WEFT_TRY(read_tensors(
      function, argument,
      {{"weight", projection.weight, &out.weight}, {"bias", projection.bias, &out.bias}}));
  return out;
}

Result<FeedForward> read_feed_forward(Function function, const char* argument,
                                      const weft_feed_forward_block* in) {
  WEFT_ASSIGN(const weft_feed_forward_block block, read(function, argument, in));
  FeedForward out;
  WEFT_ASSIGN(out.activation, read_enum(function, text(argument, ".activation").c_str(),
                                        block.activation, Activation::quick_gelu));
  WEFT_TRY(read_projections(function, argument,
                            {{"up", block.up, &out.up},
                             {"down", block.down, &out.down},
                             {"gate_up", block.gate_up, &out.gate_up}}));
  WEFT_TRY(read_norms(
      function, argument,
      {{"norm", block.norm, &out.norm}, {"post_norm", block.post_norm, &out.post_norm}}));
  WEFT_ASSIGN(out.gate, read_gate(function, text(argument, ".gate").c_str(), block.gate));
  out.residual = (block.flags & WEFT_BLOCK_NO_RESIDUAL) == 0;
  return out;
}

Result<CrossAttentionBlock> read_block(Function function, const char* argument,
                                       const weft_cross_attention_block* in) {
  WEFT_ASSIGN(const weft_cross_attention_block block, read(function, argument, in));
  CrossAttentionBlock out;
  if (block.name) out.name = block.name;
  out.heads = block.heads > 0 ? block.heads : 1;
  out.kv_heads = block.kv_heads;
  WEFT_TRY(read_projections(function, argument,
                            {{"query", block.query, &out.query},
                             {"key", block.key, &out.key},
                             {"value", block.value, &out.value},
                             {"out", block.out, &out.out}}));
  WEFT_TRY(read_norms(function, argument,
                      {{"query_norm", block.query_norm, &out.query_norm},
                       {"context_norm", block.context_norm, &out.context_norm},
                       {"query_head_norm", block.query_head_norm, &out.query_head_norm},
                       {"key_head_norm", block.key_head_norm, &out.key_head_norm},
                       {"post_norm", block.post_norm, &out.post_norm}}));
  WEFT_TRY(read_tensors(function, argument,
                        {{"null_key", block.null_key, &out.null_key},
                         {"null_value", block.null_value, &out.null_value}}));
  out.scale = block.scale;
  out.softcap = block.softcap;
  out.residual = (block.flags & WEFT_BLOCK_NO_RESIDUAL) == 0;
  out.residual_of_norm = (block.flags & WEFT_BLOCK_RESIDUAL_OF_NORM) != 0;
  out.norm_across_heads = (block.flags & WEFT_BLOCK_NORM_ACROSS_HEADS) != 0;
  out.context_and_query = (block.flags & WEFT_BLOCK_CONTEXT_AND_QUERY) != 0;
  WEFT_ASSIGN(out.gate, read_gate(function, text(argument, ".gate").c_str(), block.gate));
  WEFT_ASSIGN(out.more_sources,
              read_list(function, text(argument, ".more_sources").c_str(), block.more_sources,
                        block.more_source_count, read_source));
  if (block.feed_forward) {
    WEFT_ASSIGN(
        out.feed_forward,
        read_feed_forward(function, text(argument, ".feed_forward").c_str(), block.feed_forward));
  }
  return out;
}

Result<CrossAttentionCall> read_cross_call(Function function, const char* argument,
                                           weft_recorder* recorder,
                                           const weft_cross_attention_call* in) {
  WEFT_ASSIGN(const weft_cross_attention_call call, read(function, argument, in));
  CrossAttentionCall out;
  WEFT_TRY(read_tensors(
      function, argument,
      {{"query", call.query, &out.query},
       {"context", call.context, &out.context},
       {"output", call.output, &out.output},
       {"prepared_key", call.prepared_key, &out.prepared.key},
       {"prepared_value", call.prepared_value, &out.prepared.value},
       {"query_position", call.query_position, &out.query_position},
       {"context_position", call.context_position, &out.context_position},
       {"query_angles", call.query_angles, &out.query_angles},
       {"key_angles", call.key_angles, &out.key_angles},
       {"row_factors", call.row_factors, &out.row_factors},
       {"feed_forward_factors", call.feed_forward_factors, &out.feed_forward_factors}}));
  WEFT_ASSIGN(out.attention,
              read_options(function, text(argument, ".attention").c_str(), call.attention));
  WEFT_ASSIGN(out.more_sources, read_sources(function, text(argument, ".more_sources").c_str(),
                                             call.more_sources, call.more_source_count));
  out.attend = to_function(function, recorder, call.attend, call.attend_user);
  return out;
}

Result<std::vector<SourceCall>> read_sources(Function function, const char* argument,
                                             const weft_source_call* const* in, uint32_t count) {
  return read_list(function, argument, in, count, read_source_call);
}

Result<AttentionCall> read_options(Function function, const char* argument,
                                   const weft_attention_call* in) {
  if (!in) return AttentionCall{};
  return read_attention(function, argument, in);
}

}  // namespace weft::capi
