// Arithmetic on counts that says when it does not fit. Operands are 0 or more; a negative one does not fit either.
#pragma once

#include <limits>
#include <type_traits>

namespace weft::base {

// *result = a * b; true, leaving *result alone, where that does not fit T.
template <class T>
constexpr bool multiply_overflows(T a, T b, T* result) noexcept {
  if constexpr (std::is_signed_v<T>)
    if (a < 0 || b < 0) return true;
  if (b != 0 && a > std::numeric_limits<T>::max() / b) return true;
  *result = a * b;
  return false;
}

// *result = a + b; likewise.
template <class T>
constexpr bool add_overflows(T a, T b, T* result) noexcept {
  if constexpr (std::is_signed_v<T>)
    if (a < 0 || b < 0) return true;
  if (a > std::numeric_limits<T>::max() - b) return true;
  *result = a + b;
  return false;
}

}  // namespace weft::base
