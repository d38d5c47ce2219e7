// A model's weights as they are published: one safetensors file, or many and an index that says
// which tensor lies in which. Part of weft_io, which needs no device.
//
// Thread safety: a Checkpoint is immutable; read it from any number of threads.
// Paths are UTF-8 on every platform. Errors name the operation, the file and the rule broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/elements.hpp"
#include "weft/error.hpp"
#include "weft/export.hpp"
#include "weft/safetensors.hpp"
#include "weft/tensor.hpp"
#include "weft/tensor_source.hpp"

namespace weft {

inline constexpr uint64_t kMaxCheckpointIndexBytes = 100'000'000;  // as a safetensors header
inline constexpr size_t kMaxCheckpointIndexDepth = 16;  // objects and arrays in each other

// Copies share the files; views from find() stay valid while one copy lives.
class WEFT_IO_EXPORT Checkpoint final : public TensorSource {
 public:
  struct File {
    std::string
        name;  // "model-00001-of-00002.safetensors"; of a single file, the path it was opened by
    Safetensors contents;
  };
  struct Tensor {
    TensorInfo info;
    size_t file = 0;  // position in files()
  };
  using Tensors = std::map<std::string, Tensor, std::less<>>;

  // Opens and checks all of it: after this no tensor can be missing or out of range. `path` is
  //   - an index, where it ends in ".json" (model.safetensors.index.json);
  //   - a folder: its model.safetensors, model.safetensors.index.json, or the same two of
  //     diffusion_pytorch_model, whichever comes first; else the one file that ends in
  //     .safetensors.index.json; else the one that ends in .safetensors;
  //   - otherwise a safetensors file.
  // Files are mapped, not read, so that their data costs memory only when touched.
  //
  // invalid_argument: a missing or unreadable file; a folder with none of these, or no one of them
  // to
  //   prefer; a file that breaks a rule of Safetensors::open; or a broken rule of the index:
  //   - at most kMaxCheckpointIndexBytes: one UTF-8 JSON object, at most kMaxCheckpointIndexDepth
  //   deep;
  //   - no key twice, in any object of it;
  //   - weight_map: strings to strings, a tensor's name to the file that holds it;
  //   - a file is named as it lies in the index's own folder: no separator or colon, no control
  //     character, not "." or "..", and ending in .safetensors;
  //   - each tensor is in the file that the map names.
  // unsupported: as Safetensors::open.
  //
  // What a file holds but the map does not list is left out, as transformers does. So is all else
  // of the index: its metadata.total_size is no promise that writers keep, and not relied upon.
  static Result<Checkpoint> open(const std::string& path);

  // The tensors of one file that is open already, from memory for instance.
  explicit Checkpoint(Safetensors contents, std::string name = "safetensors in memory");

  // In order of their names' bytes. Each has its own metadata.
  const std::vector<File>& files() const { return files_; }
  const Tensors& tensors() const { return tensors_; }

  // One tensor's bytes as they are in the file. invalid_argument if there is none of that name.
  Result<TensorView> find(std::string_view name) const;

  std::vector<std::string> names() const override;
  bool contains(std::string_view name) const override;
  // Also unsupported: an axis of 2^63 or more.
  Result<std::vector<int64_t>> shape(std::string_view name) const override;
  // From every type that to_float takes: each element is rounded once, to nearest even. Infinities
  // and NaN stay what they are. After an error `out` may have been written in part.
  // Also invalid_argument: a dtype that is none of the four; `out` that ends within an element.
  // Also unsupported: a finite number that would become infinite; i32 of f16, bf16, f32 or f64.
  Result<void> read(std::string_view name, DType dtype, uint64_t first,
                    std::span<std::byte> out) const override;

 private:
  Checkpoint() = default;
  static Result<Checkpoint> open_index(const std::string& path);

  std::string name_;  // in error messages
  std::vector<File> files_;
  Tensors tensors_;
};

}  // namespace weft
