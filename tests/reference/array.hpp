// Dense fp64 arrays of four axes: what the reference formulas read and write.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::reference {

// Row-major, outermost axis first. An axis of size 1 repeats where a formula asks for more.
struct Array {
  std::array<int64_t, 4> shape{0, 0, 0, 0};
  std::vector<double> values;

  Array() = default;
  Array(int64_t a, int64_t b, int64_t c, int64_t d, double fill = 0.0)
      : shape{a, b, c, d}, values(static_cast<size_t>(a * b * c * d), fill) {}

  // The row of elements [a, b, c, 0...].
  const double* row(int64_t a, int64_t b, int64_t c) const {
    return values.data() + row_index(a, b, c);
  }
  double* row(int64_t a, int64_t b, int64_t c) { return values.data() + row_index(a, b, c); }

 private:
  size_t row_index(int64_t a, int64_t b, int64_t c) const {
    const auto repeat = [this](size_t axis, int64_t i) { return shape[axis] == 1 ? 0 : i; };
    return static_cast<size_t>(
        ((repeat(0, a) * shape[1] + repeat(1, b)) * shape[2] + repeat(2, c)) * shape[3]);
  }
};

}  // namespace weft::reference
