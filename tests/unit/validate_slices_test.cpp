// What mix_keys and rotary accept and refuse. No device is needed.
#include <catch2/catch_test_macros.hpp>

#include "fake_tensor.hpp"
#include "ops/validate.hpp"

using namespace weft;
using ops::validate;
using weft::test::fake_buffer;
using weft::test::fake_tensor;
using weft::test::message;

namespace {

MixKeysCall mix_keys_call() {
  MixKeysCall call;
  call.input = fake_tensor(DType::f16, {2, 8, 77, 40});
  call.factors = fake_tensor(DType::f32, {2, 1, 77});
  call.matrix = fake_tensor(DType::f32, {1, 1, 70, 77});
  call.output = fake_tensor(DType::f32, {2, 8, 70, 40});
  return call;
}

RotaryCall rotary_call() {
  RotaryCall call;
  call.input = fake_tensor(DType::f16, {2, 8, 77, 40});
  call.angles = fake_tensor(DType::f32, {77, 32});
  call.output = fake_tensor(DType::f32, {2, 8, 77, 40});
  return call;
}

template <class Call, class Change>
std::string refusal(Call call, Change change) {
  change(call);
  return message(validate(call));
}

}  // namespace

TEST_CASE("mix_keys: sizes and types") {
  const auto shape = validate(mix_keys_call()).value();
  CHECK(shape.batch == 2);
  CHECK(shape.heads == 8);
  CHECK(shape.length == 70);
  CHECK(shape.kv_len == 77);
  CHECK(shape.dim == 40);
  CHECK(shape.aligned);
  const auto wrong = [](auto change) { return refusal(mix_keys_call(), change); };
  CHECK(wrong([](MixKeysCall& c) { c.input = {}; }) == "mix_keys: input is not given");
  CHECK(wrong([](MixKeysCall& c) { c.output = {}; }) == "mix_keys: output is not given");
  CHECK(wrong([](MixKeysCall& c) {
          c.input = fake_tensor(DType::f16, {8, 77, 40});
        }) == "mix_keys: input.shape is [8, 77, 40]; its rank must be 4");
  CHECK(wrong([](MixKeysCall& c) {
          c.input = fake_tensor(DType::f16, {2, 4, 77, 40});
        }) == "mix_keys: input.shape[1] is 4; it must be 8, output's heads, or 1");
  CHECK(wrong([](MixKeysCall& c) {
          c.factors = fake_tensor(DType::f32, {2, 77});
        }) == "mix_keys: factors.shape is [2, 77]; its rank must be 3");
  CHECK(wrong([](MixKeysCall& c) { c.factors.dtype = DType::f16; }) ==
        "mix_keys: factors.dtype is f16; it must be f32");
  CHECK(wrong([](MixKeysCall& c) {
          c.matrix = fake_tensor(DType::f32, {1, 1, 77, 70});
        }) == "mix_keys: matrix.shape[3] is 70, input.shape[2] is 77; they must match");
  CHECK(wrong([](MixKeysCall& c) { c.matrix = {}; }) ==
        "mix_keys: output.shape[2] is 70, input.shape[2] is 77; they must match");
  CHECK(wrong([](MixKeysCall& c) {
          c.output = fake_tensor(DType::f32, {2, 8, 70, 41});
        }) == "mix_keys: output.shape[3] is 41, input.shape[3] is 40; they must match");
}

TEST_CASE("mix_keys: any strides, an output apart") {
  const auto changed = [](auto change) { return refusal(mix_keys_call(), change); };
  CHECK(changed([](MixKeysCall& c) { c.input.strides = {24640, 40, 320, 1}; }) == "no error");
  CHECK(changed([](MixKeysCall& c) { c.input.strides[0] = 0; }) == "no error");
  CHECK(changed([](MixKeysCall& c) { c.output.strides[0] = 0; }).contains("share memory"));
  CHECK(changed([](MixKeysCall& c) {
          c.matrix = {};
          c.input.dtype = DType::f32;
          c.input.buffer = fake_buffer(c.input.extent_bytes());
          c.output = c.input;
        }).ends_with("they must not overlap"));
  CHECK(changed([](MixKeysCall& c) { c.input.strides[2] = int64_t{1} << 28; }) ==
        "mix_keys: input has 77 rows with stride 268435456; rows of one slice must span at most "
        "2147483647 elements");
}

TEST_CASE("mix_keys: aligned looks at the input and the output") {
  const auto aligned = [](auto change) {
    MixKeysCall call = mix_keys_call();
    call.input.buffer = call.matrix.buffer = fake_buffer(1 << 20);
    call.output.buffer = fake_buffer(1 << 20);
    change(call);
    return validate(call).value().aligned;
  };
  CHECK(aligned([](MixKeysCall&) {}));
  CHECK(aligned([](MixKeysCall& c) { c.matrix.offset_bytes = 4; }));
  CHECK_FALSE(aligned([](MixKeysCall& c) { c.input.offset_bytes = 2; }));
  CHECK_FALSE(aligned([](MixKeysCall& c) { c.output.offset_bytes = 4; }));
  CHECK_FALSE(aligned([](MixKeysCall& c) { c.input.shape[3] = c.output.shape[3] = 39; }));
}

TEST_CASE("rotary: sizes, types and memory") {
  const auto shape = validate(rotary_call()).value();
  CHECK(shape.length == 77);
  CHECK(shape.dim == 40);
  CHECK(shape.turned == 32);
  CHECK(shape.aligned);
  const auto changed = [](auto change) { return refusal(rotary_call(), change); };
  const auto columns = [](int64_t count) {
    return refusal(rotary_call(), [count](RotaryCall& c) {
      c.angles = fake_tensor(DType::f32, {77, count});
    });
  };
  CHECK(columns(40) == "no error");
  CHECK(columns(31) ==
        "rotary: angles.shape[1] is 31; it must be even and at most 40, the columns");
  CHECK(columns(42) ==
        "rotary: angles.shape[1] is 42; it must be even and at most 40, the columns");
  CHECK(columns(0) == "no error");
  CHECK(changed([](RotaryCall& c) { c.angles = {}; }) == "rotary: angles is not given");
  CHECK(changed([](RotaryCall& c) { c.angles.dtype = DType::f16; }) ==
        "rotary: angles.dtype is f16; it must be f32");
  CHECK(changed([](RotaryCall& c) {
          c.angles = fake_tensor(DType::f32, {76, 32});
        }) == "rotary: angles.shape[0] is 76, input.shape[2] is 77; they must match");
  CHECK(changed([](RotaryCall& c) {
          c.output = fake_tensor(DType::f32, {2, 8, 77, 32});
        }) == "rotary: output.shape[3] is 32, input.shape[3] is 40; they must match");
  CHECK(changed([](RotaryCall& c) { c.output = c.input; }) == "no error");
  CHECK(changed([](RotaryCall& c) {
          c.output = c.input;
          c.output.dtype = DType::bf16;
        }).ends_with("they must not overlap"));
}

TEST_CASE("rotary: aligned asks for whole groups of both halves") {
  const auto aligned = [](int64_t dim, int64_t turned) {
    RotaryCall call;
    call.input = fake_tensor(DType::f32, {1, 1, 4, dim});
    call.angles = fake_tensor(DType::f32, {4, turned});
    call.output = fake_tensor(DType::f32, {1, 1, 4, dim});
    return validate(call).value().aligned;
  };
  CHECK(aligned(40, 32));
  CHECK(aligned(12, 8));
  CHECK_FALSE(aligned(40, 20));
  CHECK_FALSE(aligned(42, 32));
}
