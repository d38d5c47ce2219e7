// How time and memory grow with q_len, kv_len and heads: fused, against a matrix of weights that is
// written out whole.
#pragma once

#include <string>
#include <vector>

#include "weft/weft.hpp"

namespace weft::bench {

struct ScalingPoint {
  int64_t x = 0;
  std::string line;
  double median_ns = 0;       // wall
  uint64_t device_bytes = 0;  // every tensor of the call, and transient memory
};

struct ScalingSeries {
  std::string axis;     // q_len, kv_len, heads
  std::string series;   // fused, materialised
  std::string profile;  // cross: q_len and kv_len differ; self: they are one number
  std::string detail;
  std::vector<ScalingPoint> points;
};

// Errors: the library's; internal where a result is wrong.
Result<std::vector<ScalingSeries>> measure_scaling(const Device& device);

}  // namespace weft::bench
