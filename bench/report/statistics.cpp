#include "statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace weft::report {
namespace {

constexpr std::size_t kLargestExact = 20;
constexpr double kNeededP = 0.01;

// How often each U from 0 to n*m occurs among all orders of n + m different values: the
// coefficients of the Gaussian binomial, multiplied out factor by factor.
std::vector<double> orders_with_u(std::size_t n, std::size_t m) {
  std::vector<double> count(n * m + 1, 0.0);
  count[0] = 1;
  for (std::size_t i = 1; i <= n; ++i) {
    for (std::size_t u = count.size(); u-- > m + i;) count[u] -= count[u - m - i];
    for (std::size_t u = i; u < count.size(); ++u) count[u] += count[u - i];
  }
  return count;
}

double exact_p(std::size_t n, std::size_t m, double u) {
  const std::vector<double> count = orders_with_u(n, m);
  const double all = std::accumulate(count.begin(), count.end(), 0.0);
  const auto smaller = static_cast<std::size_t>(std::min(u, static_cast<double>(n * m) - u));
  double tail = 0;
  for (std::size_t i = 0; i <= smaller; ++i) tail += count[i];
  return std::min(1.0, 2 * tail / all);
}

double normal_p(double n, double m, double u, double tie_term) {
  const double total = n + m;
  const double variance = n * m / 12 * (total + 1 - tie_term / (total * (total - 1)));
  if (variance <= 0) return 1;  // all values are equal
  const double distance = std::max(0.0, std::abs(u - n * m / 2) - 0.5);
  return std::erfc(distance / std::sqrt(2 * variance));
}

}  // namespace

double median(std::vector<double> values) {
  const std::size_t middle = values.size() / 2;
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(middle));
  const double upper = values[middle];
  if (values.size() % 2 != 0) return upper;
  const double lower =
      *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle));
  return lower + (upper - lower) / 2;
}

double spread(const std::vector<double>& values) {
  const double middle = median(values);
  std::vector<double> distances;
  for (const double value : values) distances.push_back(std::abs(value - middle));
  return 1.4826 * median(std::move(distances));
}

std::optional<double> geometric_mean(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

std::optional<double> mann_whitney(std::span<const double> a, std::span<const double> b) {
  const std::size_t n = a.size();
  const std::size_t m = b.size();
  if (n == 0 || m == 0) return std::nullopt;
  if (std::max(n, m) <= kLargestExact && exact_p(n, m, 0) > kNeededP) return std::nullopt;
  struct Value {
    double value;
    bool from_a;
  };
  std::vector<Value> all;
  for (const double value : a) all.push_back({value, true});
  for (const double value : b) all.push_back({value, false});
  std::ranges::sort(all, {}, &Value::value);
  double ranks_of_a = 0;
  double tie_term = 0;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && all[end].value == all[i].value) ++end;
    const double ties = static_cast<double>(end - i);
    const double rank = static_cast<double>(i + end + 1) / 2;  // ties share their mean rank
    for (; i < end; ++i) ranks_of_a += all[i].from_a ? rank : 0;
    tie_term += ties * (ties * ties - 1);
  }
  const double u = ranks_of_a - static_cast<double>(n * (n + 1)) / 2;
  const bool exact = tie_term == 0 && std::max(n, m) <= kLargestExact;
  return exact ? exact_p(n, m, u)
               : normal_p(static_cast<double>(n), static_cast<double>(m), u, tie_term);
}

std::optional<PowerFit> fit_power(std::span<const Sample> points) {
  if (points.size() < 3) return std::nullopt;
  const std::size_t count = std::max<std::size_t>(3, (points.size() + 1) / 2);
  PowerFit fit;
  fit.first = points.size() - count;
  double mean_x = 0, mean_y = 0;
  for (const Sample& point : points.subspan(fit.first)) {
    mean_x += std::log(point.x) / static_cast<double>(count);
    mean_y += std::log(point.y) / static_cast<double>(count);
  }
  double xx = 0, xy = 0, yy = 0;
  for (const Sample& point : points.subspan(fit.first)) {
    const double x = std::log(point.x) - mean_x;
    const double y = std::log(point.y) - mean_y;
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  if (xx < 1e-12) return std::nullopt;
  fit.exponent = xy / xx;
  fit.factor = std::exp(mean_y - fit.exponent * mean_x);
  fit.r_squared = yy < 1e-12 ? 1 : xy * xy / (xx * yy);
  return fit;
}

}  // namespace weft::report
