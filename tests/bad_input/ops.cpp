// Linear, norms, add and gather.
#include "weft/ops.hpp"

#include <limits>

#include "bad_input/device_tables.hpp"

namespace weft::test {
namespace {

using L = LinearCall;
using N = NormCall;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor f32(const Dims& shape) { return tensor(DType::f32, shape); }

Rows linear_rows() {
  const L valid{
      .input = f32({5, 8}), .weight = f32({4, 8}), .bias = f32({4}), .output = f32({5, 4})};
  must_run([&](Recorder& r) { return linear(r, valid); });
  Breaker<L> wrong{"linear", valid, recording(linear), {}};
  add_tensor_faults<L>(wrong,
                       {{WEFT_FIELD(L, input), DType::i32, true, false, true},
                        {WEFT_FIELD(L, weight), DType::u8, true},
                        {WEFT_FIELD(L, bias), DType::i32},
                        {WEFT_FIELD(L, output), DType::i32, true, true, true}},
                       device_maker());
  wrong.add("other in_features", {"weight.shape[1] is 9", "input.shape[1] is 8"}, [](L& l) {
    l.weight = f32({4, 9});
  });
  wrong.add("other out_features", {"output.shape[1] is 5", "weight.shape[0] is 4"}, [](L& l) {
    l.output = f32({5, 5});
  });
  wrong.add("other rows", {"output has 6 rows", "input has 5"}, [](L& l) {
    l.output = f32({6, 4});
  });
  wrong.add("bias of another length", {"bias.shape[0] is 5", "weight.shape[0] is 4"},
            [](L& l) { l.bias = f32({5}); });
  for (const int activation : {-1, 5})
    wrong.add("activation " + std::to_string(activation),
              {"activation is " + std::to_string(activation), "Activation"},
              [activation](L& l) { l.activation = static_cast<Activation>(activation); });
  wrong.add("output on the input", {"output is bytes 0 to 80", "input bytes 0 to 160", "overlap"},
            [](L& l) { l.output.buffer = l.input.buffer; });
  wrong.add("output on the weight", {"output is bytes", "weight bytes", "overlap"},
            [](L& l) { l.output.buffer = l.weight.buffer; });
  wrong.add("output on the bias", {"output is bytes", "bias bytes", "overlap"},
            [](L& l) { l.bias.buffer = l.output.buffer; });
  wrong.add("rows that don't fold",
            {"input.strides [40, 16, 1]", "input.shape [5, 2, 8]", "one row stride"}, [](L& l) {
              l.input = f32({100, 8});
              l.input.shape = {5, 2, 8};
              l.input.strides = {40, 16, 1};
              l.output = f32({10, 4});
            });
  wrong.add("2^62 rows", {"input.shape is [2147483647, 2147483647, 0]", "rows fit"}, [](L& l) {
    l.input.shape = {INT32_MAX, INT32_MAX, 0};
    l.input.strides = {0, 0, 1};
    l.weight = f32({4, 0});
  });
  wrong.add("rows too far apart",
            {"input has 5 rows with stride 1073741824", "at most 2147483647 elements"},
            [](L& l) { l.input.strides[0] = int64_t{1} << 30; });
  return wrong.rows;
}

Rows norm_rows(const char* name, Result<void> (*make)(Recorder&, const N&)) {
  const N valid{.input = f32({5, 8}), .weight = f32({8}), .bias = f32({8}), .output = f32({5, 8})};
  must_run([&](Recorder& r) { return make(r, valid); });
  Breaker<N> wrong{name, valid, recording(make), {}};
  add_tensor_faults<N>(wrong,
                       {{WEFT_FIELD(N, input), DType::i32, true, false, true},
                        {WEFT_FIELD(N, weight), DType::u8},
                        {WEFT_FIELD(N, bias), DType::i32},
                        {WEFT_FIELD(N, output), DType::u8, true, true, true}},
                       device_maker());
  wrong.add("weight of another length", {"weight.shape[0] is 7", "input.shape[1] is 8"},
            [](N& n) { n.weight = f32({7}); });
  wrong.add("bias of another length", {"bias.shape[0] is 9", "input.shape[1] is 8"},
            [](N& n) { n.bias = f32({9}); });
  wrong.add("weight and bias of two types", {"bias.dtype is f16", "weight.dtype is f32", "match"},
            [](N& n) { n.bias = tensor(DType::f16, {8}); });
  wrong.add("other dim", {"output.shape[1] is 7", "input.shape[1] is 8"}, [](N& n) {
    n.output = f32({5, 7});
  });
  wrong.add("other rows", {"output has 4 rows", "input has 5"}, [](N& n) {
    n.output = f32({4, 8});
  });
  for (const auto& [epsilon, shown] :
       {std::pair{-1e-5f, "-1e-05"}, {kNan, "nan"}, {kInfinity, "inf"}})
    wrong.add(std::string("epsilon ") + shown,
              {std::string("epsilon is ") + shown, "finite and not negative"},
              [epsilon](N& n) { n.epsilon = epsilon; });
  wrong.add("output partly on the input",
            {"output is bytes 32 to 192", "input bytes 0 to 160", "overlap"}, [](N& n) {
              n.input = f32({6, 8});
              n.input.shape[0] = 5;
              n.output = n.input;
              n.output.offset_bytes = 32;
            });
  wrong.add("output on the weight", {"output is bytes", "weight bytes", "overlap"},
            [](N& n) { n.weight.buffer = n.output.buffer; });
  wrong.add("output on the bias", {"output is bytes", "bias bytes", "overlap"},
            [](N& n) { n.bias.buffer = n.output.buffer; });
  return wrong.rows;
}

Rows add_rows() {
  using A = AddCall;
  const A valid{.left = f32({6, 8}), .right = f32({3, 8}), .output = f32({6, 8})};
  must_run([&](Recorder& r) { return add(r, valid); });
  Breaker<A> wrong{"add", valid, recording(add), {}};
  add_tensor_faults<A>(wrong,
                       {{WEFT_FIELD(A, left), DType::i32, true, false, true},
                        {WEFT_FIELD(A, right), DType::u8, true, false, true},
                        {WEFT_FIELD(A, output), DType::i32, true, true, true}},
                       device_maker());
  wrong.add("rows that don't divide", {"right has 4 rows", "left has 6", "divide"}, [](A& a) {
    a.right = f32({4, 8});
  });
  wrong.add("no right rows", {"right has 0 rows", "left has 6", "divide"}, [](A& a) {
    a.right = f32({0, 8});
  });
  wrong.add("other dim", {"right.shape[1] is 7", "left.shape[1] is 8"}, [](A& a) {
    a.right = f32({3, 7});
  });
  wrong.add("other output dim", {"output.shape[1] is 9", "left.shape[1] is 8"}, [](A& a) {
    a.output = f32({6, 9});
  });
  wrong.add("other output rows", {"output has 5 rows", "left has 6"}, [](A& a) {
    a.output = f32({5, 8});
  });
  wrong.add("output on right", {"output is bytes", "right bytes 0 to 96", "overlap"},
            [](A& a) { a.right.buffer = a.output.buffer; });
  wrong.add("output over left in another type", {"output is bytes", "left bytes", "overlap"},
            [](A& a) {
              a.output = a.left;
              a.output.dtype = DType::f16;
            });
  return wrong.rows;
}

Rows gather_rows() {
  using G = GatherCall;
  const G valid{.table = f32({10, 8}), .indices = tensor(DType::i32, {5}), .output = f32({5, 8})};
  must_run([&](Recorder& r) { return gather(r, valid); });
  Breaker<G> wrong{"gather", valid, recording(gather), {}};
  add_tensor_faults<G>(wrong,
                       {{WEFT_FIELD(G, table), DType::i32, true},
                        {WEFT_FIELD(G, indices), DType::f32, true},
                        {WEFT_FIELD(G, output), DType::u8, true, true}},
                       device_maker());
  wrong.add("other count", {"output.shape[0] is 4", "indices.shape[0] is 5"}, [](G& g) {
    g.output = f32({4, 8});
  });
  wrong.add("other dim", {"output.shape[1] is 9", "table.shape[1] is 8"}, [](G& g) {
    g.output = f32({5, 9});
  });
  wrong.add("output on the table", {"output is bytes 0 to 160", "table bytes 0 to 320", "overlap"},
            [](G& g) { g.output.buffer = g.table.buffer; });
  wrong.add("output on the indices", {"output is bytes", "indices bytes 0 to 20", "overlap"},
            [](G& g) { g.indices.buffer = g.output.buffer; });
  return wrong.rows;
}

}  // namespace

size_t check_ops() {
  return check_rows("linear", linear_rows(), submissions) +
         check_rows("layer_norm", norm_rows("layer_norm", layer_norm), submissions) +
         check_rows("rms_norm", norm_rows("rms_norm", rms_norm), submissions) +
         check_rows("add", add_rows(), submissions) +
         check_rows("gather", gather_rows(), submissions);
}

}  // namespace weft::test
