// Every public function with every kind of wrong argument: the right code, a message that names
// operation, rule and value, nothing recorded and nothing submitted.
#include "bad_input/device_tables.hpp"
#include "bad_input/leaks.hpp"

#include <cstdio>
#include <mutex>

#include "vulkan/device_state.hpp"

namespace weft::test {

Tensor tensor(DType dtype, const Dims& shape) { return must(device().tensor(dtype, shape)); }

const Device& other_device() { return device({.without_direct_access = true}); }

const Maker& device_maker() {
  static const Maker maker{
      .tensor = tensor,
      .foreign = [](const Tensor& t) { return must(other_device().buffer(t.buffer.size_bytes())); },
      .transient =
          [](const Tensor& t) { return Recorder(device()).transient(t.dtype, t.shape).buffer; }};
  return maker;
}

uint64_t submissions() {
  uint64_t sum = 0;
  for (const Device& each : {device(), other_device()}) {
    std::lock_guard lock(each.state()->queue_mutex);
    sum += each.state()->submitted;
  }
  return sum;
}

Result<void> recorded(const std::function<Result<void>(Recorder&)>& make) {
  Recorder recorder(device());
  const Result<void> result = make(recorder);
  if (!result) CHECK(must(recorder.finish()).stats().operations == 0);
  return result;
}

void must_run(const std::function<Result<void>(Recorder&)>& make, uint64_t most) {
  Recorder recorder(device());
  must(make(recorder));
  const Program program = must(recorder.finish());
  CHECK(program.stats().operations >= 1);
  CHECK(program.stats().operations <= most);
  must(must(program.run()).wait());
}

}  // namespace weft::test

using namespace weft::test;

TEST_CASE("wrong calls are refused with a reason, and nothing reaches the device") {
  size_t rows = 0;
  rows += check_attention();
  rows += check_plans();
  rows += check_weights();
  rows += check_merge();
  rows += check_ops();
  rows += check_device();
  rows += check_copies();
  rows += check_recorder();
  rows += check_vulkan();
  rows += check_capi();
  rows += check_capi_structs();
  rows += check_capi_blocks();
  rows += check_lost();
  std::printf("%zu rows\n", rows);
  REQUIRE(rows >= 300);
  CHECK(!leaked());  // while the driver is loaded
}

TEST_CASE("wrong blocks are refused with a reason, and nothing reaches the device") {
  const size_t rows = check_fusion();
  std::printf("%zu rows of blocks\n", rows);
  REQUIRE(rows >= 200);
  CHECK(!leaked());
}
