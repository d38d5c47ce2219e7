// What linear, norms, add, multiply and gather accept and refuse. No device is needed.
#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "fake_tensor.hpp"
#include "ops/validate.hpp"

using namespace weft;
using ops::validate;
using weft::test::fake_buffer;
using weft::test::fake_tensor;
using weft::test::message;

namespace {

LinearCall linear_call() {
  LinearCall call;
  call.input = fake_tensor(DType::f16, {2, 77, 64});
  call.weight = fake_tensor(DType::f32, {96, 64});
  call.bias = fake_tensor(DType::f32, {96});
  call.output = fake_tensor(DType::f16, {2, 77, 96});
  return call;
}

NormCall norm_call() {
  NormCall call;
  call.input = fake_tensor(DType::f32, {5, 64});
  call.weight = fake_tensor(DType::f16, {64});
  call.bias = fake_tensor(DType::f16, {64});
  call.output = fake_tensor(DType::f32, {5, 64});
  return call;
}

AddCall add_call() {
  AddCall call;
  call.left = fake_tensor(DType::f32, {6, 10, 64});
  call.right = fake_tensor(DType::f32, {10, 64});
  call.output = fake_tensor(DType::f32, {6, 10, 64});
  return call;
}

MultiplyCall multiply_call() {
  MultiplyCall call;
  call.left = fake_tensor(DType::f16, {6, 64});
  call.right = fake_tensor(DType::f32, {3, 64});
  call.output = fake_tensor(DType::f16, {6, 64});
  return call;
}

GatherCall gather_call() {
  GatherCall call;
  call.table = fake_tensor(DType::f16, {1000, 64});
  call.indices = fake_tensor(DType::i32, {9});
  call.output = fake_tensor(DType::f32, {9, 64});
  return call;
}

template <class Call, class Change>
std::string refusal(Call call, Change change) {
  change(call);
  return message(validate(call));
}
template <class Change>
std::string norm_refusal(Change change) {
  NormCall call = norm_call();
  change(call);
  return message(validate("rms_norm", call));
}

Result<ops::Rows> fold(const Tensor& tensor) { return ops::fold({"op"}, {"input", tensor}); }

}  // namespace

TEST_CASE("leading axes fold into rows with one stride") {
  Tensor tensor = fake_tensor(DType::f32, {2, 3, 5, 8});
  CHECK(fold(tensor).value().count == 30);
  CHECK(fold(tensor).value().stride == 8);
  CHECK(fold(tensor.slice(3, 2, 4).value()).value().stride == 8);
  CHECK(fold(tensor.slice(3, 2, 4).value()).value().dim == 4);
  CHECK(fold(tensor.slice(0, 1, 1).value()).value().count == 15);
  CHECK(message(fold(tensor.slice(2, 0, 4).value())) ==
        "op: input.strides [120, 40, 8, 1] of input.shape [2, 3, 4, 8] do not fold into one row "
        "stride");
  CHECK(fold(tensor.slice(2, 0, 1).value()).value().stride == 40);  // one axis of every kind left

  const Tensor row = fake_tensor(DType::f32, {8});
  CHECK(fold(row).value().count == 1);
  CHECK(fold(row).value().stride == 0);
  CHECK(fold(row.broadcast_front(7).value()).value().count == 7);
  CHECK(fold(row.broadcast_front(7).value()).value().stride == 0);
  CHECK_FALSE(fold(fake_tensor(DType::f32, {3, 8}).broadcast_front(2).value()).has_value());
  CHECK(fold(fake_tensor(DType::f32, {4, 0, 8})).value().count == 0);
  CHECK(fold(fake_tensor(DType::f32, {4, 3, 0})).value().count == 12);
}

TEST_CASE("rows span at most 31 bits of elements") {
  Tensor tensor = fake_tensor(DType::f32, {3, 8});
  tensor.strides = {int64_t{1} << 30, 1};
  CHECK(message(fold(tensor)) ==
        "op: input has 3 rows with stride 1073741824; rows of one slice must span at most "
        "2147483647 elements");
  tensor.shape[0] = 2;
  CHECK(fold(tensor).has_value());
}

