#include "vulkan/host_memory.hpp"

namespace weft::vulkan {
namespace {

const HostAllocator& of(void* user) { return *static_cast<const HostAllocator*>(user); }

void* VKAPI_CALL allocate(void* user, size_t bytes, size_t alignment, VkSystemAllocationScope) {
  return of(user).allocate(of(user).user, bytes, alignment);
}

void* VKAPI_CALL reallocate(void* user, void* memory, size_t bytes, size_t alignment,
                            VkSystemAllocationScope) {
  return of(user).reallocate(of(user).user, memory, bytes, alignment);
}

void VKAPI_CALL release(void* user, void* memory) { of(user).free(of(user).user, memory); }

}  // namespace

Result<void> HostMemory::use(const HostAllocator& allocator) {
  const int given = (allocator.allocate != nullptr) + (allocator.reallocate != nullptr) +
                    (allocator.free != nullptr);
  if (given != 0 && given != 3)
    return fail(
        Code::invalid_argument,
        "device: host_allocator needs allocate, reallocate and free, or none of them; found " +
            std::to_string(given));
  allocator_ = allocator;
  callbacks_.pUserData = &allocator_;
  callbacks_.pfnAllocation = allocate;
  callbacks_.pfnReallocation = reallocate;
  callbacks_.pfnFree = release;
  return {};
}

}  // namespace weft::vulkan
