// What NaN, infinity and huge finite numbers do, where a mask does not take them away.
#include <cmath>
#include <limits>

#include "device/fixture.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kDim = 4;

Tensor filled(const Dims& shape, const std::vector<float>& values) {
  const Tensor tensor = must(device().tensor(DType::f32, shape));
  must(device().upload(tensor, values));
  return tensor;
}

// One query row over keys whose scores are `scores` (scale 1), whose values are 1, 2, 3 and so on.
struct Row {
  explicit Row(std::vector<float> scores, std::vector<float> bias = {}) {
    const auto keys = static_cast<int64_t>(scores.size());
    std::vector<float> key, value;
    for (int64_t j = 0; j < keys; ++j)
      for (int64_t d = 0; d < kDim; ++d) {
        key.push_back(d == 0 ? scores[j] : 0.0f);
        value.push_back(static_cast<float>(j + 1));
      }
    call.query = filled({1, 1, 1, kDim}, {1, 0, 0, 0});
    call.key = filled({1, 1, keys, kDim}, key);
    call.value = filled({1, 1, keys, kDim}, value);
    call.output = filled({1, 1, 1, kDim}, {9, 9, 9, 9});
    call.logsumexp = filled({1, 1, 1}, {9});
    call.scale = 1.0f;
    if (!bias.empty()) call.bias = filled({1, 1, 1, keys}, bias);
    Recorder recorder(device());
    weights = filled({1, 1, 1, keys}, std::vector<float>(scores.size(), 9));
    must(attention(recorder, call));
    must(attention_weights(recorder, {.attention = call, .weights = weights}));
    must(must(recorder.submit()).wait());
  }

  float output() const { return must(device().download<float>(call.output))[0]; }
  float logsumexp() const { return must(device().download<float>(call.logsumexp))[0]; }
  std::vector<float> shares() const { return must(device().download<float>(weights)); }

  AttentionCall call;
  Tensor weights;
};

struct Merged {
  float output = 0, logsumexp = 0;
};

// Parts whose outputs are 1 and 2.
Merged merged(float left, float right) {
  AttentionMergeCall call;
  call.left = {filled({1, 1, 1, kDim}, {1, 1, 1, 1}), filled({1, 1, 1}, {left})};
  call.right = {filled({1, 1, 1, kDim}, {2, 2, 2, 2}), filled({1, 1, 1}, {right})};
  call.output = filled({1, 1, 1, kDim}, {9, 9, 9, 9});
  call.logsumexp = filled({1, 1, 1}, {9});
  Recorder recorder(device());
  must(attention_merge(recorder, call));
  must(must(recorder.submit()).wait());
  return {must(device().download<float>(call.output))[0],
          must(device().download<float>(call.logsumexp))[0]};
}

}  // namespace

TEST_CASE("a NaN that takes part is seen in every result") {
  for (const Row& row : {Row({kNan, 0}), Row({0, 0}, {kNan, 0}), Row({kNan}), Row({0}, {kNan})}) {
    CHECK(std::isnan(row.output()));
    CHECK(std::isnan(row.logsumexp()));
  }
  const Row hidden({kNan, 0}, {-kInfinity, 0});
  CHECK(hidden.output() == 2);
  CHECK(hidden.logsumexp() == 0);
}

TEST_CASE("a score of -infinity has no weight, and a row of them no key") {
  const Row one({-kInfinity, 0});
  CHECK(one.output() == 2);
  CHECK(one.shares() == std::vector<float>{0, 1});
  const Row all({-kInfinity, -kInfinity});
  CHECK(all.output() == 0);
  CHECK(all.logsumexp() == -kInfinity);
  CHECK(all.shares() == std::vector<float>{0, 0});
}

TEST_CASE("huge finite biases keep the forward result finite and weights at most 1") {
  const float lowest = std::numeric_limits<float>::lowest();
  for (const float bias : {-1e7f, -1e9f, lowest, -lowest}) {
    INFO(bias);
    const Row row({0, 0, 0, 0}, {bias, bias, bias, bias});
    CHECK(row.output() == 2.5f);  // all alike: the mean
    CHECK(std::isfinite(row.logsumexp()));
    for (const float share : row.shares()) CHECK((share >= 0 && share <= 1));
  }
  const Row padded({0, 0, 0}, {lowest, 0, lowest});  // a finite mask beside a key
  CHECK(padded.output() == 2);
  CHECK(padded.shares() == std::vector<float>{0, 1, 0});
}

TEST_CASE("merge leaves out empty parts only") {
  CHECK(merged(-kInfinity, 0.5f).output == 2);
  CHECK(merged(0.5f, -kInfinity).output == 1);
  CHECK(merged(-kInfinity, -kInfinity).output == 0);
  CHECK(merged(-kInfinity, -kInfinity).logsumexp == -kInfinity);
  CHECK(std::isnan(merged(kNan, 0).output));
  CHECK(std::isnan(merged(kNan, 0).logsumexp));
  const Merged huge = merged(-1e38f, -1e38f);
  CHECK(huge.output == 1.5f);
  CHECK(huge.logsumexp == -1e38f);
  CHECK(validation_messages() == 0);
}
