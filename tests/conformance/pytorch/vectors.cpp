#include "conformance/pytorch/vectors.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "conformance/pytorch/inputs.hpp"
#include "weft/safetensors.hpp"

namespace weft::test {
namespace {

// Both sides compute in fp64; sums of up to 66048 terms differ by their order.
constexpr double kReferenceError = 1e-12;

template <class Number>
Result<void> read(const Safetensors& file, const char* name, std::vector<Number>& numbers) {
  WEFT_ASSIGN(const TensorView view, file.find(name));
  numbers.resize(view.data.size() / sizeof(Number));
  std::memcpy(numbers.data(), view.data.data(), numbers.size() * sizeof(Number));
  return {};
}

std::vector<double> part(const std::vector<double>& all, int64_t begin, int64_t end) {
  return {all.begin() + begin, all.begin() + end};
}

}  // namespace

Result<Vectors> Vectors::open(const std::string& path) {
  WEFT_ASSIGN(const Safetensors file, Safetensors::open(path));
  Vectors all;
  WEFT_TRY(read(file, "output", all.output_));
  WEFT_TRY(read(file, "logsumexp", all.logsumexp_));
  WEFT_TRY(read(file, "begin", all.begin_));
  WEFT_TRY(read(file, "error", all.error_));
  WEFT_TRY(read(file, "hash", all.hash_));
  const auto text = file.metadata().find("lines");
  std::istringstream lines(text == file.metadata().end() ? "" : text->second);
  size_t count = 0;
  for (std::string line; std::getline(lines, line);) all.lines_[line] = count++;
  if (all.lines_.size() != count || all.hash_.size() != count || all.error_.size() != 2 * count ||
      all.begin_.size() != 2 * count + 2 ||
      all.begin_[2 * count] != static_cast<int64_t>(all.output_.size()) ||
      all.begin_[2 * count + 1] != static_cast<int64_t>(all.logsumexp_.size()))
    return fail(Code::invalid_argument,
                path + ": its tensors don't belong to " + std::to_string(count) + " lines");
  return all;
}

std::optional<Vector> Vectors::find(const std::string& line) const {
  const auto found = lines_.find(line);
  if (found == lines_.end()) return std::nullopt;
  const size_t i = found->second;
  return Vector{.output = part(output_, begin_[2 * i], begin_[2 * i + 2]),
                .logsumexp = part(logsumexp_, begin_[2 * i + 1], begin_[2 * i + 3]),
                .output_error = error_[2 * i],
                .logsumexp_error = error_[2 * i + 1],
                .hash = hash_[i]};
}

double distance(double x, double y) {
  if (x == y || (std::isnan(x) && std::isnan(y))) return 0.0;
  const double size = std::abs(x - y);
  return std::isnan(size) ? INFINITY : size;
}

std::string disagreement(const char* name, const reference::Array& expected,
                         const std::vector<double>& samples) {
  const uint64_t size = expected.values.size();
  if (samples.size() != sample_count(size)) return std::string(name) + ": other samples. ";
  for (uint64_t i = 0; i < samples.size(); ++i) {
    const double ours = expected.values[sample(i, size)];
    if (distance(ours, samples[i]) <= kReferenceError * std::max(1.0, std::abs(samples[i])))
      continue;
    std::ostringstream text;
    text.precision(17);
    text << name << ": the reference gives " << ours << " where PyTorch gives " << samples[i]
         << ", sample " << i << ". ";
    return text.str();
  }
  return {};
}

}  // namespace weft::test
