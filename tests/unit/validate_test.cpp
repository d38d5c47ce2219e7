// What attention accepts and refuses, and the words of each refusal. No device is needed.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "attention_calls.hpp"
#include "decide/kernels.hpp"

using namespace weft;
using namespace weft::test;
using attention_detail::validate;

TEST_CASE("a call describes what its plan must fix") {
  const AttentionDesc plain = describe(valid_call()).value();
  CHECK(plain.query_dtype == DType::f16);
  CHECK(plain.kv_dtype == DType::f16);
  CHECK(plain.output_dtype == DType::f32);
  CHECK(plain.head_dim == 64);
  CHECK(plain.value_dim == 32);
  CHECK(plain.mask == MaskKind::none);
  CHECK_FALSE(plain.bias);
  CHECK(plain.features == 0);
  CHECK(plain.q_len == 16);
  CHECK(plain.kv_len == 77);

  AttentionCall call = full_call();
  CHECK(describe(call).value().mask == MaskKind::keep);
  CHECK(describe(call).value().mask_dtype == DType::u8);
  CHECK(describe(call).value().features == (kFeatureKvLengths | kFeatureLogsumexp | kFeatureWeights));
  call.keep_mask = {};
  call.drop_mask = fake_tensor(DType::i32, {1, 8, 1, 77});
  CHECK(describe(call).value().mask == MaskKind::drop);
  CHECK(describe(call).value().mask_dtype == DType::i32);
  call.bias = fake_tensor(DType::bf16, {2, 1, 16, 77});
  CHECK(describe(call).value().bias);
  CHECK(describe(call).value().bias_dtype == DType::bf16);
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
  CHECK(refusal([](AttentionCall& c) { c.keep_mask.dtype = DType::f32; }) ==
        "attention: keep_mask.dtype is f32; it must be u8 or i32");
  CHECK(refusal([](AttentionCall& c) {
          c.keep_mask = fake_tensor(DType::u8, {16, 77});
        }) == "attention: keep_mask.shape is [16, 77]; its rank must be 4");
  CHECK(refusal([](AttentionCall& c) {
          c.bias = fake_tensor(DType::u8, {1, 1, 1, 77});
        }) == "attention: bias.dtype is u8; it must be f32, f16 or bf16");
  CHECK(refusal([](AttentionCall& c) { c.sinks = fake_tensor(DType::f16, {8}); }) ==
        "attention: sinks.dtype is f16; it must be f32");
  CHECK(refusal([](AttentionCall& c) { c.kv_lengths.dtype = DType::f32; }) ==
        "attention: kv_lengths.dtype is f32; it must be i32");
  CHECK(refusal([](AttentionCall& c) { c.logsumexp.dtype = DType::f16; }) ==
        "attention: logsumexp.dtype is f16; it must be f32");
  CHECK(refusal([](AttentionCall& c) { c.weights.dtype = DType::f16; }) ==
        "attention: weights.dtype is f16; it must be f32");
}

TEST_CASE("sizes that must match") {
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {2, 4, 77, 80});
        }) == "attention: key.shape[3] is 80, query.shape[3] is 64; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {3, 4, 77, 64});
        }) == "attention: key.shape[0] is 3; it must be 2, the batch, or 1");
  CHECK(refusal([](AttentionCall& c) {
          c.query = fake_tensor(DType::f16, {3, 8, 16, 64});
        }) == "attention: query.shape[0] is 3; it must be 2, the batch, or 1");
  CHECK(refusal([](AttentionCall& c) {
          c.value = fake_tensor(DType::f16, {3, 4, 77, 32});
        }) == "attention: value.shape[0] is 3; it must be 2, the batch, or 1");
  CHECK(refusal([](AttentionCall& c) {
          c.value = fake_tensor(DType::f16, {2, 4, 76, 32});
        }) == "attention: value.shape[2] is 76, key.shape[2] is 77; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.output = fake_tensor(DType::f16, {2, 8, 16, 64});
        }) == "attention: output.shape[3] is 64, value.shape[3] is 32; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.output = fake_tensor(DType::f16, {2, 4, 16, 32});
        }) == "attention: query.shape[1] is 8; it must be 4, the heads, or 1");
  CHECK(refusal([](AttentionCall& c) {
          c.logsumexp = fake_tensor(DType::f32, {2, 8, 77});
        }) == "attention: logsumexp.shape[2] is 77, output.shape[2] is 16; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.weights = fake_tensor(DType::f32, {2, 4, 16, 77});
        }) == "attention: weights.shape[1] is 4, output.shape[1] is 8; they must match");
  CHECK(refusal([](AttentionCall& c) {
          c.weights = fake_tensor(DType::f32, {2, 8, 16, 78});
        }) == "attention: weights.shape[3] is 78; it must be 77, kv_len");
  CHECK(refusal([](AttentionCall& c) { c.kv_lengths = fake_tensor(DType::i32, {3}); }) ==
        "attention: kv_lengths.shape[0] is 3; it must be 2, the items");
  CHECK(refusal([](AttentionCall& c) { c.position_offsets = fake_tensor(DType::i32, {1}); }) ==
        "attention: position_offsets.shape[0] is 1; it must be 2, the items");
  CHECK(refusal([](AttentionCall& c) { c.sinks = fake_tensor(DType::f32, {4}); }) ==
        "attention: sinks.shape[0] is 4; it must be 8, the heads");
  CHECK(refusal([](AttentionCall& c) { c.score_items = fake_tensor(DType::i32, {3}); }) ==
        "attention: score_items.shape[0] is 3; it must be 2, the batch");
}

