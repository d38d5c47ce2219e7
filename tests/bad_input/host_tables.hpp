// The tables of calls that need no device. Each function checks every row and returns how many
// there were.
#pragma once

#include "bad_input/table.hpp"

namespace weft::test {

size_t check_describe();
size_t check_tensor();
size_t check_elements();
size_t check_safetensors();
size_t check_checkpoint();
size_t check_npy();
size_t check_images();

}  // namespace weft::test
