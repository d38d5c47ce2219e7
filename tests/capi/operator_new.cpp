// The operator new of the C test's program, which can be made to fail. All forms but the aligned
// ones, so that sanitizers see each freed by its own delete.
#include <cstdlib>
#include <new>

namespace {

thread_local int successes_left = -1;

void* take(std::size_t bytes) noexcept {
  if (successes_left == 0) return nullptr;
  if (successes_left > 0) --successes_left;
  return std::malloc(bytes ? bytes : 1);
}

void* take_or_throw(std::size_t bytes) {
  if (void* memory = take(bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

extern "C" void fail_new_after(int more);
extern "C" void fail_new_after(int more) { successes_left = more; }

void* operator new(std::size_t bytes) { return take_or_throw(bytes); }
void* operator new[](std::size_t bytes) { return take_or_throw(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return take(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return take(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
