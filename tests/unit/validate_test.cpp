// What attention accepts and refuses, and the words of each refusal. No device is needed.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "attention/validate.hpp"
#include "fake_tensor.hpp"

using namespace weft;
using attention_detail::validate;
using weft::test::fake_buffer;
using weft::test::fake_tensor;
using weft::test::message;

namespace {

// batch 2, heads 8 over kv_heads 4, q_len 16, kv_len 77, head_dim 64, value_dim 32
AttentionCall valid_call() {
  AttentionCall call;
  call.query = fake_tensor(DType::f16, {2, 8, 16, 64});
  call.key = fake_tensor(DType::f16, {2, 4, 77, 64});
  call.value = fake_tensor(DType::f16, {2, 4, 77, 32});
  call.output = fake_tensor(DType::f32, {2, 8, 16, 32});
  return call;
}

AttentionCall full_call() {
  AttentionCall call = valid_call();
  call.mask = fake_tensor(DType::u8, {1, 8, 1, 77});
  call.kv_lengths = fake_tensor(DType::i32, {2});
  call.logsumexp = fake_tensor(DType::f32, {2, 8, 16});
  return call;
}

// The refusal of a full call after a change to it.
template <class Change>
std::string refusal(Change change) {
  AttentionCall call = full_call();
  change(call);
  return message(describe(call));
}

AttentionWeightsCall weights_call() {
  AttentionWeightsCall call;
  const AttentionCall base = full_call();
  call.query = base.query;
  call.key = base.key;
  call.mask = base.mask;
  call.kv_lengths = base.kv_lengths;
  call.logsumexp = base.logsumexp;
  call.weights = fake_tensor(DType::f32, {2, 8, 16, 77});
  return call;
}

}  // namespace

TEST_CASE("a call describes what its plan must fix") {
  const AttentionDesc plain = describe(valid_call()).value();
  CHECK(plain.query_dtype == DType::f16);
  CHECK(plain.kv_dtype == DType::f16);
  CHECK(plain.output_dtype == DType::f32);
  CHECK(plain.head_dim == 64);
  CHECK(plain.value_dim == 32);
  CHECK(plain.mask == MaskKind::none);
  CHECK_FALSE(plain.kv_lengths);
  CHECK_FALSE(plain.logsumexp);
  CHECK(plain.q_len == 16);
  CHECK(plain.kv_len == 77);

  AttentionCall call = full_call();
  CHECK(describe(call).value().mask == MaskKind::boolean);
  CHECK(describe(call).value().kv_lengths);
  CHECK(describe(call).value().logsumexp);
  call.mask = fake_tensor(DType::bf16, {2, 1, 16, 77});
  CHECK(describe(call).value().mask == MaskKind::bias);
  CHECK(describe(call).value().mask_dtype == DType::bf16);
}

TEST_CASE("tensors that are required must be given") {
  CHECK(refusal([](AttentionCall& c) { c.query = {}; }) == "attention: query is not given");
  CHECK(refusal([](AttentionCall& c) { c.key = {}; }) == "attention: key is not given");
  CHECK(refusal([](AttentionCall& c) { c.value = {}; }) == "attention: value is not given");
  CHECK(refusal([](AttentionCall& c) { c.output = {}; }) == "attention: output is not given");
}

TEST_CASE("ranks and types") {
  CHECK(refusal([](AttentionCall& c) {
          c.query = fake_tensor(DType::f16, {8, 16, 64});
        }) == "attention: query.shape is [8, 16, 64]; its rank must be 4");
  CHECK(refusal([](AttentionCall& c) {
          c.query.shape = {1, 2, 8, 16, 64};
        }) == "attention: query.shape is [1, 2, 8, 16, ...]; its rank must be 4");
  CHECK(refusal([](AttentionCall& c) {
          c.query.strides = {64, 1};
        }) ==
        "attention: query.strides is [64, 1], query.shape is [2, 8, 16, 64]; they must have the "
        "same rank");
  CHECK(refusal([](AttentionCall& c) { c.query.dtype = DType::i32; }) ==
        "attention: query.dtype is i32; it must be f32, f16 or bf16");
  CHECK(refusal([](AttentionCall& c) { c.value.dtype = DType::bf16; }) ==
        "attention: value.dtype is bf16, key.dtype is f16; they must match");
  CHECK(refusal([](AttentionCall& c) { c.mask.dtype = DType::i32; }) ==
        "attention: mask.dtype is i32; it must be u8 (boolean) or f32, f16 or bf16 (bias)");
  CHECK(refusal([](AttentionCall& c) {
          c.mask = fake_tensor(DType::u8, {16, 77});
        }) == "attention: mask.shape is [16, 77]; its rank must be 4");
  CHECK(refusal([](AttentionCall& c) { c.kv_lengths.dtype = DType::f32; }) ==
        "attention: kv_lengths.dtype is f32; it must be i32");
  CHECK(refusal([](AttentionCall& c) { c.logsumexp.dtype = DType::f16; }) ==
        "attention: logsumexp.dtype is f16; it must be f32");
}