TEST_CASE("kv_heads divides heads") {
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {2, 3, 77, 64});
          c.value = fake_tensor(DType::f16, {2, 3, 77, 32});
        }) == "attention: there are 3 kv_heads (key.shape[1] is 3) and 8 heads; kv_heads must divide heads");
  CHECK(refusal([](AttentionCall& c) {
          c.key = fake_tensor(DType::f16, {2, 0, 77, 64});
          c.value = fake_tensor(DType::f16, {2, 0, 77, 32});
        }) == "attention: there are 0 kv_heads (key.shape[1] is 0) and 8 heads; kv_heads must divide heads");
}

TEST_CASE("head_dim and value_dim are 1 to 576") {
  for (int64_t dim : {0, 577}) {
    AttentionCall call = valid_call();
    call.query = fake_tensor(DType::f16, {2, 8, 16, dim});
    call.key = fake_tensor(DType::f16, {2, 4, 77, dim});
    CHECK(message(describe(call)) ==
          "attention: query.shape[3] is " + std::to_string(dim) + "; it must be 1 to 576");
    call = valid_call();
    call.value = fake_tensor(DType::f16, {2, 4, 77, dim});
    call.output = fake_tensor(DType::f16, {2, 8, 16, dim});
    CHECK(message(describe(call)) ==
          "attention: value.shape[3] is " + std::to_string(dim) + "; it must be 1 to 576");
  }
}

TEST_CASE("masks and bias repeat along axes where they have one element") {
  using C = AttentionCall;
  for (const Dims& shape : {Dims{1, 1, 1, 77}, Dims{2, 1, 1, 77}, Dims{1, 8, 16, 77},
                            Dims{2, 8, 16, 77}, Dims{1, 1, 1, 1}, Dims{2, 8, 16, 76}}) {
    CHECK(refusal([&](C& c) { c.keep_mask = fake_tensor(DType::i32, shape); }) == "no error");
    CHECK(refusal([&](C& c) { c.bias = fake_tensor(DType::f16, shape); }) == "no error");
  }
  CHECK(refusal([](C& c) {
          c.keep_mask = fake_tensor(DType::u8, {2, 4, 16, 77});
        }) == "attention: keep_mask.shape[1] is 4; it must be 8, the heads, or 1");
  CHECK(refusal([](C& c) {
          c.bias = fake_tensor(DType::f32, {3, 8, 16, 77});
        }) == "attention: bias.shape[0] is 3; it must be 2, the items, or 1");
  CHECK(refusal([](C& c) {
          c.keep_mask = fake_tensor(DType::u8, {2, 8, 16, 78});
        }) == "attention: keep_mask.shape[3] is 78; it must be 1 to 77, kv_len");
  CHECK(refusal([](C& c) {
          c.bias = fake_tensor(DType::f32, {2, 8, 16, 0});
        }) == "attention: bias.shape[3] is 0; it must be 1 to 77, kv_len");
  CHECK(refusal([](C& c) {
          c.drop_mask = fake_tensor(DType::u8, {1, 1, 1, 77});
        }) == "attention: keep_mask and drop_mask are both given; at most one may be");
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
  CHECK(refusal([](AttentionCall& c) { c.keep_mask.strides[2] = -5; }) ==
        "no error");  // an axis of one
  CHECK(refusal([](AttentionCall& c) { c.key.shape[2] = int64_t{1} << 31; }) ==
        "attention: key.shape[2] is 2147483648; it must be 0 to 2147483647");
}

