// Tensors of a file in tests/vectors, for unit tests.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "weft/safetensors.hpp"

namespace weft::test {

class StoredVectors {
 public:
  explicit StoredVectors(const std::string& name) {
    auto opened = Safetensors::open(WEFT_SOURCE_DIR "/tests/vectors/" + name + ".safetensors");
    if (!opened) FAIL(opened.error().message);
    files_.push_back(std::move(*opened));
  }

  TensorView view(const std::string& name) const {
    const auto found = files_[0].find(name);
    if (!found) FAIL(found.error().message);
    return *found;
  }
  int64_t side(const std::string& name, size_t axis) const { return static_cast<int64_t>(view(name).shape.at(axis)); }

  // T must be of the size of the stored elements.
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const TensorView found = view(name);
    std::vector<T> values(found.data.size() / sizeof(T));
    REQUIRE(size_bits(found.type) == 8 * sizeof(T));
    std::memcpy(values.data(), found.data.data(), found.data.size());
    return values;
  }
  std::vector<float> floats(const std::string& name) const { return values<float>(name); }

 private:
  std::vector<Safetensors> files_;  // one
};

// The largest difference; infinity where sizes differ or a number is NaN.
inline double distance(const std::vector<float>& left, const std::vector<float>& right) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (left.size() != right.size() || left.empty()) return kInfinity;
  double largest = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    const double difference = std::abs(double{left[i]} - right[i]);
    if (!(difference <= largest)) largest = std::isnan(difference) ? kInfinity : difference;
  }
  return largest;
}

}  // namespace weft::test