TEST_CASE("sizes that must match") {
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {2, 4, 77, 80});
        }) == "attention: key.shape[3] is 80, query.shape[3] is 64; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {1, 4, 77, 64});
        }) == "attention: key.shape[0] is 1, query.shape[0] is 2; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.value = fake_tensor(DType::f16, {2, 4, 76, 32});
        }) == "attention: value.shape[2] is 76, key.shape[2] is 77; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.output = fake_tensor(DType::f16, {2, 8, 16, 64});
        }) == "attention: output.shape[3] is 64, value.shape[3] is 32; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.output = fake_tensor(DType::f16, {2, 4, 16, 32});
        }) == "attention: output.shape[1] is 4, query.shape[1] is 8; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.logsumexp = fake_tensor(DType::f32, {2, 8, 77});
        }) == "attention: logsumexp.shape[2] is 77, query.shape[2] is 16; they must match");
  CHECK(refusal([](AttentionCall& c) { c.kv_lengths = fake_tensor(DType::i32, {3}); }) ==
        "attention: kv_lengths.shape[0] is 3, query.shape[0] is 2; they must match");
}

TEST_CASE("kv_heads divides heads") {
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {2, 3, 77, 64});
          c.value = fake_tensor(DType::f16, {2, 3, 77, 32});
        }) == "attention: key.shape[1] is 3, query.shape[1] is 8; kv_heads must divide heads");
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {2, 0, 77, 64});
          c.value = fake_tensor(DType::f16, {2, 0, 77, 32});
        }) == "attention: key.shape[1] is 0, query.shape[1] is 8; kv_heads must divide heads");
}

TEST_CASE("head_dim and value_dim are 1 to 256") {
  for (int64_t dim : {0, 257}) {
    AttentionCall call = valid_call();
    call.query = fake_tensor(DType::f16, {2, 8, 16, dim});
    call.key = fake_tensor(DType::f16, {2, 4, 77, dim});
    CHECK(message(describe(call)) ==
          "attention: query.shape[3] is " + std::to_string(dim) + "; it must be 1 to 256");
    call = valid_call();
    call.value = fake_tensor(DType::f16, {2, 4, 77, dim});
    call.output = fake_tensor(DType::f16, {2, 8, 16, dim});
    CHECK(message(describe(call)) ==
          "attention: value.shape[3] is " + std::to_string(dim) + "; it must be 1 to 256");
  }
}

TEST_CASE("a mask repeats along axes where it has one element") {
  for (const Dims& shape :
       {Dims{1, 1, 1, 77}, Dims{2, 1, 1, 77}, Dims{1, 8, 16, 77}, Dims{2, 8, 16, 77}})
    CHECK(refusal([&](AttentionCall& c) { c.mask = fake_tensor(DType::u8, shape); }) == "no error");
  CHECK(refusal([](AttentionCall& c) {
          c.mask = fake_tensor(DType::u8, {2, 4, 16, 77});
        }) ==
        "attention: mask.shape[1] is 4, query.shape[1] is 8; they must match, or the mask's must "
        "be 1");
  CHECK(refusal([](AttentionCall& c) {
          c.mask = fake_tensor(DType::u8, {2, 8, 16, 1});
        }) == "attention: mask.shape[3] is 1, key.shape[2] is 77; they must match");
}

