// Wrong calls: each gets the right code, and a message that names the operation, the rule and the
// value found.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "device/fixture.hpp"

using namespace weft;
using namespace weft::test;

namespace {

// Correct calls, for a table row to break in one place.
struct Calls {
  Recorder recorder{device()};
  AttentionCall attention;
  AttentionWeightsCall weights;
  LinearCall linear;
  NormCall norm;
  AddCall add;
  GatherCall gather;

  Calls();
};

Tensor tensor(DType dtype, const Dims& shape) { return must(device().tensor(dtype, shape)); }

Calls::Calls() {
  attention.query = tensor(DType::f32, {2, 6, 5, 8});
  attention.key = tensor(DType::f32, {2, 3, 7, 8});
  attention.value = tensor(DType::f32, {2, 3, 7, 4});
  attention.output = tensor(DType::f32, {2, 6, 5, 4});
  weights.query = attention.query;
  weights.key = attention.key;
  weights.logsumexp = tensor(DType::f32, {2, 6, 5});
  weights.weights = tensor(DType::f32, {2, 6, 5, 7});
  linear.input = tensor(DType::f32, {5, 8});
  linear.weight = tensor(DType::f32, {4, 8});
  linear.output = tensor(DType::f32, {5, 4});
  norm.input = tensor(DType::f32, {5, 8});
  norm.weight = tensor(DType::f32, {8});
  norm.output = tensor(DType::f32, {5, 8});
  add.left = tensor(DType::f32, {6, 8});
  add.right = tensor(DType::f32, {3, 8});
  add.output = tensor(DType::f32, {6, 8});
  gather.table = tensor(DType::f32, {10, 8});
  gather.indices = tensor(DType::i32, {5});
  gather.output = tensor(DType::f32, {5, 8});
}

const Device& other_device() {
  static const DeviceKind kind{.without_direct_access = true};
  return device(kind);
}

struct WrongCall {
  const char* name;
  std::vector<const char*> says;  // parts of the message; the first begins it
  std::function<Result<void>(Calls&)> call;
  Code code = Code::invalid_argument;
};

using C = Calls;
constexpr uint32_t kNoSuchHead[] = {0, 6};
constexpr uint32_t kNoSuchKey[] = {7};

// Breaks one of the correct calls by `change`, then makes it.
template <class Call, Call Calls::*which, Result<void> (*make)(Recorder&, const Call&)>
struct Wrong {
  const char* operation;
  WrongCall operator()(const char* name, std::vector<const char*> says,
                       std::function<void(Call&)> change) const {
    says.insert(says.begin(), operation);
    return {name, says, [change](C& c) {
              change(c.*which);
              return make(c.recorder, c.*which);
            }};
  }
};
constexpr Wrong<AttentionCall, &C::attention, attention> wrong_attention{"attention: "};
constexpr Wrong<AttentionWeightsCall, &C::weights, attention_weights> wrong_weights{
    "attention_weights: "};
constexpr Wrong<LinearCall, &C::linear, linear> wrong_linear{"linear: "};
constexpr Wrong<NormCall, &C::norm, layer_norm> wrong_norm{"layer_norm: "};
constexpr Wrong<AddCall, &C::add, add> wrong_add{"add: "};
constexpr Wrong<GatherCall, &C::gather, gather> wrong_gather{"gather: "};

std::vector<WrongCall> wrong_attention_calls() {
  using A = AttentionCall;
  return {
      wrong_attention("no query", {"query is not given"}, [](A& a) { a.query = {}; }),
      wrong_attention("no key", {"key is not given"}, [](A& a) { a.key = {}; }),
      wrong_attention("no value", {"value is not given"}, [](A& a) { a.value = {}; }),
      wrong_attention("no output", {"output is not given"}, [](A& a) { a.output = {}; }),
      wrong_attention("rank 3 query", {"query.shape", "[6, 5, 8]", "rank", "4"},
                      [](A& a) {
                        a.query = tensor(DType::f32, {6, 5, 8});
                      }),
      wrong_attention("rank 3 output", {"output.shape", "[6, 5, 4]", "rank", "4"},
                      [](A& a) {
                        a.output = tensor(DType::f32, {6, 5, 4});
                      }),
      wrong_attention("other head_dim", {"key.shape[3]", "9", "query.shape[3]", "8"},
                      [](A& a) {
                        a.key = tensor(DType::f32, {2, 3, 7, 9});
                      }),
      wrong_attention("other batch", {"key.shape[0]", "3", "query.shape[0]", "2"},
                      [](A& a) {
                        a.key = tensor(DType::f32, {3, 3, 7, 8});
                      }),
      wrong_attention("other kv_len", {"value.shape[2]", "6", "key.shape[2]", "7"},
                      [](A& a) {
                        a.value = tensor(DType::f32, {2, 3, 6, 4});
                      }),
      wrong_attention("other kv_heads", {"value.shape[1]", "6", "key.shape[1]", "3"},
                      [](A& a) {
                        a.value = tensor(DType::f32, {2, 6, 7, 4});
                      }),
      wrong_attention("other value_dim", {"output.shape[3]", "8", "value.shape[3]", "4"},
                      [](A& a) {
                        a.output = tensor(DType::f32, {2, 6, 5, 8});
                      }),
      wrong_attention("other q_len", {"output.shape[2]", "7", "query.shape[2]", "5"},
                      [](A& a) {
                        a.output = tensor(DType::f32, {2, 6, 7, 4});
                      }),
      wrong_attention("kv_heads that don't divide",
                      {"key.shape[1]", "4", "query.shape[1]", "6", "divide"},
                      [](A& a) {
                        a.key = tensor(DType::f32, {2, 4, 7, 8});
                        a.value = tensor(DType::f32, {2, 4, 7, 4});
                      }),
      wrong_attention("head_dim 257", {"query.shape[3]", "257", "256"},
                      [](A& a) {
                        a.query = tensor(DType::f32, {2, 6, 5, 257});
                        a.key = tensor(DType::f32, {2, 3, 7, 257});
                      }),
      wrong_attention("value_dim 0", {"value.shape[3]", "0", "1 to 256"},
                      [](A& a) {
                        a.value = tensor(DType::f32, {2, 3, 7, 0});
                        a.output = tensor(DType::f32, {2, 6, 5, 0});
                      }),
      wrong_attention("integer query", {"query.dtype", "i32"},
                      [](A& a) {
                        a.query = tensor(DType::i32, {2, 6, 5, 8});
                      }),
      wrong_attention("byte output", {"output.dtype", "u8"},
                      [](A& a) {
                        a.output = tensor(DType::u8, {2, 6, 5, 4});
                      }),
      wrong_attention("key and value of two types", {"value.dtype", "f16", "key.dtype", "f32"},
                      [](A& a) {
                        a.value = tensor(DType::f16, {2, 3, 7, 4});
                      }),
      wrong_attention("columns apart", {"key.strides[3]", "2"},
                      [](A& a) {
                        a.key = tensor(DType::f32, {2, 3, 7, 16});
                        a.key.shape[3] = 8;
                        a.key.strides[3] = 2;
                      }),
      wrong_attention("negative stride", {"query.strides[2]", "-8"},
                      [](A& a) { a.query.strides[2] = -8; }),
      wrong_attention("strides of another rank", {"query.strides", "[8, 1]"},
                      [](A& a) {
                        a.query.strides = {8, 1};
                      }),
      wrong_attention("offset inside an element", {"query.offset_bytes", "6", "multiple"},
                      [](A& a) {
                        a.query = tensor(DType::f32, {2, 6, 6, 8});
                        a.query.shape[2] = 5;
                        a.query.offset_bytes = 6;
                      }),
      wrong_attention("past the buffer's end", {"value", "672", "676"},
                      [](A& a) { a.value.offset_bytes = 4; }),
      wrong_attention("strides past the buffer's end", {"key", "1344"},
                      [](A& a) { a.key.strides[0] = 1000; }),
      wrong_attention("output over the query", {"output", "query", "overlap"},
                      [](A& a) {
                        a.value = tensor(DType::f32, {2, 3, 7, 8});
                        a.output = a.query;
                      }),
      wrong_attention("output rows over each other", {"output.strides"},
                      [](A& a) { a.output.strides[1] = 0; }),
      wrong_attention("infinite scale", {"scale", "inf", "finite"},
                      [](A& a) { a.scale = std::numeric_limits<float>::infinity(); }),
      wrong_attention("scale NaN", {"scale", "nan", "finite"},
                      [](A& a) { a.scale = std::numeric_limits<float>::quiet_NaN(); }),
      wrong_attention("mask of the wrong length", {"mask.shape[3]", "6", "key.shape[2]", "7"},
                      [](A& a) {
                        a.mask = tensor(DType::u8, {1, 1, 1, 6});
                      }),
      wrong_attention("mask that can't be broadcast", {"mask.shape[1]", "3", "query.shape[1]", "6"},
                      [](A& a) {
                        a.mask = tensor(DType::f32, {1, 3, 5, 7});
                      }),
      wrong_attention("mask of integers", {"mask.dtype", "i32"},
                      [](A& a) {
                        a.mask = tensor(DType::i32, {1, 1, 1, 7});
                      }),
      wrong_attention("mask of rank 2", {"mask.shape", "[5, 7]", "4"},
                      [](A& a) {
                        a.mask = tensor(DType::u8, {5, 7});
                      }),
      wrong_attention("lengths of another type", {"kv_lengths.dtype", "f32", "i32"},
                      [](A& a) { a.kv_lengths = tensor(DType::f32, {2}); }),
      wrong_attention("too few lengths", {"kv_lengths.shape[0]", "1", "2"},
                      [](A& a) { a.kv_lengths = tensor(DType::i32, {1}); }),
      wrong_attention("logsumexp of rank 4", {"logsumexp.shape", "[2, 6, 5, 1]", "3"},
                      [](A& a) {
                        a.logsumexp = tensor(DType::f32, {2, 6, 5, 1});
                      }),
      wrong_attention("logsumexp of halves", {"logsumexp.dtype", "f16", "f32"},
                      [](A& a) {
                        a.logsumexp = tensor(DType::f16, {2, 6, 5});
                      }),
      wrong_attention("logsumexp of another length", {"logsumexp.shape[2]", "4", "5"},
                      [](A& a) {
                        a.logsumexp = tensor(DType::f32, {2, 6, 4});
                      }),
      wrong_attention("key of another device", {"key", "device"},
                      [](A& a) {
                        a.key = must(other_device().tensor(DType::f32, {2, 3, 7, 8}));
                      }),
      wrong_attention("logsumexp of another device", {"logsumexp", "device"},
                      [](A& a) {
                        a.logsumexp = must(other_device().tensor(DType::f32, {2, 6, 5}));
                      }),
  };
}

std::vector<WrongCall> wrong_weights_calls() {
  using W = AttentionWeightsCall;
  return {
      wrong_weights("no logsumexp", {"logsumexp is not given"}, [](W& w) { w.logsumexp = {}; }),
      wrong_weights("no weights", {"weights is not given"}, [](W& w) { w.weights = {}; }),
      wrong_weights("weights of halves", {"weights.dtype", "f16", "f32"},
                    [](W& w) {
                      w.weights = tensor(DType::f16, {2, 6, 5, 7});
                    }),
      wrong_weights("too few columns", {"weights.shape[3]", "6", "7"},
                    [](W& w) {
                      w.weights = tensor(DType::f32, {2, 6, 5, 6});
                    }),
      wrong_weights("a mean over heads has one", {"weights.shape[1]", "6", "1"},
                    [](W& w) { w.mean_heads = true; }),
      wrong_weights("no such head", {"heads", "6"},
                    [](W& w) {
                      w.heads = kNoSuchHead;
                      w.weights = tensor(DType::f32, {2, 2, 5, 7});
                    }),
      wrong_weights("no such key", {"keys", "7"},
                    [](W& w) {
                      w.keys = kNoSuchKey;
                      w.weights = tensor(DType::f32, {2, 6, 5, 1});
                    }),
      wrong_weights("weights over the key", {"weights", "overlap"},
                    [](W& w) {
                      w.key = tensor(DType::f32, {2, 6, 7, 8});
                      w.weights.buffer = w.key.buffer;
                    }),
      wrong_weights("weights of another device", {"weights", "device"},
                    [](W& w) {
                      w.weights = must(other_device().tensor(DType::f32, {2, 6, 5, 7}));
                    }),
  };
}

std::vector<WrongCall> wrong_op_calls() {
  return {
      wrong_linear("no input", {"input is not given"}, [](LinearCall& l) { l.input = {}; }),
      wrong_linear("other features", {"weight.shape[1]", "9", "input.shape[1]", "8"},
                   [](LinearCall& l) {
                     l.weight = tensor(DType::f32, {4, 9});
                   }),
      wrong_linear("weight of rank 1", {"weight.shape", "[8]", "2"},
                   [](LinearCall& l) { l.weight = tensor(DType::f32, {8}); }),
      wrong_linear("other out_features", {"output.shape[1]", "5", "weight.shape[0]", "4"},
                   [](LinearCall& l) {
                     l.output = tensor(DType::f32, {5, 5});
                   }),
      wrong_linear("other rows", {"output", "6", "5"},
                   [](LinearCall& l) {
                     l.output = tensor(DType::f32, {6, 4});
                   }),
      wrong_linear("bias of another length", {"bias.shape[0]", "5", "4"},
                   [](LinearCall& l) { l.bias = tensor(DType::f32, {5}); }),
      wrong_linear("bias of integers", {"bias.dtype", "i32"},
                   [](LinearCall& l) { l.bias = tensor(DType::i32, {4}); }),
      wrong_linear("no such activation", {"activation", "9"},
                   [](LinearCall& l) { l.activation = static_cast<Activation>(9); }),
      wrong_linear("output over the input", {"output", "input", "overlap"},
                   [](LinearCall& l) {
                     l.weight = tensor(DType::f32, {8, 8});
                     l.output = l.input;
                   }),
      wrong_linear("rows that don't fold", {"input.strides"},
                   [](LinearCall& l) {
                     l.input = tensor(DType::f32, {1, 100, 8});
                     l.input.shape = {5, 2, 8};
                     l.input.strides = {40, 16, 1};
                     l.output = tensor(DType::f32, {10, 4});
                   }),
      wrong_linear("weight of another device", {"weight", "device"},
                   [](LinearCall& l) {
                     l.weight = must(other_device().tensor(DType::f32, {4, 8}));
                   }),
      wrong_norm("weight of another length", {"weight.shape[0]", "7", "8"},
                 [](NormCall& n) { n.weight = tensor(DType::f32, {7}); }),
      wrong_norm("weight and bias of two types", {"bias.dtype", "f16", "weight.dtype", "f32"},
                 [](NormCall& n) { n.bias = tensor(DType::f16, {8}); }),
      wrong_norm("negative epsilon", {"epsilon", "-1"}, [](NormCall& n) { n.epsilon = -1.0f; }),
      wrong_norm("epsilon NaN", {"epsilon", "nan"},
                 [](NormCall& n) { n.epsilon = std::numeric_limits<float>::quiet_NaN(); }),
      wrong_norm("output partly over the input", {"output", "input", "overlap"},
                 [](NormCall& n) {
                   n.input = tensor(DType::f32, {6, 8});
                   n.input.shape[0] = 5;
                   n.output = n.input;
                   n.output.offset_bytes = 32;
                 }),
      wrong_norm("no output", {"output is not given"}, [](NormCall& n) { n.output = {}; }),
      wrong_add("rows that don't divide", {"right", "4", "6"},
                [](AddCall& a) {
                  a.right = tensor(DType::f32, {4, 8});
                }),
      wrong_add("other dim", {"right.shape[1]", "7", "left.shape[1]", "8"},
                [](AddCall& a) {
                  a.right = tensor(DType::f32, {3, 7});
                }),
      wrong_add("output over right", {"output", "right", "overlap"},
                [](AddCall& a) {
                  a.right = tensor(DType::f32, {6, 8});
                  a.output = a.right;
                }),
      wrong_gather("indices of floats", {"indices.dtype", "f32", "i32"},
                   [](GatherCall& g) { g.indices = tensor(DType::f32, {5}); }),
      wrong_gather("indices apart", {"indices.strides[0]", "2"},
                   [](GatherCall& g) {
                     g.indices = tensor(DType::i32, {10});
                     g.indices.shape[0] = 5;
                     g.indices.strides[0] = 2;
                   }),
      wrong_gather("other count", {"output.shape[0]", "4", "indices.shape[0]", "5"},
                   [](GatherCall& g) {
                     g.output = tensor(DType::f32, {4, 8});
                   }),
      wrong_gather("other dim", {"output.shape[1]", "9", "table.shape[1]", "8"},
                   [](GatherCall& g) {
                     g.output = tensor(DType::f32, {5, 9});
                   }),
      wrong_gather("no table", {"table is not given"}, [](GatherCall& g) { g.table = {}; }),
  };
}

std::vector<WrongCall> wrong_plans() {
  const auto plan = [](const Device& on, const AttentionDesc& desc) -> Result<void> {
    WEFT_TRY(Attention::plan(on, desc));
    return {};
  };
  return {
      {"no head_dim", {"attention: ", "head_dim", "0"}, [=](C&) { return plan(device(), {}); }},
      {"head_dim 257",
       {"attention: ", "head_dim", "257", "256"},
       [=](C&) { return plan(device(), {.head_dim = 257}); }},
      {"value_dim 1000",
       {"attention: ", "value_dim", "1000", "256"},
       [=](C&) { return plan(device(), {.head_dim = 8, .value_dim = 1000}); }},
      {"integers",
       {"attention: ", "kv_dtype", "i32"},
       [=](C&) { return plan(device(), {.kv_dtype = DType::i32, .head_dim = 8}); }},
      {"a bias of bytes",
       {"attention: ", "mask_dtype", "u8"},
       [=](C&) { return plan(device(), {.head_dim = 8, .mask = MaskKind::bias}); }},
      {"a row that is none",
       {"attention: ", "no_such_row"},
       [=](C&) { return plan(device({.kernel = "no_such_row"}), {.head_dim = 8}); },
       Code::unsupported},
      {"a row that the device can't run",
       {"attention: ", "attention_lane_cpu", "16-bit"},
       [=](C&) {
         return plan(device({.kernel = "attention_lane_cpu", .without_16bit = true}),
                     {.head_dim = 8});
       },
       Code::unsupported},
      {"a call that isn't what was planned",
       {"attention: ", "query.shape[3]", "16", "8"},
       [](C& c) -> Result<void> {
         WEFT_ASSIGN(const Attention planned,
                     Attention::plan(device(), {.head_dim = 16, .value_dim = 4}));
         return planned.record(c.recorder, c.attention);
       }},
      {"a recorder of another device",
       {"attention: ", "device"},
       [](C& c) -> Result<void> {
         WEFT_ASSIGN(const Attention planned,
                     Attention::plan(other_device(), {.head_dim = 8, .value_dim = 4}));
         return planned.record(c.recorder, c.attention);
       }},
  };
}

// Every row of the table fails as it says, and leaves the recorder usable.
void check_all(const std::vector<WrongCall>& table) {
  for (const WrongCall& row : table) {
    Calls calls;
    const Result<void> result = row.call(calls);
    INFO(row.name);
    if (result) {
      FAIL_CHECK("the call was accepted");
      continue;
    }
    INFO(result.error().message);
    CHECK(std::string(to_string(result.error().code)) == to_string(row.code));
    CHECK(result.error().message.starts_with(row.says[0]));
    for (const char* part : row.says) {
      INFO("must say: " << part);
      CHECK(result.error().message.find(part) != std::string::npos);
    }
    Calls correct;
    calls.attention = correct.attention;
    REQUIRE(attention(calls.recorder, calls.attention).has_value());
    must(must(calls.recorder.submit()).wait());
  }
}

}  // namespace

