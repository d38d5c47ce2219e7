// Errors: every function of Weft that can fail returns Result<T>; nothing throws, aborts or prints.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include "weft/export.hpp"

namespace weft {

// What the caller can do about a failure. The values are fixed: they are the C ABI's too.
enum class Code : int32_t {
  ok = 0,                // never inside an Error
  invalid_argument = 1,  // the call breaks a rule; the message names the rule and the value found
  unsupported = 2,       // valid, but this device or build can't do it; the message says why
  out_of_memory = 3,     // host or device memory is exhausted; nothing was changed
  device_lost = 4,       // the device stopped; every later call on it fails the same way
  no_device = 5,         // no loader, no driver, or no device that fits
  timeout = 6,           // the time given to a wait ran out; the work goes on
  internal = 7,          // a driver call failed in a way that has no better name
};

// A failure: its code, and a message "operation: rule and value found".
struct Error {
  Code code = Code::internal;
  std::string message;
};

// The stable name of a code, "invalid_argument" for instance.
WEFT_EXPORT const char* to_string(Code code) noexcept;

template <class T = void>
using Result = std::expected<T, Error>;

// Shorthand for `return fail(Code::invalid_argument, "...")`.
inline std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace weft

// WEFT_TRY(expression): returns its Error from the enclosing function, if it has one.
#define WEFT_TRY(...)                                                          \
  do {                                                                         \
    if (auto weft_try_result = (__VA_ARGS__); !weft_try_result.has_value())    \
      return std::unexpected(std::move(weft_try_result).error());              \
  } while (false)

// WEFT_ASSIGN(auto name, expression): the same, keeping the value.
#define WEFT_ASSIGN(declaration, ...) \
  WEFT_ASSIGN_IMPL(WEFT_CONCAT(weft_result_, __LINE__), declaration, __VA_ARGS__)
#define WEFT_CONCAT(a, b) WEFT_CONCAT_IMPL(a, b)
#define WEFT_CONCAT_IMPL(a, b) a##b
#define WEFT_ASSIGN_IMPL(result, declaration, ...)                                  \
  auto result = (__VA_ARGS__);                                                      \
  if (!result.has_value()) return std::unexpected(std::move(result).error());       \
  declaration = std::move(result).value()
