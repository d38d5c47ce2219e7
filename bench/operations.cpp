#include "operations.hpp"

#include <algorithm>

namespace weft::bench {

double span_ns(const std::vector<OperationTime>& times) {
  if (times.empty()) return 0.0;
  const double begin = std::ranges::min(times, {}, &OperationTime::begin_ns).begin_ns;
  return std::ranges::max(times, {}, &OperationTime::end_ns).end_ns - begin;
}

Operations OperationLog::middle() const {
  std::vector<std::pair<double, size_t>> spans;
  for (size_t i = 0; i < runs_.size(); ++i)
    if (const double ns = span_ns(runs_[i]); ns > 0.0) spans.emplace_back(ns, i);
  if (spans.empty()) return {};
  const auto median = spans.begin() + static_cast<std::ptrdiff_t>(spans.size() / 2);
  std::ranges::nth_element(spans, median);
  Operations result{.gap_share = 1.0};
  for (const OperationTime& time : runs_[median->second]) {
    const double ns = time.end_ns - time.begin_ns;
    result.all.push_back({.name = time.name,
                          .kernel = time.kernel,
                          .ns = ns,
                          .share = ns / median->first,
                          .flops = time.flops});
    result.gap_share -= result.all.back().share;
  }
  result.gap_share = std::max(result.gap_share, 0.0);  // a sum that rounded beyond 1
  return result;
}

}  // namespace weft::bench
