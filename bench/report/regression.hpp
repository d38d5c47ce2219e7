// Two measurements of one device: what changed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model.hpp"

namespace weft::report {

enum class Verdict {
  slower,    // significantly
  faster,    // significantly
  same,      // no significant change
  untested,  // too few samples to tell
  broken,    // ran before, is refused or fails now
  repaired,  // the other way round
  missing,   // not in the new file
  added,     // not in the old file
};
const char* to_string(Verdict verdict);

// One of Weft's cases by one clock.
struct Change {
  std::string suite, line, clock;
  std::string kernel_before, kernel_after;
  double before_ns = 0, after_ns = 0;  // medians; 0: not measured
  double ratio = 1;                    // after over before
  std::optional<double> p;
  Verdict verdict = Verdict::same;
  std::string note;
};

struct Comparison {
  std::vector<Change> changes;
  double threshold = 0;
  // What happened to the peers, which nobody changed: the geometric mean of after over before.
  std::optional<double> peers_ratio;
  std::size_t peers_count = 0;
};

// A change is significant if the Mann-Whitney test gives p <= kSignificantP and the medians differ
// by more than `threshold` (0.05: 5 %).
constexpr double kSignificantP = 0.01;
constexpr double kDefaultThreshold = 0.05;

bool same_device(const Measurement& a, const Measurement& b);  // device and driver
Comparison compare(const Measurement& before, const Measurement& after, double threshold);
// Whether anything is slower or broken.
bool has_regression(const Comparison& comparison);
std::size_t count_of(const Comparison& comparison, Verdict verdict);

}  // namespace weft::report
