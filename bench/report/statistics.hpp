// The arithmetic of the report. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace weft::report {

// The middle value; the mean of the two middle ones for an even count. Needs at least one value.
double median(std::vector<double> values);
// Median absolute deviation, times 1.4826: the standard deviation, if the values were normal.
double spread(const std::vector<double>& values);
// nullopt for no values. Needs values above 0.
std::optional<double> geometric_mean(std::span<const double> values);

// Two-sided p of the Mann-Whitney U test that both samples come from one distribution. Exact up to
// 20 values on each side without ties; else normal, corrected for ties and continuity.
// nullopt where even total separation could not give p <= 0.01 (fewer than 5 values on each side).
std::optional<double> mann_whitney(std::span<const double> a, std::span<const double> b);

// y = factor * x^exponent by least squares of the logarithms.
struct PowerFit {
  double exponent = 0;
  double factor = 0;
  double r_squared = 0;   // 1 where all points are equally high
  std::size_t first = 0;  // the first point that was fitted
};
struct Sample {
  double x = 0, y = 0;
};
// Fits the upper half of the points (at least 3), where fixed costs weigh least. Needs x to rise;
// points must be above 0. nullopt for fewer than 3 points or for one x alone.
std::optional<PowerFit> fit_power(std::span<const Sample> points);

}  // namespace weft::report
