// Safetensors files: whatever opens can be read everywhere, converted, and written again.
#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "fuzz.hpp"
#include "io/safetensors_header.hpp"
#include "weft/checkpoint.hpp"
#include "weft/safetensors.hpp"

namespace weft::fuzz {
namespace {

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::ranges::equal(a, b);
}

// In pieces as in one, and f32 as to_float has it.
void read(const Checkpoint& checkpoint, const std::string& name, const TensorView& view) {
  uint64_t elements = 1;
  for (const uint64_t length : view.shape) elements *= length;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::i32}) {
    const uint64_t size = size_bytes(dtype), half = elements / 2;
    if (elements > 4096) continue;
    std::vector<std::byte> whole(elements * size), pieces(elements * size);
    const auto done = checkpoint.read(name, dtype, 0, whole);
    const std::span<std::byte> span(pieces);
    const auto begin = checkpoint.read(name, dtype, 0, span.first(half * size));
    const auto end = checkpoint.read(name, dtype, half, span.subspan(half * size));
    require(done.has_value() == (begin && end), "the pieces are read where the whole is");
    std::array<std::byte, 8> beyond{};
    require(!checkpoint.read(name, dtype, elements, beyond), "nothing is read past the end");
    if (!done) {
      require_presentable(done.error().message);
      continue;
    }
    require(same(whole, pieces), "the pieces are the whole");
    if (dtype != DType::f32) continue;
    const auto floats = to_float(view);
    require(floats && same(std::as_bytes(std::span(*floats)), whole), "f32 is what to_float gives");
  }
}

// What is written again is the same but for the order.
void write(const Safetensors& file) {
  std::map<std::string, TensorView> tensors;
  for (const auto& [name, info] : file.tensors()) tensors.emplace(name, *file.find(name));
  const auto parts = io::safetensors_parts(tensors, file.metadata());
  require(parts.has_value(), "what was read can be written");
  require(parts->header.size() % 8 == 0, "the data begins at a multiple of 8");
  const auto header = std::as_bytes(std::span(parts->header));
  std::vector<std::byte> bytes(header.begin(), header.end());
  for (const auto data : parts->data) bytes.insert(bytes.end(), data.begin(), data.end());
  const auto again = Safetensors::parse(bytes, "written again");
  require(again && again->metadata() == file.metadata(), "what was written can be read");
  require(again->tensors().size() == tensors.size(), "all tensors are written");
  for (const auto& [name, view] : tensors) {
    const auto found = again->find(name);
    require(found && found->type == view.type && found->shape == view.shape &&
                same(found->data, view.data),
            "a tensor comes back as it was");
  }
}

}  // namespace

bool accepts(std::span<const std::byte> input) {
  const auto file = Safetensors::parse(input, "input");
  if (!file) {
    require_presentable(file.error().message);
    return false;
  }
  const Checkpoint checkpoint(*file);
  uint64_t total_bytes = 0;
  for (const auto& [name, info] : file->tensors()) {
    const auto view = file->find(name);
    require(view && view->data.size() == info.end - info.begin, "every tensor is found");
    require(size_bytes(view->type, view->shape) == view->data.size(),
            "its size is that of its shape");
    require(view->data.empty() ||
                (view->data.data() >= input.data() &&
                 view->data.data() + view->data.size() <= input.data() + input.size()),
            "it lies in the file");
    total_bytes += view->data.size();
    if (size_bits(view->type) >= 8) read(checkpoint, name, *view);
  }
  require(total_bytes <= input.size(), "no byte belongs to two tensors");
  write(*file);
  return true;
}

}  // namespace weft::fuzz
