// What every C function stands on: outcomes, handles and texts. Structs are in structs.hpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "weft.h"
#include "weft/weft.hpp"

namespace weft::capi {

// The C function at work, for messages.
struct Function {
  const char* name;

  template <class... Parts>
  std::unexpected<Error> broken(const Parts&... rule) const {
    return fail(Code::invalid_argument, text(name, ": ", rule...));
  }
  template <class... Parts>
  std::unexpected<Error> unknown(const Parts&... rule) const {
    return fail(Code::unsupported, text(name, ": ", rule...));
  }
  Result<void> given(const char* argument, const void* pointer) const {
    if (!pointer) return broken(argument, " is NULL");
    return {};
  }
};

// Fills the caller's error, if there is one, and returns the code.
weft_status report(weft_error* error, Code code, const char* message) noexcept;
// The same for what the standard library threw; allocates nothing.
weft_status report_thrown(weft_error* error, Function function, Code code, const char* what) noexcept;

// Runs what stands behind a C function, a Result<void>(Function). The only place that catches
// anything: what the standard library throws, where exceptions are on.
template <class Body>
weft_status run(Function function, weft_error* error, Body&& body) noexcept {
#if defined(__cpp_exceptions)
  try {
#endif
    const Result<void> result = body(function);
    if (result) return report(error, Code::ok, "");
    return report(error, result.error().code, result.error().message.c_str());
#if defined(__cpp_exceptions)
  } catch (const std::bad_alloc&) {
    return report_thrown(error, function, Code::out_of_memory, "host memory is exhausted");
  } catch (...) {  // the standard library's own limits
    return report_thrown(error, function, Code::internal, "the C++ library failed");
  }
#endif
}

// What every handle begins with. Handles made from another take over its allocator.
struct Handle {
  HostAllocator allocator;  // empty: the C library's
  std::atomic<uint32_t> references{1};
};

void* allocate(const HostAllocator& allocator, size_t bytes) noexcept;
void deallocate(const HostAllocator& allocator, void* memory) noexcept;

// A handle of type T that holds `parts`, in *out.
template <class T, class... Parts>
Result<void> make(Function function, const HostAllocator& allocator, T** out, Parts&&... parts) {
  void* memory = allocate(allocator, sizeof(T));
  if (!memory)
    return fail(Code::out_of_memory, text(function.name, ": no host memory for the handle"));
  *out = new (memory) T{{allocator}, std::forward<Parts>(parts)...};
  return {};
}

template <class T>
T* retain(T* handle) noexcept {
  if (handle) handle->references.fetch_add(1, std::memory_order_relaxed);
  return handle;
}

template <class T>
void release(T* handle) noexcept {
  if (!handle || handle->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const HostAllocator allocator = handle->allocator;
  handle->~T();
  deallocate(allocator, handle);
}

// A copy for the caller, in *out.
Result<void> make_text(Function function, const HostAllocator& allocator, const std::string& from,
                       char** out);

// Checks an output argument of handles or texts, and empties it.
template <class T>
Result<void> begin_output(Function function, const char* argument, T** out) {
  WEFT_TRY(function.given(argument, out));
  *out = nullptr;
  return {};
}

}  // namespace weft::capi

struct weft_device : weft::capi::Handle {
  weft::Device device;
  std::string quirks;
};
struct weft_buffer : weft::capi::Handle {
  weft::Buffer buffer;
};
struct weft_recorder : weft::capi::Handle {
  weft::Recorder recorder;
};
