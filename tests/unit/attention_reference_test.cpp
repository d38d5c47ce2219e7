// The fp64 reference of attention against numbers worked out by hand.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "reference/attention.hpp"
#include "reference/problem.hpp"

using namespace weft;
using namespace weft::reference;

namespace {

using Numbers = std::vector<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Array array(int64_t a, int64_t b, int64_t c, int64_t d, Numbers values) {
  Array result(a, b, c, d);
  REQUIRE(result.values.size() == values.size());
  result.values = std::move(values);
  return result;
}

Catch::Approx about(double value) { return Catch::Approx(value).epsilon(1e-14).margin(1e-15); }

AttentionInputs inputs_of(Array query, Array key, Array value, double scale = 0.0) {
  AttentionInputs inputs;
  inputs.batch = inputs.items = query.shape[0];
  inputs.heads = query.shape[1];
  inputs.query = std::move(query);
  inputs.key = std::move(key);
  inputs.value = std::move(value);
  inputs.scale = scale;
  return inputs;
}

// One query of 1 over keys whose scores are 0 and log 3: weights 1/4 and 3/4.
AttentionInputs two_keys() {
  return inputs_of(array(1, 1, 1, 1, {1.0}), array(1, 1, 2, 1, {0.0, std::log(3.0)}),
                   array(1, 1, 2, 2, {4.0, 0.0, 8.0, -4.0}), 1.0);
}

// Every score is 0 and value j is 2^j: an output, the mean of a row's values, times their number is
// a number whose bits are the row's keys.
AttentionInputs equal_scores(int64_t batch, int64_t q_len, int64_t kv_len) {
  Array value(1, 1, kv_len, 1);
  for (int64_t j = 0; j < kv_len; ++j) value.values[j] = std::ldexp(1.0, static_cast<int>(j));
  return inputs_of(Array(batch, 1, q_len, 1), Array(1, 1, kv_len, 1), value);
}

// The keys of each row of equal_scores, as bits.
std::vector<int64_t> keys_taken(const AttentionInputs& inputs) {
  const AttentionResult result = attention(inputs);
  std::vector<int64_t> keys;
  for (size_t row = 0; row < result.output.values.size(); ++row)
    keys.push_back(
        std::llround(result.output.values[row] * std::exp(result.logsumexp.values[row])));
  return keys;
}

using Keys = std::vector<int64_t>;

}  // namespace

TEST_CASE("weights of one and three quarters") {
  const AttentionInputs inputs = two_keys();
  const AttentionResult result = attention(inputs);
  CHECK(result.output.values[0] == about(7.0));   // 4/4 + 8 * 3/4
  CHECK(result.output.values[1] == about(-3.0));  // -4 * 3/4
  CHECK(result.logsumexp.values[0] == about(std::log(4.0)));
  CHECK(result.magnitude.values[0] == about(std::log(3.0)));
  CHECK(result.spread.values[0] == about(1.5));  // 1/4 |4 - 7| + 3/4 |8 - 7|
  const Array weights = attention_weights(inputs, {}).values;
  CHECK(weights.values[0] == about(0.25));
  CHECK(weights.values[1] == about(0.75));
}

TEST_CASE("the scale is 1 / sqrt(head_dim) when not given, else as given") {
  AttentionInputs inputs =
      inputs_of(array(1, 1, 1, 4, {1, 1, 1, 1}), array(1, 1, 2, 4, {0, 0, 0, 0, 1, 1, 1, 1}),
                array(1, 1, 2, 1, {0.0, 1.0}));
  CHECK(attention(inputs).output.values[0] == about(1.0 / (1.0 + std::exp(-2.0))));
  inputs.scale = -0.5;
  CHECK(attention(inputs).output.values[0] == about(1.0 / (1.0 + std::exp(2.0))));
}

