#include "weft/image.hpp"

#include <cstdlib>
#include <memory>

#include "io/file.hpp"
#include "io/image_structure.hpp"

namespace weft::io {

// The largest piece of memory that the decoder may ask for on this thread. Without it a PNG of some
// kilobytes could inflate to gigabytes, because inflating does not stop at the picture's size.
constexpr size_t kDecoderStateBytes = size_t{1} << 20;
static thread_local size_t max_decoder_bytes = kDecoderStateBytes;

// Enough for any honest picture: 16 bits deep with alpha, sides rounded up to whole blocks; and the
// file's own data, put together in a buffer that doubles.
static void limit_decoder(size_t width, size_t height, size_t file_bytes) {
  constexpr size_t kBlock = 64, kPixelBytes = 8;
  max_decoder_bytes =
      (width + kBlock) * (height + kBlock) * kPixelBytes + 2 * file_bytes + kDecoderStateBytes;
}

static void* decoder_allocate(size_t bytes) {
  return bytes <= max_decoder_bytes ? std::malloc(bytes) : nullptr;
}

static void* decoder_reallocate(void* memory, size_t bytes) {
  return bytes <= max_decoder_bytes ? std::realloc(memory, bytes) : nullptr;
}

}  // namespace weft::io

// Compiled into this file alone, so that an application may have its own copies.
#define STBI_MALLOC(bytes) weft::io::decoder_allocate(bytes)
#define STBI_REALLOC(memory, bytes) weft::io::decoder_reallocate(memory, bytes)
#define STBI_FREE(memory) std::free(memory)
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#define STB_IMAGE_RESIZE_IMPLEMENTATION
// The two names that stay visible although the rest is static: an app's own copy may have them too.
#define stbir__s16_32768 weft_stbir_s16_32768
#define stbir__s32_32768 weft_stbir_s32_32768
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#endif
#include <stb_image.h>
#include <stb_image_write.h>
#if __has_include(<stb_image_resize2.h>)
#include <stb_image_resize2.h>
#define WEFT_STB_RESIZE2 1
#else
#include <stb_image_resize.h>  // before October 2023, as in Ubuntu 24.04
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace weft {
namespace {

std::string size_text(int64_t width, int64_t height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

// Why this is no picture to write or resize, or an empty string.
std::string reason_invalid(const Image& image) {
  if (image.channels < 1 || image.channels > 4) {
    return "channels must be 1 to 4, found " + std::to_string(image.channels);
  }
  if (image.width < 1 || image.height < 1 || image.width > kMaxImageSide ||
      image.height > kMaxImageSide) {
    return "sides must be 1 to " + std::to_string(kMaxImageSide) + " pixels, found " +
           size_text(image.width, image.height);
  }
  const size_t expected = size_t{image.width} * image.height * image.channels;
  if (image.pixels.size() != expected) {
    return "pixels must hold width * height * channels = " + std::to_string(expected) +
           " bytes, found " + std::to_string(image.pixels.size());
  }
  return {};
}

}  // namespace

Result<Image> decode_image(std::span<const uint8_t> bytes, uint32_t channels,
                           const std::string& name) {
  const std::string prefix = "read_image: " + name + ": ";
  if (channels < 1 || channels > 4) {
    return fail(Code::invalid_argument,
                prefix + "channels must be 1 to 4, found " + std::to_string(channels));
  }
  if (bytes.size() > kMaxImageFileBytes) {
    return fail(Code::invalid_argument, prefix + "larger than the limit of " +
                                            std::to_string(kMaxImageFileBytes) + " bytes");
  }
  if (const auto structure = io::check_image_structure(bytes); !structure) {
    return fail(structure.error().code, prefix + structure.error().message);
  }
  const auto* data = bytes.data();
  const int size = static_cast<int>(bytes.size());
  int width = 0, height = 0, found_channels = 0;
  if (stbi_info_from_memory(data, size, &width, &height, &found_channels) == 0) {
    return fail(Code::invalid_argument, prefix + "broken header: " + stbi_failure_reason());
  }
  constexpr int kMaxSide = kMaxImageSide;
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide) {
    return fail(Code::invalid_argument, prefix + "sides must be 1 to " + std::to_string(kMaxSide) +
                                            " pixels, found " + size_text(width, height));
  }
  io::limit_decoder(static_cast<size_t>(width), static_cast<size_t>(height), bytes.size());
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &found_channels,
                            static_cast<int>(channels)),
      stbi_image_free);
  if (!pixels) {
    return fail(Code::invalid_argument, prefix + "broken data: " + stbi_failure_reason());
  }
  Image image{static_cast<uint32_t>(width), static_cast<uint32_t>(height), channels, {}};
  image.pixels.assign(pixels.get(),
                      pixels.get() + size_t{image.width} * image.height * image.channels);
  return image;
}

