// Attention, its plans, its weights and its merge.
#include "weft/attention.hpp"

#include "bad_input/attention_rows.hpp"
#include "bad_input/device_tables.hpp"

namespace weft::test {
namespace {

Result<void> plan(const Device& on, const AttentionDesc& desc) {
  return outcome(Attention::plan(on, desc));
}

AttentionWeightsCall valid_weights() {
  const AttentionCall full = full_attention(device_maker());
  AttentionWeightsCall call;
  call.attention.query = full.query;
  call.attention.key = full.key;
  call.attention.keep_mask = full.keep_mask;
  call.attention.null_key = full.null_key;
  call.attention.logsumexp = full.logsumexp;
  call.weights = tensor(DType::f32, {2, 4, 3, 7});
  return call;
}

AttentionMergeCall valid_merge() {
  AttentionMergeCall call;
  for (AttentionPart* part : {&call.left, &call.right}) {
    part->output = tensor(DType::f32, {2, 4, 3, 8});
    part->logsumexp = tensor(DType::f32, {2, 4, 3});
  }
  call.output = tensor(DType::f32, {2, 4, 3, 8});
  call.logsumexp = tensor(DType::f32, {2, 4, 3});
  return call;
}

void add_lists(Breaker<AttentionWeightsCall>& wrong) {
  using W = AttentionWeightsCall;
  static constexpr uint32_t kHeads[] = {0, 4}, kKeys[] = {0, 6, 7}, kLast[] = {UINT32_MAX};
  wrong.add("no such head", {"heads[1] is 4", "below 4"}, [](W& w) { w.heads = kHeads; });
  wrong.add("no such key", {"keys[2] is 7", "below 7"}, [](W& w) { w.keys = kKeys; });
  wrong.add("the largest head", {"heads[0] is 4294967295", "below 4"},
            [](W& w) { w.heads = kLast; });
  wrong.add("the largest key", {"keys[0] is 4294967295", "below 7"}, [](W& w) { w.keys = kLast; });
  wrong.add("columns for other keys", {"weights.shape[3] is 6", "must be 7", "listed keys"},
            [](W& w) {
              w.weights = tensor(DType::f32, {2, 4, 3, 6});
            });
  wrong.add("a mean over heads has one", {"weights.shape[1] is 4", "must be 1", "output heads"},
            [](W& w) { w.mean_heads = true; });
  wrong.add("other rows", {"weights.shape[2] is 4", "query.shape[2] is 3"}, [](W& w) {
    w.weights = tensor(DType::f32, {2, 4, 4, 7});
  });
  wrong.add("another batch", {"query.shape[0] is 2", "must be 3", "the batch"}, [](W& w) {
    w.weights = tensor(DType::f32, {3, 4, 3, 7});
  });
  wrong.add("logsumexp of other heads", {"query.shape[1] is 4", "must be 6", "the heads"},
            [](W& w) {
              w.attention.logsumexp = tensor(DType::f32, {2, 6, 3});
            });
  wrong.add("logsumexp of other rows", {"logsumexp.shape[2] is 4", "weights.shape[2] is 3"},
            [](W& w) {
              w.attention.logsumexp = tensor(DType::f32, {2, 4, 4});
            });
  for (const int stage : {-1, 4})
    wrong.add("stage " + std::to_string(stage),
              {"stage is " + std::to_string(stage), "WeightsStage"},
              [stage](W& w) { w.stage = static_cast<WeightsStage>(stage); });
  wrong.add("weights on the query",
            {"weights is bytes 0 to 672", "query bytes 0 to 768", "overlap"},
            [](W& w) { w.weights.buffer = w.attention.query.buffer; });
  wrong.add("weights on the key", {"weights is bytes", "key bytes 0 to 640", "overlap"},
            [](W& w) { w.attention.key.buffer = w.weights.buffer; });
  wrong.add("weights on the mask", {"weights is bytes", "keep_mask bytes 0 to 120", "overlap"},
            [](W& w) { w.attention.keep_mask.buffer = w.weights.buffer; });
  wrong.add("weights on the logsumexp", {"weights is bytes", "logsumexp bytes 0 to 96", "overlap"},
            [](W& w) { w.attention.logsumexp.buffer = w.weights.buffer; });
}

}  // namespace

size_t check_attention() {
  const Maker& maker = device_maker();
  must_run([&](Recorder& r) { return attention(r, full_attention(maker)); }, 2);
  must_run([&](Recorder& r) { return attention(r, packed_attention(maker)); }, 2);
  return check_rows("attention", attention_rows(maker, recording(attention)), submissions);
}

size_t check_plans() {
  const AttentionDesc valid{.head_dim = 8, .value_dim = 4};
  must(plan(device(), valid));
  Breaker<AttentionDesc> wrong{
      "attention", valid, [](const AttentionDesc& d) { return plan(device(), d); }, {}};
  using D = AttentionDesc;
  wrong.add("no head_dim", {"head_dim is 0", "1 to 576"}, [](D& d) { d.head_dim = 0; });
  wrong.add("head_dim 577", {"head_dim is 577", "1 to 576"}, [](D& d) { d.head_dim = 577; });
  wrong.add("head_dim 2^32 - 1", {"head_dim is 4294967295", "1 to 576"},
            [](D& d) { d.head_dim = UINT32_MAX; });
  wrong.add("value_dim 577", {"value_dim is 577", "1 to 576"}, [](D& d) { d.value_dim = 577; });
  for (const auto& [type, shown] :
       {std::pair{DType::i32, "i32"}, {DType::u8, "u8"}, {DType{9}, "unknown (9)"}}) {
    const std::string says = std::string(" is ") + shown;
    wrong.add("queries of " + says, {"query_dtype" + says, "f32, f16 or bf16"},
              [=](D& d) { d.query_dtype = type; });
    wrong.add("keys of " + says, {"kv_dtype" + says, "f32, f16 or bf16"},
              [=](D& d) { d.kv_dtype = type; });
    wrong.add("outputs of " + says, {"output_dtype" + says, "f32, f16 or bf16"},
              [=](D& d) { d.output_dtype = type; });
    wrong.add("a bias of " + says, {"bias_dtype" + says, "f32, f16 or bf16"}, [=](D& d) {
      d.bias = true;
      d.bias_dtype = type;
    });
  }
  wrong.add("a mask of f16", {"mask_dtype is f16", "u8 or i32"}, [](D& d) {
    d.mask = MaskKind::keep;
    d.mask_dtype = DType::f16;
  });
  for (const int kind : {-1, 3})
    wrong.add("mask " + std::to_string(kind), {"mask is " + std::to_string(kind), "MaskKind"},
              [kind](D& d) { d.mask = static_cast<MaskKind>(kind); });
  wrong.add("an unknown feature", {"features is 16384", "kFeature"},
            [](D& d) { d.features = 1u << 14; });
  wrong.add("a region mask without regions", {"kFeatureRegionMask", "needs kFeatureRegions"},
            [](D& d) { d.features = kFeatureRegionMask; });
  Rows rows = std::move(wrong.rows);

  rows.push_back({"a row that is none",
                  {"attention: ", "no_such_row"},
                  [=] { return plan(device({.kernel = "no_such_row"}), valid); },
                  Code::unsupported});
  rows.push_back(
      {"a row that the device can't run",
       {"attention: ", "attention_lane_cpu", "16-bit"},
       [=] { return plan(device({.kernel = "attention_lane_cpu", .without_16bit = true}), valid); },
       Code::unsupported});
  const Attention planned = must(Attention::plan(device(), valid));
  const auto with_plan = [planned](const AttentionCall& call) {
    return recorded([&](Recorder& r) { return planned.record(r, call); });
  };
  AttentionCall call;
  call.query = tensor(DType::f32, {1, 2, 3, 8});
  call.key = tensor(DType::f32, {1, 2, 5, 8});
  call.value = tensor(DType::f32, {1, 2, 5, 4});
  call.output = tensor(DType::f32, {1, 2, 3, 4});
  must_run([&](Recorder& r) { return planned.record(r, call); });
  using A = AttentionCall;
  Breaker<A> other{"attention", call, with_plan, {}};
  const char* made = "the plan was made";
  other.add("other head_dim", {"query.shape[3] is 16", "made for 8"}, [](A& a) {
    a.query = tensor(DType::f32, {1, 2, 3, 16});
    a.key = tensor(DType::f32, {1, 2, 5, 16});
  });
  other.add("other value_dim", {"value.shape[3] is 8", "made for 4"}, [](A& a) {
    a.value = tensor(DType::f32, {1, 2, 5, 8});
    a.output = tensor(DType::f32, {1, 2, 3, 8});
  });
  other.add("queries of another type", {"query.dtype is f16", "made for f32"}, [](A& a) {
    a.query = tensor(DType::f16, {1, 2, 3, 8});
  });
  other.add("keys of another type", {"key.dtype is f16", "made for f32"}, [](A& a) {
    a.key = tensor(DType::f16, {1, 2, 5, 8});
    a.value = tensor(DType::f16, {1, 2, 5, 4});
  });
  other.add("outputs of another type", {"output.dtype is bf16", "made for f32"}, [](A& a) {
    a.output = tensor(DType::bf16, {1, 2, 3, 4});
  });
  other.add("a mask", {"mask is keep_mask", made}, [](A& a) {
    a.keep_mask = tensor(DType::u8, {1, 1, 1, 5});
  });
  other.add("a bias", {"bias is given", made}, [](A& a) {
    a.bias = tensor(DType::f32, {1, 1, 1, 5});
  });
  other.add("a softcap", {"softcap", made}, [](A& a) { a.softcap = 1; });
  other.add("causal", {"causal", made}, [](A& a) { a.causal = true; });
  other.add("sinks", {"sinks", made}, [](A& a) { a.sinks = tensor(DType::f32, {2}); });
  other.add("a logsumexp", {"logsumexp", made}, [](A& a) {
    a.logsumexp = tensor(DType::f32, {1, 2, 3});
  });
  rows.insert(rows.end(), other.rows.begin(), other.rows.end());
  rows.push_back({"a recorder of another device",
                  {"attention: ", "recorder is of another device", "must be of one"},
                  [=] {
                    Recorder recorder(other_device());
                    return planned.record(recorder, call);
                  }});
  return check_rows("plans", rows, submissions);
}

size_t check_weights() {
  using W = AttentionWeightsCall;
  const W valid = valid_weights();
  must_run([&](Recorder& r) { return attention_weights(r, valid); });
  Breaker<W> wrong{"attention_weights", valid, recording(attention_weights), {}};
  add_tensor_faults<W>(wrong,
                       {{WEFT_PART(W, "query", attention.query), DType::i32, true},
                        {WEFT_PART(W, "key", attention.key), DType::u8, true},
                        {WEFT_PART(W, "keep_mask", attention.keep_mask), DType::f32},
                        {WEFT_PART(W, "null_key", attention.null_key), DType::f16},
                        {WEFT_PART(W, "logsumexp", attention.logsumexp), DType::f16, true},
                        {WEFT_FIELD(W, weights), DType::f16, true, true}},
                       device_maker());
  add_lists(wrong);
  return check_rows("weights", wrong.rows, submissions);
}

size_t check_merge() {
  using M = AttentionMergeCall;
  const M valid = valid_merge();
  must_run([&](Recorder& r) { return attention_merge(r, valid); });
  Breaker<M> wrong{"attention_merge", valid, recording(attention_merge), {}};
  add_tensor_faults<M>(wrong,
                       {{WEFT_FIELD(M, left.output), DType::i32, true},
                        {WEFT_FIELD(M, left.logsumexp), DType::f16, true},
                        {WEFT_FIELD(M, right.output), DType::u8, true},
                        {WEFT_FIELD(M, right.logsumexp), DType::bf16, true},
                        {WEFT_FIELD(M, output), DType::i32, true, true},
                        {WEFT_FIELD(M, logsumexp), DType::f16, false, true}},
                       device_maker());
  const Dims shapes[] = {{1, 4, 3, 8}, {2, 2, 3, 8}, {2, 4, 5, 8}, {2, 4, 3, 4}};
  for (size_t axis = 0; axis < 4; ++axis)
    wrong.add(
        "another left.shape[" + std::to_string(axis) + "]",
        {"left.output.shape[" + std::to_string(axis) + "] is " + std::to_string(shapes[axis][axis]),
         "output.shape[" + std::to_string(axis) + "] is " +
             std::to_string(valid.output.shape[axis]),
         "match"},
        [shape = shapes[axis]](M& m) { m.left.output = tensor(DType::f32, shape); });
  wrong.add("logsumexp of other rows", {"right.logsumexp.shape[2] is 4", "output.shape[2] is 3"},
            [](M& m) {
              m.right.logsumexp = tensor(DType::f32, {2, 4, 4});
            });
  wrong.add("logsumexp in place",
            {"logsumexp is bytes 0 to 96", "left.logsumexp bytes 0 to 96", "overlap"},
            [](M& m) { m.logsumexp = m.left.logsumexp; });
  wrong.add("output on a logsumexp",
            {"output is bytes", "right.logsumexp bytes 0 to 96", "overlap"},
            [](M& m) { m.right.logsumexp.buffer = m.output.buffer; });
  wrong.add("output partly on a part", {"output is bytes", "left.output bytes", "overlap"},
            [](M& m) {
              m.left.output = tensor(DType::f32, {3, 4, 3, 8});
              m.output.buffer = m.left.output.buffer;
              m.left.output.shape[0] = 2;
              m.output.offset_bytes = 384;
            });
  return check_rows("merge", wrong.rows, submissions);
}

}  // namespace weft::test