TEST_CASE("masks select, a bias is added") {
  AttentionInputs inputs = two_keys();
  inputs.bias = array(1, 1, 1, 2, {std::log(3.0), 0.0});
  CHECK(attention(inputs).output.values[0] == about(6.0));  // both weigh one half
  inputs.bias = array(1, 1, 1, 2, {5.0, -kInfinity});
  inputs.key.values[1] = kNan;
  inputs.value.values[2] = inputs.value.values[3] = kInfinity;
  CHECK(attention(inputs).output.values[0] == 4.0);
  CHECK(attention(inputs).logsumexp.values[0] == about(5.0));
  inputs.bias = array(1, 1, 1, 1, {5.0});  // shorter than the keys
  CHECK(attention(inputs).output.values[0] == 4.0);
  inputs.keep_mask = array(1, 1, 1, 2, {7.0, 0.0});
  inputs.bias = array(1, 1, 1, 2, {5.0, kNan});  // of a key that is masked
  CHECK(attention(inputs).output.values == Numbers{4.0, 0.0});
  CHECK(attention_weights(inputs, {}).values.values == Numbers{1.0, 0.0});
  inputs.keep_mask.reset();
  inputs.drop_mask = array(1, 1, 1, 2, {0.0, -1.0});
  CHECK(attention(inputs).output.values == Numbers{4.0, 0.0});
  inputs.drop_mask = array(1, 1, 1, 1, {0.0});
  CHECK(attention(inputs).output.values == Numbers{4.0, 0.0});
}

TEST_CASE("a row without keys gives zero and minus infinity") {
  AttentionInputs inputs = two_keys();
  inputs.keep_mask = Array(1, 1, 1, 2);
  const AttentionResult masked = attention(inputs);
  CHECK(masked.output.values == Numbers{0.0, 0.0});
  CHECK(masked.logsumexp.values[0] == -kInfinity);
  CHECK(attention_weights(inputs, {}).values.values == Numbers{0.0, 0.0});
  inputs.sinks = {-kInfinity};
  CHECK(attention(inputs).output.values == Numbers{0.0, 0.0});
  inputs.sinks = {2.5};
  CHECK(attention(inputs).output.values == Numbers{0.0, 0.0});
  CHECK(attention(inputs).logsumexp.values[0] == 2.5);

  inputs = two_keys();
  inputs.key = Array(1, 1, 0, 1);
  inputs.value = Array(1, 1, 0, 2);
  CHECK(attention(inputs).output.values == Numbers{0.0, 0.0});
  CHECK(attention(inputs).logsumexp.values[0] == -kInfinity);
}

TEST_CASE("the softcap comes after the scale and before the bias") {
  AttentionInputs inputs = two_keys();
  inputs.scale = 2.0;
  inputs.softcap = 1.5;
  inputs.bias = array(1, 1, 1, 2, {0.25, 0.5});
  const double second = 1.5 * std::tanh(2.0 * std::log(3.0) / 1.5) + 0.5;
  CHECK(attention(inputs).logsumexp.values[0] ==
        about(std::log(std::exp(0.25) + std::exp(second))));
  const auto stage = [&](WeightsStage s) {
    return attention_weights(inputs, {.stage = s}).values.values[1];
  };
  CHECK(stage(WeightsStage::scaled) == about(2.0 * std::log(3.0)));
  CHECK(stage(WeightsStage::capped) == about(second - 0.5));
  CHECK(stage(WeightsStage::masked) == about(second));
}

TEST_CASE("lengths cut keys off, item by item, and are clamped") {
  AttentionInputs inputs = equal_scores(4, 1, 2);
  inputs.kv_lengths = {1, 2, 9, -3};
  CHECK(keys_taken(inputs) == Keys{0b01, 0b11, 0b11, 0});
}