Result<Image> read_image(const std::string& path, uint32_t channels) {
  WEFT_ASSIGN(const std::vector<uint8_t> bytes,
              io::read_file("read_image", path, kMaxImageFileBytes));
  return decode_image(bytes, channels, path);
}

Result<void> write_png(const std::string& path, const Image& image) {
  if (const std::string reason = reason_invalid(image); !reason.empty()) {
    return fail(Code::invalid_argument, "write_png: " + path + ": " + reason);
  }
  int size = 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> png(
      stbi_write_png_to_mem(image.pixels.data(), static_cast<int>(image.width * image.channels),
                            static_cast<int>(image.width), static_cast<int>(image.height),
                            static_cast<int>(image.channels), &size),
      std::free);
  if (!png) return fail(Code::out_of_memory, "write_png: " + path + ": not enough memory");
  const std::span<const std::byte> part =
      std::as_bytes(std::span(png.get(), static_cast<size_t>(size)));
  return io::write_file("write_png", path, std::span(&part, 1));
}

namespace {

// Triangle filter, edges clamped, alpha a channel like any other. False: not enough memory.
bool resample(const Image& from, Image& to) {
  const auto size = [](uint32_t value) { return static_cast<int>(value); };
#ifdef WEFT_STB_RESIZE2
  // "4CHANNEL", unlike "RGBA", leaves alpha out of the weights; so does "2CHANNEL".
  constexpr stbir_pixel_layout kLayouts[] = {STBIR_1CHANNEL, STBIR_2CHANNEL, STBIR_RGB,
                                             STBIR_4CHANNEL};
  return stbir_resize(from.pixels.data(), size(from.width), size(from.height), 0, to.pixels.data(),
                      size(to.width), size(to.height), 0, kLayouts[from.channels - 1],
                      STBIR_TYPE_UINT8, STBIR_EDGE_CLAMP, STBIR_FILTER_TRIANGLE) != nullptr;
#else
  return stbir_resize_uint8_generic(from.pixels.data(), size(from.width), size(from.height), 0,
                                    to.pixels.data(), size(to.width), size(to.height), 0,
                                    size(from.channels), STBIR_ALPHA_CHANNEL_NONE, 0,
                                    STBIR_EDGE_CLAMP, STBIR_FILTER_TRIANGLE,
                                    STBIR_COLORSPACE_LINEAR, nullptr) != 0;
#endif
}

}  // namespace

Result<Image> resize(const Image& image, uint32_t width, uint32_t height) {
  if (const std::string reason = reason_invalid(image); !reason.empty()) {
    return fail(Code::invalid_argument, "resize: " + reason);
  }
  if (width < 1 || height < 1 || width > kMaxImageSide || height > kMaxImageSide) {
    return fail(Code::invalid_argument, "resize: sides must be 1 to " +
                                            std::to_string(kMaxImageSide) + " pixels, found " +
                                            size_text(width, height));
  }
  Image resized{width, height, image.channels, {}};
  resized.pixels.resize(size_t{width} * height * image.channels);
  if (!resample(image, resized)) return fail(Code::out_of_memory, "resize: not enough memory");
  return resized;
}

}  // namespace weft
