// Files that are kept for a device from one start to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "weft/error.hpp"

namespace weft::vulkan {

uint64_t checksum(std::span<const std::byte> data) noexcept;

// The header, then the data. Written beside the target and renamed, so that a reader sees the old
// file or the new one. Errors: internal; `what` begins the message.
Result<void> replace_file(const char* what, const std::string& path,
                          std::span<const std::byte> header, std::span<const std::byte> data);

}  // namespace weft::vulkan