TEST_CASE("windows follow positions") {
  AttentionInputs inputs = equal_scores(1, 3, 4);
  inputs.causal = true;
  CHECK(keys_taken(inputs) == Keys{0b0001, 0b0011, 0b0111});
  inputs.position_offset = 1;  // bottom-right
  CHECK(keys_taken(inputs) == Keys{0b0011, 0b0111, 0b1111});
  inputs.position_offset = -2;
  CHECK(keys_taken(inputs) == Keys{0, 0, 0b0001});
  inputs.position_offset = 0;
  inputs.window_left = 1;
  CHECK(keys_taken(inputs) == Keys{0b0001, 0b0011, 0b0110});
  inputs.causal = false;
  CHECK(keys_taken(inputs) == Keys{0b1111, 0b1111, 0b1110});
  inputs.window_right = 0;
  CHECK(keys_taken(inputs) == Keys{0b0001, 0b0011, 0b0110});
  inputs.window_left = -1;
  inputs.window_right = 1;
  CHECK(keys_taken(inputs) == Keys{0b0011, 0b0111, 0b1111});
}

TEST_CASE("offsets of items add to the call's") {
  AttentionInputs inputs = equal_scores(4, 2, 4);
  inputs.causal = true;
  inputs.position_offset = 1;
  inputs.position_offsets = {0, -2, 2147483647, -2147483647 - 1};  // clamped
  CHECK(keys_taken(inputs) == Keys{0b0011, 0b0111, 0, 0b0001, 0b1111, 0b1111, 0, 0});
}

TEST_CASE("packed items have rows and keys of their own") {
  AttentionInputs inputs = equal_scores(1, 5, 6);
  inputs.items = 3;
  inputs.q_starts = {1, 3, 3, 4};
  inputs.kv_starts = {0, 2, 3, 6};
  const AttentionResult result = attention(inputs);
  CHECK(std::isnan(result.output.values[0]));  // rows 0 and 4 belong to no item
  CHECK(result.output.values[1] == 1.5);
  CHECK(result.output.values[2] == 1.5);
  CHECK(result.output.values[3] == about((8.0 + 16.0 + 32.0) / 3.0));
  CHECK(std::isnan(result.logsumexp.values[4]));
  inputs.max_q_len = 1;
  inputs.max_kv_len = 2;
  CHECK(std::isnan(attention(inputs).output.values[2]));
  CHECK(attention(inputs).output.values[3] == 12.0);
  inputs.causal = true;  // positions count from the item's first row and key
  CHECK(attention(inputs).output.values[3] == 8.0);
  inputs.q_starts = {-9, 2, 2, 99};
  CHECK(attention(inputs).output.values[0] == 1.0);
  CHECK(attention(inputs).output.values[2] == 8.0);

  // Keys alone: the batch stays.
  inputs = equal_scores(2, 1, 4);
  inputs.kv_starts = {0, 1, 4};
  CHECK(keys_taken(inputs) == Keys{0b0001, 0b1110});
  // Rows alone: keys of items.
  inputs = equal_scores(1, 3, 2);
  inputs.items = 2;
  inputs.q_starts = {0, 1, 3};
  inputs.kv_lengths = {1, 2};
  CHECK(keys_taken(inputs) == Keys{0b01, 0b11, 0b11});
}

TEST_CASE("regions meet where ids are equal, or where their mask says") {
  AttentionInputs inputs = equal_scores(1, 4, 4);
  inputs.query_regions = array(1, 1, 1, 4, {0, 1, -1, 7});
  inputs.key_regions = array(1, 1, 1, 4, {1, 0, -1, 1});
  CHECK(keys_taken(inputs) == Keys{0b0010, 0b1001, 0, 0});
  inputs.region_mask = array(1, 1, 2, 2, {1, 1, 0, 255});
  CHECK(keys_taken(inputs) == Keys{0b1011, 0b1001, 0, 0});
  inputs.key_regions = array(1, 1, 1, 4, {1, 0, 2, -5});
  CHECK(keys_taken(inputs) == Keys{0b0011, 0b0001, 0, 0});
}

