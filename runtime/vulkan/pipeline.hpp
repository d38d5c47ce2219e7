// Compute pipelines: one per module and set of constants, made once per device.
#pragma once

#include <cstdint>
#include <span>

#include "decide/kernels.hpp"
#include "weft/error.hpp"

namespace weft::vulkan {

struct DeviceState;
struct Pipeline;  // opaque above this layer; lives as long as its device

// The pipeline of a module with `constants[i]` as specialization constant i; made on first use.
// `subgroup_size`: invocations of every subgroup, all of them there; 0: as the driver likes.
// Thread safety: any thread. Errors: out_of_memory, unsupported (the driver refused it), device_lost.
Result<const Pipeline*> pipeline(DeviceState& device, decide::Shader shader,
                                 std::span<const uint32_t> constants, uint32_t subgroup_size = 0);

}  // namespace weft::vulkan