TEST_CASE("strides") {
  CHECK(refusal([](AttentionCall& c) {
          c.key.strides = {64, 64, 128, 2};
        }) == "attention: key.strides[3] is 2; it must be 1");
  CHECK(refusal([](AttentionCall& c) { c.key.strides[1] = -64; }) ==
        "attention: key.strides[1] is -64; it must not be negative");
  CHECK(refusal([](AttentionCall& c) {
          c.logsumexp.strides = {128, 16, 0};
        }) == "attention: logsumexp.strides[2] is 0; it must be 1");
  CHECK(refusal([](AttentionCall& c) { c.key.strides[0] = 0; }) == "no error");  // one item for all
  CHECK(refusal([](AttentionCall& c) { c.mask.strides[2] = -5; }) == "no error");  // an axis of one
  CHECK(refusal([](AttentionCall& c) { c.key.shape[2] = int64_t{1} << 31; }) ==
        "attention: key.shape[2] is 2147483648; it must be 0 to 2147483647");
}

TEST_CASE("rows of one slice span at most 31 bits of elements") {
  AttentionCall call = valid_call();
  call.key.buffer = fake_buffer(UINT64_MAX);
  call.key.strides = {0, 0, 28256363,
                      1};  // 76 rows further: 2147483588, and 64 elements of the last
  CHECK(message(describe(call)) ==
        "attention: key has 77 rows with stride 28256363; rows of one slice must span at most "
        "2147483647 "
        "elements");
  call.key.strides[2] = 28256362;
  CHECK(message(describe(call)) == "no error");
}

TEST_CASE("rows of a mask lie at most 32 bits of bytes apart") {
  AttentionCall call = valid_call();
  call.mask = fake_tensor(DType::f32, {1, 1, 16, 77});
  call.query.shape[2] = call.output.shape[2] = call.mask.shape[2] = 2;
  call.mask.buffer = fake_buffer(UINT64_MAX);
  call.mask.strides[2] = int64_t{1} << 30;
  CHECK(
      message(describe(call)) ==
      "attention: mask.strides[2] is 1073741824; its rows must be at most 4294967295 bytes apart");
  call.mask.strides[2] -= 1;
  CHECK(message(describe(call)) == "no error");
}

TEST_CASE("offsets lie on elements, extents inside buffers") {
  CHECK(refusal([](AttentionCall& c) { c.query.offset_bytes = 3; }) ==
        "attention: query.offset_bytes is 3; it must be a multiple of 2, the size of f16");
  CHECK(refusal([](AttentionCall& c) { c.query.offset_bytes = 2; }) ==
        "attention: query ends at byte 32770, its buffer has 32768; it must lie inside");
  CHECK(refusal([](AttentionCall& c) { c.value.strides[0] = 1 << 20; }) ==
        "attention: value ends at byte 2116864, its buffer has 39424; it must lie inside");
  CHECK(
      refusal([](AttentionCall& c) { c.key.strides[0] = INT64_MAX; }) ==
      "attention: key ends at byte 18446744073709551615, its buffer has 78848; it must lie inside");
  CHECK(
      refusal([](AttentionCall& c) { c.query.offset_bytes = UINT64_MAX - 1; }) !=  // no wrap around
      "no error");
}

TEST_CASE("outputs overlap neither inputs nor each other") {
  AttentionCall call = valid_call();
  call.output = call.query;
  call.output.shape = {2, 8, 16, 32};
  CHECK(message(describe(call)) ==
        "attention: output is bytes 0 to 32704 and query bytes 0 to 32768 of the same buffer; they "
        "must not "
        "overlap");
  call = full_call();
  call.output.buffer = fake_buffer(40000);
  call.logsumexp.buffer = call.output.buffer;
  call.logsumexp.offset_bytes = 32764;
  CHECK(message(describe(call)) ==
        "attention: output is bytes 0 to 32768 and logsumexp bytes 32764 to 33788 of the same "
        "buffer; they "
        "must not overlap");
  call.logsumexp.offset_bytes = 32768;
  CHECK(message(describe(call)) == "no error");
  call.key.buffer = call.value.buffer = fake_buffer(100000);  // inputs may
  CHECK(message(describe(call)) == "no error");
}