TEST_CASE("a sink takes a share of the weights") {
  AttentionInputs inputs = two_keys();
  inputs.sinks = {std::log(4.0)};  // weights 1/8, 3/8 and the sink's 1/2
  const AttentionResult result = attention(inputs);
  CHECK(result.output.values[0] == about(3.5));
  CHECK(result.logsumexp.values[0] == about(std::log(8.0)));
  // 1/8 |4 - 3.5| + 3/8 |8 - 3.5| + 1/2 |0 - 3.5|
  CHECK(result.spread.values[0] == about(0.0625 + 1.6875 + 1.75));
  CHECK(attention_weights(inputs, {}).values.values[1] == about(0.375));
}

TEST_CASE("null keys are seen by every row") {
  AttentionInputs inputs = two_keys();
  inputs.null_key = array(1, 1, 1, 1, {std::log(4.0)});
  inputs.null_value = array(1, 1, 1, 2, {16.0, 1.0});
  CHECK(attention(inputs).output.values[0] == about(0.5 + 3.0 + 8.0));
  CHECK(attention_weights(inputs, {}).values.values[0] == about(0.5));
  CHECK(attention_weights(inputs, {.keys = {2}, .null_keys_last = true}).values.values[0] ==
        about(0.5));
  inputs.keep_mask = Array(1, 1, 1, 2);
  inputs.kv_lengths = {0};
  CHECK(attention(inputs).output.values == Numbers{16.0, 1.0});
  CHECK(attention(inputs).logsumexp.values[0] == about(std::log(4.0)));
}

TEST_CASE("items of scores and of values") {
  AttentionInputs inputs = equal_scores(1, 1, 2);
  inputs.batch = 4;
  inputs.items = 2;
  inputs.value = array(3, 1, 2, 1, {1, 2, 10, 20, 100, 200});
  inputs.kv_lengths = {1, 2};
  inputs.score_items = {0, 1, 1, -7};
  inputs.value_items = {0, 1, 99, 2};
  CHECK(attention(inputs).output.values == Numbers{1.0, 15.0, 150.0, 100.0});
}

TEST_CASE("heads share key heads in groups, and one head serves all") {
  AttentionInputs inputs =
      inputs_of(Array(1, 4, 1, 1), Array(1, 2, 1, 1), array(1, 2, 1, 1, {5.0, 9.0}));
  CHECK(attention(inputs).output.values == Numbers{5.0, 5.0, 9.0, 9.0});
  inputs.query = Array(1, 1, 1, 1);
  inputs.key = Array(1, 1, 1, 1);
  CHECK(attention(inputs).output.values == Numbers{5.0, 5.0, 9.0, 9.0});
}

TEST_CASE("masks broadcast along each axis") {
  // Two items, two heads, two rows, two keys; values tell the key.
  AttentionInputs inputs =
      inputs_of(Array(2, 2, 2, 1), Array(2, 2, 2, 1), array(2, 2, 2, 1, {1, 3, 1, 3, 1, 3, 1, 3}));
  inputs.keep_mask = array(2, 1, 1, 2, {1, 0, 0, 1});
  CHECK(attention(inputs).output.values == Numbers{1, 1, 1, 1, 3, 3, 3, 3});
  inputs.keep_mask = array(1, 2, 1, 2, {1, 0, 0, 1});
  CHECK(attention(inputs).output.values == Numbers{1, 1, 3, 3, 1, 1, 3, 3});
  inputs.keep_mask = array(1, 1, 2, 2, {1, 0, 0, 1});
  CHECK(attention(inputs).output.values == Numbers{1, 3, 1, 3, 1, 3, 1, 3});
}

TEST_CASE("scores beyond the range of exponentials stay finite") {
  AttentionInputs inputs = two_keys();
  inputs.scale = 1e6;
  const AttentionResult result = attention(inputs);
  CHECK(result.output.values[0] == 8.0);
  CHECK(result.logsumexp.values[0] == about(1e6 * std::log(3.0)));
}

