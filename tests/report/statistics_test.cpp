// The report's arithmetic, beside slower ways to the same numbers.
#include "statistics.hpp"

#include <algorithm>
#include <bit>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <numeric>
#include <random>

namespace weft::report {
namespace {

using Catch::Approx;

// U counted pair by pair: a tie counts half.
double u_of(const std::vector<double>& a, const std::vector<double>& b) {
  double u = 0;
  for (const double x : a) {
    for (const double y : b) u += x > y ? 1 : x == y ? 0.5 : 0;
  }
  return u;
}

// The share of all ways to deal the values into two hands that are at least as far from the middle.
double permutation_p(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> all = a;
  all.insert(all.end(), b.begin(), b.end());
  const double middle = static_cast<double>(a.size() * b.size()) / 2;
  const double distance = std::abs(u_of(a, b) - middle);
  double as_far = 0, ways = 0;
  for (unsigned hand = 0; hand < (1u << all.size()); ++hand) {
    if (static_cast<std::size_t>(std::popcount(hand)) != a.size()) continue;
    std::vector<double> first, second;
    for (std::size_t i = 0; i < all.size(); ++i) {
      ((hand >> i) & 1 ? first : second).push_back(all[i]);
    }
    ++ways;
    if (std::abs(u_of(first, second) - middle) >= distance - 1e-9) ++as_far;
  }
  return as_far / ways;
}

std::vector<double> drawn(std::mt19937& random, std::size_t count, double shift) {
  std::vector<double> values;
  std::normal_distribution<double> normal(shift, 1);
  for (std::size_t i = 0; i < count; ++i) values.push_back(normal(random));
  return values;
}

}  // namespace

TEST_CASE("median and spread") {
  CHECK(median({3}) == 3);
  CHECK(median({4, 1}) == 2.5);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({8, 2, 6, 4}) == 5);
  CHECK(spread({7, 7, 7}) == 0);
  CHECK(spread({1, 2, 3, 4, 1000}) == Approx(1.4826));  // one wild value moves nothing
}

TEST_CASE("geometric mean") {
  CHECK_FALSE(geometric_mean({}));
  CHECK(*geometric_mean(std::vector<double>{2, 8}) == Approx(4));
  CHECK(*geometric_mean(std::vector<double>{1e-200, 1e200}) == Approx(1));
}

TEST_CASE("Mann-Whitney without ties is the share of all permutations") {
  std::mt19937 random(1);
  for (int i = 0; i < 12; ++i) {
    const auto a = drawn(random, 5 + i % 3, 0);
    const auto b = drawn(random, 7 - i % 3, i * 0.25);
    const auto p = mann_whitney(a, b);
    REQUIRE(p);
    CHECK(*p == Approx(permutation_p(a, b)).margin(1e-9));
    CHECK(*p == Approx(*mann_whitney(b, a)).margin(1e-9));
  }
}

TEST_CASE("Mann-Whitney with ties is near the share of all permutations") {
  std::mt19937 random(2);
  for (int i = 0; i < 6; ++i) {
    auto a = drawn(random, 8, 0), b = drawn(random, 8, i * 0.4);
    for (auto* values : {&a, &b}) {
      for (double& value : *values) value = std::round(value * 2);
    }
    const auto p = mann_whitney(a, b);
    REQUIRE(p);
    CHECK(std::abs(*p - permutation_p(a, b)) < 0.03);
  }
}

TEST_CASE("Mann-Whitney at its ends") {
  const std::vector<double> five = {1, 2, 3, 4, 5}, four = {1, 2, 3, 4};
  std::vector<double> equal(30, 7.0);
  CHECK_FALSE(mann_whitney(four, four));  // could not reach 0.01
  CHECK_FALSE(mann_whitney({}, five));
  CHECK(mann_whitney(five, five));
  CHECK(*mann_whitney(equal, equal) == 1);
  // The exact and the normal p of like samples don't part where one takes over from the other.
  std::vector<double> a20(20), a21(21);
  std::iota(a20.begin(), a20.end(), 0);
  std::iota(a21.begin(), a21.end(), 0);
  std::vector<double> b20 = a20, b21 = a21;
  for (double& value : b20) value += 5.5;
  for (double& value : b21) value += 5.5;
  CHECK(std::abs(*mann_whitney(a20, b20) - *mann_whitney(a21, b21)) < 0.015);
}

TEST_CASE("a power law's exponent is found") {
  for (const double exponent : {-1.0, 0.0, 0.5, 1.0, 2.0}) {
    std::vector<Sample> points;
    for (double x = 256; x <= 8192; x *= 2) points.push_back({x, 3 * std::pow(x, exponent)});
    const auto fit = fit_power(points);
    REQUIRE(fit);
    CHECK(fit->exponent == Approx(exponent).margin(1e-9));
    CHECK(fit->factor == Approx(3));
    CHECK(fit->r_squared == Approx(1));
    CHECK(fit->first == 3);
  }
}

TEST_CASE("a fixed cost at the short end does not bend the exponent") {
  std::vector<Sample> points;
  for (double x = 1; x <= 65536; x *= 2) points.push_back({x, 100 + x * x});
  CHECK(fit_power(points)->exponent == Approx(2).margin(0.01));
}

TEST_CASE("what cannot be fitted") {
  const std::vector<Sample> two = {{1, 1}, {2, 2}};
  const std::vector<Sample> upright = {{2, 1}, {2, 2}, {2, 3}};
  CHECK_FALSE(fit_power(two));
  CHECK_FALSE(fit_power(upright));
}

}  // namespace weft::report
