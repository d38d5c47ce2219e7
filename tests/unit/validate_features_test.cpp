// What attention accepts and refuses of its features: axes of 1, packing, regions, null keys,
// items, positions.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "attention_calls.hpp"

using namespace weft;
using namespace weft::test;

namespace {

// Two items of rows and of keys.
AttentionCall packed_call() {
  AttentionCall call;
  call.query = fake_tensor(DType::f16, {1, 8, 40, 64});
  call.key = fake_tensor(DType::f16, {1, 4, 77, 64});
  call.value = fake_tensor(DType::f16, {1, 4, 77, 32});
  call.output = fake_tensor(DType::f32, {1, 8, 40, 32});
  call.logsumexp = fake_tensor(DType::f32, {1, 8, 40});
  call.q_starts = fake_tensor(DType::i32, {3});
  call.kv_starts = fake_tensor(DType::i32, {3});
  call.max_q_len = 25;
  call.max_kv_len = 50;
  call.keep_mask = fake_tensor(DType::u8, {2, 1, 25, 50});
  call.kv_lengths = fake_tensor(DType::i32, {2});
  call.query_regions = fake_tensor(DType::i32, {1, 40});
  call.key_regions = fake_tensor(DType::i32, {1, 77});
  return call;
}

}  // namespace

TEST_CASE("every feature has its bit") {
  const auto features = [](auto change) {
    AttentionCall call = valid_call();
    change(call);
    const auto desc = describe(call);
    INFO(message(desc));
    REQUIRE(desc.has_value());
    return desc->features;
  };
  using C = AttentionCall;
  CHECK(features([](C& c) { c.causal = true; }) == kFeatureWindow);
  CHECK(features([](C& c) { c.window_left = 0; }) == kFeatureWindow);
  CHECK(features([](C& c) { c.window_right = 5; }) == kFeatureWindow);
  CHECK(features([](C& c) { c.position_offset = -5; }) == 0);
  CHECK(features([](C& c) { c.position_offsets = fake_tensor(DType::i32, {2}); }) ==
        kFeaturePositionOffsets);
  CHECK(features([](C& c) { c.softcap = 30.0f; }) == kFeatureSoftcap);
  CHECK(features([](C& c) { c.sinks = fake_tensor(DType::f32, {8}); }) == kFeatureSinks);
  CHECK(features([](C& c) { c.score_items = fake_tensor(DType::i32, {2}); }) == kFeatureScoreItems);
  CHECK(features([](C& c) { c.value_items = fake_tensor(DType::i32, {2}); }) == kFeatureValueItems);
  CHECK(features([](C& c) {
          c.query_regions = fake_tensor(DType::i32, {2, 16});
          c.key_regions = fake_tensor(DType::i32, {1, 77});
        }) == kFeatureRegions);
  CHECK(features([](C& c) {
          c.query_regions = fake_tensor(DType::i32, {2, 16});
          c.key_regions = fake_tensor(DType::i32, {1, 77});
          c.region_mask = fake_tensor(DType::u8, {3, 4});
        }) == (kFeatureRegions | kFeatureRegionMask));
  CHECK(features([](C& c) {
          c.null_key = fake_tensor(DType::f16, {4, 16, 64});
          c.null_value = fake_tensor(DType::f16, {1, 16, 32});
        }) == kFeatureNullKeys);
  CHECK(features([](C& c) {
          c.query = fake_tensor(DType::f16, {1, 8, 16, 64});
          c.output = fake_tensor(DType::f32, {1, 8, 16, 32});
          c.q_starts = fake_tensor(DType::i32, {3});
        }) == kFeaturePackedQuery);
  CHECK(features([](C& c) {
          c.key = fake_tensor(DType::f16, {1, 4, 77, 64});
          c.value = fake_tensor(DType::f16, {1, 4, 77, 32});
          c.kv_starts = fake_tensor(DType::i32, {3});
        }) == kFeaturePackedKv);
}