TEST_CASE("weights of listed heads and keys, and their mean") {
  const AttentionInputs inputs =
      inputs_of(array(1, 2, 1, 1, {0.0, 1.0}), array(1, 1, 3, 1, {0.0, std::log(2.0), 0.0}),
                Array(1, 1, 3, 1), 1.0);
  const Array one = attention_weights(inputs, {.heads = {1}, .keys = {1, 0, 1}}).values;
  CHECK(one.shape == std::array<int64_t, 4>{1, 1, 1, 3});
  CHECK(one.values[0] == about(0.5));
  CHECK(one.values[1] == about(0.25));
  CHECK(one.values[2] == about(0.5));
  const Array mean = attention_weights(inputs, {.keys = {1}, .mean_heads = true}).values;
  CHECK(mean.values[0] == about((1.0 / 3.0 + 0.5) / 2.0));
}

TEST_CASE("weights of keys that are missing or masked") {
  AttentionInputs inputs = equal_scores(2, 1, 3);
  inputs.kv_starts = {0, 1, 3};
  const auto stage = [&](WeightsStage s) {
    return attention_weights(inputs, {.stage = s}).values.values;
  };
  CHECK(stage(WeightsStage::probabilities) == Numbers{1.0, 0.0, 0.0, 0.5, 0.5, 0.0});
  CHECK(stage(WeightsStage::scaled) == Numbers(6, 0.0));
  CHECK(stage(WeightsStage::masked) == Numbers{0.0, -kInfinity, -kInfinity, 0.0, 0.0, -kInfinity});
  inputs.kv_lengths = {1, 1};
  CHECK(stage(WeightsStage::masked)[4] == -kInfinity);
  CHECK(stage(WeightsStage::probabilities)[4] == 0.0);
}

TEST_CASE("merging parts") {
  const MergeResult left{array(1, 1, 3, 1, {4.0, kNan, kNan}),
                         array(1, 1, 3, 1, {0.0, -kInfinity, -kInfinity})};
  const MergeResult right{array(1, 1, 3, 1, {8.0, 5.0, 7.0}),
                          array(1, 1, 3, 1, {std::log(3.0), 2.0, -kInfinity})};
  const MergeResult merged = attention_merge(left, right);
  CHECK(merged.output.values[0] == about(7.0));
  CHECK(merged.logsumexp.values[0] == about(std::log(4.0)));
  CHECK(merged.output.values[1] == 5.0);
  CHECK(merged.logsumexp.values[1] == 2.0);
  CHECK(merged.output.values[2] == 0.0);
  CHECK(merged.logsumexp.values[2] == -kInfinity);
}

TEST_CASE("drawn problems repeat, and poison only what takes no part") {
  for (const char* line : {
           "b3 h4 kv2 q5 k9 d4 f16 mask=keep mask_shape=bk lengths=mixed poison",
           "b4 h2 q5 k9 d4 f16 mask=drop_i32 bias bias_k=7 packed=qk starts=gaps poison",
           "b4 h2 q5 k9 d4 f16 causal offsets=negative regions=mask starts=outside packed=k poison",
           "b5 h2 q5 k9 d4 f16 score_items=3 value_items=2 lengths=random sinks null=2 poison",
       }) {
    INFO(line);
    const auto c = std::get<cases::AttentionCase>(cases::parse(line).value());
    const cases::AttentionProblem problem = cases::make_problem(c);
    const AttentionResult result = attention(problem.inputs);
    int poisoned = 0;
    for (double value : problem.inputs.key.values) poisoned += !std::isfinite(value);
    CHECK(poisoned > 0);
    auto plain = c;
    plain.poison = false;
    const AttentionResult clean = attention(cases::make_problem(plain).inputs);
    for (size_t i = 0; i < clean.output.values.size(); ++i) {
      const double found = result.output.values[i], expected = clean.output.values[i];
      CHECK((found == expected || (std::isnan(found) && std::isnan(expected))));
    }
    // Values of queries that rows use are what the type holds.
    for (double value : problem.inputs.query.values)
      CHECK((!std::isfinite(value) || cases::round_to(DType::f16, value) == value));
  }
}
