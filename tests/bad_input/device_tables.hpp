// The tables of calls that need a device. Each function checks that its valid calls are valid, then
// every row, and returns how many rows there were.
#pragma once

#include <functional>

#include "bad_input/faults.hpp"
#include "device/fixture.hpp"

namespace weft::test {

size_t check_attention();
size_t check_plans();
size_t check_weights();
size_t check_merge();
size_t check_ops();
size_t check_fusion();
size_t check_device();
size_t check_copies();
size_t check_recorder();
size_t check_vulkan();
size_t check_capi();
size_t check_capi_structs();
size_t check_capi_blocks();
size_t check_lost();

// Tensors of the tests' device.
const Maker& device_maker();
Tensor tensor(DType dtype, const Dims& shape);
const Device& other_device();

// Submissions on these devices so far.
uint64_t submissions();

// Records with `make` on a fresh recorder. Where that fails, nothing may have been recorded.
Result<void> recorded(const std::function<Result<void>(Recorder&)>& make);

// A valid call: records an operation, or up to `most`, and runs them.
void must_run(const std::function<Result<void>(Recorder&)>& make, uint64_t most = 1);

// A call as the rows of a table make it.
template <class Call>
auto recording(Result<void> (*make)(Recorder&, const Call&)) {
  return [make](const Call& call) { return recorded([&](Recorder& r) { return make(r, call); }); };
}

}  // namespace weft::test