TEST_CASE("elements of an output share no memory") {
  CHECK(refusal([](AttentionCall& c) { c.output.strides[0] = 0; }) ==
        "attention: output.strides [0, 512, 32, 1] let elements of output.shape [2, 8, 16, 32] "
        "share memory; "
        "an output must not");
  CHECK(refusal([](AttentionCall& c) { c.output.strides[2] = 31; }).contains("share memory"));
  CHECK(refusal([](AttentionCall& c) { c.logsumexp.strides[1] = 0; }).contains("share memory"));
  // Heads inside rows: [batch, q_len, heads * value_dim].
  CHECK(refusal([](AttentionCall& c) { c.output.strides = {4096, 32, 256, 1}; }) == "no error");
}

TEST_CASE("the scale is finite, and may be negative") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(refusal([&](AttentionCall& c) { c.scale = infinity; }) ==
        "attention: scale is inf; it and its product with log2(e) must be finite");
  CHECK(refusal([](AttentionCall& c) { c.scale = std::nanf(""); }) != "no error");
  CHECK(refusal([](AttentionCall& c) { c.scale = 3e38f; }) != "no error");
  AttentionCall call = valid_call();
  CHECK(validate(call).value().scale_log2 == static_cast<float>(0.125 * std::log2(std::exp(1.0))));
  call.scale = -1.0f;
  CHECK(validate(call).value().scale_log2 == static_cast<float>(-std::log2(std::exp(1.0))));
}

TEST_CASE("batch, heads and lengths may be 0") {
  for (size_t axis : {0u, 1u, 2u}) {
    AttentionCall call = valid_call();
    for (Tensor* tensor : {&call.query, &call.output}) tensor->shape[axis] = 0;
    if (axis == 0) call.key.shape[0] = call.value.shape[0] = 0;
    CHECK(message(describe(call)) == "no error");
  }
  AttentionCall call = valid_call();
  call.key.shape[2] = call.value.shape[2] = 0;
  CHECK(describe(call).value().kv_len == 0);
}

TEST_CASE("aligned calls start every row on 4 elements") {
  const auto aligned = [](auto change) {
    AttentionCall call = valid_call();
    for (Tensor* tensor : {&call.query, &call.key, &call.value, &call.output})
      tensor->buffer = fake_buffer(1 << 20);
    change(call);
    return validate(call).value().aligned;
  };
  CHECK(aligned([](AttentionCall&) {}));
  CHECK(aligned([](AttentionCall& c) { c.query.offset_bytes = 8; }));
  CHECK_FALSE(aligned([](AttentionCall& c) { c.query.offset_bytes = 4; }));
  CHECK_FALSE(aligned(
      [](AttentionCall& c) { c.output.offset_bytes = 8; }));  // f32: 4 elements are 16 bytes
  CHECK_FALSE(aligned([](AttentionCall& c) { c.key.strides[2] = 66; }));
  CHECK_FALSE(aligned([](AttentionCall& c) { c.value.strides[1] += 2; }));
  CHECK_FALSE(aligned([](AttentionCall& c) { c.output.strides[0] += 1; }));
  CHECK(aligned([](AttentionCall& c) {
    c.query.shape[0] = c.key.shape[0] = c.value.shape[0] = c.output.shape[0] = 1;
    c.key.strides[0] = 3;  // of an axis with one element
  }));
  CHECK_FALSE(aligned([](AttentionCall& c) { c.query.shape[3] = c.key.shape[3] = 62; }));
}

TEST_CASE("descriptions are checked and completed") {
  AttentionDesc desc;
  desc.head_dim = 64;
  desc.mask_dtype = DType::f32;  // means nothing without a bias
  CHECK(validate(desc).value().value_dim == 64);
  CHECK(validate(desc).value().mask_dtype == DType::u8);
  desc.head_dim = 257;
  CHECK(message(validate(desc)) == "attention: head_dim is 257; it must be 1 to 256");
  desc.head_dim = 0;
  CHECK(message(validate(desc)) == "attention: head_dim is 0; it must be 1 to 256");
  desc.head_dim = 64;
  desc.kv_dtype = DType::u8;
  CHECK(message(validate(desc)) == "attention: kv_dtype is u8; it must be f32, f16 or bf16");
  desc.kv_dtype = DType::f32;
  desc.mask = MaskKind::bias;
  desc.mask_dtype = DType::u8;
  CHECK(message(validate(desc)) == "attention: mask_dtype is u8; it must be f32, f16 or bf16");
  desc.mask = static_cast<MaskKind>(3);
  CHECK(message(validate(desc)) == "attention: mask is 3; it must be a MaskKind");
}