TEST_CASE("axes of 1 repeat, and nothing else does") {
  const auto accepts = [](auto change) {
    AttentionCall call = full_call();
    change(call);
    return message(describe(call));
  };
  using C = AttentionCall;
  CHECK(accepts([](C& c) { c.query = fake_tensor(DType::f16, {1, 1, 16, 64}); }) == "no error");
  CHECK(accepts([](C& c) { c.key = fake_tensor(DType::f16, {1, 1, 77, 64}); }) == "no error");
  CHECK(accepts([](C& c) { c.value = fake_tensor(DType::f16, {1, 1, 77, 32}); }) == "no error");
  CHECK(accepts([](C& c) {
          c.value = fake_tensor(DType::f16, {2, 2, 77, 32});
        }) == "attention: value.shape[1] is 2; it must be 4, the kv_heads, or 1");
}

TEST_CASE("packed batches") {
  const auto changed = [](auto change) {
    AttentionCall call = packed_call();
    change(call);
    return message(describe(call));
  };
  using C = AttentionCall;
  CHECK(changed([](C&) {}) == "no error");
  CHECK(describe(packed_call()).value().q_len == 25);
  CHECK(describe(packed_call()).value().kv_len == 50);
  CHECK(changed([](C& c) { c.q_starts = fake_tensor(DType::i32, {4}); }) ==
        "attention: kv_starts.shape[0] is 3, q_starts.shape[0] is 4; they must match");
  CHECK(changed([](C& c) { c.q_starts = fake_tensor(DType::f32, {3}); }) ==
        "attention: q_starts.dtype is f32; it must be i32");
  CHECK(changed([](C& c) { c.q_starts = fake_tensor(DType::i32, {0}); }) ==
        "attention: q_starts.shape[0] is 0; it must be at least 1, items + 1");
  CHECK(changed([](C& c) {
          c.query = fake_tensor(DType::f16, {2, 8, 40, 64});
        }) == "attention: query.shape[0] is 2; packed rows have a batch of 1");
  CHECK(changed([](C& c) {
          c.output = fake_tensor(DType::f32, {2, 8, 40, 32});
        }) == "attention: output.shape[0] is 2; it must be 1, as packed rows have");
  CHECK(changed([](C& c) {
          c.keep_mask = fake_tensor(DType::u8, {2, 1, 40, 50});
        }) == "attention: keep_mask.shape[2] is 40; it must be 25, q_len, or 1");
  CHECK(changed([](C& c) {
          c.keep_mask = fake_tensor(DType::u8, {2, 1, 25, 77});
        }) == "attention: keep_mask.shape[3] is 77; it must be 1 to 50, kv_len");
  CHECK(changed([](C& c) { c.kv_lengths = fake_tensor(DType::i32, {1}); }) ==
        "attention: kv_lengths.shape[0] is 1; it must be 2, the items");
  CHECK(changed([](C& c) {
          c.query_regions = fake_tensor(DType::i32, {2, 40});
        }) == "attention: query_regions.shape[0] is 2; packed rows have a batch of 1");
  CHECK(changed([](C& c) {
          c.key_regions = fake_tensor(DType::i32, {1, 50});
        }) == "attention: key_regions.shape[1] is 50, key.shape[2] is 77; they must match");
  CHECK(changed([](C& c) { c.value_items = fake_tensor(DType::i32, {2}); }) ==
        "attention: value_items is given with q_starts; packed batches have no item lists");
  CHECK(changed([](C& c) { c.q_starts = {}; }) != "no error");
  AttentionCall call = valid_call();
  call.max_kv_len = 9;
  CHECK(message(describe(call)) == "attention: max_kv_len is 9; it needs kv_starts");
}