TEST_CASE("the calls that the tables break are correct") {
  Calls calls;
  must(attention(calls.recorder, calls.attention));
  must(attention_weights(calls.recorder, calls.weights));
  must(linear(calls.recorder, calls.linear));
  must(layer_norm(calls.recorder, calls.norm));
  must(rms_norm(calls.recorder, calls.norm));
  must(add(calls.recorder, calls.add));
  must(gather(calls.recorder, calls.gather));
  must(must(calls.recorder.submit()).wait());
}

TEST_CASE("wrong attention calls") { check_all(wrong_attention_calls()); }
TEST_CASE("wrong calls for weights") { check_all(wrong_weights_calls()); }
TEST_CASE("wrong calls of operations") { check_all(wrong_op_calls()); }
TEST_CASE("wrong plans") { check_all(wrong_plans()); }

TEST_CASE("a transient tensor that is read before it is written") {
  Calls calls;
  calls.linear.input = calls.recorder.transient(DType::f32, {5, 8});
  const Result<void> recorded = linear(calls.recorder, calls.linear);
  const Error error = recorded ? calls.recorder.submit().error() : recorded.error();
  INFO(error.message);
  CHECK(error.code == Code::invalid_argument);
  CHECK(error.message.find("transient") != std::string::npos);
}

TEST_CASE("copies of the wrong size, and of what isn't dense") {
  Tensor dense = tensor(DType::f32, {4, 8});
  CHECK(device().upload(dense, std::vector<float>(31)).error().code == Code::invalid_argument);
  std::vector<std::byte> bytes(129);
  CHECK(device().download(dense, bytes).error().code == Code::invalid_argument);
  const Tensor columns = must(dense.slice(1, 0, 4));
  const auto refused = device().upload(columns, std::vector<float>(16));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::invalid_argument);
  CHECK(refused.error().message.find("dense") != std::string::npos);
  CHECK(device().download<float>(Tensor{}).error().code == Code::invalid_argument);
}

TEST_CASE("devices that can't be opened") {
  const auto missing = Device::open({.name = "no device is called this"});
  REQUIRE_FALSE(missing.has_value());
  INFO(missing.error().message);
  CHECK(missing.error().code == Code::no_device);
  CHECK(missing.error().message.find("no device is called this") != std::string::npos);
  const auto index = Device::open({.name = "4711"});
  REQUIRE_FALSE(index.has_value());
  CHECK(index.error().message.find("4711") != std::string::npos);
}
