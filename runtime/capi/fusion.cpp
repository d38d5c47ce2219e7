// Recording of fusion blocks in C.
#include "capi/fusion.hpp"

using namespace weft;
using namespace weft::capi;

weft_status weft_cross_attention(weft_recorder* recorder, const weft_cross_attention_block* block,
                                 const weft_cross_attention_call* call, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const CrossAttentionBlock what, read_block(function, "block", block));
    WEFT_ASSIGN(const CrossAttentionCall read, read_cross_call(function, "call", recorder, call));
    return cross_attention(recorder->recorder, what, read);
  });
}

weft_status weft_feed_forward(weft_recorder* recorder, const weft_feed_forward_block* block,
                              const weft_tensor* input, const weft_tensor* output,
                              const weft_tensor* row_factors, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const FeedForward what, read_feed_forward(function, "block", block));
    WEFT_ASSIGN(const Tensor from, read_tensor(function, "input", input));
    WEFT_ASSIGN(const Tensor to, read_tensor(function, "output", output));
    WEFT_ASSIGN(const Tensor factors, read_tensor(function, "row_factors", row_factors));
    return feed_forward(recorder->recorder, what, from, to, factors);
  });
}

weft_status weft_prepare_context(weft_recorder* recorder, const weft_cross_attention_block* block,
                                 const weft_prepare_call* call, weft_tensor* key,
                                 weft_tensor* value, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    const TensorPair outputs{"key", key, "value", value};
    WEFT_TRY(outputs.begin(function));
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const CrossAttentionBlock what, read_block(function, "block", block));
    WEFT_ASSIGN(const weft_prepare_call in, read(function, "call", call));
    Tensor context, position, angles;
    WEFT_TRY(read_tensors(function, "call",
                          {{"context", in.context, &context},
                           {"context_position", in.context_position, &position},
                           {"key_angles", in.key_angles, &angles}}));
    WEFT_ASSIGN(const PreparedContext prepared,
                prepare_context(recorder->recorder, what, context, in.q_len, position, angles));
    return outputs.fill(function, recorder->allocator, prepared.key, prepared.value);
  });
}

weft_status weft_co_attention(weft_recorder* recorder, const weft_cross_attention_block* left_block,
                              const weft_cross_attention_block* right_block,
                              const weft_cross_attention_call* left,
                              const weft_cross_attention_call* right, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const CrossAttentionBlock first, read_block(function, "left_block", left_block));
    WEFT_ASSIGN(const CrossAttentionBlock second, read_block(function, "right_block", right_block));
    CoAttentionCall call;
    WEFT_ASSIGN(call.left, read_cross_call(function, "left", recorder, left));
    WEFT_ASSIGN(call.right, read_cross_call(function, "right", recorder, right));
    return co_attention(recorder->recorder, first, second, call);
  });
}

weft_status weft_joint_attention(weft_recorder* recorder, const weft_joint_attention_call* call,
                                 weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_joint_attention_call in, read(function, "call", call));
    JointAttentionCall out;
    WEFT_TRY(read_tensors(
        function, "call",
        {{"output", in.output, &out.output}, {"logsumexp", in.logsumexp, &out.logsumexp}}));
    WEFT_ASSIGN(out.parts,
                read_list(function, "call.parts", in.parts, in.part_count, read_attention));
    return joint_attention(recorder->recorder, out);
  });
}

weft_status weft_chunked_cross_attention(weft_recorder* recorder,
                                         const weft_cross_attention_block* block,
                                         const weft_chunked_attention_call* call,
                                         weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const CrossAttentionBlock what, read_block(function, "block", block));
    WEFT_ASSIGN(const weft_chunked_attention_call in, read(function, "call", call));
    ChunkedAttentionCall out;
    if (in.chunk_len != 0) out.chunk_len = in.chunk_len;
    WEFT_TRY(read_tensors(function, "call",
                          {{"query", in.query, &out.query},
                           {"context", in.context, &out.context},
                           {"output", in.output, &out.output},
                           {"kv_lengths", in.kv_lengths, &out.kv_lengths},
                           {"query_angles", in.query_angles, &out.query_angles},
                           {"key_angles", in.key_angles, &out.key_angles}}));
    out.attend = to_function(function, recorder, in.attend, in.attend_user);
    return chunked_cross_attention(recorder->recorder, what, out);
  });
}

weft_status weft_similarity(weft_recorder* recorder, const weft_similarity_block* block,
                            const weft_tensor* left, const weft_tensor* right,
                            const weft_tensor* output, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_similarity_block in, read(function, "block", block));
    Similarity what;
    if (in.scale != 0) what.scale = in.scale;
    WEFT_ASSIGN(what.left, read_projection(function, "block.left", in.left));
    WEFT_ASSIGN(what.right, read_projection(function, "block.right", in.right));
    WEFT_ASSIGN(const Tensor from, read_tensor(function, "left", left));
    WEFT_ASSIGN(const Tensor with, read_tensor(function, "right", right));
    WEFT_ASSIGN(const Tensor to, read_tensor(function, "output", output));
    return similarity(recorder->recorder, what, from, with, to);
  });
}
