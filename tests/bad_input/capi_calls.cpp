// The C functions that record operations, and their structs.
#include "bad_input/capi_world.hpp"

namespace weft::test {
namespace {

void must_c(weft_status status) { REQUIRE(status == WEFT_OK); }

// The rows of one operation: handles, the call's struct, its tensors' structs, and changes of the
// valid call.
template <class Call>
struct COperation {
  std::string name;
  Call valid;
  weft_status (*make)(weft_recorder*, const Call*, weft_error*);
  weft_recorder* recorder;
  Rows rows;

  COperation(const char* name, const Call& valid,
             weft_status (*make)(weft_recorder*, const Call*, weft_error*), weft_recorder* recorder)
      : name(name), valid(valid), make(make), recorder(recorder) {
    must_c(make(recorder, &valid, nullptr));
    rows.push_back(c_row(this->name + " without recorder", {this->name + ": ", "recorder is NULL"},
                         [=](weft_error* e) { return make(nullptr, &valid, e); }));
    add_struct_rows<Call>(rows, name, "call", valid,
                          [=](const Call* call, weft_error* e) { return make(recorder, call, e); });
  }

  void change(const char* what, std::vector<std::string> says, std::function<void(Call&)> set,
              Code code = Code::invalid_argument) {
    Call wrong = valid;
    set(wrong);
    rows.push_back(c_row(
        name + ": " + what, std::move(says),
        [wrong, make = make, recorder = recorder](weft_error* e) {
          return make(recorder, &wrong, e);
        },
        code));
  }

