// Arrays: what is read has the size that its header says, and its header can be written again.
#include "fuzz.hpp"
#include "io/npy_header.hpp"
#include "weft/npy.hpp"

namespace weft::fuzz {

bool accepts(std::span<const std::byte> input) {
  const auto array = parse_npy(input, "input");
  if (!array) {
    require_presentable(array.error().message);
    return false;
  }
  require(size_bytes(array->type, array->shape) == array->data.size(),
          "its size is that of its shape");
  require(array->data.size() <= input.size(), "no more data than the file has");
  require(to_float(array->view()).has_value() || array->type == ElementType::c64,
          "all but complex numbers convert");
  const auto text = io::npy_header_text(array->type, array->shape);
  require(text.has_value(), "what was read has a header");
  const auto again = io::parse_npy_header(*text);
  require(
      again && again->type == array->type && again->shape == array->shape && !again->fortran_order,
      "the header comes back as it was");
  return true;
}

}  // namespace weft::fuzz
