// The fp64 reference of plain operations against numbers worked out by hand.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "reference/ops.hpp"

using namespace weft;
using namespace weft::reference;

namespace {

Array array(int64_t a, int64_t b, int64_t c, int64_t d, std::vector<double> values) {
  Array result(a, b, c, d);
  REQUIRE(result.values.size() == values.size());
  result.values = std::move(values);
  return result;
}

Catch::Approx about(double value) { return Catch::Approx(value).epsilon(1e-14).margin(1e-15); }

}  // namespace

TEST_CASE("activations at known points") {
  CHECK(activate(Activation::none, -2.5) == -2.5);
  CHECK(activate(Activation::relu, -2.5) == 0.0);
  CHECK(activate(Activation::relu, 2.5) == 2.5);
  CHECK(activate(Activation::silu, std::log(3.0)) == about(0.75 * std::log(3.0)));
  CHECK(activate(Activation::gelu, 0.0) == 0.0);
  // The normal distribution at 1 is 0.8413447460685429.
  CHECK(activate(Activation::gelu, 1.0) == about(0.8413447460685429));
  CHECK(activate(Activation::gelu, -1.0) == about(-1.0 + 0.8413447460685429));
  // sqrt(2 / pi) * 1.044715 = 0.8335658...; its tanh is (e^2x - 1) / (e^2x + 1).
  const double x = std::exp(2.0 * std::sqrt(2.0 / 3.14159265358979323846) * 1.044715);
  CHECK(activate(Activation::gelu_tanh, 1.0) == about(0.5 * (1.0 + (x - 1.0) / (x + 1.0))));
  CHECK(activate(Activation::quick_gelu, std::log(3.0) / 1.702) ==
        about(0.75 * std::log(3.0) / 1.702));
}

TEST_CASE("linear") {
  const Array input = array(1, 1, 2, 3, {1, 2, 3, -1, 0, 1});
  const Array weight = array(1, 1, 2, 3, {1, 0, -1, 2, 1, 0});
  const Array bias = array(1, 1, 1, 2, {10, -1});
  CHECK(linear(input, weight, nullptr, Activation::none).output.values ==
        std::vector<double>{-2, 4, -2, -2});
  const OpResult result = linear(input, weight, &bias, Activation::relu);
  CHECK(result.output.values == std::vector<double>{8, 3, 8, 0});
  CHECK(linear(input, weight, &bias, Activation::none).magnitude.values ==
        std::vector<double>{14, 5, 12, 3});
}

TEST_CASE("norms") {
  const Array input = array(1, 1, 1, 4, {1, 3, 1, 3});  // mean 2, variance 1, mean square 5
  const Array weight = array(1, 1, 1, 4, {1, 1, 2, 2});
  const Array bias = array(1, 1, 1, 4, {0, 10, 0, 10});
  CHECK(layer_norm(input, nullptr, nullptr, 0.0).output.values ==
        std::vector<double>{-1, 1, -1, 1});
  CHECK(layer_norm(input, &weight, &bias, 0.0).output.values ==
        std::vector<double>{-1, 11, -2, 12});
  CHECK(layer_norm(input, nullptr, nullptr, 3.0).output.values ==
        std::vector<double>{-0.5, 0.5, -0.5, 0.5});
  const OpResult rms = rms_norm(input, &weight, &bias, 4.0);
  CHECK(rms.output.values[0] == about(1.0 / 3.0));
  CHECK(rms.output.values[1] == about(11.0));
  CHECK(rms.output.values[2] == about(2.0 / 3.0));
  CHECK(rms.output.values[3] == about(12.0));
}

TEST_CASE("add repeats, gather fills with zeros") {
  const Array left = array(1, 1, 4, 1, {1, 2, 3, 4});
  const Array right = array(1, 1, 2, 1, {10, 20});
  CHECK(add(&left, right, 4, {}).output.values == std::vector<double>{11, 22, 13, 24});
  CHECK(gather(left, {3, -1, 0, 4, 3}).output.values == std::vector<double>{4, 0, 1, 0, 4});
}

TEST_CASE("add with a gate and factors of rows") {
  const double nan = std::nan("");
  const Array left = array(1, 1, 2, 2, {1, 2, 3, 4});
  const Array right = array(1, 1, 2, 2, {10, 20, nan, nan});
  const Array gate = array(1, 1, 1, 2, {2, -1});
  const Array factors = array(1, 1, 1, 2, {3, 0});
  CHECK(add(&left, right, 2, {GateKind::value, &gate, &factors}).output.values ==
        std::vector<double>{61, -58, 3, 4});
  CHECK(add(nullptr, right, 2, {GateKind::none, nullptr, &factors}).output.values ==
        std::vector<double>{30, 60, 0, 0});
  const Array one = array(1, 1, 1, 1, {std::atanh(0.5)});
  CHECK(add(&left, right, 1, {GateKind::tanh, &one, nullptr}).output.values[1] == about(12.0));
}

TEST_CASE("multiply activates the left side") {
  const Array left = array(1, 1, 2, 2, {1, -2, -3, 4});
  const Array right = array(1, 1, 1, 2, {-5, 6});
  CHECK(multiply(left, right, Activation::none).output.values ==
        std::vector<double>{-5, -12, 15, 24});
  CHECK(multiply(left, right, Activation::relu).output.values == std::vector<double>{-5, 0, 0, 24});
}

TEST_CASE("mix_keys: factors, a matrix, axes that repeat") {
  const double nan = std::nan("");
  const Array input = array(1, 1, 2, 2, {1, 2, nan, nan});
  const Array factors = array(1, 2, 1, 2, {1, 0, 10, 0});
  CHECK(mix_keys(input, &factors, nullptr, 2, 1).output.values ==
        std::vector<double>{1, 2, 0, 0, 10, 20, 0, 0});
  const Array whole = array(1, 1, 2, 2, {1, 2, 3, 4});
  const Array matrix = array(1, 2, 1, 2, {1, 1, 0, -1});
  CHECK(mix_keys(whole, nullptr, &matrix, 1, 2).output.values == std::vector<double>{4, 6, -3, -4});
  CHECK(mix_keys(whole, nullptr, nullptr, 1, 2).output.values ==
        std::vector<double>{1, 2, 3, 4, 1, 2, 3, 4});
}

TEST_CASE("rotary by quarter turns") {
  const double quarter = std::acos(0.0);
  const Array input = array(1, 1, 1, 5, {1, 2, 3, 4, 5});
  const Array angles =
      array(1, 1, 1, 4, {quarter, 0, quarter, 0});  // of the first and third column
  const std::vector<double> halves = rotary(input, angles, false).output.values;
  const std::vector<double> pairs = rotary(input, angles, true).output.values;
  const double expected_halves[] = {-3, 2, 1, 4, 5}, expected_pairs[] = {-2, 2, -4, 4, 5};
  for (size_t i = 0; i < 5; ++i) {
    CHECK(halves[i] == about(expected_halves[i]));
    CHECK(pairs[i] == about(expected_pairs[i]));
  }
}
