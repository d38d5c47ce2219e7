// The .npy format: one array in one file, as NumPy's save and load have it. Part of weft_io, which
// needs no device.
//
// Thread safety: all functions may be called from any number of threads at once.
// Paths are UTF-8 on every platform. Errors name the operation, the file and what was found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weft/elements.hpp"
#include "weft/error.hpp"
#include "weft/export.hpp"

namespace weft {

inline constexpr size_t kMaxNpyHeaderBytes = 10'000;  // as NumPy's own default

struct NpyArray {
  ElementType type = ElementType::f32;
  std::vector<uint64_t> shape;  // empty for a single element
  std::vector<std::byte> data;  // row-major, little-endian

  TensorView view() const { return {type, shape, data}; }
};

// Reads format versions 1 to 3: booleans, integers of 8 to 64 bits, f16, f32, f64 and c64.
// The file must end where the array does.
//
// invalid_argument: a missing or unreadable file; not an .npy file; a header that is longer than
//   kMaxNpyHeaderBytes, isn't the one dictionary it must be, or asks for more or fewer bytes than
//   follow it.
// unsupported: another version; big-endian, structured, text or Python-object elements;
// column-major
//   order with more than one axis. No object is ever unpickled.
WEFT_IO_EXPORT Result<NpyArray> read_npy(const std::string& path);

// The same from memory. `name` stands for the file in error messages.
WEFT_IO_EXPORT Result<NpyArray> parse_npy(std::span<const std::byte> bytes,
                                          const std::string& name = "npy in memory");

// Writes version 1 with the data aligned to 64 bytes. An existing file is replaced at once when the
// new one is complete.
// invalid_argument: data of another size than type and shape ask for, too many axes for the header,
//   or a path that can't be written. unsupported: types that NumPy itself doesn't have.
WEFT_IO_EXPORT Result<void> write_npy(const std::string& path, const TensorView& view);

}  // namespace weft
