// The safetensors format: named tensors in one file, with a JSON header and nothing executable.
// Part of weft_io, which needs no device.
//
// Thread safety: a Safetensors is immutable; read it from any number of threads.
// Paths are UTF-8 on every platform. Errors name the operation, the file and the rule broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/elements.hpp"
#include "weft/error.hpp"
#include "weft/export.hpp"

namespace weft {

inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;  // the format's own limit
inline constexpr size_t kMaxSafetensorsRank = 64;                    // this reader's

// Where a tensor lies: bytes [begin, end) counted from the first byte after the header.
struct TensorInfo {
  ElementType type = ElementType::f32;
  std::vector<uint64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

using Metadata = std::map<std::string, std::string, std::less<>>;

// An open file. Copies share it; views from find() stay valid while one copy lives.
class WEFT_IO_EXPORT Safetensors {
 public:
  // Opens and checks a whole file: after this no tensor can be out of range. The file is mapped,
  // not read, so its data costs memory only when touched; it must not be truncated meanwhile.
  //
  // invalid_argument: a missing or unreadable file; or any broken rule of the format:
  //   - 8 bytes, the header's length: at most kMaxSafetensorsHeaderBytes, and within the file;
  //   - the header: one UTF-8 JSON object from its first byte on, then only white space;
  //   - each entry: dtype, shape and data_offsets, no more; at most kMaxSafetensorsRank axes;
  //   - __metadata__: strings to strings;
  //   - no key twice, anywhere;
  //   - end - begin is the size of that shape and type, with no overflow and in whole bytes;
  //   - the tensors fill the file from the header's end to the file's without hole or overlap.
  // unsupported: a dtype that the format didn't have when this reader was written.
  static Result<Safetensors> open(const std::string& path);

  // The same over bytes in memory, which must outlive the object and all views. `name` stands for
  // the file in error messages.
  static Result<Safetensors> parse(std::span<const std::byte> bytes,
                                   const std::string& name = "safetensors in memory");

  const std::map<std::string, TensorInfo, std::less<>>& tensors() const { return tensors_; }
  const Metadata& metadata() const { return metadata_; }

  // One tensor's bytes. invalid_argument if there is none of that name.
  Result<TensorView> find(std::string_view name) const;

 private:
  Safetensors() = default;

  std::string name_;
  std::shared_ptr<const void> file_;  // keeps the mapping
  std::span<const std::byte> data_;
  std::map<std::string, TensorInfo, std::less<>> tensors_;
  Metadata metadata_;
};

// Writes a file: tensors by descending type (so that each is aligned to its element size, data
// starting at a multiple of 8), then by name. An existing file is replaced at once when the new
// one is complete.
// invalid_argument: data of another size than type and shape ask for; a name or metadata that is
//   not UTF-8; a tensor named __metadata__; too long a header; a path that can't be written.
WEFT_IO_EXPORT Result<void> write_safetensors(const std::string& path,
                                              const std::map<std::string, TensorView>& tensors,
                                              const Metadata& metadata = {});

}  // namespace weft
