// What attention_weights and attention_merge accept and refuse.
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "attention_calls.hpp"

using namespace weft;
using namespace weft::test;
using attention_detail::validate;

namespace {

AttentionWeightsCall weights_call() {
  AttentionWeightsCall call;
  call.attention = full_call();
  call.attention.value = call.attention.output = {};
  call.weights = fake_tensor(DType::f32, {2, 8, 16, 77});
  return call;
}

}  // namespace

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

TEST_CASE("weights: null keys count among the keys") {
  AttentionWeightsCall call = weights_call();
  call.attention.null_key = fake_tensor(DType::f16, {4, 2, 64});
  CHECK(message(validate(call)) ==
        "attention_weights: weights.shape[3] is 77; it must be 79, the listed keys");
  const std::vector<uint32_t> keys{78};
  call.keys = keys;
  call.weights = fake_tensor(DType::f32, {2, 8, 16, 1});
  CHECK(message(validate(call)) == "no error");
}

TEST_CASE("weights: the rules of attention hold") {
  const auto changed = [](auto change) {
    AttentionWeightsCall call = weights_call();
    change(call);
    return message(validate(call));
  };
  using C = AttentionWeightsCall;
  CHECK(changed([](C& c) { c.attention.logsumexp = {}; }) ==
        "attention_weights: logsumexp is not given");
  CHECK(changed([](C& c) {
          c.attention.logsumexp = {};
          c.stage = WeightsStage::masked;
        }) == "no error");
  CHECK(changed([](C& c) { c.stage = static_cast<WeightsStage>(4); }) ==
        "attention_weights: stage is 4; it must be a WeightsStage");
  CHECK(changed([](C& c) { c.weights = {}; }) == "attention_weights: weights is not given");
  CHECK(changed([](C& c) { c.weights.dtype = DType::f16; }) ==
        "attention_weights: weights.dtype is f16; it must be f32");
  CHECK(changed([](C& c) {
          c.attention.key = fake_tensor(DType::f16, {2, 4, 77, 80});
        }) == "attention_weights: key.shape[3] is 80, query.shape[3] is 64; they must match");
  CHECK(changed([](C& c) { c.weights.strides[1] = 0; }).contains("share memory"));
  CHECK(changed([](C& c) {
          c.mean_heads = true;
          AttentionCall& a = c.attention;
          a.query.shape[1] = a.logsumexp.shape[1] = c.weights.shape[1] = 0;
          a.keep_mask = {};
        }) == "attention_weights: query.shape[1] is 0; a mean over heads needs at least one");
}

TEST_CASE("merge: parts have the output's shape") {
  const auto changed = [](auto change) {
    AttentionMergeCall call;
    call.left = {fake_tensor(DType::f16, {2, 8, 16, 32}), fake_tensor(DType::f32, {2, 8, 16})};
    call.right = {fake_tensor(DType::f32, {2, 8, 16, 32}), fake_tensor(DType::f32, {2, 8, 16})};
    call.output = fake_tensor(DType::f16, {2, 8, 16, 32});
    change(call);
    return message(validate(call));
  };
  using C = AttentionMergeCall;
  CHECK(changed([](C&) {}) == "no error");
  CHECK(changed([](C& c) { c.output = c.left.output; }) == "no error");
  CHECK(changed([](C& c) { c.output = {}; }) == "attention_merge: output is not given");
  CHECK(changed([](C& c) { c.left.logsumexp = {}; }) ==
        "attention_merge: left.logsumexp is not given");
  CHECK(changed([](C& c) {
          c.right.output = fake_tensor(DType::f32, {2, 8, 16, 31});
        }) ==
        "attention_merge: right.output.shape[3] is 31, output.shape[3] is 32; they must match");
  CHECK(changed([](C& c) {
          c.right.logsumexp = fake_tensor(DType::f32, {2, 8, 15});
        }) ==
        "attention_merge: right.logsumexp.shape[2] is 15, output.shape[2] is 16; they must match");
  CHECK(changed([](C& c) { c.left.output.dtype = DType::i32; }) ==
        "attention_merge: left.output.dtype is i32; it must be f32, f16 or bf16");
  CHECK(changed([](C& c) { c.logsumexp = c.left.logsumexp; }).contains("must not overlap"));
  CHECK(changed([](C& c) {
          c.output = c.left.output;
          c.output.strides = {4096, 32, 256, 1};
        }).contains("must not overlap"));
}
