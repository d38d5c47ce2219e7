// Where the elements of a tensor lie in a buffer, and what lies between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "reference/array.hpp"
#include "reference/case_line.hpp"
#include "weft/tensor.hpp"

namespace weft::cases {

// Every byte that belongs to no element holds this: it reads as NaN in each floating type, so a
// read outside spoils the result, and a write outside is seen.
inline constexpr std::byte kGuardByte{0xFF};
inline constexpr uint64_t kGuardBytes = 256;  // before the first and after the last element

struct Placement {
  DType dtype = DType::f32;
  Dims shape;
  Dims strides;  // in elements
  uint64_t offset_bytes = 0;
  uint64_t buffer_bytes = 0;
};

// A tensor of up to four axes; lower ranks have no outer axes.
Placement place(DType dtype, const Dims& shape, Layout layout);

// The bytes of a buffer that holds the array (values rounded to the type); guard bytes elsewhere.
std::vector<std::byte> encode(const reference::Array& array, const Placement& placement);
// The array that a buffer holds.
reference::Array decode(const std::vector<std::byte>& bytes, const Placement& placement);
// "" if every byte outside the elements is a guard byte, else where the first changed one lies.
// Elements whose expected value is NaN must not have been written either.
std::string damage(const std::vector<std::byte>& bytes, const Placement& placement,
                   const reference::Array* expected = nullptr);

// A value as its type stores it.
double round_to(DType dtype, double value);
// The distance between the neighbours of a value in a type, and its smallest normal number.
double ulp(DType dtype, double value);
double smallest_normal(DType dtype);

}  // namespace weft::cases
