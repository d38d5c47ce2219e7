#include "io/file.hpp"

#include <fstream>
#include <system_error>

namespace weft::io {
namespace {

namespace fs = std::filesystem;

// Why `path` can't be a file to read, or an empty string.
std::string reason_not_readable(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return "no such file";
  if (error) return error.message();
  if (status.type() == fs::file_type::directory) return "is a directory, not a file";
  return {};
}

bool write_parts(const fs::path& path, std::span<const std::span<const std::byte>> parts) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (const std::span<const std::byte> part : parts) {
    file.write(reinterpret_cast<const char*>(part.data()),
               static_cast<std::streamsize>(part.size()));
  }
  file.close();
  return !file.fail();
}

}  // namespace

Result<void> check_path(const std::string& operation, const std::string& path) {
  if (path.empty())
    return fail(Code::invalid_argument, operation + ": the path is empty; it must name a file");
  const size_t at = path.find('\0');
  if (at == std::string::npos) return {};
  return fail(Code::invalid_argument, operation + ": " + path.substr(0, at) +
                                          ": the path has a zero byte, at " + std::to_string(at) +
                                          "; it must have none");
}

fs::path to_path(const std::string& utf8) {
  return fs::path(std::u8string(utf8.begin(), utf8.end()));
}

Result<std::vector<uint8_t>> read_file(const std::string& operation, const std::string& path,
                                       uint64_t max_bytes) {
  WEFT_TRY(check_path(operation, path));
  const fs::path native = to_path(path);
  if (std::string reason = reason_not_readable(native); !reason.empty()) {
    return fail(Code::invalid_argument, operation + ": " + path + ": " + reason);
  }
  std::ifstream file(native, std::ios::binary);
  if (!file) return fail(Code::invalid_argument, operation + ": " + path + ": cannot be opened");
  // In pieces, because a pipe has no size and a size can change between asking and reading.
  std::vector<uint8_t> bytes;
  std::vector<char> piece(size_t{1} << 16);
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + file.gcount());
    if (bytes.size() > max_bytes) {
      return fail(Code::invalid_argument, operation + ": " + path + ": larger than the limit of " +
                                              std::to_string(max_bytes) + " bytes");
    }
  }
  if (file.bad()) return fail(Code::invalid_argument, operation + ": " + path + ": reading failed");
  return bytes;
}

Result<void> write_file(const std::string& operation, const std::string& path,
                        std::span<const std::span<const std::byte>> parts) {
  WEFT_TRY(check_path(operation, path));
  const fs::path native = to_path(path);
  const auto cannot_write = [&](const std::string& why) {
    return fail(Code::invalid_argument, operation + ": " + path + ": " + why);
  };
  std::error_code error;
  const fs::file_type type = fs::status(native, error).type();
  if (type == fs::file_type::directory) return cannot_write("is a directory, not a file");
  if (type != fs::file_type::regular && type != fs::file_type::not_found) {
    if (!write_parts(native, parts)) return cannot_write("cannot be written");
    return {};
  }
  fs::path partial = native;
  partial += ".part";
  if (!write_parts(partial, parts)) {
    fs::remove(partial, error);
    return cannot_write("cannot be written");
  }
  fs::rename(partial, native, error);
  if (error) {
    const std::string why = error.message();
    fs::remove(partial, error);
    return cannot_write("cannot be replaced: " + why);
  }
  return {};
}

}  // namespace weft::io
