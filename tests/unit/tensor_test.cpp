// Dims and tensor views: shapes, strides, extents.
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <set>

#include "fake_tensor.hpp"

using weft::Code;
using weft::Dims;
using weft::DType;
using weft::Tensor;
using weft::test::fake_tensor;
using weft::test::message;

TEST_CASE("names and sizes of types") {
  CHECK(std::string(to_string(DType::bf16)) == "bf16");
  CHECK(std::string(to_string(Code::device_lost)) == "device_lost");
  CHECK(std::string(to_string(weft::DeviceType::virtual_gpu)) == "virtual");
  CHECK(size_bytes(DType::f32) == 4);
  CHECK(size_bytes(DType::f16) == 2);
  CHECK(size_bytes(DType::u8) == 1);
}

TEST_CASE("Dims keep four numbers and their count") {
  CHECK(Dims{2, 8, 77, 64}.text() == "[2, 8, 77, 64]");
  CHECK(Dims{}.text() == "[]");
  CHECK(Dims{1, 2, 3, 4, 5}.rank() == 5);
  CHECK(Dims{1, 2, 3, 4, 5}.text() == "[1, 2, 3, 4, ...]");
  CHECK(weft::dense_strides({2, 3, 5}) == Dims{15, 5, 1});
  CHECK(weft::dense_strides({2, 0, 5}) == Dims{5, 5, 1});
}

TEST_CASE("extents reach to the end of the last element") {
  Tensor tensor = fake_tensor(DType::f16, {2, 3, 5});
  CHECK(tensor.elements() == 30);
  CHECK(tensor.extent_bytes() == 60);
  tensor.strides = {100, 10, 1};
  CHECK(tensor.extent_bytes() == (100 + 2 * 10 + 4 + 1) * 2);
  tensor.strides = {0, 10, 1};
  CHECK(tensor.extent_bytes() == (2 * 10 + 4 + 1) * 2);
  tensor.shape = {2, 0, 5};
  CHECK(tensor.extent_bytes() == 0);
  CHECK(Tensor{}.extent_bytes() == 0);
}

TEST_CASE("extents too large for 64 bits are the largest number") {
  Tensor tensor;
  tensor.shape = {INT64_MAX, INT64_MAX};
  tensor.strides = {INT64_MAX, 1};
  CHECK(tensor.elements() == INT64_MAX);
  CHECK(tensor.extent_bytes() == UINT64_MAX);
  tensor.shape = {2, 2};
  tensor.strides = {-1, 1};
  CHECK(tensor.extent_bytes() == UINT64_MAX);
}

TEST_CASE("a tensor is dense whatever the strides of axes with one element") {
  Tensor tensor = fake_tensor(DType::f32, {2, 1, 5});
  CHECK(tensor.is_dense());
  tensor.strides[1] = 999;
  CHECK(tensor.is_dense());
  tensor.strides[0] = 6;
  CHECK_FALSE(tensor.is_dense());
}

TEST_CASE("slice moves the offset and keeps the strides") {
  const Tensor tensor = fake_tensor(DType::f16, {4, 6, 8});
  const Tensor part = tensor.slice(1, 2, 3).value();
  CHECK(part.offset_bytes == 2 * 8 * 2);
  CHECK(part.shape == Dims{4, 3, 8});
  CHECK(part.strides == tensor.strides);
  CHECK(tensor.slice(1, 6, 0).has_value());
  CHECK(message(tensor.slice(1, 4, 3)) ==
        "slice: begin 4 and length 3 reach outside shape[1], which is 6");
  CHECK(message(tensor.slice(1, -1, 3)) ==
        "slice: begin -1 and length 3 reach outside shape[1], which is 6");
  CHECK(message(tensor.slice(0, INT64_MAX, INT64_MAX)) != "no error");
  CHECK(message(tensor.slice(3, 0, 1)) == "slice: axis is 3; it must be below the rank, 3");
}

TEST_CASE("reshape keeps the elements of a dense tensor") {
  const Tensor tensor = fake_tensor(DType::f32, {4, 6});
  CHECK(tensor.reshape({2, 2, 6}).value().strides == Dims{12, 6, 1});
  CHECK(message(tensor.reshape({5, 5})) ==
        "reshape: shape [5, 5] has 25 elements, shape [4, 6] has 24; they must match");
  CHECK(message(tensor.reshape({-4, -6})) == "reshape: shape [-4, -6] has a negative dimension; each must be 0 or more");
  CHECK(message(tensor.reshape({1, 2, 2, 2, 3})) == "reshape: the rank is 5; it must be 1 to 4");
  CHECK(
      message(tensor.slice(1, 0, 3).value().reshape({12})) ==
      "reshape: strides [6, 1] of shape [4, 3] are not dense; only dense tensors can be reshaped");
}

TEST_CASE("split_heads sees columns as heads") {
  const Tensor rows = fake_tensor(DType::f32, {77, 8 * 64});
  const Tensor heads = rows.split_heads(8).value();
  CHECK(heads.shape == Dims{1, 8, 77, 64});
  CHECK(heads.strides == Dims{77 * 512, 64, 512, 1});
  CHECK(heads.extent_bytes() == rows.extent_bytes());

  const Tensor batched = fake_tensor(DType::f32, {3, 77, 8 * 64}).split_heads(8).value();
  CHECK(batched.shape == Dims{3, 8, 77, 64});
  CHECK(batched.strides == Dims{77 * 512, 64, 512, 1});

  const Tensor columns = rows.slice(1, 128, 256).value().split_heads(4).value();
  CHECK(columns.offset_bytes == 128 * 4);
  CHECK(columns.strides == Dims{77 * 512, 64, 512, 1});
  CHECK(message(rows.split_heads(7)) ==
        "split_heads: heads is 7; it must be at least 1 and divide shape[1], which is 512");
  CHECK(message(rows.split_heads(0)) != "no error");
  CHECK(message(heads.split_heads(2)) == "split_heads: the rank is 4; it must be 2 or 3");
}

TEST_CASE("split_heads reaches every element once") {
  const Tensor heads = fake_tensor(DType::f32, {2, 5, 6}).split_heads(3).value();
  std::set<int64_t> seen;
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t h = 0; h < 3; ++h)
      for (int64_t r = 0; r < 5; ++r)
        for (int64_t d = 0; d < 2; ++d)
          seen.insert(b * heads.strides[0] + h * heads.strides[1] + r * heads.strides[2] +
                      d * heads.strides[3]);
  CHECK(seen.size() == 60);
  CHECK(*seen.begin() == 0);
  CHECK(*seen.rbegin() == 59);
}

TEST_CASE("broadcast_front repeats the whole tensor") {
  const Tensor tensor = fake_tensor(DType::f32, {4, 6});
  const Tensor repeated = tensor.broadcast_front(9).value();
  CHECK(repeated.shape == Dims{9, 4, 6});
  CHECK(repeated.strides == Dims{0, 6, 1});
  CHECK(repeated.extent_bytes() == tensor.extent_bytes());
  CHECK(message(fake_tensor(DType::f32, {1, 2, 3, 4}).broadcast_front(2)) ==
        "broadcast_front: the rank is 4; it must be below 4");
  CHECK(message(tensor.broadcast_front(-1)) ==
        "broadcast_front: count is -1; it must not be negative");
}