TEST_CASE("linear: sizes, types and memory") {
  const auto shape = validate(linear_call()).value();
  CHECK(shape.input.count == 154);
  CHECK(shape.output.dim == 96);
  CHECK(shape.aligned);
  CHECK(refusal(linear_call(), [](LinearCall& c) { c.bias = {}; }) == "no error");
  CHECK(refusal(linear_call(), [](LinearCall& c) {
          c.output = fake_tensor(DType::f32, {154, 96});
        }) == "no error");
  CHECK(refusal(linear_call(), [](LinearCall& c) { c.weight = {}; }) ==
        "linear: weight is not given");
  CHECK(refusal(linear_call(), [](LinearCall& c) {
          c.weight = fake_tensor(DType::f32, {96, 80});
        }) == "linear: weight.shape[1] is 80, input.shape[2] is 64; they must match");
  CHECK(refusal(linear_call(), [](LinearCall& c) {
          c.weight = fake_tensor(DType::f32, {2, 96, 64});
        }) == "linear: weight.shape is [2, 96, 64]; its rank must be 2");
  CHECK(refusal(linear_call(), [](LinearCall& c) { c.bias = fake_tensor(DType::f32, {64}); }) ==
        "linear: bias.shape[0] is 64, weight.shape[0] is 96; they must match");
  CHECK(refusal(linear_call(), [](LinearCall& c) {
          c.output = fake_tensor(DType::f32, {2, 77, 64});
        }) == "linear: output.shape[2] is 64, weight.shape[0] is 96; they must match");
  CHECK(refusal(linear_call(), [](LinearCall& c) {
          c.output = fake_tensor(DType::f32, {2, 76, 96});
        }) == "linear: output has 152 rows, input has 154; they must match");
  CHECK(refusal(linear_call(), [](LinearCall& c) { c.input.dtype = DType::u8; }) ==
        "linear: input.dtype is u8; it must be f32, f16 or bf16");
  CHECK(refusal(linear_call(), [](LinearCall& c) { c.activation = static_cast<Activation>(9); }) ==
        "linear: activation is 9; it must be an Activation");
  CHECK(refusal(linear_call(), [](LinearCall& c) { c.weight.offset_bytes = 4; }) ==
        "linear: weight ends at byte 24580, its buffer has 24576; it must lie inside");
  CHECK(refusal(linear_call(),
                [](LinearCall& c) {
                  c.weight = fake_tensor(DType::f16, {64, 64});
                  c.bias = {};
                  c.output = c.input;
                }) ==
        "linear: output is bytes 0 to 19712 and input bytes 0 to 19712 of the same buffer; they "
        "must not overlap");
}

TEST_CASE("linear: aligned looks at the data and the weight") {
  const auto aligned = [](auto change) {
    LinearCall call = linear_call();
    call.input.buffer = call.weight.buffer = fake_buffer(1 << 20);
    call.output.buffer = fake_buffer(1 << 20);
    change(call);
    return validate(call).value().aligned;
  };
  CHECK(aligned([](LinearCall&) {}));
  CHECK(aligned([](LinearCall& c) { c.output.offset_bytes = 2; }));
  CHECK_FALSE(aligned([](LinearCall& c) { c.input.offset_bytes = 2; }));
  CHECK_FALSE(aligned([](LinearCall& c) { c.weight.strides[0] = 65; }));
  CHECK_FALSE(aligned([](LinearCall& c) { c.input.shape[2] = c.weight.shape[1] = 63; }));
}

TEST_CASE("norm: sizes, types, epsilon") {
  CHECK(norm_refusal([](NormCall&) {}) == "no error");
  CHECK(norm_refusal([](NormCall& c) { c.weight = c.bias = {}; }) == "no error");
  CHECK(norm_refusal([](NormCall& c) { c.input = {}; }) == "rms_norm: input is not given");
  CHECK(norm_refusal([](NormCall& c) { c.weight = fake_tensor(DType::f16, {32}); }) ==
        "rms_norm: weight.shape[0] is 32, input.shape[1] is 64; they must match");
  CHECK(norm_refusal([](NormCall& c) { c.bias = fake_tensor(DType::f32, {64}); }) ==
        "rms_norm: bias.dtype is f32, weight.dtype is f16; they must match");
  CHECK(norm_refusal([](NormCall& c) {
          c.output = fake_tensor(DType::f16, {5, 32});
        }) == "rms_norm: output.shape[1] is 32, input.shape[1] is 64; they must match");
  CHECK(norm_refusal([](NormCall& c) { c.epsilon = -1.0f; }) ==
        "rms_norm: epsilon is -1; it must be finite and not negative");
  CHECK(norm_refusal([](NormCall& c) { c.epsilon = std::numeric_limits<float>::quiet_NaN(); }) !=
        "no error");
  CHECK(norm_refusal([](NormCall& c) { c.epsilon = 0.0f; }) == "no error");
}

