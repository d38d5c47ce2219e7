// Files for a test: a directory of its own, gone at the end, and bytes in and out.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::test {

using Bytes = std::vector<std::byte>;

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::random_device random;
    path_ = std::filesystem::temp_directory_path() /
            ("weft_test_" + std::to_string(random()) + "_" + std::to_string(random()));
    std::filesystem::create_directories(path_);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  // The path of a file in it, which needn't exist, in UTF-8.
  std::string file(std::string_view name) const {
    const std::u8string utf8 = (path_ / std::u8string(name.begin(), name.end())).u8string();
    return {utf8.begin(), utf8.end()};
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path native(const std::string& utf8) {
  return std::u8string(utf8.begin(), utf8.end());
}

inline Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline Bytes read_bytes(const std::string& path) {
  std::ifstream file(native(path), std::ios::binary);
  return bytes_of(std::string(std::istreambuf_iterator<char>(file), {}));
}

inline void write_bytes(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream file(native(path), std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

}  // namespace weft::test
