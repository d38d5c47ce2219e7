#include <cmath>
#include <numbers>

#include "ground/model.hpp"
#include "ground/vocabulary.hpp"
#include "weft/safetensors.hpp"

namespace weft::ground {

Result<Checkpoint> load_checkpoint(const std::string& path) {
  WEFT_ASSIGN(const auto file, Safetensors::open(path));
  Checkpoint checkpoint;
  for (const auto& [name, info] : file.tensors()) {
    WEFT_ASSIGN(const auto view, file.find(name));
    Checkpoint::Entry entry;
    entry.shape.assign(view.shape.begin(), view.shape.end());
    WEFT_ASSIGN(entry.values, to_float(view));
    checkpoint.entries.emplace(name, std::move(entry));
  }
  const auto& metadata = file.metadata();
  if (auto found = metadata.find("vocabulary"); found != metadata.end()) checkpoint.vocabulary = found->second;
  if (checkpoint.vocabulary != vocabulary_text())
    return fail(Code::invalid_argument, path + ": its vocabulary must be this program's, found \"" +
                                            checkpoint.vocabulary + "\"");
  if (auto found = metadata.find("threshold"); found != metadata.end()) {
    checkpoint.threshold = std::strtof(found->second.c_str(), nullptr);
    if (!(checkpoint.threshold > 0 && checkpoint.threshold < 1))
      return fail(Code::invalid_argument,
                  path + ": threshold must lie between 0 and 1, found \"" + found->second + "\"");
  }
  return checkpoint;
}

namespace {

// SplitMix64 (Steele, Lea, Flood 2014), then Box and Muller's normal numbers.
struct Noise {
  uint64_t state;
  double uniform() {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (static_cast<double>((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
  }
  float normal() {
    return static_cast<float>(std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform()));
  }
};

}  // namespace

Checkpoint untrained(const Checkpoint& like, uint64_t seed) {
  Checkpoint result = like;
  Noise noise{seed};
  for (auto& [name, entry] : result.entries) {
    const bool norm = name.find("norm.") != std::string::npos;
    if (entry.shape.size() < 2) {  // a bias, or a norm's weight
      const bool weight = norm && name.ends_with(".weight");
      for (float& value : entry.values) value = weight ? 1.0f : 0.0f;
      continue;
    }
    const float size = 1.0f / std::sqrt(static_cast<float>(entry.shape.back()));
    for (float& value : entry.values) value = noise.normal() * size;
  }
  return result;
}

}  // namespace weft::ground