TEST_CASE("norm: in place over exactly the same view") {
  CHECK(norm_refusal([](NormCall& c) { c.output = c.input; }) == "no error");
  CHECK(norm_refusal([](NormCall& c) {
          c.input.buffer = fake_buffer(4096);
          c.output = c.input;
          c.output.offset_bytes = 4;
        }).ends_with("they must not overlap"));
  CHECK(norm_refusal([](NormCall& c) {
          c.output = c.input;
          c.output.dtype = DType::f16;
        }).ends_with("they must not overlap"));
  CHECK(norm_refusal([](NormCall& c) {
          c.input = fake_tensor(DType::f16, {1, 64});
          c.output = c.weight;  // over a parameter: never
        }).ends_with("they must not overlap"));
}

TEST_CASE("add: the right rows repeat") {
  CHECK(validate(add_call()).value().right.count == 10);
  CHECK(refusal(add_call(), [](AddCall& c) { c.right = fake_tensor(DType::f32, {64}); }) ==
        "no error");
  CHECK(refusal(add_call(), [](AddCall& c) {
          c.right = fake_tensor(DType::f32, {7, 64});
        }) == "add: right has 7 rows, left has 60; right's count must divide left's");
  CHECK(refusal(add_call(), [](AddCall& c) {
          c.right = fake_tensor(DType::f32, {0, 64});
        }) == "add: right has 0 rows, left has 60; right's count must divide left's");
  CHECK(refusal(add_call(), [](AddCall& c) {
          c.right = fake_tensor(DType::f32, {10, 1});
        }) == "add: right.shape[1] is 1, left.shape[2] is 64; they must match");
}

TEST_CASE("add: in place over left only") {
  CHECK(refusal(add_call(), [](AddCall& c) { c.output = c.left; }) == "no error");
  CHECK(refusal(add_call(),
                [](AddCall& c) {
                  c.right = fake_tensor(DType::f32, {6, 10, 64});
                  c.output = c.right;
                }) ==
        "add: output is bytes 0 to 15360 and right bytes 0 to 15360 of the same buffer; they must "
        "not overlap");
}

TEST_CASE("add: left may be missing") {
  CHECK(refusal(add_call(), [](AddCall& c) { c.left = {}; }) == "no error");
  CHECK(refusal(add_call(), [](AddCall& c) {
          c.left = {};
          c.right = fake_tensor(DType::f32, {7, 64});
        }) == "add: right has 7 rows, output has 60; right's count must divide output's");
  CHECK(refusal(add_call(), [](AddCall& c) {
          c.left = {};
          c.output = fake_tensor(DType::f32, {60, 32});
        }) == "add: right.shape[1] is 64, output.shape[1] is 32; they must match");
}

TEST_CASE("add: gates") {
  const auto gated = [](GateKind kind, const Tensor& value) {
    return refusal(add_call(), [&](AddCall& c) { c.gate = {kind, value}; });
  };
  CHECK(gated(GateKind::tanh, fake_tensor(DType::bf16, {1})) == "no error");
  CHECK(gated(GateKind::value, fake_tensor(DType::f32, {64})) == "no error");
  CHECK(gated(GateKind::value, fake_tensor(DType::f32, {32})) ==
        "add: gate.value.shape[0] is 32; it must be 64, the columns, or 1");
  CHECK(gated(GateKind::value, fake_tensor(DType::f32, {1, 64})) ==
        "add: gate.value.shape is [1, 64]; its rank must be 1");
  CHECK(gated(GateKind::tanh, {}) == "add: gate.value is not given");
  CHECK(gated(GateKind::none, fake_tensor(DType::f32, {1})) ==
        "add: gate.value is given; gate.kind must be value or tanh");
  CHECK(gated(static_cast<GateKind>(3), {}) == "add: gate.kind is 3; it must be a GateKind");
  CHECK(gated(GateKind::tanh, fake_tensor(DType::i32, {1})) ==
        "add: gate.value.dtype is i32; it must be f32, f16 or bf16");
}

