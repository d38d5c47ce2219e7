#include "weft/npy.hpp"

#include <array>

#include "io/file.hpp"
#include "io/npy_header.hpp"

namespace weft {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignmentBytes = 64;

std::unexpected<Error> broken(std::string what) {
  return fail(Code::invalid_argument, std::move(what));
}

Result<NpyArray> parse(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic)) return broken("does not begin as an .npy file does");
  constexpr size_t kVersionAt = kMagic.size(), kLengthAt = kVersionAt + 2;
  if (bytes.size() < kLengthAt) return broken("truncated before the version");
  const auto major = std::to_integer<uint32_t>(bytes[kVersionAt]);
  const auto minor = std::to_integer<uint32_t>(bytes[kVersionAt + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    return fail(Code::unsupported, "versions 1.0, 2.0 and 3.0 are read, found " +
                                       std::to_string(major) + "." + std::to_string(minor));
  }
  const size_t length_bytes = major == 1 ? 2 : 4;
  const size_t header_at = kLengthAt + length_bytes;
  if (bytes.size() < header_at) return broken("truncated before the header's length");
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) {
    length |= std::to_integer<size_t>(bytes[kLengthAt + i]) << (8 * i);
  }
  if (length > kMaxNpyHeaderBytes) {
    return broken("the header's length is at most " + std::to_string(kMaxNpyHeaderBytes) +
                  " bytes, found " + std::to_string(length));
  }
  if (length > bytes.size() - header_at) return broken("truncated within the header");
  WEFT_ASSIGN(io::NpyHeader header, io::parse_npy_header(text.substr(header_at, length)));
  if (header.fortran_order && header.shape.size() > 1) {
    return fail(Code::unsupported, "column-major order (fortran_order: True) is not read");
  }
  const std::span<const std::byte> data = bytes.subspan(header_at + length);
  WEFT_ASSIGN(const uint64_t expected, size_bytes(header.type, header.shape));
  if (expected != data.size()) {
    return broken("type and shape ask for " + std::to_string(expected) + " bytes, " +
                  std::to_string(data.size()) + " follow the header");
  }
  return NpyArray{header.type, std::move(header.shape), {data.begin(), data.end()}};
}

// Everything before the data.
Result<std::string> preamble(const TensorView& view) {
  WEFT_ASSIGN(const uint64_t expected, size_bytes(view.type, view.shape));
  if (expected != view.data.size()) {
    return broken("type and shape ask for " + std::to_string(expected) + " bytes, data has " +
                  std::to_string(view.data.size()));
  }
  WEFT_ASSIGN(std::string header, io::npy_header_text(view.type, view.shape));
  constexpr size_t kHeaderAt = kMagic.size() + 4;
  const size_t unpadded = kHeaderAt + header.size() + 1;
  header.append((kAlignmentBytes - unpadded % kAlignmentBytes) % kAlignmentBytes, ' ');
  header += '\n';
  if (header.size() > kMaxNpyHeaderBytes) {
    return broken("too many axes for a header: " + std::to_string(view.shape.size()));
  }
  std::string text(kMagic);
  text += {1, 0, static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  return text + header;
}

}  // namespace

Result<NpyArray> parse_npy(std::span<const std::byte> bytes, const std::string& name) {
  auto array = parse(bytes);
  if (!array) {
    return fail(array.error().code, "read_npy: " + name + ": " + array.error().message);
  }
  return array;
}

Result<NpyArray> read_npy(const std::string& path) {
  WEFT_ASSIGN(const auto file, io::FileView::open("read_npy", path));
  return parse_npy(file->bytes(), path);
}

Result<void> write_npy(const std::string& path, const TensorView& view) {
  const auto text = preamble(view);
  if (!text) {
    return fail(text.error().code, "write_npy: " + path + ": " + text.error().message);
  }
  const std::array<std::span<const std::byte>, 2> parts = {std::as_bytes(std::span(*text)),
                                                           view.data};
  return io::write_file("write_npy", path, parts);
}

}  // namespace weft
