// Pictures: reading PNG and JPEG, writing PNG, resizing. Part of weft_io, which needs no device.
//
// Thread safety: all functions may be called from any number of threads at once.
// Paths are UTF-8 on every platform. Errors name the operation, the file and what was found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weft/error.hpp"
#include "weft/export.hpp"

namespace weft {

// Limits on what is read. A file over one of them is refused before anything is decoded.
inline constexpr uint64_t kMaxImageFileBytes = uint64_t{64} << 20;
inline constexpr uint32_t kMaxImageSide = 8192;  // pixels

// Rows from the top, pixels from the left, channels interleaved: the value of channel c at (x, y)
// is pixels[(y * width + x) * channels + c]. Values are as stored in the file, which for
// photographs means sRGB: not proportional to light.
struct Image {
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t channels = 3;  // 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
  std::vector<uint8_t> pixels;
};

// Reads a PNG (1 to 16 bits, reduced to 8) or a JPEG (baseline or progressive), told apart by
// content, not by name. The picture is converted to `channels` channels, 1 to 4: grey from colour
// is a luma; alpha is dropped, not blended, and is 255 where the file has none.
//
// invalid_argument: channels; a missing, unreadable or empty file; a directory; broken or
//   truncated data; a JPEG of more than 100 scans; a file over kMaxImageFileBytes; a side over
//   kMaxImageSide.
// unsupported: neither PNG nor JPEG, or a kind of JPEG that is not read (12-bit, arithmetic).
//
// Decoding is done by stb_image, behind these limits and a check of the file's structure. Files
// from strangers are still better decoded in a process of their own.
WEFT_IO_EXPORT Result<Image> read_image(const std::string& path, uint32_t channels = 3);

// The same from memory. `name` stands for the file in error messages.
WEFT_IO_EXPORT Result<Image> decode_image(std::span<const uint8_t> bytes, uint32_t channels = 3,
                                          const std::string& name = "image in memory");

// Writes 8-bit PNG. An existing file is replaced at once when the new one is complete.
// invalid_argument: a size or channel count of 0 or over the limits, pixels of another size than
// width * height * channels, or a path that can't be written.
WEFT_IO_EXPORT Result<void> write_png(const std::string& path, const Image& image);

// The picture at another size, sides 1 to kMaxImageSide: bilinear when enlarged, the same
// filter widened over the area of a new pixel when reduced; pixel centres at halves, edges clamped.
// Stored values are averaged as they are: as most tools do, and a little darker than averaging
// light would be. Alpha is a channel like the others, not a weight.
WEFT_IO_EXPORT Result<Image> resize(const Image& image, uint32_t width, uint32_t height);

}  // namespace weft
