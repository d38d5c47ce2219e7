// Reading, writing and resizing pictures.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <memory>

#include "scratch_file.hpp"
#include "weft/image.hpp"

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#include <stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

using Catch::Matchers::ContainsSubstring;
using weft::Code;
using weft::Image;
using weft::test::Bytes;
using weft::test::ScratchDirectory;

namespace {

using Octets = std::vector<uint8_t>;

// Smooth, so that JPEG keeps it, and different in every direction and channel.
Image gradient(uint32_t width, uint32_t height, uint32_t channels) {
  Image image{width, height, channels, {}};
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      for (uint32_t c = 0; c < channels; ++c) {
        image.pixels.push_back(
            static_cast<uint8_t>((x * 200 / width + y * 50 / height + c * 5) & 0xFF));
      }
    }
  }
  return image;
}

Octets png_of(const Image& image) {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.png");
  REQUIRE(weft::write_png(path, image));
  const Bytes bytes = weft::test::read_bytes(path);
  const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
  return {first, first + bytes.size()};
}

Octets jpeg_of(const Image& image) {
  Octets bytes;
  const auto append = [](void* to, void* data, int size) {
    const auto* first = static_cast<const uint8_t*>(data);
    auto* octets = static_cast<Octets*>(to);
    octets->insert(octets->end(), first, first + size);
  };
  REQUIRE(stbi_write_jpg_to_func(append, &bytes, static_cast<int>(image.width),
                                 static_cast<int>(image.height), static_cast<int>(image.channels),
                                 image.pixels.data(), 95) != 0);
  return bytes;
}

// The message of the refusal; empty if the picture was read.
std::string refusal(const Octets& bytes, Code expected = Code::invalid_argument) {
  const auto image = weft::decode_image(bytes);
  if (image) return {};
  CHECK(image.error().code == expected);
  return image.error().message;
}

void put_big_endian(Octets& bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

// The checksum as the PNG standard defines it, bit by bit.
uint32_t crc(const Octets& bytes, size_t begin, size_t end) {
  uint32_t value = 0xFFFFFFFFu;
  for (size_t i = begin; i < end; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool low = ((value ^ (bytes[i] >> bit)) & 1) != 0;
      value = (value >> 1) ^ (low ? 0xEDB88320u : 0u);
    }
  }
  return ~value;
}

// The first chunk, IHDR, starts at byte 8: length 4, type 4, width 4, height 4, ..., checksum
// at 29.
Octets with_size(Octets png, uint32_t width, uint32_t height) {
  put_big_endian(png, 16, width);
  put_big_endian(png, 20, height);
  put_big_endian(png, 29, crc(png, 12, 29));
  return png;
}

// A PNG of the size of `png` whose data inflates to `inflated_bytes` zeros.
Octets with_zeros(const Octets& png, int inflated_bytes) {
  Octets zeros(static_cast<size_t>(inflated_bytes));
  int size = 0;
  const std::unique_ptr<uint8_t, void (*)(void*)> data(
      stbi_zlib_compress(zeros.data(), inflated_bytes, &size, 8), std::free);
  Octets result(png.begin(), png.begin() + 33);  // up to the end of IHDR
  const auto append = [&](const std::string& type, std::span<const uint8_t> content) {
    const size_t at = result.size();
    result.resize(at + 4);
    put_big_endian(result, at, static_cast<uint32_t>(content.size()));
    result.insert(result.end(), type.begin(), type.end());
    result.insert(result.end(), content.begin(), content.end());
    const uint32_t checksum = crc(result, at + 4, result.size());
    result.resize(result.size() + 4);
    put_big_endian(result, result.size() - 4, checksum);
  };
  append("IDAT", {data.get(), static_cast<size_t>(size)});
  append("IEND", {});
  return result;
}

}  // namespace

TEST_CASE("image: PNG comes back as it was written", "[io]") {
  for (uint32_t channels = 1; channels <= 4; ++channels) {
    CAPTURE(channels);
    const Image image = gradient(33, 17, channels);
    const auto read = weft::decode_image(png_of(image), channels);
    REQUIRE(read);
    CHECK(read->width == 33);
    CHECK(read->height == 17);
    CHECK(read->channels == channels);
    CHECK(read->pixels == image.pixels);
  }
}

