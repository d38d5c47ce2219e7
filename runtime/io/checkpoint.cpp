#include "weft/checkpoint.hpp"

#include <array>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "io/checkpoint_index.hpp"
#include "io/convert.hpp"
#include "io/file.hpp"
#include "io/safetensors_header.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileEnding = ".safetensors";
constexpr std::string_view kIndexEnding = ".safetensors.index.json";

std::unexpected<Error> broken(const std::string& path, const std::string& rule) {
  return fail(Code::invalid_argument, "checkpoint: " + path + ": " + rule);
}

std::string to_utf8(const fs::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

// The names of a folder's entries that end like this.
Result<std::set<std::string>> entries_ending(const std::string& folder, std::string_view ending) {
  std::set<std::string> found;
  std::error_code error;
  fs::directory_iterator entry(io::to_path(folder), error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = to_utf8(entry->path().filename());
    if (name.ends_with(ending)) found.insert(name);
  }
  if (error) return broken(folder, error.message());
  return found;
}

// Which file of a folder is meant.
Result<std::string> file_of_folder(const std::string& folder) {
  for (const std::string_view stem : {"model", "diffusion_pytorch_model"}) {
    for (const std::string_view ending : {kFileEnding, kIndexEnding}) {
      const fs::path file = io::to_path(folder) / io::to_path(std::string(stem).append(ending));
      std::error_code ignored;
      if (fs::exists(file, ignored)) return to_utf8(file);
    }
  }
  for (const std::string_view ending : {kIndexEnding, kFileEnding}) {
    WEFT_ASSIGN(const std::set<std::string> names, entries_ending(folder, ending));
    if (names.size() == 1) return to_utf8(io::to_path(folder) / io::to_path(*names.begin()));
    if (names.size() > 1) {
      return broken(folder, "the folder holds " + std::to_string(names.size()) + " files *" +
                                std::string(ending) + ", such as " + io::quote(*names.begin()) +
                                "; name the one");
    }
  }
  return broken(folder, "the folder holds no file *" + std::string(kFileEnding));
}

}  // namespace

Checkpoint::Checkpoint(Safetensors contents, std::string name) : name_(name) {
  for (const auto& [tensor, info] : contents.tensors()) tensors_.emplace(tensor, Tensor{info, 0});
  files_.push_back({std::move(name), std::move(contents)});
}

Result<Checkpoint> Checkpoint::open(const std::string& path) {
  WEFT_TRY(io::check_path("checkpoint", path));
  std::error_code ignored;
  std::string file = path;
  if (fs::is_directory(io::to_path(path), ignored)) {
    WEFT_ASSIGN(file, file_of_folder(path));
  }
  if (file.ends_with(".json")) return open_index(file);
  WEFT_ASSIGN(Safetensors contents, Safetensors::open(file));
  return Checkpoint(std::move(contents), std::move(file));
}

Result<Checkpoint> Checkpoint::open_index(const std::string& path) {
  io::WeightMap weight_map;
  {
    WEFT_ASSIGN(const auto view, io::FileView::open("checkpoint", path));
    const std::span<const std::byte> bytes = view->bytes();
    if (bytes.size() > kMaxCheckpointIndexBytes) {
      return broken(path, "the index has at most " + std::to_string(kMaxCheckpointIndexBytes) +
                              " bytes, found " + std::to_string(bytes.size()));
    }
    auto parsed =
        io::parse_checkpoint_index({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (!parsed) return broken(path, parsed.error().message);
    weight_map = std::move(*parsed);
  }
  Checkpoint checkpoint;
  checkpoint.name_ = path;
  std::map<std::string, size_t, std::less<>> positions;
  for (const auto& [tensor, shard] : weight_map) positions.emplace(shard, 0);
  const fs::path folder = io::to_path(path).parent_path();
  for (auto& [shard, position] : positions) {
    position = checkpoint.files_.size();
    WEFT_ASSIGN(Safetensors contents, Safetensors::open(to_utf8(folder / io::to_path(shard))));
    checkpoint.files_.push_back({shard, std::move(contents)});
  }
  for (const auto& [tensor, shard] : weight_map) {
    const size_t position = positions.find(shard)->second;
    const auto& held = checkpoint.files_[position].contents.tensors();
    const auto found = held.find(tensor);
    if (found == held.end()) {
      return broken(path,
                    "weight_map: " + io::quote(shard) + " does not hold " + io::quote(tensor));
    }
    checkpoint.tensors_.emplace(tensor, Tensor{found->second, position});
  }
  return checkpoint;
}

Result<TensorView> Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return broken(name_, "no tensor " + io::quote(name));
  return files_[found->second.file].contents.find(name);
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  return names;
}

bool Checkpoint::contains(std::string_view name) const { return tensors_.contains(name); }

Result<std::vector<int64_t>> Checkpoint::shape(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return broken(name_, "no tensor " + io::quote(name));
  std::vector<int64_t> shape;
  for (const uint64_t length : found->second.info.shape) {
    if (length > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return fail(Code::unsupported, "checkpoint: " + name_ + ": tensor " + io::quote(name) +
                                         ": an axis of " + std::to_string(length) +
                                         "; the most is 2^63 - 1");
    }
    shape.push_back(static_cast<int64_t>(length));
  }
  return shape;
}

Result<void> Checkpoint::read(std::string_view name, DType dtype, uint64_t first,
                              std::span<std::byte> out) const {
  WEFT_ASSIGN(const TensorView view, find(name));
  const auto done = io::convert_elements(view, dtype, first, out);
  if (done) return {};
  return fail(done.error().code,
              "checkpoint: " + name_ + ": tensor " + io::quote(name) + ": " + done.error().message);
}

}  // namespace weft
