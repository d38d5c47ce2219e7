#include "vulkan/cache_file.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>

namespace weft::vulkan {
namespace {

namespace fs = std::filesystem;

void write(std::ofstream& file, std::span<const std::byte> bytes) {
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

// FNV-1a, 64 bits (Fowler, Noll, Vo).
uint64_t checksum(std::span<const std::byte> data) noexcept {
  uint64_t hash = 14695981039346656037ull;
  for (std::byte b : data) hash = (hash ^ static_cast<uint64_t>(b)) * 1099511628211ull;
  return hash;
}

Result<void> replace_file(const char* what, const std::string& path,
                          std::span<const std::byte> header, std::span<const std::byte> data) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  const std::string temporary = path + "." + std::to_string(now) + "." +
                                std::to_string(reinterpret_cast<uintptr_t>(&header)) + ".tmp";
  std::error_code error;
  {
    std::ofstream file(temporary, std::ios::binary);
    write(file, header);
    write(file, data);
    if (!file.flush()) {
      file.close();
      fs::remove(temporary, error);
      return fail(Code::internal, std::string(what) + ": could not write " + temporary);
    }
  }
  fs::rename(temporary, path, error);
  if (!error) return {};
  std::error_code ignored;
  fs::remove(temporary, ignored);
  return fail(Code::internal,
              std::string(what) + ": could not replace " + path + ": " + error.message());
}

}  // namespace weft::vulkan
