// What stands around attention.
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
  for (const int activation : {-1, 6})
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

// What add and multiply refuse of the tensors that they share.
template <class Call>
void add_pair_faults(Breaker<Call>& wrong) {
  wrong.add("rows that don't divide", {"right has 4 rows", "left has 6", "divide"}, [](Call& c) {
    c.right = f32({4, 8});
  });
  wrong.add("no right rows", {"right has 0 rows", "left has 6", "divide"}, [](Call& c) {
    c.right = f32({0, 8});
  });
  wrong.add("other dim", {"right.shape[1] is 7", "left.shape[1] is 8"}, [](Call& c) {
    c.right = f32({3, 7});
  });
  wrong.add("other output dim", {"output.shape[1] is 9", "left.shape[1] is 8"}, [](Call& c) {
    c.output = f32({6, 9});
  });
  wrong.add("other output rows", {"output has 5 rows", "left has 6"}, [](Call& c) {
    c.output = f32({5, 8});
  });
  wrong.add("output on right", {"output is bytes", "right bytes 0 to 96", "overlap"},
            [](Call& c) { c.right.buffer = c.output.buffer; });
  wrong.add("output over left in another type", {"output is bytes", "left bytes", "overlap"},
            [](Call& c) {
              c.output = c.left;
              c.output.dtype = DType::f16;
            });
}

Rows add_rows() {
  using A = AddCall;
  const A valid{.left = f32({6, 8}),
                .right = f32({3, 8}),
                .output = f32({6, 8}),
                .gate = {GateKind::tanh, f32({8})},
                .row_factors = f32({6})};
  must_run([&](Recorder& r) { return add(r, valid); });
  Breaker<A> wrong{"add", valid, recording(add), {}};
  add_tensor_faults<A>(wrong,
                       {{WEFT_FIELD(A, left), DType::i32, false, false, true},
                        {WEFT_FIELD(A, right), DType::u8, true, false, true},
                        {WEFT_FIELD(A, output), DType::i32, true, true, true},
                        {WEFT_FIELD(A, gate.value), DType::i32, true},
                        {WEFT_FIELD(A, row_factors), DType::f16}},
                       device_maker());
  add_pair_faults(wrong);
  wrong.add("without left: rows that don't divide", {"right has 4 rows", "output has 6", "divide"},
            [](A& a) {
              a.left = {};
              a.right = f32({4, 8});
            });
  for (const int kind : {-1, 3})
    wrong.add("gate kind " + std::to_string(kind),
              {"gate.kind is " + std::to_string(kind), "GateKind"},
              [kind](A& a) { a.gate.kind = static_cast<GateKind>(kind); });
  wrong.add("a gate of no kind", {"gate.value is given", "gate.kind must be value or tanh"},
            [](A& a) { a.gate.kind = GateKind::none; });
  wrong.add("a gate of another length", {"gate.value.shape[0] is 7", "8, the columns", "or 1"},
            [](A& a) { a.gate.value = f32({7}); });
  wrong.add("row factors of another length", {"row_factors.shape[0] is 3", "6, output's rows"},
            [](A& a) { a.row_factors = f32({3}); });
  wrong.add("output on the gate", {"output is bytes", "gate.value bytes", "overlap"},
            [](A& a) { a.gate.value.buffer = a.output.buffer; });
  wrong.add("output on the row factors", {"output is bytes", "row_factors bytes", "overlap"},
            [](A& a) { a.row_factors.buffer = a.output.buffer; });
  return wrong.rows;
}