TEST_CASE("regions, null keys, items") {
  const std::string no_error = "no error";
  using C = AttentionCall;
  CHECK(refusal([](C& c) {
          c.query_regions = fake_tensor(DType::i32, {2, 16});
        }) == "attention: key_regions is not given");
  CHECK(refusal([](C& c) {
          c.region_mask = fake_tensor(DType::u8, {2, 16});
        }) == "attention: query_regions is not given");
  CHECK(refusal([](C& c) {
          c.query_regions = fake_tensor(DType::i32, {2, 16});
          c.key_regions = fake_tensor(DType::i32, {3, 77});
        }) == "attention: key_regions.shape[0] is 3; it must be 2, the items, or 1");
  CHECK(refusal([](C& c) {
          c.query_regions = fake_tensor(DType::i32, {2, 16});
          c.key_regions = fake_tensor(DType::i32, {2, 77});
          c.region_mask = fake_tensor(DType::u8, {0, 4});
        }) == "attention: region_mask.shape is [0, 4]; it must not be empty");
  const auto null = [](const Dims& key, const Dims& value) {
    return refusal([&](C& c) {
      c.null_key = fake_tensor(DType::f16, key);
      c.null_value = fake_tensor(DType::f16, value);
    });
  };
  CHECK(null({4, 2, 64}, {1, 2, 32}) == no_error);
  CHECK(null({8, 2, 64}, {4, 2, 32}) ==
        "attention: null_key.shape[0] is 8; it must be 4, the kv_heads, or 1");
  CHECK(null({4, 17, 64}, {4, 17, 32}) == "attention: null_key.shape[1] is 17; it must be 1 to 16");
  CHECK(null({4, 0, 64}, {4, 0, 32}) == "attention: null_key.shape[1] is 0; it must be 1 to 16");
  CHECK(null({4, 2, 64}, {4, 3, 32}) ==
        "attention: null_value.shape[1] is 3, null_key.shape[1] is 2; they must match");
  CHECK(null({4, 2, 32}, {4, 2, 32}) ==
        "attention: null_key.shape[2] is 32, key.shape[3] is 64; they must match");
  CHECK(refusal([](C& c) {
          c.null_key = fake_tensor(DType::f16, {4, 2, 64});
        }) == "attention: null_value is not given");
  CHECK(refusal([](C& c) {
          c.null_value = fake_tensor(DType::f16, {4, 2, 32});
        }) == "attention: null_key is not given");
  // Items of scores: as many as query and key have, whatever the batch.
  const auto items = [](int64_t query_items, int64_t key_items, int64_t lengths) {
    return refusal([=](C& c) {
      c.query = fake_tensor(DType::f16, {query_items, 8, 16, 64});
      c.key = fake_tensor(DType::f16, {key_items, 4, 77, 64});
      c.kv_lengths = fake_tensor(DType::i32, {lengths});
      c.score_items = fake_tensor(DType::i32, {2});
    });
  };
  CHECK(items(5, 5, 5) == no_error);
  CHECK(items(1, 5, 5) == no_error);
  CHECK(items(1, 1, 1) == no_error);
  CHECK(items(4, 5, 5) == "attention: key.shape[0] is 5; it must be 4, the items, or 1");
  CHECK(items(5, 5, 2) == "attention: kv_lengths.shape[0] is 2; it must be 5, the items");
}

TEST_CASE("positions and numbers") {
  using C = AttentionCall;
  CHECK(refusal([](C& c) { c.position_offset = (1 << 28) + 1; }) ==
        "attention: position_offset is 268435457; it must be -268435456 to 268435456");
  CHECK(refusal([](C& c) { c.position_offset = -(1 << 28); }) == "no error");
  CHECK(refusal([](C& c) { c.window_left = -2; }) ==
        "attention: window_left is -2; it must be -1 (no limit) or more");
  CHECK(refusal([](C& c) { c.window_right = -2; }) ==
        "attention: window_right is -2; it must be -1 (no limit) or more");
  CHECK(refusal([](C& c) { c.softcap = -1.0f; }) ==
        "attention: softcap is -1; it must be 0 (off) or positive and finite, as its product with "
        "log2(e), which must be no denormal");
  CHECK(refusal([](C& c) { c.softcap = std::nanf(""); }) != "no error");
  CHECK(refusal([](C& c) { c.softcap = std::numeric_limits<float>::infinity(); }) != "no error");
}
