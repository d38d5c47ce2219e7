// The fp64 reference against numbers worked out by hand.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "reference/attention.hpp"
#include "reference/ops.hpp"
#include "reference/problem.hpp"

using namespace weft;
using namespace weft::reference;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Array array(int64_t a, int64_t b, int64_t c, int64_t d, std::vector<double> values) {
  Array result(a, b, c, d);
  REQUIRE(result.values.size() == values.size());
  result.values = std::move(values);
  return result;
}

Catch::Approx about(double value) { return Catch::Approx(value).epsilon(1e-14).margin(1e-15); }

// One query of 1 over keys whose scores are 0 and log 3: weights 1/4 and 3/4.
AttentionInputs two_keys() {
  return {.query = array(1, 1, 1, 1, {1.0}),
          .key = array(1, 1, 2, 1, {0.0, std::log(3.0)}),
          .value = array(1, 1, 2, 2, {4.0, 0.0, 8.0, -4.0}),
          .mask = {},
          .kv_lengths = {},
          .scale = 1.0};
}

}  // namespace

TEST_CASE("weights of one and three quarters") {
  const AttentionInputs inputs = two_keys();
  const AttentionResult result = attention(inputs);
  CHECK(result.output.values[0] == about(7.0));   // 4/4 + 8 * 3/4
  CHECK(result.output.values[1] == about(-3.0));  // -4 * 3/4
  CHECK(result.logsumexp.values[0] == about(std::log(4.0)));
  CHECK(result.magnitude.values[0] == about(std::log(3.0)));
  CHECK(result.spread.values[0] == about(1.5));  // 1/4 |4 - 7| + 3/4 |8 - 7|
  const Array weights = attention_weights(inputs, {}, {}, false);
  CHECK(weights.values[0] == about(0.25));
  CHECK(weights.values[1] == about(0.75));
}

TEST_CASE("the scale is 1 / sqrt(head_dim) when not given, else as given") {
  AttentionInputs inputs{.query = array(1, 1, 1, 4, {1, 1, 1, 1}),
                         .key = array(1, 1, 2, 4, {0, 0, 0, 0, 1, 1, 1, 1}),
                         .value = array(1, 1, 2, 1, {0.0, 1.0}),
                         .mask = {},
                         .kv_lengths = {}};
  CHECK(attention(inputs).output.values[0] == about(1.0 / (1.0 + std::exp(-2.0))));
  inputs.scale = -0.5;
  CHECK(attention(inputs).output.values[0] == about(1.0 / (1.0 + std::exp(2.0))));
}

TEST_CASE("masks select, a bias is added") {
  AttentionInputs inputs = two_keys();
  inputs.mask_kind = MaskKind::bias;
  inputs.mask = array(1, 1, 1, 2, {std::log(3.0), 0.0});
  CHECK(attention(inputs).output.values[0] == about(6.0));  // both weigh one half
  inputs.mask = array(1, 1, 1, 2, {5.0, -kInfinity});
  inputs.key.values[1] = kNan;
  inputs.value.values[2] = inputs.value.values[3] = kInfinity;
  CHECK(attention(inputs).output.values[0] == 4.0);
  CHECK(attention(inputs).logsumexp.values[0] == about(5.0));
  inputs.mask_kind = MaskKind::boolean;
  inputs.mask = array(1, 1, 1, 2, {7.0, 0.0});
  CHECK(attention(inputs).output.values[0] == 4.0);
  CHECK(attention(inputs).output.values[1] == 0.0);
  CHECK(attention_weights(inputs, {}, {}, false).values == std::vector<double>{1.0, 0.0});
}

TEST_CASE("a row without keys gives zero and minus infinity") {
  AttentionInputs inputs = two_keys();
  inputs.mask_kind = MaskKind::boolean;
  inputs.mask = Array(1, 1, 1, 2);
  const AttentionResult masked = attention(inputs);
  CHECK(masked.output.values == std::vector<double>{0.0, 0.0});
  CHECK(masked.logsumexp.values[0] == -kInfinity);
  CHECK(attention_weights(inputs, {}, {}, false).values == std::vector<double>{0.0, 0.0});

  inputs = two_keys();
  inputs.key = Array(1, 1, 0, 1);
  inputs.value = Array(1, 1, 0, 2);
  CHECK(attention(inputs).output.values == std::vector<double>{0.0, 0.0});
  CHECK(attention(inputs).logsumexp.values[0] == -kInfinity);
}

