// Attention in C.
#include "capi/structs.hpp"

using namespace weft;
using namespace weft::capi;

struct weft_plan : Handle {
  Attention attention;
};

namespace {

// A side of the window: -1 in C++ where C has no flag.
Result<int32_t> read_window(Function function, const char* in, const char* name, bool limited,
                            int32_t keys) {
  if (!limited) return -1;
  if (keys < 0) return function.broken(in, ".", name, " is ", keys, "; it must be 0 or more");
  return keys;
}

}  // namespace

namespace weft::capi {

Result<AttentionCall> read_attention(Function function, const char* argument,
                                     const weft_attention_call* in) {
  WEFT_ASSIGN(const weft_attention_call call, read(function, argument, in));
  AttentionCall out;
  out.scale = call.scale;
  out.softcap = call.softcap;
  out.position_offset = call.position_offset;
  out.causal = (call.flags & WEFT_ATTENTION_CAUSAL) != 0;
  WEFT_ASSIGN(out.window_left,
              read_window(function, argument, "window_left", call.flags & WEFT_ATTENTION_LIMIT_LEFT,
                          call.window_left));
  WEFT_ASSIGN(out.window_right,
              read_window(function, argument, "window_right",
                          call.flags & WEFT_ATTENTION_LIMIT_RIGHT, call.window_right));
  out.max_q_len = call.max_q_len;
  out.max_kv_len = call.max_kv_len;
  WEFT_TRY(read_tensors(function, argument,
                        {{"query", call.query, &out.query},
                         {"key", call.key, &out.key},
                         {"value", call.value, &out.value},
                         {"output", call.output, &out.output},
                         {"logsumexp", call.logsumexp, &out.logsumexp},
                         {"keep_mask", call.keep_mask, &out.keep_mask},
                         {"drop_mask", call.drop_mask, &out.drop_mask},
                         {"bias", call.bias, &out.bias},
                         {"kv_lengths", call.kv_lengths, &out.kv_lengths},
                         {"position_offsets", call.position_offsets, &out.position_offsets},
                         {"q_starts", call.q_starts, &out.q_starts},
                         {"kv_starts", call.kv_starts, &out.kv_starts},
                         {"query_regions", call.query_regions, &out.query_regions},
                         {"key_regions", call.key_regions, &out.key_regions},
                         {"region_mask", call.region_mask, &out.region_mask},
                         {"sinks", call.sinks, &out.sinks},
                         {"null_key", call.null_key, &out.null_key},
                         {"null_value", call.null_value, &out.null_value},
                         {"score_items", call.score_items, &out.score_items},
                         {"value_items", call.value_items, &out.value_items},
                         {"weights", call.weights, &out.weights}}));
  return out;
}

Result<AttentionDesc> read_desc(Function function, const weft_attention_desc* in) {
  WEFT_ASSIGN(const weft_attention_desc desc, read(function, "desc", in));
  AttentionDesc out;
  WEFT_ASSIGN(out.query_dtype, read_dtype(function, "desc.query_dtype", desc.query_dtype));
  WEFT_ASSIGN(out.kv_dtype, read_dtype(function, "desc.kv_dtype", desc.kv_dtype));
  WEFT_ASSIGN(out.output_dtype, read_dtype(function, "desc.output_dtype", desc.output_dtype));
  out.head_dim = desc.head_dim;
  out.value_dim = desc.value_dim;
  WEFT_ASSIGN(out.mask, read_enum(function, "desc.mask", desc.mask, MaskKind::drop));
  if (out.mask != MaskKind::none) {
    WEFT_ASSIGN(out.mask_dtype, read_dtype(function, "desc.mask_dtype", desc.mask_dtype));
  }
  if (desc.bias > 1) return function.broken("desc.bias is ", desc.bias, "; it must be 0 or 1");
  out.bias = desc.bias == 1;
  if (out.bias) {
    WEFT_ASSIGN(out.bias_dtype, read_dtype(function, "desc.bias_dtype", desc.bias_dtype));
  }
  if ((desc.features & ~kAllFeatures) != 0)
    return function.unknown("desc.features is ", desc.features, "; this library knows those in ",
                            kAllFeatures);
  out.features = desc.features;
  out.q_len = desc.q_len;
  out.kv_len = desc.kv_len;
  return out;
}

}  // namespace weft::capi

namespace {

weft_attention_desc to_c(const AttentionDesc& from) {
  weft_attention_desc to{};
  to.query_dtype = static_cast<weft_dtype>(from.query_dtype);
  to.kv_dtype = static_cast<weft_dtype>(from.kv_dtype);
  to.output_dtype = static_cast<weft_dtype>(from.output_dtype);
  to.head_dim = from.head_dim;
  to.value_dim = from.value_dim;
  to.mask = static_cast<weft_mask_kind>(from.mask);
  to.mask_dtype = static_cast<weft_dtype>(from.mask_dtype);
  to.bias = from.bias;
  to.bias_dtype = static_cast<weft_dtype>(from.bias_dtype);
  to.features = from.features;
  to.q_len = from.q_len;
  to.kv_len = from.kv_len;
  return to;
}

}  // namespace

