// What PyTorch gives for case lines: vectors.safetensors, described in README.md beside it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reference/attention.hpp"
#include "weft/error.hpp"

namespace weft::test {

// One line's.
struct Vector {
  std::vector<double> output, logsumexp;  // samples; NaN in rows that belong to no item
  double output_error = 0.0;              // the largest of plain operations in the query's type
  double logsumexp_error = 0.0;           // and in f32
  uint64_t hash = 0;                      // of the inputs
};

class Vectors {
 public:
  // Errors: invalid_argument where the file can't be read or its tensors don't belong together.
  static Result<Vectors> open(const std::string& path);

  // The vector of a line as cases::print writes it.
  std::optional<Vector> find(const std::string& line) const;
  size_t size() const { return lines_.size(); }

 private:
  std::map<std::string, size_t> lines_;
  std::vector<double> output_, logsumexp_, error_;
  std::vector<int64_t> begin_;  // of each line's samples and, last, their ends
  std::vector<uint64_t> hash_;
};

// The distance of two results: 0 for equal infinities and for two NaN.
double distance(double x, double y);

// "" where the reference gives the samples, else the first that differs.
std::string disagreement(const char* name, const reference::Array& expected,
                         const std::vector<double>& samples);

}  // namespace weft::test
