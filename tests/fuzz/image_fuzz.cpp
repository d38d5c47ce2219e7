// Pictures: what is decoded has the size and the channels that were asked for.
#include <algorithm>
#include <array>

#include "fuzz.hpp"
#include "weft/image.hpp"

namespace weft::fuzz {
namespace {

constexpr uint32_t kMaxSide = 512;

uint32_t number(std::span<const uint8_t> bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (const uint8_t byte : bytes.subspan(at, size)) value = value << 8 | byte;
  return value;
}

// Whether a picture may say that it is larger than kMaxSide: right, but too slow to try by the
// million.
bool is_large(std::span<const uint8_t> bytes) {
  constexpr std::array<uint8_t, 4> kPng = {0x89, 'P', 'N', 'G'};
  if (bytes.size() >= 24 && std::ranges::equal(bytes.first(4), kPng))
    return number(bytes, 16, 4) > kMaxSide || number(bytes, 20, 4) > kMaxSide;
  // A JPEG's frame header: FF C0 to FF C2, length, precision, height, width.
  for (size_t at = 0; at + 9 <= bytes.size(); ++at) {
    const bool is_frame = bytes[at] == 0xff && bytes[at + 1] >= 0xc0 && bytes[at + 1] <= 0xc2;
    if (is_frame && (number(bytes, at + 5, 2) > kMaxSide || number(bytes, at + 7, 2) > kMaxSide))
      return true;
  }
  return false;
}

}  // namespace

bool accepts(std::span<const std::byte> input) {
  const std::span bytes(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  if (is_large(bytes)) return false;
  const auto channels = static_cast<uint32_t>(1 + input.size() % 4);
  const auto image = decode_image(bytes, channels, "input");
  if (!image) {
    require_presentable(image.error().message);
    return false;
  }
  require(image->channels == channels, "the channels that were asked for");
  require(image->width >= 1 && image->width <= kMaxImageSide, "a width within the limits");
  require(image->height >= 1 && image->height <= kMaxImageSide, "a height within the limits");
  require(image->pixels.size() == uint64_t{image->width} * image->height * channels,
          "all pixels and no more");
  return true;
}

}  // namespace weft::fuzz