  // What is wrong with a tensor's struct, for the field that `set` points to it.
  void tensor(const char* field, const weft_tensor& good, void (*set)(Call&, const weft_tensor*),
              const char* refused_by = nullptr) {
    const std::string start = name + ": ", argument = std::string("call.") + field;
    const auto with = [&](const char* what, std::vector<std::string> says, auto damage, Code code) {
      auto wrong = std::make_shared<weft_tensor>(good);
      damage(*wrong);
      rows.push_back(c_row(
          argument + " " + what, std::move(says),
          [wrong, set, valid = valid, make = make, recorder = recorder](weft_error* e) {
            Call call = valid;
            set(call, wrong.get());
            return make(recorder, &call, e);
          },
          code));
    };
    const auto invalid = Code::invalid_argument;
    with(
        "without size", {start, argument + ".struct_size is 0"}, [](auto& t) { t.struct_size = 0; },
        invalid);
    with(
        "of type 5", {start, argument + ".dtype is 5", "0 to 4"}, [](auto& t) { t.dtype = 5; },
        invalid);
    with(
        "of rank 5", {start, argument + ".shape has rank 5"}, [](auto& t) { t.rank = 5; }, invalid);
    with(
        "of layout -1", {start, argument + ".layout is -1", "0 to 1"},
        [](auto& t) { t.layout = -1; }, invalid);
    if (!refused_by) return;
    with(
        "without buffer", {std::string(refused_by) + ": ", "is not given"},
        [](auto& t) { t.buffer = nullptr; }, invalid);
    rows.push_back(c_row(argument + " NULL", {std::string(refused_by) + ": ", "is not given"},
                         [set, valid = valid, make = make, recorder = recorder](weft_error* e) {
                           Call call = valid;
                           set(call, nullptr);
                           return make(recorder, &call, e);
                         }));
  }
};

#define WEFT_SET(Call, field) [](Call& call, const weft_tensor* tensor) { call.field = tensor; }

Rows attention_rows(const CWorld& w) {
  using A = weft_attention_call;
  COperation<A> op("weft_attention", w.attention, weft_attention, w.recorder);
  op.change(
      "a flag that is none", {"weft_attention: ", "call.flags is 8", "knows those in 7"},
      [](A& a) { a.flags = 8; }, Code::unsupported);
  op.change(
      "reserved", {"weft_attention: ", "call.reserved is 1", "must be 0"},
      [](A& a) { a.reserved = 1; }, Code::unsupported);
  op.change("left", {"weft_attention: ", "window_left is -1", "0 or more"}, [](A& a) {
    a.flags = WEFT_ATTENTION_LIMIT_LEFT;
    a.window_left = -1;
  });
  op.change("right", {"weft_attention: ", "window_right is -5", "0 or more"}, [](A& a) {
    a.flags = WEFT_ATTENTION_LIMIT_RIGHT;
    a.window_right = -5;
  });
  op.change("softcap", {"attention: ", "softcap is -2"}, [](A& a) { a.softcap = -2; });
  op.change("offset", {"attention: ", "position_offset is 268435457"},
            [](A& a) { a.position_offset = 268435457; });
  op.tensor("query", w.q, WEFT_SET(A, query), "attention");
  op.tensor("key", w.k, WEFT_SET(A, key), "attention");
  op.tensor("value", w.v, WEFT_SET(A, value), "attention");
  op.tensor("output", w.o, WEFT_SET(A, output), "attention");
  op.tensor("logsumexp", w.lse, WEFT_SET(A, logsumexp));
  for (const auto& [field, set] : {std::pair<const char*, void (*)(A&, const weft_tensor*)>{
                                       "keep_mask", WEFT_SET(A, keep_mask)},
                                   {"drop_mask", WEFT_SET(A, drop_mask)},
                                   {"bias", WEFT_SET(A, bias)},
                                   {"kv_lengths", WEFT_SET(A, kv_lengths)},
                                   {"position_offsets", WEFT_SET(A, position_offsets)},
                                   {"q_starts", WEFT_SET(A, q_starts)},
                                   {"kv_starts", WEFT_SET(A, kv_starts)},
                                   {"query_regions", WEFT_SET(A, query_regions)},
                                   {"key_regions", WEFT_SET(A, key_regions)},
                                   {"region_mask", WEFT_SET(A, region_mask)},
                                   {"sinks", WEFT_SET(A, sinks)},
                                   {"null_key", WEFT_SET(A, null_key)},
                                   {"null_value", WEFT_SET(A, null_value)},
                                   {"score_items", WEFT_SET(A, score_items)},
                                   {"value_items", WEFT_SET(A, value_items)},
                                   {"weights", WEFT_SET(A, weights)}})
    op.tensor(field, w.lse, set);
  return op.rows;
}

Rows plan_rows(const CWorld& w) {
  using D = weft_attention_desc;
  Rows rows;
  weft_device* d = w.device;
  const auto create = [](weft_device* from, const D* desc, weft_error* e) {
    weft_plan* made = nullptr;
    const weft_status status = weft_plan_create(from, desc, &made, e);
    CHECK(made == nullptr);
    return status;
  };
  const D desc = w.desc;
  add_struct_rows<D>(rows, "weft_plan_create", "desc", desc,
                     [=](const D* in, weft_error* e) { return create(d, in, e); });
  const auto explain = [d](const D* in, weft_error* e) {
    char* text = nullptr;
    const weft_status status = weft_attention_explain(d, in, &text, e);
    CHECK(text == nullptr);
    return status;
  };
  add_struct_rows<D>(rows, "weft_attention_explain", "desc", desc, explain);
  const auto change = [&](const char* name, std::vector<std::string> says, auto set,
                          Code code = Code::invalid_argument) {
    D wrong = desc;
    set(wrong);
    rows.push_back(c_row(
        name, says, [=](weft_error* e) { return create(d, &wrong, e); }, code));
  };
  const std::string start = "weft_plan_create: ";
  change("query type 5", {start, "desc.query_dtype is 5", "0 to 4"},
         [](D& x) { x.query_dtype = 5; });
  change("key type -1", {start, "desc.kv_dtype is -1", "0 to 4"}, [](D& x) { x.kv_dtype = -1; });
  change("output type 77", {start, "desc.output_dtype is 77", "0 to 4"},
         [](D& x) { x.output_dtype = 77; });
  change("mask 3", {start, "desc.mask is 3", "0 to 2"}, [](D& x) { x.mask = 3; });
  change("mask type 6", {start, "desc.mask_dtype is 6"},
         [](D& x) { x.mask = 1, x.mask_dtype = 6; });
  change("a mask of floats", {"attention: ", "mask_dtype is f32", "u8 or i32"},
         [](D& x) { x.mask = 1, x.mask_dtype = 0; });
  change("bias 2", {start, "desc.bias is 2", "0 or 1"}, [](D& x) { x.bias = 2; });
  change("bias type 6", {start, "desc.bias_dtype is 6"},
         [](D& x) { x.bias = 1, x.bias_dtype = 6; });
  change("queries of integers", {"attention: ", "query_dtype is i32"},
         [](D& x) { x.query_dtype = WEFT_DTYPE_I32; });
  change("head_dim 0", {"attention: ", "head_dim is 0", "1 to 576"}, [](D& x) { x.head_dim = 0; });
  change(
      "features", {start, "desc.features is 16384"}, [](D& x) { x.features = 1 << 14; },
      Code::unsupported);
  const auto add = [&](const char* name, std::vector<std::string> says, CCall call) {
    rows.push_back(c_row(name, std::move(says), std::move(call)));
  };
  add("a plan of no device", {start, "device is NULL"},
      [=](weft_error* e) { return create(nullptr, &desc, e); });
  add("a plan to nowhere", {start, "plan is NULL"},
      [=](weft_error* e) { return weft_plan_create(d, &desc, nullptr, e); });
  add("explain no device", {"weft_attention_explain: ", "device is NULL"}, [=](weft_error* e) {
    char* text = nullptr;
    return weft_attention_explain(nullptr, &desc, &text, e);
  });
  add("explain to nowhere", {"weft_attention_explain: ", "text is NULL"},
      [=](weft_error* e) { return weft_attention_explain(d, &desc, nullptr, e); });
  const weft_attention_call call = w.attention;
  add("describe to nowhere", {"weft_attention_describe: ", "desc is NULL"},
      [=](weft_error* e) { return weft_attention_describe(&call, nullptr, e); });
  add("describe nothing", {"weft_attention_describe: ", "call is NULL"}, [](weft_error* e) {
    auto out = sized<D>();
    return weft_attention_describe(nullptr, &out, e);
  });
  add("describe to a struct without size", {"weft_attention_describe: ", "desc.struct_size is 0"},
      [=](weft_error* e) {
        D out{};
        return weft_attention_describe(&call, &out, e);
      });
  add("attend on no device", {"weft_attend: ", "device is NULL"},
      [=](weft_error* e) { return weft_attend(nullptr, &call, e); });
  add("attend nothing", {"weft_attend: ", "call is NULL"},
      [=](weft_error* e) { return weft_attend(d, nullptr, e); });
  weft_plan* plan = w.plan;
  weft_recorder* r = w.recorder;
  must_c(weft_plan_record(plan, r, &call, nullptr));
  add("record no plan", {"weft_plan_record: ", "plan is NULL"},
      [=](weft_error* e) { return weft_plan_record(nullptr, r, &call, e); });
  add("record nowhere", {"weft_plan_record: ", "recorder is NULL"},
      [=](weft_error* e) { return weft_plan_record(plan, nullptr, &call, e); });
  add("record nothing", {"weft_plan_record: ", "call is NULL"},
      [=](weft_error* e) { return weft_plan_record(plan, r, nullptr, e); });
  add("record another call", {"attention: ", "logsumexp is asked for", "made without"},
      [=, lse = w.lse](weft_error* e) {
        weft_attention_call other = call;
        other.logsumexp = &lse;
        return weft_plan_record(plan, r, &other, e);
      });
  return rows;
}

Rows weights_rows(const CWorld& w) {
  using W = weft_attention_weights_call;
  COperation<W> op("weft_attention_weights", w.weights_call, weft_attention_weights, w.recorder);
  const std::string start = "weft_attention_weights: ";
  op.change("no attention", {start, "call.attention is NULL"}, [](W& c) { c.attention = nullptr; });
  op.change("stage 4", {start, "call.stage is 4", "0 to 3"}, [](W& c) { c.stage = 4; });
  op.change("stage -1", {start, "call.stage is -1", "0 to 3"}, [](W& c) { c.stage = -1; });
  op.change("heads at NULL", {start, "call.heads is NULL"}, [](W& c) { c.head_count = 2; });
  op.change("keys at NULL", {start, "call.keys is NULL"}, [](W& c) { c.key_count = UINT32_MAX; });
  op.change(
      "flags", {start, "call.flags is 8"}, [](W& c) { c.flags = 8; }, Code::unsupported);
  op.change(
      "reserved", {start, "call.reserved is 9"}, [](W& c) { c.reserved = 9; }, Code::unsupported);
  op.tensor("weights", w.weights, WEFT_SET(W, weights), "attention_weights");
  return op.rows;
}

Rows other_rows(const CWorld& w) {
  Rows rows;
  const auto take = [&](const auto& op) {
    rows.insert(rows.end(), op.rows.begin(), op.rows.end());
  };
  using M = weft_attention_merge_call;
  COperation<M> merge("weft_attention_merge", w.merge, weft_attention_merge, w.recorder);
  merge.change(
      "reserved", {"weft_attention_merge: ", "call.reserved is 1"}, [](M& m) { m.reserved = 1; },
      Code::unsupported);
  merge.tensor("left_output", w.parts[0], WEFT_SET(M, left_output), "attention_merge");
  merge.tensor("left_logsumexp", w.parts[1], WEFT_SET(M, left_logsumexp), "attention_merge");
  merge.tensor("right_output", w.parts[2], WEFT_SET(M, right_output), "attention_merge");
  merge.tensor("right_logsumexp", w.parts[3], WEFT_SET(M, right_logsumexp), "attention_merge");
  merge.tensor("output", w.o, WEFT_SET(M, output), "attention_merge");
  take(merge);
  using L = weft_linear_call;
  COperation<L> linear("weft_linear", w.linear, weft_linear, w.recorder);
  for (const int activation : {-1, 6})
    linear.change("activation",
                  {"weft_linear: ", "call.activation is " + std::to_string(activation), "0 to 5"},
                  [activation](L& l) { l.activation = activation; });
  linear.tensor("input", w.x, WEFT_SET(L, input), "linear");
  linear.tensor("weight", w.x, WEFT_SET(L, weight), "linear");
  linear.tensor("output", w.y, WEFT_SET(L, output), "linear");
  linear.tensor("bias", w.x, WEFT_SET(L, bias));
  take(linear);
  using N = weft_norm_call;
  struct Norm {
    const char* name;
    weft_status (*make)(weft_recorder*, const N*, weft_error*);
    const char* cpp;
  };
  for (const auto& [name, make, cpp] : {Norm{"weft_layer_norm", weft_layer_norm, "layer_norm"},
                                        Norm{"weft_rms_norm", weft_rms_norm, "rms_norm"}}) {
    COperation<N> norm(name, w.norm, make, w.recorder);
    norm.change("epsilon", {std::string(cpp) + ": ", "epsilon is -1"},
                [](N& n) { n.epsilon = -1; });
    norm.tensor("input", w.x, WEFT_SET(N, input), cpp);
    norm.tensor("output", w.y, WEFT_SET(N, output), cpp);
    norm.tensor("weight", w.x, WEFT_SET(N, weight));
    take(norm);
  }
  using A = weft_add_call;
  COperation<A> add("weft_add", w.add, weft_add, w.recorder);
  for (const int kind : {-1, 3})
    add.change("gate_kind", {"weft_add: ", "call.gate_kind is " + std::to_string(kind), "0 to 2"},
               [kind](A& a) { a.gate_kind = kind; });
  add.change("a gate of no kind", {"add: ", "gate.value is given", "gate.kind must be"},
             [gate = &w.x](A& a) { a.gate = gate; });
  add.change("no gate of a kind", {"add: ", "gate.value is not given"},
             [](A& a) { a.gate_kind = WEFT_GATE_TANH; });
  add.tensor("left", w.x, WEFT_SET(A, left));
  add.tensor("right", w.x, WEFT_SET(A, right), "add");
  add.tensor("output", w.y, WEFT_SET(A, output), "add");
  add.tensor("gate", w.x, WEFT_SET(A, gate));
  add.tensor("row_factors", w.x, WEFT_SET(A, row_factors));
  take(add);
  using G = weft_gather_call;
  COperation<G> gather("weft_gather", w.gather, weft_gather, w.recorder);
  gather.change(
      "reserved", {"weft_gather: ", "call.reserved is 2"}, [](G& g) { g.reserved = 2; },
      Code::unsupported);
  gather.tensor("table", w.x, WEFT_SET(G, table), "gather");
  gather.tensor("indices", w.indices, WEFT_SET(G, indices), "gather");
  gather.tensor("output", w.y, WEFT_SET(G, output), "gather");
  take(gather);
  return rows;
}

Rows product_rows(const CWorld& w) {
  using M = weft_multiply_call;
  COperation<M> multiply("weft_multiply", w.multiply, weft_multiply, w.recorder);
  for (const int activation : {-1, 6})
    multiply.change(
        "activation",
        {"weft_multiply: ", "call.activation is " + std::to_string(activation), "0 to 5"},
        [activation](M& m) { m.activation = activation; });
  multiply.tensor("left", w.x, WEFT_SET(M, left), "multiply");
  multiply.tensor("right", w.x, WEFT_SET(M, right), "multiply");
  multiply.tensor("output", w.y, WEFT_SET(M, output), "multiply");
  return multiply.rows;
}

Rows mix_keys_rows(const CWorld& w) {
  using M = weft_mix_keys_call;
  COperation<M> mix("weft_mix_keys", w.mix_keys, weft_mix_keys, w.recorder);
  mix.change(
      "reserved", {"weft_mix_keys: ", "call.reserved is 2"}, [](M& m) { m.reserved = 2; },
      Code::unsupported);
  mix.tensor("input", w.q, WEFT_SET(M, input), "mix_keys");
  mix.tensor("output", w.o, WEFT_SET(M, output), "mix_keys");
  mix.tensor("factors", w.lse, WEFT_SET(M, factors));
  mix.tensor("matrix", w.q, WEFT_SET(M, matrix));
  return mix.rows;
}

Rows rotary_rows(const CWorld& w) {
  using R = weft_rotary_call;
  COperation<R> rotary("weft_rotary", w.rotary, weft_rotary, w.recorder);
  rotary.change("interleaved", {"weft_rotary: ", "call.interleaved is 2", "0 or 1"},
                [](R& r) { r.interleaved = 2; });
  rotary.tensor("input", w.q, WEFT_SET(R, input), "rotary");
  rotary.tensor("angles", w.x, WEFT_SET(R, angles), "rotary");
  rotary.tensor("output", w.o, WEFT_SET(R, output), "rotary");
  return rotary.rows;
}

}  // namespace

void CWorld::make(weft_tensor& tensor, weft_dtype dtype, std::vector<int64_t> shape) {
  tensor = sized<weft_tensor>();
  must_c(weft_tensor_create(device, dtype, static_cast<uint32_t>(shape.size()), shape.data(),
                            WEFT_MEMORY_DEVICE, &tensor, nullptr));
}

CWorld::CWorld() {
  must_c(weft_device_open(nullptr, &device, nullptr));
  must_c(weft_recorder_create(device, &recorder, nullptr));
  must_c(weft_recorder_finish(recorder, nullptr, &program, nullptr));
  const weft_dtype f32 = WEFT_DTYPE_F32;
  make(q, f32, {1, 2, 3, 8});
  make(k, f32, {1, 2, 5, 8});
  make(v, f32, {1, 2, 5, 8});
  make(o, f32, {1, 2, 3, 8});
  make(lse, f32, {1, 2, 3});
  make(weights, f32, {1, 2, 3, 5});
  for (int i = 0; i < 4; ++i)
    make(parts[i], f32, i % 2 ? std::vector<int64_t>{1, 2, 3} : std::vector<int64_t>{1, 2, 3, 8});
  make(x, f32, {8, 8});
  make(y, f32, {8, 8});
  make(indices, WEFT_DTYPE_I32, {8});
  make(angles, f32, {3, 8});
  desc = sized<weft_attention_desc>();
  desc.head_dim = 8;
  must_c(weft_plan_create(device, &desc, &plan, nullptr));
  attention = sized<weft_attention_call>();
  attention.query = &q, attention.key = &k, attention.value = &v, attention.output = &o;
  weights_call = sized<weft_attention_weights_call>();
  weights_call.attention = &attention, weights_call.weights = &weights;
  merge = sized<weft_attention_merge_call>();
  merge.left_output = &parts[0], merge.left_logsumexp = &parts[1];
  merge.right_output = &parts[2], merge.right_logsumexp = &parts[3], merge.output = &o;
  linear = sized<weft_linear_call>();
  linear.input = &x, linear.weight = &x, linear.output = &y;
  norm = sized<weft_norm_call>();
  norm.input = &x, norm.output = &y;
  add = sized<weft_add_call>();
  add.left = &x, add.right = &x, add.output = &y;
  gather = sized<weft_gather_call>();
  gather.table = &x, gather.indices = &indices, gather.output = &y;
  multiply = sized<weft_multiply_call>();
  multiply.left = &x, multiply.right = &x, multiply.output = &y;
  mix_keys = sized<weft_mix_keys_call>();
  mix_keys.input = &q, mix_keys.output = &o;
  rotary = sized<weft_rotary_call>();
  rotary.input = &q, rotary.angles = &angles, rotary.output = &o;
}

CWorld::~CWorld() {
  for (const weft_tensor* t : {&q, &k, &v, &o, &lse, &weights, &indices, &angles, &x, &y, &parts[0],
                               &parts[1], &parts[2], &parts[3]})
    weft_buffer_release(t->buffer);
  weft_plan_release(plan);
  weft_program_release(program);
  weft_recorder_release(recorder);
  weft_device_release(device);
}

// Every operation's valid call is recorded once while its rows are made; no row may add another.
size_t check_capi_structs() {
  const CWorld w;
  const auto work = [&] { return w.submitted(); };
  const Rows tables[] = {attention_rows(w), plan_rows(w),     weights_rows(w), other_rows(w),
                         product_rows(w),   mix_keys_rows(w), rotary_rows(w)};
  size_t rows = 0;
  for (const Rows& table : tables) rows += check_rows("C operations", table, work);
  weft_program* recorded = nullptr;
  auto stats = sized<weft_stats>();
  must_c(weft_recorder_finish(w.recorder, nullptr, &recorded, nullptr));
  must_c(weft_program_stats(recorded, &stats, nullptr));
  CHECK(stats.operations == 12);
  must_c(weft_program_run(recorded, nullptr, nullptr));
  weft_program_release(recorded);
  return rows;
}

}  // namespace weft::test