TEST_CASE("image: channels are converted", "[io]") {
  const Image rgba{1, 1, 4, {10, 20, 30, 0}};
  CHECK(weft::decode_image(png_of(rgba), 3)->pixels == Octets{10, 20, 30});
  const Image grey{1, 1, 1, {77}};
  CHECK(weft::decode_image(png_of(grey), 3)->pixels == Octets{77, 77, 77});
  CHECK(weft::decode_image(png_of(grey), 4)->pixels == Octets{77, 77, 77, 255});
  for (const uint32_t channels : {0u, 5u, 0xFFFFFFFFu}) {
    const auto refused = weft::decode_image(png_of(grey), channels);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, ContainsSubstring("channels must be 1 to 4"));
  }
}

TEST_CASE("image: JPEG is read, by content and not by name", "[io]") {
  const Image image = gradient(40, 24, 3);
  const Octets bytes = jpeg_of(image);
  const ScratchDirectory directory;
  const std::string path = directory.file("a.png");
  weft::test::write_bytes(path, std::as_bytes(std::span(bytes)));
  const auto read = weft::read_image(path);
  REQUIRE(read);
  REQUIRE(read->pixels.size() == image.pixels.size());
  int worst = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    worst = std::max(worst, std::abs(int{read->pixels[i]} - int{image.pixels[i]}));
  }
  CHECK(worst <= 8);
}

TEST_CASE("image: a PNG cut off anywhere or with any byte changed is refused", "[io]") {
  const Octets whole = png_of(gradient(5, 4, 3));
  REQUIRE(refusal(whole).empty());
  CHECK_THAT(refusal({}), ContainsSubstring("empty"));
  for (size_t size = 8; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_THAT(refusal(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))),
               ContainsSubstring("truncated PNG"));
  }
  for (size_t at = 8; at < whole.size(); ++at) {
    CAPTURE(at);
    Octets changed = whole;
    changed[at] ^= 0x10;
    CHECK_FALSE(refusal(changed).empty());
  }
}

TEST_CASE("image: a JPEG cut off anywhere is refused, a changed one read within bounds", "[io]") {
  const Octets whole = jpeg_of(gradient(16, 16, 3));
  REQUIRE(refusal(whole).empty());
  for (size_t size = 3; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_THAT(refusal(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))),
               ContainsSubstring("JPEG"));
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xFF}) {
      Octets changed = whole;
      changed[at] = static_cast<uint8_t>(changed[at] ^ change);
      const auto image = weft::decode_image(changed);  // JPEG has no checksums: either way is right
      if (image) CHECK(image->pixels.size() == size_t{image->width} * image->height * 3);
    }
  }
}

TEST_CASE("image: bytes after the end are ignored", "[io]") {
  Octets png = png_of(gradient(3, 3, 3));
  png.insert(png.end(), 10, 0xAB);
  CHECK(refusal(png).empty());
  Octets jpeg = jpeg_of(gradient(8, 8, 3));
  jpeg.insert(jpeg.end(), 10, 0xAB);
  CHECK(refusal(jpeg).empty());
}

TEST_CASE("image: other formats are named as such", "[io]") {
  const std::string gif = "GIF89a\x01\x02\x03";
  const Octets bytes(gif.begin(), gif.end());
  CHECK_THAT(
      refusal(bytes, Code::unsupported),
      ContainsSubstring("neither PNG nor JPEG; the first bytes are 47 49 46 38 39 61 01 02"));
  CHECK_FALSE(refusal({0}, Code::unsupported).empty());
  CHECK_FALSE(refusal({0x89, 'P', 'N', 'G'}, Code::unsupported).empty());
}

TEST_CASE("image: absurd sizes are refused before decoding", "[io]") {
  const Octets png = png_of(gradient(4, 4, 3));
  CHECK_THAT(refusal(with_size(png, 8193, 1)), ContainsSubstring("found 8193 x 1"));
  CHECK_THAT(refusal(with_size(png, 1, 8193)), ContainsSubstring("found 1 x 8193"));
  CHECK_FALSE(refusal(with_size(png, 0x7FFFFFFF, 0x7FFFFFFF)).empty());
  CHECK_FALSE(refusal(with_size(png, 0xFFFFFFFF, 1)).empty());
  CHECK_FALSE(refusal(with_size(png, 0, 4)).empty());
  // Within the limits but more than the data holds: the decoder says so.
  CHECK_THAT(refusal(with_size(png, 8192, 8192)), ContainsSubstring("broken data"));
}

