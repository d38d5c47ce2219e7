// Views of tensors: slice, reshape, split_heads, broadcast_front.
#include <catch2/catch_test_macros.hpp>

#include "bad_input/faults.hpp"
#include "bad_input/host_tables.hpp"
#include "unit/fake_tensor.hpp"

namespace weft::test {
namespace {

constexpr int64_t kMost = INT64_MAX, kLeast = INT64_MIN;

// A view and its numbers.
struct View {
  Tensor tensor = fake_tensor(DType::f32, {2, 4, 6});
  size_t axis = 1;
  int64_t begin = 1, length = 2;
  Dims shape{8, 6};
  int64_t heads = 3, count = 2;
};

// What no view can be made of.
void add_tensor_rows(Breaker<View>& wrong) {
  wrong.add("of rank 0", {"rank is 0", "1 to 4"},
            [](View& v) { v.tensor.shape = v.tensor.strides = {}; });
  wrong.add("of rank 5", {"rank is 5", "1 to 4"}, [](View& v) {
    v.tensor.shape = v.tensor.strides = {1, 1, 1, 1, 1};
  });
  wrong.add("of strides of another rank", {"strides [1]", "shape [2, 4, 6]", "same rank"},
            [](View& v) { v.tensor.strides = {1}; });
  wrong.add("of a negative dimension", {"shape [2, 4, -6]", "negative"},
            [](View& v) { v.tensor.shape[2] = -6; });
}

Rows slice_rows() {
  const auto make = [](const View& v) {
    return outcome(v.tensor.slice(v.axis, v.begin, v.length));
  };
  REQUIRE(make({}).has_value());
  Breaker<View> wrong{"slice", {}, make, {}};
  add_tensor_rows(wrong);
  for (const size_t axis : {size_t{3}, size_t{4}, SIZE_MAX})
    wrong.add("axis " + std::to_string(axis),
              {"axis is " + std::to_string(axis), "below the rank, 3"},
              [axis](View& v) { v.axis = axis; });
  for (const auto& [begin, length] : {std::pair{int64_t{-1}, int64_t{2}},
                                      {1, -1},
                                      {3, 2},
                                      {5, 0},
                                      {kMost, 1},
                                      {1, kMost},
                                      {kLeast, 1},
                                      {1, kLeast},
                                      {kMost, kMost}})
    wrong.add("begin " + std::to_string(begin) + ", length " + std::to_string(length),
              {"begin " + std::to_string(begin), "length " + std::to_string(length),
               "shape[1], which is 4"},
              [begin, length](View& v) {
                v.begin = begin;
                v.length = length;
              });
  wrong.add("a negative stride", {"begin 1", "strides[1], which is -6"},
            [](View& v) { v.tensor.strides[1] = -6; });
  wrong.add("a stride of 2^63 - 1", {"strides[1], which is 9223372036854775807", "64 bits"},
            [](View& v) { v.tensor.strides[1] = kMost; });
  wrong.add("an offset of nearly 2^64", {"does not fit 64 bits"},
            [](View& v) { v.tensor.offset_bytes = UINT64_MAX - 3; });
  return wrong.rows;
}

Rows reshape_rows() {
  const auto make = [](const View& v) { return outcome(v.tensor.reshape(v.shape)); };
  REQUIRE(make({}).has_value());
  Breaker<View> wrong{"reshape", {}, make, {}};
  add_tensor_rows(wrong);
  wrong.add("to rank 0", {"rank is 0", "1 to 4"}, [](View& v) { v.shape = {}; });
  wrong.add("to rank 5", {"rank is 5", "1 to 4"}, [](View& v) { v.shape = {1, 2, 2, 2, 6}; });
  wrong.add("to a negative dimension", {"[-8, -6]", "negative"}, [](View& v) {
    v.shape = {-8, -6};
  });
  wrong.add("to fewer", {"[8, 5] has 40 elements", "has 48", "match"}, [](View& v) {
    v.shape = {8, 5};
  });
  wrong.add("to none", {"[0, 48] has 0 elements", "has 48"}, [](View& v) { v.shape = {0, 48}; });
  wrong.add("to 2^124", {"9223372036854775807 elements", "has 48"}, [](View& v) {
    v.shape = {kMost, kMost};
  });
  wrong.add("of columns", {"strides [24, 6, 1] of shape [2, 4, 5]", "dense"},
            [](View& v) { v.tensor.shape[2] = 5; });
  wrong.add("from 2^124 elements to as many", {"must match"}, [](View& v) {
    v.tensor.shape = v.shape = {kMost, kMost};
    v.tensor.strides = dense_strides(v.shape);
  });
  return wrong.rows;
}

Rows split_rows() {
  const auto make = [](const View& v) { return outcome(v.tensor.split_heads(v.heads)); };
  REQUIRE(make({}).has_value());
  Breaker<View> wrong{"split_heads", {}, make, {}};
  add_tensor_rows(wrong);
  for (const int64_t heads : {int64_t{0}, int64_t{-1}, int64_t{4}, int64_t{12}, kMost, kLeast})
    wrong.add(std::to_string(heads) + " heads",
              {"heads is " + std::to_string(heads), "divide shape[2], which is 6"},
              [heads](View& v) { v.heads = heads; });
  wrong.add("of rank 1", {"rank is 1", "2 or 3"},
            [](View& v) { v.tensor = fake_tensor(DType::f32, {6}); });
  wrong.add("of rank 4", {"rank is 4", "2 or 3"}, [](View& v) {
    v.tensor = fake_tensor(DType::f32, {1, 2, 4, 6});
  });
  return wrong.rows;
}

Rows broadcast_rows() {
  const auto make = [](const View& v) { return outcome(v.tensor.broadcast_front(v.count)); };
  REQUIRE(make({}).has_value());
  Breaker<View> wrong{"broadcast_front", {}, make, {}};
  add_tensor_rows(wrong);
  for (const int64_t count : {int64_t{-1}, kLeast})
    wrong.add("count " + std::to_string(count),
              {"count is " + std::to_string(count), "not be negative"},
              [count](View& v) { v.count = count; });
  wrong.add("of rank 4", {"rank is 4", "below 4"}, [](View& v) {
    v.tensor = fake_tensor(DType::f32, {1, 2, 4, 6});
  });
  return wrong.rows;
}

}  // namespace

size_t check_tensor() {
  // Huge numbers that break no rule by themselves are carried along, not multiplied into something
  // else.
  Tensor huge = fake_tensor(DType::f32, {4, 6});
  huge.strides = {kMost, kMost};
  CHECK(huge.split_heads(3).has_value());
  CHECK(huge.extent_bytes() == UINT64_MAX);
  return check_rows("slice", slice_rows()) + check_rows("reshape", reshape_rows()) +
         check_rows("split_heads", split_rows()) + check_rows("broadcast_front", broadcast_rows());
}

}  // namespace weft::test