weft_status weft_attention(weft_recorder* recorder, const weft_attention_call* call,
                           weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const AttentionCall read, read_attention(function, "call", call));
    return attention(recorder->recorder, read);
  });
}

weft_status weft_attend(const weft_device* device, const weft_attention_call* call,
                        weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("device", device));
    WEFT_ASSIGN(const AttentionCall read, read_attention(function, "call", call));
    Recorder recorder(device->device);
    WEFT_TRY(attention(recorder, read));
    WEFT_ASSIGN(const Ticket ticket, recorder.submit());
    return ticket.wait();
  });
}

weft_status weft_attention_describe(const weft_attention_call* call, weft_attention_desc* desc,
                                    weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "desc", desc));
    WEFT_ASSIGN(const AttentionCall read, read_attention(function, "call", call));
    WEFT_ASSIGN(const AttentionDesc described, describe(read));
    write(to_c(described), desc);
    return {};
  });
}

weft_status weft_attention_explain(const weft_device* device, const weft_attention_desc* desc,
                                   char** text, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "text", text));
    WEFT_TRY(function.given("device", device));
    WEFT_ASSIGN(const AttentionDesc read, read_desc(function, desc));
    return make_text(function, device->allocator, explain(device->device, read), text);
  });
}

weft_status weft_plan_create(const weft_device* device, const weft_attention_desc* desc,
                             weft_plan** plan, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "plan", plan));
    WEFT_TRY(function.given("device", device));
    WEFT_ASSIGN(const AttentionDesc read, read_desc(function, desc));
    WEFT_ASSIGN(Attention planned, Attention::plan(device->device, read));
    return make(function, device->allocator, plan, std::move(planned));
  });
}

weft_plan* weft_plan_retain(weft_plan* plan) { return retain(plan); }
void weft_plan_release(weft_plan* plan) { release(plan); }
const char* weft_plan_kernel(const weft_plan* plan) {
  return plan ? plan->attention.kernel() : nullptr;
}

weft_status weft_plan_record(const weft_plan* plan, weft_recorder* recorder,
                             const weft_attention_call* call, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("plan", plan));
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const AttentionCall read, read_attention(function, "call", call));
    return plan->attention.record(recorder->recorder, read);
  });
}

weft_status weft_prepare_key_value(weft_recorder* recorder, const weft_attention_desc* desc,
                                   const weft_tensor* key, const weft_tensor* value,
                                   weft_tensor* prepared_key, weft_tensor* prepared_value,
                                   weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    TensorPair prepared{"prepared_key", prepared_key, "prepared_value", prepared_value};
    WEFT_TRY(prepared.begin(function));
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const AttentionDesc read, read_desc(function, desc));
    WEFT_ASSIGN(const Tensor keys, read_tensor(function, "key", key));
    WEFT_ASSIGN(const Tensor values, read_tensor(function, "value", value));
    WEFT_ASSIGN(const PreparedKeyValue laid,
                prepare_key_value(recorder->recorder, read, keys, values));
    return prepared.fill(function, recorder->allocator, laid.key, laid.value);
  });
}

weft_status weft_attention_weights(weft_recorder* recorder, const weft_attention_weights_call* call,
                                   weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_attention_weights_call in, read(function, "call", call));
    AttentionWeightsCall out;
    WEFT_ASSIGN(out.attention, read_attention(function, "call.attention", in.attention));
    WEFT_TRY(read_tensors(function, "call", {{"weights", in.weights, &out.weights}}));
    WEFT_ASSIGN(out.stage,
                read_enum(function, "call.stage", in.stage, WeightsStage::probabilities));
    if (in.head_count > 0) WEFT_TRY(function.given("call.heads", in.heads));
    if (in.key_count > 0) WEFT_TRY(function.given("call.keys", in.keys));
    out.heads = {in.heads, in.head_count};
    out.keys = {in.keys, in.key_count};
    out.null_keys_last = (in.flags & WEFT_WEIGHTS_NULL_KEYS_LAST) != 0;
    out.mean_heads = (in.flags & WEFT_WEIGHTS_MEAN_HEADS) != 0;
    out.accumulate = (in.flags & WEFT_WEIGHTS_ACCUMULATE) != 0;
    return attention_weights(recorder->recorder, out);
  });
}

weft_status weft_attention_merge(weft_recorder* recorder, const weft_attention_merge_call* call,
                                 weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const weft_attention_merge_call in, read(function, "call", call));
    AttentionMergeCall out;
    WEFT_TRY(read_tensors(function, "call",
                          {{"left_output", in.left_output, &out.left.output},
                           {"left_logsumexp", in.left_logsumexp, &out.left.logsumexp},
                           {"right_output", in.right_output, &out.right.output},
                           {"right_logsumexp", in.right_logsumexp, &out.right.logsumexp},
                           {"output", in.output, &out.output},
                           {"logsumexp", in.logsumexp, &out.logsumexp}}));
    return attention_merge(recorder->recorder, out);
  });
}