Rows multiply_rows() {
  using M = MultiplyCall;
  const M valid{.left = f32({6, 8}), .right = f32({3, 8}), .output = f32({6, 8})};
  must_run([&](Recorder& r) { return multiply(r, valid); });
  Breaker<M> wrong{"multiply", valid, recording(multiply), {}};
  add_tensor_faults<M>(wrong,
                       {{WEFT_FIELD(M, left), DType::i32, true, false, true},
                        {WEFT_FIELD(M, right), DType::u8, true, false, true},
                        {WEFT_FIELD(M, output), DType::i32, true, true, true}},
                       device_maker());
  add_pair_faults(wrong);
  for (const int activation : {-1, 6})
    wrong.add("activation " + std::to_string(activation),
              {"activation is " + std::to_string(activation), "Activation"},
              [activation](M& m) { m.activation = static_cast<Activation>(activation); });
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

Rows mix_keys_rows() {
  using M = MixKeysCall;
  const M valid{.input = f32({2, 3, 5, 8}),
                .factors = f32({2, 3, 5}),
                .matrix = f32({2, 3, 4, 5}),
                .output = f32({2, 3, 4, 8})};
  must_run([&](Recorder& r) { return mix_keys(r, valid); });
  Breaker<M> wrong{"mix_keys", valid, recording(mix_keys), {}};
  add_tensor_faults<M>(wrong,
                       {{WEFT_FIELD(M, input), DType::i32, true},
                        {WEFT_FIELD(M, factors), DType::f16},
                        {WEFT_FIELD(M, matrix), DType::bf16},
                        {WEFT_FIELD(M, output), DType::u8, true, true}},
                       device_maker());
  wrong.add("input of another batch", {"input.shape[0] is 3", "2, output's batch, or 1"}, [](M& m) {
    m.input = f32({3, 3, 5, 8});
  });
  wrong.add("input of other heads", {"input.shape[1] is 2", "3, output's heads, or 1"}, [](M& m) {
    m.input = f32({2, 2, 5, 8});
  });
  wrong.add("other dim", {"output.shape[3] is 9", "input.shape[3] is 8"}, [](M& m) {
    m.output = f32({2, 3, 4, 9});
  });
  wrong.add("factors of another length", {"factors.shape[2] is 4", "input.shape[2] is 5"},
            [](M& m) {
              m.factors = f32({2, 3, 4});
            });
  wrong.add("factors of another batch", {"factors.shape[0] is 5", "2, output's batch, or 1"},
            [](M& m) {
              m.factors = f32({5, 3, 5});
            });
  wrong.add("a matrix of other columns", {"matrix.shape[3] is 6", "input.shape[2] is 5"}, [](M& m) {
    m.matrix = f32({2, 3, 4, 6});
  });
  wrong.add("a matrix of other heads", {"matrix.shape[1] is 4", "3, output's heads, or 1"},
            [](M& m) {
              m.matrix = f32({2, 4, 4, 5});
            });
  wrong.add("other rows than the matrix", {"output.shape[2] is 5", "matrix.shape[2] is 4"},
            [](M& m) {
              m.output = f32({2, 3, 5, 8});
            });
  wrong.add("other rows than the input", {"output.shape[2] is 4", "input.shape[2] is 5"},
            [](M& m) { m.matrix = {}; });
  wrong.add("output on the input", {"output is bytes", "input bytes", "overlap"}, [](M& m) {
    m.matrix = {};
    m.output = m.input;
  });
  wrong.add("output on the factors", {"output is bytes", "factors bytes", "overlap"},
            [](M& m) { m.factors.buffer = m.output.buffer; });
  wrong.add("output on the matrix", {"output is bytes", "matrix bytes", "overlap"},
            [](M& m) { m.matrix.buffer = m.output.buffer; });
  wrong.add("rows too far apart",
            {"input has 5 rows with stride 1073741824", "at most 2147483647 elements"},
            [](M& m) { m.input.strides[2] = int64_t{1} << 30; });
  return wrong.rows;
}

Rows rotary_rows() {
  using R = RotaryCall;
  const R valid{.input = f32({2, 3, 5, 8}), .angles = f32({5, 6}), .output = f32({2, 3, 5, 8})};
  must_run([&](Recorder& r) { return rotary(r, valid); });
  Breaker<R> wrong{"rotary", valid, recording(rotary), {}};
  add_tensor_faults<R>(wrong,
                       {{WEFT_FIELD(R, input), DType::i32, true},
                        {WEFT_FIELD(R, angles), DType::f16, true},
                        {WEFT_FIELD(R, output), DType::u8, true, true}},
                       device_maker());
  wrong.add("angles of another length", {"angles.shape[0] is 4", "input.shape[2] is 5"}, [](R& r) {
    r.angles = f32({4, 6});
  });
  for (const int64_t columns : {5, 10})
    wrong.add(std::to_string(columns) + " angles",
              {"angles.shape[1] is " + std::to_string(columns), "even and at most 8"},
              [columns](R& r) {
                r.angles = f32({5, columns});
              });
  wrong.add("another output", {"output.shape[1] is 2", "input.shape[1] is 3"}, [](R& r) {
    r.output = f32({2, 2, 5, 8});
  });
  wrong.add("output partly on the input", {"output is bytes 32", "input bytes 0", "overlap"},
            [](R& r) {
              r.input = f32({3, 3, 5, 8});
              r.input.shape[0] = 2;
              r.output = r.input;
              r.output.offset_bytes = 32;
            });
  wrong.add("output on the angles", {"output is bytes", "angles bytes", "overlap"},
            [](R& r) { r.angles.buffer = r.output.buffer; });
  return wrong.rows;
}

}  // namespace

size_t check_ops() {
  return check_rows("linear", linear_rows(), submissions) +
         check_rows("layer_norm", norm_rows("layer_norm", layer_norm), submissions) +
         check_rows("rms_norm", norm_rows("rms_norm", rms_norm), submissions) +
         check_rows("add", add_rows(), submissions) +
         check_rows("multiply", multiply_rows(), submissions) +
         check_rows("gather", gather_rows(), submissions) +
         check_rows("mix_keys", mix_keys_rows(), submissions) +
         check_rows("rotary", rotary_rows(), submissions);
}

}  // namespace weft::test
