// What every C function stands on: outcomes, handles and texts. Structs are in structs.hpp. All but
// texts is inline: weft_io's functions stand on it too.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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
inline weft_status report(weft_error* error, Code code, const char* message) noexcept {
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

// The same for what the standard library threw; allocates nothing.
inline weft_status report_thrown(weft_error* error, Function function, Code code,
                                 const char* what) noexcept {
  char message[128];
  std::snprintf(message, sizeof message, "%s: %s", function.name, what);
  return report(error, code, message);
}

// What a callback of the caller's returned, as it returned it.
inline Result<void> returned(Function function, const char* callback, weft_status status,
                             weft_error& error) {
  if (status == WEFT_OK) return {};
  error.message[sizeof error.message - 1] = '\0';
  const bool known = status > WEFT_OK && status <= WEFT_INTERNAL;
  return fail(known ? static_cast<Code>(status) : Code::internal,
              error.message[0] != '\0' ? error.message
                                       : text(function.name, ": ", callback, " returned ", status));
}

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

inline void* allocate(const HostAllocator& allocator, size_t bytes) noexcept {
  if (!allocator.allocate) return std::malloc(bytes);
  return allocator.allocate(allocator.user, bytes, alignof(std::max_align_t));
}

inline void deallocate(const HostAllocator& allocator, void* memory) noexcept {
  if (allocator.free)
    allocator.free(allocator.user, memory);
  else
    std::free(memory);
}

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
  bool lent = false;  // to a callback that records a part of a block
};
