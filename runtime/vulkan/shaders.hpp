// The SPIR-V modules that the build embeds.
#pragma once

#include <cstdint>
#include <span>

#include "decide/kernels.hpp"

namespace weft::vulkan {

std::span<const uint32_t> spirv(decide::Shader shader) noexcept;

}  // namespace weft::vulkan
