#include "bad_input/attention_rows.hpp"

#include <cmath>
#include <limits>

namespace weft::test {
namespace {

using A = AttentionCall;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Field<A>> item_fields() {
  return {{WEFT_FIELD(A, query), DType::i32, true},
          {WEFT_FIELD(A, key), DType::u8, true},
          {WEFT_FIELD(A, value), DType::i32, true},
          {WEFT_FIELD(A, output), DType::u8, true, true},
          {WEFT_FIELD(A, keep_mask), DType::f32},
          {WEFT_FIELD(A, bias), DType::i32},
          {WEFT_FIELD(A, kv_lengths), DType::f32},
          {WEFT_FIELD(A, position_offsets), DType::f32},
          {WEFT_FIELD(A, query_regions), DType::u8, true},
          {WEFT_FIELD(A, key_regions), DType::u8, true},
          {WEFT_FIELD(A, region_mask), DType::i32},
          {WEFT_FIELD(A, sinks), DType::f16},
          {WEFT_FIELD(A, null_key), DType::f16, true},
          {WEFT_FIELD(A, null_value), DType::f16, true},
          {WEFT_FIELD(A, score_items), DType::u8},
          {WEFT_FIELD(A, value_items), DType::u8},
          {WEFT_FIELD(A, logsumexp), DType::f16, false, true},
          {WEFT_FIELD(A, weights), DType::f16, false, true}};
}

std::vector<Field<A>> packed_fields() {
  return {{WEFT_FIELD(A, q_starts), DType::f32},
          {WEFT_FIELD(A, kv_starts), DType::f32},
          {WEFT_FIELD(A, drop_mask), DType::f32},
          {WEFT_FIELD(A, weights), DType::f16, false, true}};
}

void add_shapes(Breaker<A>& wrong, const Maker& maker) {
  const auto f32 = [&maker](const Dims& shape) { return maker.tensor(DType::f32, shape); };
  wrong.add("other head_dim", {"key.shape[3] is 9", "query.shape[3] is 8", "match"}, [=](A& a) {
    a.key = f32({2, 2, 5, 9});
  });
  wrong.add("other key batch", {"key.shape[0] is 3", "it must be 2", "the items"}, [=](A& a) {
    a.key = f32({3, 2, 5, 8});
  });
  wrong.add("other value batch", {"value_items.shape[0] is 3", "it must be 2", "the batch"},
            [&maker](A& a) { a.value_items = maker.tensor(DType::i32, {3}); });
  wrong.add("no value to choose from", {"value.shape[0] is 0", "value_items needs an item"},
            [=](A& a) {
              a.value = f32({0, 2, 5, 4});
            });
  wrong.add("no query to choose from", {"query.shape[0] is 0", "score_items needs an item"},
            [=](A& a) {
              a.query = f32({0, 4, 3, 8});
              a.key = f32({0, 2, 5, 8});
            });
  wrong.add("other kv_len", {"value.shape[2] is 6", "key.shape[2] is 5"}, [=](A& a) {
    a.value = f32({2, 2, 6, 4});
  });
  wrong.add("other kv_heads", {"value.shape[1] is 4", "it must be 2", "the kv_heads"}, [=](A& a) {
    a.value = f32({2, 4, 5, 4});
  });
  wrong.add("kv_heads that don't divide", {"key.shape[1] is 3", "4 heads", "divide"}, [=](A& a) {
    a.key = f32({2, 3, 5, 8});
    a.value = f32({2, 3, 5, 4});
  });
  wrong.add("other heads", {"query.shape[1] is 3", "it must be 4", "the heads"}, [=](A& a) {
    a.query = f32({2, 3, 3, 8});
  });
  wrong.add("other q_len", {"output.shape[2] is 7", "query.shape[2] is 3"}, [=](A& a) {
    a.output = f32({2, 4, 7, 4});
  });
  wrong.add("other value_dim", {"output.shape[3] is 8", "value.shape[3] is 4"}, [=](A& a) {
    a.output = f32({2, 4, 3, 8});
  });
  wrong.add("head_dim 0", {"query.shape[3] is 0", "1 to 576"}, [=](A& a) {
    a.query = f32({2, 4, 3, 0});
  });
  wrong.add("head_dim 577", {"query.shape[3] is 577", "1 to 576"}, [=](A& a) {
    a.query = f32({2, 4, 3, 577});
  });
  wrong.add("value_dim 577", {"value.shape[3] is 577", "1 to 576"}, [=](A& a) {
    a.value = f32({2, 2, 5, 577});
  });
  wrong.add("key and value of two types", {"value.dtype is f16", "key.dtype is f32", "match"},
            [&maker](A& a) {
              a.value = maker.tensor(DType::f16, {2, 2, 5, 4});
            });
  wrong.add("rows too far apart", {"key.strides[2] is 1073741824", "at most 2147483647 elements"},
            [](A& a) { a.key.strides[2] = int64_t{1} << 30; });
}

void add_masks(Breaker<A>& wrong, const Maker& maker) {
  const auto u8 = [&maker](const Dims& shape) { return maker.tensor(DType::u8, shape); };
  const auto i32 = [&maker](const Dims& shape) { return maker.tensor(DType::i32, shape); };
  wrong.add("two masks", {"keep_mask and drop_mask", "at most one"},
            [](A& a) { a.drop_mask = a.keep_mask; });
  wrong.add("mask of other items", {"keep_mask.shape[0] is 3", "2, the items"}, [=](A& a) {
    a.keep_mask = u8({3, 4, 3, 5});
  });
  wrong.add("mask of other heads", {"keep_mask.shape[1] is 2", "4, the heads"}, [=](A& a) {
    a.keep_mask = u8({2, 2, 3, 5});
  });
  wrong.add("mask of other rows", {"keep_mask.shape[2] is 2", "3, q_len"}, [=](A& a) {
    a.keep_mask = u8({2, 4, 2, 5});
  });
  wrong.add("mask without columns", {"keep_mask.shape[3] is 0", "1 to 5", "kv_len"}, [=](A& a) {
    a.keep_mask = u8({2, 4, 3, 0});
  });
  wrong.add("mask with too many columns", {"keep_mask.shape[3] is 6", "1 to 5"}, [=](A& a) {
    a.keep_mask = u8({2, 4, 3, 6});
  });
  wrong.add("bias with too many columns", {"bias.shape[3] is 6", "1 to 5"}, [&maker](A& a) {
    a.bias = maker.tensor(DType::f32, {1, 1, 1, 6});
  });
  wrong.add("lengths for other items", {"kv_lengths.shape[0] is 1", "2, the items"},
            [=](A& a) { a.kv_lengths = i32({1}); });
  wrong.add("offsets for other items", {"position_offsets.shape[0] is 3", "2, the items"},
            [=](A& a) { a.position_offsets = i32({3}); });
  wrong.add("score items for another batch", {"score_items.shape[0] is 1", "2, the batch"},
            [=](A& a) { a.score_items = i32({1}); });
  wrong.add("query regions of other rows", {"query_regions.shape[1] is 4", "query.shape[2] is 3"},
            [=](A& a) {
              a.query_regions = i32({2, 4});
            });
  wrong.add("key regions of other keys", {"key_regions.shape[1] is 6", "key.shape[2] is 5"},
            [=](A& a) {
              a.key_regions = i32({2, 6});
            });
  wrong.add("key regions of other items", {"key_regions.shape[0] is 3", "2, the items"}, [=](A& a) {
    a.key_regions = i32({3, 5});
  });
  wrong.add("an empty region mask", {"region_mask.shape is [0, 3]", "must not be empty"},
            [=](A& a) {
              a.region_mask = u8({0, 3});
            });
  wrong.add("sinks for other heads", {"sinks.shape[0] is 3", "4, the heads"},
            [&maker](A& a) { a.sinks = maker.tensor(DType::f32, {3}); });
}

void add_numbers(Breaker<A>& wrong, const Maker& maker) {
  const auto f32 = [&maker](const Dims& shape) { return maker.tensor(DType::f32, shape); };
  for (const auto& [value, shown] :
       {std::pair{kInfinity, "inf"}, {-kInfinity, "-inf"}, {kNan, "nan"}, {3e38f, "3e+38"}})
    wrong.add(std::string("scale ") + shown, {std::string("scale is ") + shown, "finite"},
              [value](A& a) { a.scale = value; });
  for (const auto& [value, shown] :
       {std::pair{kInfinity, "inf"}, {-1.0f, "-1"}, {kNan, "nan"}, {3e38f, "3e+38"}})
    wrong.add(std::string("softcap ") + shown,
              {std::string("softcap is ") + shown, "positive and finite"},
              [value](A& a) { a.softcap = value; });
  for (const int32_t value : {INT32_MIN, -268435457, 268435457, INT32_MAX})
    wrong.add("offset " + std::to_string(value),
              {"position_offset is " + std::to_string(value), "-268435456 to 268435456"},
              [value](A& a) { a.position_offset = value; });
  for (const int32_t value : {INT32_MIN, -2}) {
    wrong.add("left " + std::to_string(value),
              {"window_left is " + std::to_string(value), "-1 (no limit) or more"},
              [value](A& a) { a.window_left = value; });
    wrong.add("right " + std::to_string(value),
              {"window_right is " + std::to_string(value), "-1 (no limit) or more"},
              [value](A& a) { a.window_right = value; });
  }
  wrong.add("max_q_len without q_starts", {"max_q_len is 2", "needs q_starts"},
            [](A& a) { a.max_q_len = 2; });
  wrong.add("max_kv_len without kv_starts", {"max_kv_len is 2", "needs kv_starts"},
            [](A& a) { a.max_kv_len = 2; });
  wrong.add("no null keys", {"null_key.shape[1] is 0", "1 to 16"}, [=](A& a) {
    a.null_key = f32({2, 0, 8});
  });
  wrong.add("17 null keys", {"null_key.shape[1] is 17", "1 to 16"}, [=](A& a) {
    a.null_key = f32({2, 17, 8});
  });
  wrong.add("null values of another count", {"null_value.shape[1] is 3", "null_key.shape[1] is 2"},
            [=](A& a) {
              a.null_value = f32({2, 3, 4});
            });
  wrong.add("null keys of other heads", {"null_key.shape[0] is 4", "2, the kv_heads"}, [=](A& a) {
    a.null_key = f32({4, 2, 8});
  });
  wrong.add("null keys of another dim", {"null_key.shape[2] is 4", "key.shape[3] is 8"}, [=](A& a) {
    a.null_key = f32({2, 2, 4});
  });
  wrong.add("logsumexp of another length", {"logsumexp.shape[2] is 4", "output.shape[2] is 3"},
            [=](A& a) {
              a.logsumexp = f32({2, 4, 4});
            });
  wrong.add("weights of another batch", {"weights.shape[0] is 1", "output.shape[0] is 2"},
            [=](A& a) {
              a.weights = f32({1, 4, 3, 5});
            });
  wrong.add("weights of other heads", {"weights.shape[1] is 2", "output.shape[1] is 4"}, [=](A& a) {
    a.weights = f32({2, 2, 3, 5});
  });
  wrong.add("weights of other rows", {"weights.shape[2] is 4", "output.shape[2] is 3"}, [=](A& a) {
    a.weights = f32({2, 4, 4, 5});
  });
  wrong.add("weights with columns for null keys", {"weights.shape[3] is 7", "5, kv_len"}, [=](A& a) {
    a.weights = f32({2, 4, 3, 7});
  });
  wrong.add("rows of weights too far apart",
            {"weights.strides[2] is 1073741824", "at most 2147483647 elements"},
            [](A& a) { a.weights.strides[2] = int64_t{1} << 30; });
}

// The output and another tensor in one buffer, that of the larger.
void add_overlaps(Breaker<A>& wrong) {
  for (const Field<A>& field : item_fields()) {
    const std::string name = field.name;
    if (name == "output") continue;
    wrong.add("output on " + name,
              {"output is bytes 0 to 384", name + " bytes 0 to", "must not overlap"},
              [of = field.of](A& a) {
                Tensor& other = of(a);
                if (other.extent_bytes() <= a.output.extent_bytes())
                  other.buffer = a.output.buffer;
                else
                  a.output.buffer = other.buffer;
              });
  }
  wrong.add("logsumexp on kv_lengths",
            {"logsumexp is bytes 0 to 96", "kv_lengths bytes 0 to 8", "overlap"},
            [](A& a) { a.kv_lengths.buffer = a.logsumexp.buffer; });
  wrong.add("weights on value", {"weights is bytes 0 to 480", "value bytes 0 to 320", "overlap"},
            [](A& a) { a.value.buffer = a.weights.buffer; });
  wrong.add("weights on logsumexp",
            {"logsumexp is bytes 0 to 96", "weights bytes 0 to 480", "overlap"},
            [](A& a) { a.logsumexp.buffer = a.weights.buffer; });
}

void add_packed(Breaker<A>& wrong, const Maker& maker) {
  const auto f32 = [&maker](const Dims& shape) { return maker.tensor(DType::f32, shape); };
  const auto i32 = [&maker](const Dims& shape) { return maker.tensor(DType::i32, shape); };
  wrong.add("packed rows of two batches", {"query.shape[0] is 2", "batch of 1"}, [=](A& a) {
    a.query = f32({2, 4, 6, 8});
  });
  wrong.add("packed keys of two batches", {"key.shape[0] is 2", "batch of 1"}, [=](A& a) {
    a.key = f32({2, 2, 9, 8});
  });
  wrong.add("an output of two batches", {"output.shape[0] is 2", "it must be 1", "packed rows"},
            [=](A& a) {
              a.output = f32({2, 4, 6, 4});
            });
  wrong.add("weights of all packed keys", {"weights.shape[3] is 9", "5, kv_len"}, [=](A& a) {
    a.weights = f32({1, 4, 6, 9});
  });
  wrong.add("starts without an end", {"q_starts.shape[0] is 0", "at least 1"},
            [=](A& a) { a.q_starts = i32({0}); });
  wrong.add("starts of two counts", {"kv_starts.shape[0] is 4", "q_starts.shape[0] is 3", "match"},
            [=](A& a) { a.kv_starts = i32({4}); });
  wrong.add("score_items with packed rows", {"score_items is given with q_starts", "no item lists"},
            [=](A& a) { a.score_items = i32({1}); });
  wrong.add("value_items with packed rows", {"value_items is given with q_starts", "no item lists"},
            [=](A& a) { a.value_items = i32({1}); });
  wrong.add("lengths for other packed items", {"kv_lengths.shape[0] is 3", "2, the items"},
            [=](A& a) { a.kv_lengths = i32({3}); });
  wrong.add("value of two batches", {"value.shape[0] is 2", "key.shape[0] is 1"}, [=](A& a) {
    a.value = f32({2, 2, 9, 4});
  });
}

}  // namespace

AttentionCall full_attention(const Maker& maker) {
  const auto make = [&](DType dtype, const Dims& shape) { return maker.tensor(dtype, shape); };
  AttentionCall call;
  call.query = make(DType::f32, {2, 4, 3, 8});
  call.key = make(DType::f32, {2, 2, 5, 8});
  call.value = make(DType::f32, {2, 2, 5, 4});
  call.output = make(DType::f32, {2, 4, 3, 4});
  call.scale = -0.5f;
  call.softcap = 20.0f;
  call.keep_mask = make(DType::u8, {2, 4, 3, 5});
  call.bias = make(DType::f32, {2, 4, 3, 5});
  call.kv_lengths = make(DType::i32, {2});
  call.position_offset = 1;
  call.position_offsets = make(DType::i32, {2});
  call.causal = true;
  call.window_left = 3;
  call.query_regions = make(DType::i32, {2, 3});
  call.key_regions = make(DType::i32, {2, 5});
  call.region_mask = make(DType::u8, {2, 3});
  call.sinks = make(DType::f32, {4});
  call.null_key = make(DType::f32, {2, 2, 8});
  call.null_value = make(DType::f32, {2, 2, 4});
  call.score_items = make(DType::i32, {2});
  call.value_items = make(DType::i32, {2});
  call.logsumexp = make(DType::f32, {2, 4, 3});
  call.weights = make(DType::f32, {2, 4, 3, 5});
  return call;
}

AttentionCall packed_attention(const Maker& maker) {
  AttentionCall call;
  call.query = maker.tensor(DType::f32, {1, 4, 6, 8});
  call.key = maker.tensor(DType::f32, {1, 2, 9, 8});
  call.value = maker.tensor(DType::f32, {1, 2, 9, 4});
  call.output = maker.tensor(DType::f32, {1, 4, 6, 4});
  call.q_starts = maker.tensor(DType::i32, {3});
  call.kv_starts = maker.tensor(DType::i32, {3});
  call.max_q_len = 4;
  call.max_kv_len = 5;
  call.drop_mask = maker.tensor(DType::u8, {2, 4, 4, 5});
  call.weights = maker.tensor(DType::f32, {1, 4, 6, 5});
  return call;
}

Rows attention_rows(const Maker& maker, const MakeAttention& make) {
  Breaker<A> items{"attention", full_attention(maker), make, {}};
  add_tensor_faults(items, item_fields(), maker);
  add_shapes(items, maker);
  add_masks(items, maker);
  add_numbers(items, maker);
  add_overlaps(items);
  Breaker<A> packed{"attention", packed_attention(maker), make, {}};
  add_tensor_faults(packed, packed_fields(), maker);
  add_packed(packed, maker);
  Rows rows = std::move(items.rows);
  rows.insert(rows.end(), packed.rows.begin(), packed.rows.end());
  return rows;
}

}  // namespace weft::test
