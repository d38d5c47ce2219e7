// HostAllocator as Vulkan takes it.
#pragma once

#include "vulkan/functions.hpp"
#include "weft/device.hpp"

namespace weft::vulkan {

// Must not move once callbacks() is given to Vulkan: the callbacks point to it.
class HostMemory {
 public:
  HostMemory() = default;
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  // Errors: invalid_argument unless all three functions are given, or none.
  Result<void> use(const HostAllocator& allocator);
  // Null: the driver's own.
  const VkAllocationCallbacks* callbacks() const noexcept {
    return allocator_.allocate ? &callbacks_ : nullptr;
  }

 private:
  HostAllocator allocator_;
  VkAllocationCallbacks callbacks_{};
};

}  // namespace weft::vulkan