TEST_CASE("image: data that inflates far beyond the picture is refused", "[io]") {
  const Octets png = png_of(gradient(4, 4, 3));
  CHECK(refusal(with_zeros(png, 4 * (4 * 3 + 1))).empty());
  const Octets bomb = with_zeros(png, 8 << 20);
  CHECK(bomb.size() < 100'000);
  CHECK_THAT(refusal(bomb), ContainsSubstring("broken data"));
}

TEST_CASE("image: missing and unreadable files", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("missing.png");
  CHECK_THAT(weft::read_image(path).error().message, ContainsSubstring(path + ": no such file"));
  CHECK_THAT(weft::read_image(directory.file("")).error().message, ContainsSubstring("directory"));
  weft::test::write_bytes(path, {});
  CHECK_THAT(weft::read_image(path).error().message, ContainsSubstring("empty"));
  const Bytes large(weft::kMaxImageFileBytes + 1);
  weft::test::write_bytes(path, large);
  CHECK_THAT(weft::read_image(path).error().message, ContainsSubstring("larger than the limit"));
}

TEST_CASE("image: what can't be written is refused, and no file appears", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("a.png");
  CHECK_FALSE(weft::write_png(path, {}));
  CHECK_FALSE(weft::write_png(path, {2, 2, 3, Octets(11)}));
  CHECK_FALSE(weft::write_png(path, {2, 2, 5, Octets(20)}));
  CHECK_FALSE(weft::write_png(path, {8193, 1, 1, Octets(8193)}));
  CHECK_FALSE(weft::write_png(directory.file("none/a.png"), gradient(2, 2, 3)));
  CHECK_FALSE(weft::write_png(directory.file(""), gradient(2, 2, 3)));
  CHECK(directory.files() == 0);
}

TEST_CASE("image: a file is replaced whole", "[io]") {
  const ScratchDirectory directory;
  const std::string path = directory.file("\xC3\xBC.png");
  REQUIRE(weft::write_png(path, gradient(60, 60, 3)));
  REQUIRE(weft::write_png(path, gradient(2, 3, 1)));
  CHECK(weft::read_image(path, 1)->pixels == gradient(2, 3, 1).pixels);
  CHECK(directory.files() == 1);
}

TEST_CASE("image: resizing keeps what is even, and centres where they are", "[io]") {
  const Image even{7, 5, 3, Octets(7 * 5 * 3, 119)};
  for (const auto& [width, height] : {std::pair{1u, 1u}, {70u, 3u}, {7u, 5u}, {300u, 200u}}) {
    const auto resized = weft::resize(even, width, height);
    REQUIRE(resized);
    CHECK(resized->pixels == Octets(size_t{width} * height * 3, 119));
  }
  // Doubling puts new centres at a quarter and three quarters; the outermost are clamped.
  const Image step{2, 1, 1, {0, 200}};
  CHECK(weft::resize(step, 4, 1)->pixels == Octets{0, 50, 150, 200});
  // Reduced by four, every old pixel counts.
  const Image point{8, 1, 1, {0, 0, 0, 0, 0, 255, 0, 0}};
  const auto reduced = weft::resize(point, 2, 1);
  REQUIRE(reduced);
  CHECK(int{reduced->pixels[0]} + int{reduced->pixels[1]} >= 62);
  CHECK(reduced->pixels[1] > reduced->pixels[0]);
  // Alpha does not weigh the colours.
  const Image clear{2, 1, 4, {100, 100, 100, 0, 200, 200, 200, 0}};
  CHECK(weft::resize(clear, 1, 1)->pixels == Octets{150, 150, 150, 0});
}

TEST_CASE("image: sizes that can't be resized from or to", "[io]") {
  const Image image = gradient(2, 2, 3);
  CHECK_FALSE(weft::resize(image, 0, 2));
  CHECK_FALSE(weft::resize(image, 2, 8193));
  CHECK_FALSE(weft::resize({}, 2, 2));
  CHECK_FALSE(weft::resize({2, 2, 3, Octets(5)}, 2, 2));
}
