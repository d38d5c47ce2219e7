// Elements of a file as the types that kernels take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "weft/elements.hpp"
#include "weft/error.hpp"
#include "weft/tensor.hpp"

namespace weft::io {

// As many elements of `view` from `first` on as fill `out`, as f32, f16, bf16 or i32, each rounded
// once. The rules and errors are those of Checkpoint::read; error messages have no prefix.
// `view.data` must have the size that its type and shape ask for.
Result<void> convert_elements(const TensorView& view, DType dtype, uint64_t first,
                              std::span<std::byte> out);

}  // namespace weft::io
