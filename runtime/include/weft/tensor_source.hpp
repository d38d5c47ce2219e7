// Where weights come from: named tensors that somebody else keeps, in a file for instance (weft::Checkpoint of
// weft/checkpoint.hpp is one).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/error.hpp"
#include "weft/tensor.hpp"

namespace weft {

// Thread safety: the functions of a source may be called from several threads at once, and change nothing.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // Every tensor's name, in order of bytes.
  virtual std::vector<std::string> names() const = 0;
  virtual bool contains(std::string_view name) const = 0;
  // Outermost first; empty for a single number. invalid_argument where there is no such tensor.
  virtual Result<std::vector<int64_t>> shape(std::string_view name) const = 0;
  // Elements `first` and on, in row-major order, as many as fill `out`, converted to `dtype` (f32, f16, bf16 or
  // i32; rounded to nearest even). invalid_argument: no such tensor, more elements than there are;
  // unsupported: a type that does not convert, an integer beyond i32, a number beyond f16.
  virtual Result<void> read(std::string_view name, DType dtype, uint64_t first, std::span<std::byte> out) const = 0;
};

}  // namespace weft
