#include "bad_input/leaks.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_LEAK_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_LEAK_SANITIZER 1
#endif
#endif

#if defined(WEFT_LEAK_SANITIZER)
#include <sanitizer/lsan_interface.h>

#define WEFT_SANITIZER_HOOK extern "C" __attribute__((visibility("default"), used)) const char*

// While the driver is loaded its leaks can be told from ours; at the program's exit it no longer
// is.
WEFT_SANITIZER_HOOK __asan_default_options() { return "leak_check_at_exit=0"; }
WEFT_SANITIZER_HOOK __lsan_default_suppressions() {
  return "leak:libvulkan_\n"   // drivers
         "leak:libLLVM\n"      // and what they compile with
         "leak:libVkLayer_\n"  // the validation layer
         "leak:libvulkan.so\n";
}

namespace weft::test {
bool leaked() { return __lsan_do_recoverable_leak_check() != 0; }
}  // namespace weft::test

#else

namespace weft::test {
bool leaked() { return false; }
}  // namespace weft::test

#endif