TEST_CASE("rows of one block span at most 31 bits of elements") {
  AttentionCall call = valid_call();
  call.key.buffer = fake_buffer(UINT64_MAX);
  call.key.strides = {0, 0, 28256363,
                      1};  // 76 rows further: 2147483588, and 64 elements of the last
  CHECK(message(describe(call)) ==
        "attention: key.strides[2] is 28256363; 77 rows must span at most 2147483647 elements");
  call.key.strides[2] = 28256362;
  CHECK(message(describe(call)) == "no error");
  // More rows than a block: only a block's are counted.
  call.key.shape[2] = call.value.shape[2] = 100000;
  call.value.strides[2] = 0;
  call.key.strides[2] = 16'000'000;
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
  CHECK(validate(call).value().scores.scale_log2 ==
        static_cast<float>(0.125 * std::log2(std::exp(1.0))));
  call.scale = -1.0f;
  CHECK(validate(call).value().scores.scale_log2 == static_cast<float>(-std::log2(std::exp(1.0))));
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
  CHECK(describe(call).value().kv_len == 1);  // 0 would say unknown
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

TEST_CASE("keys and values are large where copies of them in fp32 would be") {
  const auto large = [](int64_t kv_len, auto change) {
    AttentionCall call = valid_call();
    call.key = fake_tensor(DType::f16, {2, 4, kv_len, 64});
    call.value = fake_tensor(DType::f16, {2, 4, kv_len, 32});
    change(call);
    return validate(call).value().large_kv;
  };
  const auto as_it_is = [](AttentionCall&) {};
  const int64_t most = decide::kMostUnpackedBytes / (2 * 4 * (64 + 32) * 4);
  CHECK_FALSE(large(77, as_it_is));
  CHECK_FALSE(large(most, as_it_is));
  CHECK(large(most + 1, as_it_is));
  CHECK_FALSE(large(most + 1, [](AttentionCall& c) { c.value.strides[0] = 0; }));  // copied once
  CHECK(large(int64_t{1} << 22, [](AttentionCall& c) { c.key.strides[1] = 4; }));  // though shared
}

TEST_CASE("descriptions are checked and completed") {
  AttentionDesc desc;
  desc.head_dim = 64;
  desc.mask_dtype = DType::f32;  // means nothing without a mask
  CHECK(validate(desc).value().value_dim == 64);
  CHECK(validate(desc).value().mask_dtype == DType::u8);
  desc.head_dim = 577;
  CHECK(message(validate(desc)) == "attention: head_dim is 577; it must be 1 to 576");
  desc.head_dim = 0;
  CHECK(message(validate(desc)) == "attention: head_dim is 0; it must be 1 to 576");
  desc.head_dim = 64;
  desc.kv_dtype = DType::u8;
  CHECK(message(validate(desc)) == "attention: kv_dtype is u8; it must be f32, f16 or bf16");
  desc.kv_dtype = DType::f32;
  desc.mask = MaskKind::keep;
  desc.mask_dtype = DType::f16;
  CHECK(message(validate(desc)) == "attention: mask_dtype is f16; it must be u8 or i32");
  desc.mask = static_cast<MaskKind>(3);
  CHECK(message(validate(desc)) == "attention: mask is 3; it must be a MaskKind");
  desc.mask = MaskKind::none;
  desc.bias_dtype = DType::u8;  // means nothing without a bias
  CHECK(validate(desc).value().bias_dtype == DType::f32);
  desc.bias = true;
  CHECK(message(validate(desc)) == "attention: bias_dtype is u8; it must be f32, f16 or bf16");
  desc.bias = false;
  desc.features = kAllFeatures + 1;
  CHECK(message(validate(desc)) ==
        "attention: features is 16384; it must be a sum of kFeature... bits");
  desc.features = kFeatureRegionMask;
  CHECK(message(validate(desc)) ==
        "attention: features has kFeatureRegionMask; it needs kFeatureRegions");
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
        "attention: the mask is none, the plan was made for keep_mask");
  call = plan;
  call.bias = true;
  CHECK(message(attention_detail::match(call, plan)) ==
        "attention: bias is given, the plan was made for not given");
  call = plan;
  call.features &= ~kFeatureLogsumexp;
  CHECK(message(attention_detail::match(call, plan)).contains("the plan was made with it"));
  call.features = plan.features | kFeatureSinks;
  CHECK(message(attention_detail::match(call, plan)).contains("the plan was made without"));
  call = plan;
  call.value_dim = 48;
  CHECK(message(attention_detail::match(call, plan)) ==
        "attention: value.shape[3] is 48, the plan was made for 32");
}
