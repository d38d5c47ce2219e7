// VkResult as weft::Error.
#pragma once

#include <string>

#include "vulkan/functions.hpp"
#include "weft/error.hpp"

namespace weft::vulkan {

const char* result_name(VkResult result) noexcept;

// "what: VK_ERROR_..." with the code that tells the caller what to do.
std::unexpected<Error> vk_fail(VkResult result, const std::string& what);

}  // namespace weft::vulkan