TEST_CASE("add: one factor for each row of the output") {
  const auto with = [](const Tensor& factors) {
    return refusal(add_call(), [&](AddCall& c) { c.row_factors = factors; });
  };
  CHECK(with(fake_tensor(DType::f32, {60})) == "no error");
  CHECK(with(fake_tensor(DType::f32, {10})) ==
        "add: row_factors.shape[0] is 10; it must be 60, output's rows");
  CHECK(with(fake_tensor(DType::f32, {6, 10})) ==
        "add: row_factors.shape is [6, 10]; its rank must be 1");
  CHECK(with(fake_tensor(DType::f16, {60})) == "add: row_factors.dtype is f16; it must be f32");
}

TEST_CASE("add: aligned looks at gates of columns") {
  const auto aligned = [](const Tensor& gate) {
    AddCall call = add_call();
    call.gate = {GateKind::tanh, gate};
    return validate(call).value().aligned;
  };
  Tensor gate = fake_tensor(DType::f16, {1});
  gate.buffer = fake_buffer(1024);
  CHECK(aligned(gate));
  gate.offset_bytes = 2;
  CHECK(aligned(gate));  // one value is read alone
  gate = fake_tensor(DType::f16, {64});
  gate.buffer = fake_buffer(1024);
  CHECK(aligned(gate));
  gate.offset_bytes = 2;
  CHECK_FALSE(aligned(gate));
}

TEST_CASE("multiply: the rules of add, and an activation") {
  CHECK(validate(multiply_call()).value().right.count == 3);
  CHECK(refusal(multiply_call(), [](MultiplyCall& c) { c.left = {}; }) ==
        "multiply: left is not given");
  CHECK(refusal(multiply_call(), [](MultiplyCall& c) { c.output = c.left; }) == "no error");
  CHECK(refusal(multiply_call(), [](MultiplyCall& c) {
          c.right = fake_tensor(DType::f32, {4, 64});
        }) == "multiply: right has 4 rows, left has 6; right's count must divide left's");
  CHECK(refusal(multiply_call(), [](MultiplyCall& c) { c.activation = Activation::quick_gelu; }) ==
        "no error");
  CHECK(refusal(multiply_call(), [](MultiplyCall& c) {
          c.activation = static_cast<Activation>(6);
        }) == "multiply: activation is 6; it must be an Activation");
}

TEST_CASE("gather: rows of a table") {
  CHECK(validate(gather_call()).value().table.count == 1000);
  CHECK(refusal(gather_call(), [](GatherCall& c) {
          c.table = fake_tensor(DType::f16, {0, 64});
        }) == "no error");
  CHECK(refusal(gather_call(), [](GatherCall& c) { c.indices.dtype = DType::f32; }) ==
        "gather: indices.dtype is f32; it must be i32");
  CHECK(refusal(gather_call(), [](GatherCall& c) { c.indices = {}; }) ==
        "gather: indices is not given");
  CHECK(refusal(gather_call(), [](GatherCall& c) { c.indices.strides = {0}; }) ==
        "gather: indices.strides[0] is 0; it must be 1");
  CHECK(refusal(gather_call(), [](GatherCall& c) {
          c.output = fake_tensor(DType::f32, {8, 64});
        }) == "gather: output.shape[0] is 8, indices.shape[0] is 9; they must match");
  CHECK(refusal(gather_call(), [](GatherCall& c) {
          c.output = fake_tensor(DType::f32, {9, 65});
        }) == "gather: output.shape[1] is 65, table.shape[1] is 64; they must match");
  CHECK(refusal(gather_call(), [](GatherCall& c) {
          c.output.strides[0] = 0;
        }).contains("share memory"));
}