TEST_CASE("a call must be what its plan was made for; lengths may differ") {
  const AttentionDesc plan = validate(describe(full_call()).value()).value();
  AttentionDesc call = plan;
  call.q_len = 1;
  call.kv_len = 5000;
  CHECK(message(attention_detail::match(call, plan)) == "no error");
  call.kv_dtype = DType::f32;
  CHECK(message(attention_detail::match(call, plan)) ==
        "attention: key.dtype is f32, the plan was made for f16");
  call = plan;
  call.mask = MaskKind::none;
  CHECK(message(attention_detail::match(call, plan)) ==
        "attention: the mask is none, the plan was made for boolean");
  call = plan;
  call.logsumexp = false;
  CHECK(message(attention_detail::match(call, plan)) ==
        "attention: logsumexp is not given, the plan was made for given");
  call = plan;
  call.value_dim = 48;
  CHECK(message(attention_detail::match(call, plan)) ==
        "attention: value.shape[3] is 48, the plan was made for 32");
}

TEST_CASE("weights: shapes follow the listed heads and keys") {
  AttentionWeightsCall call = weights_call();
  CHECK(validate(call).value().output_heads == 8);
  CHECK(validate(call).value().key_count == 77);
  const std::vector<uint32_t> heads{7, 0, 3};
  const std::vector<uint32_t> keys{5, 76};
  call.heads = heads;
  CHECK(message(validate(call)) ==
        "attention_weights: weights.shape[1] is 8; it must be 3, the output heads");
  call.keys = keys;
  call.weights = fake_tensor(DType::f32, {2, 3, 16, 77});
  CHECK(message(validate(call)) ==
        "attention_weights: weights.shape[3] is 77; it must be 2, the listed keys");
  call.weights = fake_tensor(DType::f32, {2, 3, 16, 2});
  CHECK(message(validate(call)) == "no error");
  call.mean_heads = true;
  CHECK(message(validate(call)) ==
        "attention_weights: weights.shape[1] is 3; it must be 1, the output heads");
  call.weights = fake_tensor(DType::f32, {2, 1, 16, 2});
  CHECK(validate(call).value().head_count == 3);
  CHECK(validate(call).value().output_heads == 1);
}

TEST_CASE("weights: lists hold numbers of heads and keys that exist") {
  const std::vector<uint32_t> numbers{0, 77};
  AttentionWeightsCall call = weights_call();
  call.keys = numbers;
  CHECK(message(validate(call)) == "attention_weights: keys[1] is 77; it must be below 77");
  call.keys = {};
  call.heads = numbers;
  CHECK(message(validate(call)) == "attention_weights: heads[1] is 77; it must be below 8");
}

TEST_CASE("weights: the rules of attention hold") {
  const auto changed = [](auto change) {
    AttentionWeightsCall call = weights_call();
    change(call);
    return message(validate(call));
  };
  CHECK(changed([](AttentionWeightsCall& c) { c.logsumexp = {}; }) ==
        "attention_weights: logsumexp is not given");
  CHECK(changed([](AttentionWeightsCall& c) { c.weights = {}; }) ==
        "attention_weights: weights is not given");
  CHECK(changed([](AttentionWeightsCall& c) { c.weights.dtype = DType::f16; }) ==
        "attention_weights: weights.dtype is f16; it must be f32");
  CHECK(changed([](AttentionWeightsCall& c) {
          c.key = fake_tensor(DType::f16, {2, 4, 77, 80});
        }) == "attention_weights: key.shape[3] is 80, query.shape[3] is 64; they must match");
  CHECK(
      changed([](AttentionWeightsCall& c) { c.weights.strides[1] = 0; }).contains("share memory"));
  CHECK(changed([](AttentionWeightsCall& c) {
          c.mean_heads = true;
          c.query.shape[1] = c.logsumexp.shape[1] = c.weights.shape[1] = 0;
          c.mask = {};
        }) == "attention_weights: query.shape[1] is 0; a mean over heads needs at least one");
}
