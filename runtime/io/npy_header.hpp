// The header of an .npy file: a Python dictionary literal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weft/elements.hpp"
#include "weft/error.hpp"

namespace weft::io {

struct NpyHeader {
  ElementType type = ElementType::f32;
  bool fortran_order = false;
  std::vector<uint64_t> shape;
};

// Parses "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }" and trailing white space.
// Exactly these keys, once each, in any order. Error messages have no prefix.
Result<NpyHeader> parse_npy_header(std::string_view text);

// Such a text, without padding. unsupported for types that NumPy doesn't have.
Result<std::string> npy_header_text(ElementType type, const std::vector<uint64_t>& shape);

}  // namespace weft::io
