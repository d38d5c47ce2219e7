// Joins words and numbers into messages.
#pragma once

#include <concepts>
#include <cstdio>
#include <string>
#include <string_view>

#include "weft/tensor.hpp"

namespace weft {

constexpr bool is_dtype(DType dtype) { return dtype >= DType::f32 && dtype <= DType::u8; }

inline void append_text(std::string& out, std::string_view part) { out += part; }
inline void append_text(std::string& out, const Dims& part) { out += part.text(); }
template <std::integral Number>
void append_text(std::string& out, Number part) {
  out += std::to_string(part);
}
template <std::floating_point Number>
void append_text(std::string& out, Number part) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", static_cast<double>(part));
  out += digits;
}

// A number that is no DType is shown too.
inline void append_text(std::string& out, DType part) {
  out += to_string(part);
  if (!is_dtype(part)) append_text(out, " (" + std::to_string(static_cast<int32_t>(part)) + ")");
}

// text("shape[", 3, "] is ", 80) is "shape[3] is 80".
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

}  // namespace weft
