#include "io/image_structure.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace weft::io {
namespace {

constexpr std::array<uint8_t, 8> kPngSignature = {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A};
constexpr std::array<uint8_t, 3> kJpegSignature = {0xFF, 0xD8, 0xFF};

template <size_t N>
bool starts_with(std::span<const uint8_t> bytes, const std::array<uint8_t, N>& signature) {
  return bytes.size() >= N && std::equal(signature.begin(), signature.end(), bytes.begin());
}

uint32_t big_endian_32(std::span<const uint8_t> bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

std::unexpected<Error> truncated(const char* format, size_t size_bytes) {
  return fail(Code::invalid_argument, std::string("truncated ") + format +
                                          ": the file ends after " + std::to_string(size_bytes) +
                                          " bytes");
}

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0u);
    table[i] = value;
  }
  return table;
}

uint32_t crc32(std::span<const uint8_t> bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_crc_table();
  uint32_t crc = 0xFFFFFFFFu;
  for (const uint8_t byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xFF];
  return ~crc;
}

// Chunks: length, type, data, checksum of type and data.
Result<void> check_png(std::span<const uint8_t> bytes) {
  constexpr size_t kChunkOverhead = 12;
  size_t at = kPngSignature.size();
  while (true) {
    const size_t left = bytes.size() - at;
    if (left < kChunkOverhead) return truncated("PNG", bytes.size());
    const size_t length = big_endian_32(bytes.subspan(at));
    if (length > left - kChunkOverhead) return truncated("PNG", bytes.size());
    const std::span<const uint8_t> checked = bytes.subspan(at + 4, length + 4);
    if (crc32(checked) != big_endian_32(bytes.subspan(at + 8 + length))) {
      return fail(Code::invalid_argument,
                  "broken PNG: wrong checksum of the chunk at byte " + std::to_string(at));
    }
    if (std::equal(checked.begin(), checked.begin() + 4, "IEND")) return {};
    at += kChunkOverhead + length;
  }
}

// Segments: FF, marker, length, data; after a scan header comes coded data, in which FF is followed
// by 00 or by a restart marker.
Result<void> check_jpeg(std::span<const uint8_t> bytes) {
  constexpr uint8_t kEndOfImage = 0xD9, kStartOfScan = 0xDA, kRestart0 = 0xD0, kRestart7 = 0xD7;
  // Each scan goes over the whole picture again, so that a few of its bytes can cost seconds.
  constexpr uint32_t kMaxScans = 100;
  uint32_t scans = 0;
  bool in_scan = false;
  size_t at = 2;
  while (at + 1 < bytes.size()) {
    const uint8_t marker = bytes[at + 1];
    const bool is_data = marker == 0x00 || (marker >= kRestart0 && marker <= kRestart7);
    if (bytes[at] != 0xFF || marker == 0xFF || (in_scan && is_data)) {
      // Coded data, or the fill bytes that may stand before any marker.
      if (!in_scan && bytes[at] != 0xFF) {
        return fail(Code::invalid_argument,
                    "broken JPEG: no marker where one must be, at byte " + std::to_string(at));
      }
      ++at;
      continue;
    }
    if (marker == kEndOfImage) return {};
    if (bytes.size() - at < 4) break;
    in_scan = marker == kStartOfScan;
    if (in_scan && ++scans > kMaxScans) {
      return fail(Code::invalid_argument,
                  "broken JPEG: more than " + std::to_string(kMaxScans) + " scans");
    }
    at += 2 + (size_t{bytes[at + 2]} << 8 | bytes[at + 3]);
  }
  return truncated("JPEG", bytes.size());
}

}  // namespace

Result<void> check_image_structure(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return fail(Code::invalid_argument, "the file is empty");
  if (starts_with(bytes, kPngSignature)) return check_png(bytes);
  if (starts_with(bytes, kJpegSignature)) return check_jpeg(bytes);
  std::string first = "neither PNG nor JPEG; the first bytes are";
  for (const uint8_t byte : bytes.first(std::min<size_t>(bytes.size(), 8))) {
    constexpr const char* kDigits = "0123456789abcdef";
    first += {' ', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return fail(Code::unsupported, first);
}

}  // namespace weft::io
