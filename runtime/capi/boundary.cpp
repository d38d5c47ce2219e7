#include "capi/boundary.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace weft::capi {

weft_status report(weft_error* error, Code code, const char* message) noexcept {
  const auto status = static_cast<weft_status>(code);
  if (!error) return status;
  constexpr size_t kRoom = sizeof error->message - 1;
  constexpr char kMore[] = "...";
  size_t length = std::strlen(message);
  const bool cut = length > kRoom;
  if (cut) {
    length = kRoom - (sizeof kMore - 1);
    while (length > 0 && (message[length] & 0xc0) == 0x80) --length;  // between characters of UTF-8
  }
  error->code = status;
  std::memcpy(error->message, message, length);
  error->message[length] = '\0';
  if (cut) std::memcpy(error->message + length, kMore, sizeof kMore);
  return status;
}

weft_status report_thrown(weft_error* error, Function function, Code code, const char* what) noexcept {
  char message[128];
  std::snprintf(message, sizeof message, "%s: %s", function.name, what);
  return report(error, code, message);
}

void* allocate(const HostAllocator& allocator, size_t bytes) noexcept {
  if (!allocator.allocate) return std::malloc(bytes);
  return allocator.allocate(allocator.user, bytes, alignof(std::max_align_t));
}

void deallocate(const HostAllocator& allocator, void* memory) noexcept {
  if (allocator.free)
    allocator.free(allocator.user, memory);
  else
    std::free(memory);
}

namespace {

// Before every text: what frees it, since weft_string_free is not told.
struct alignas(std::max_align_t) TextOwner {
  HostAllocator allocator;
};

}  // namespace

Result<void> make_text(Function function, const HostAllocator& allocator, const std::string& from,
                       char** out) {
  void* memory = allocate(allocator, sizeof(TextOwner) + from.size() + 1);
  if (!memory)
    return fail(Code::out_of_memory, text(function.name, ": no host memory for the text"));
  new (memory) TextOwner{allocator};
  *out = static_cast<char*>(memory) + sizeof(TextOwner);
  std::memcpy(*out, from.c_str(), from.size() + 1);
  return {};
}

}  // namespace weft::capi

using namespace weft;

uint32_t weft_abi_version(void) { return WEFT_ABI_VERSION; }
const char* weft_version(void) { return WEFT_VERSION; }
const char* weft_status_name(weft_status status) { return to_string(static_cast<Code>(status)); }

void weft_string_free(char* text) {
  if (!text) return;
  auto* owner = reinterpret_cast<capi::TextOwner*>(text - sizeof(capi::TextOwner));
  const HostAllocator allocator = owner->allocator;
  capi::deallocate(allocator, owner);
}
