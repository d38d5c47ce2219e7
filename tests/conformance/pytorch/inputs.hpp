// The inputs of a case by their names in AttentionCall: what dump_cases writes for PyTorch, and the
// number by which the test knows that they are still the same.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "reference/attention.hpp"

namespace weft::test {

struct NamedArray {
  std::string name;
  std::vector<uint64_t> shape;  // without what isn't an axis of the tensor
  std::vector<double> values;
};

// Every tensor that the case has. Regions and separate items of scores and values are left out.
std::vector<NamedArray> named_inputs(const reference::AttentionInputs& inputs);

// FNV-1a over names, shapes and the values' bits; every NaN counts alike.
uint64_t hash_of(const std::vector<NamedArray>& arrays);

// Elements of a result that are kept, evenly spread: element i * size / count of `count`.
inline constexpr uint64_t kMostSamples = 509;
inline uint64_t sample_count(uint64_t size) { return size < kMostSamples ? size : kMostSamples; }
inline uint64_t sample(uint64_t i, uint64_t size) { return i * size / sample_count(size); }

}  // namespace weft::test
