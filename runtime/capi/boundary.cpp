#include "capi/boundary.hpp"

namespace weft::capi {

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