TEST_CASE("lengths cut keys off, item by item, and are clamped") {
  AttentionInputs inputs{.query = array(4, 1, 1, 1, {1, 1, 1, 1}),
                         .key = Array(4, 1, 2, 1),
                         .value = array(1, 1, 2, 1, {1.0, 3.0}),
                         .mask = {},
                         .kv_lengths = {1, 2, 9, -3}};
  CHECK(attention(inputs).output.values == std::vector<double>{1.0, 2.0, 2.0, 0.0});
}

TEST_CASE("heads share key heads in groups") {
  AttentionInputs inputs{.query = Array(1, 4, 1, 1),
                         .key = Array(1, 2, 1, 1),
                         .value = array(1, 2, 1, 1, {5.0, 9.0}),
                         .mask = {},
                         .kv_lengths = {}};
  CHECK(attention(inputs).output.values == std::vector<double>{5.0, 5.0, 9.0, 9.0});
}

TEST_CASE("masks broadcast along each axis") {
  // Two items, two heads, two rows, two keys; values tell the key.
  AttentionInputs inputs{.query = Array(2, 2, 2, 1),
                         .key = Array(2, 2, 2, 1),
                         .value = array(1, 1, 2, 1, {1.0, 3.0}),
                         .mask_kind = MaskKind::boolean,
                         .mask = {},
                         .kv_lengths = {}};
  inputs.value = array(2, 2, 2, 1, {1, 3, 1, 3, 1, 3, 1, 3});
  inputs.mask = array(2, 1, 1, 2, {1, 0, 0, 1});
  CHECK(attention(inputs).output.values == std::vector<double>{1, 1, 1, 1, 3, 3, 3, 3});
  inputs.mask = array(1, 2, 1, 2, {1, 0, 0, 1});
  CHECK(attention(inputs).output.values == std::vector<double>{1, 1, 3, 3, 1, 1, 3, 3});
  inputs.mask = array(1, 1, 2, 2, {1, 0, 0, 1});
  CHECK(attention(inputs).output.values == std::vector<double>{1, 3, 1, 3, 1, 3, 1, 3});
}

TEST_CASE("scores beyond the range of exponentials stay finite") {
  AttentionInputs inputs = two_keys();
  inputs.scale = 1e6;
  const AttentionResult result = attention(inputs);
  CHECK(result.output.values[0] == 8.0);
  CHECK(result.logsumexp.values[0] == about(1e6 * std::log(3.0)));
}

TEST_CASE("weights of listed heads and keys, and their mean") {
  AttentionInputs inputs{.query = array(1, 2, 1, 1, {0.0, 1.0}),
                         .key = array(1, 1, 3, 1, {0.0, std::log(2.0), 0.0}),
                         .value = Array(1, 1, 3, 1),
                         .mask = {},
                         .kv_lengths = {},
                         .scale = 1.0};
  const Array one = attention_weights(inputs, {1}, {1, 0, 1}, false);
  CHECK(one.shape == std::array<int64_t, 4>{1, 1, 1, 3});
  CHECK(one.values[0] == about(0.5));
  CHECK(one.values[1] == about(0.25));
  CHECK(one.values[2] == about(0.5));
  const Array mean = attention_weights(inputs, {}, {1}, true);
  CHECK(mean.values[0] == about((1.0 / 3.0 + 0.5) / 2.0));
}

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
  CHECK(add(left, right).output.values == std::vector<double>{11, 22, 13, 24});
  CHECK(gather(left, {3, -1, 0, 4, 3}).output.values == std::vector<double>{4, 0, 1, 0, 4});
}

TEST_CASE("drawn problems repeat, and poison only what takes no part") {
  const auto c = std::get<cases::AttentionCase>(
      cases::parse("b3 h4 kv2 q5 k9 d4 f16 mask=boolean mask_shape=bk lengths=mixed poison")
          .value());
  const cases::AttentionProblem problem = cases::make_problem(c);
  const AttentionResult clean = attention(problem.inputs);
  int poisoned = 0;
  for (double value : problem.inputs.key.values) poisoned += !std::isfinite(value);
  CHECK(poisoned > 0);
  for (double value : clean.output.values) CHECK(std::isfinite(value));
  CHECK(attention(cases::make_problem(c).inputs).output.values == clean.output.values);
  // The first item has no keys at all.
  for (int64_t i = 0; i < 4 * 5 * 4; ++i) CHECK(clean.output.values[static_cast<size_t>(i)] == 0.0);
  // Drawn values are what the type holds.
  for (double value : problem.inputs.query.values)
    CHECK(cases::round_to(DType::f16, value) == value);
}
