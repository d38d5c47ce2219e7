// Whole files: read under a limit, written so that no half-written file is ever seen, and mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/error.hpp"

namespace weft::io {

// Refuses an empty path, and one with a zero byte: the system would end it there and reach another
// file.
Result<void> check_path(const std::string& operation, const std::string& path);

// A path from UTF-8, whatever the platform's own encoding of narrow strings is.
std::filesystem::path to_path(const std::string& utf8);

// The file's bytes. `operation` opens the message of an error. Fails for what is missing,
// unreadable or a directory, and for more than `max_bytes`.
Result<std::vector<uint8_t>> read_file(const std::string& operation, const std::string& path,
                                       uint64_t max_bytes);

// Writes the parts one after the other to a file beside `path`, then renames it to `path`.
// What exists and is no regular file (a pipe, a terminal) is written to directly.
Result<void> write_file(const std::string& operation, const std::string& path,
                        std::span<const std::span<const std::byte>> parts);

// A read-only view of a whole file: a memory mapping where the platform has one, else a copy.
// The file must not be truncated while the view lives.
class FileView {
 public:
  static Result<std::shared_ptr<const FileView>> open(const std::string& operation,
                                                      const std::string& path);
  FileView(const FileView&) = delete;
  FileView& operator=(const FileView&) = delete;
  ~FileView();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  FileView() = default;

  std::span<const std::byte> bytes_;
  std::vector<uint8_t> copy_;  // empty when mapped
};

}  // namespace weft::io
