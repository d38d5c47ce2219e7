// Alignment of tokens to frames against transformers' and PyTorch's numbers (tests/families/make_maps.py).
#include "weft/alignment.hpp"

#include <limits>

#include "stored_vectors.hpp"

using namespace weft;
using namespace weft::test;

namespace {

std::vector<int64_t> wide(const std::vector<int32_t>& from) { return {from.begin(), from.end()}; }

template <class T>
std::string refusal(const Result<T>& result) {
  return result ? "none" : result.error().message;
}

// Logits of the stored case, as a map of two layers.
std::vector<LayerMap> layers_of(const StoredVectors& stored) {
  const std::vector<float> logits = stored.floats("align.logits");
  const size_t head = logits.size() / 3;
  const std::vector<float> none(head, 0.0f);
  LayerMap first{4, 2, 1, 12, 64, 1, 1, none}, second{7, 2, 2, 12, 64, 1, 1, none};
  first.values.insert(first.values.end(), logits.begin(), logits.begin() + static_cast<ptrdiff_t>(head));
  second.values.insert(second.values.end(), none.begin(), none.end());
  second.values.insert(second.values.end(), logits.begin() + static_cast<ptrdiff_t>(head), logits.end());
  return {first, second};
}

}  // namespace

TEST_CASE("dynamic time warping: the paths that transformers finds") {
  const StoredVectors stored("alignment");
  for (int number = 0; number < 6; ++number) {
    const std::string name = "path." + std::to_string(number);
    INFO(name);
    const auto path = dynamic_time_warping(stored.floats(name + ".matrix"), stored.side(name + ".matrix", 0),
                                           stored.side(name + ".matrix", 1));
    REQUIRE(path);
    CHECK(path->rows == wide(stored.values<int32_t>(name + ".rows")));
    CHECK(path->columns == wide(stored.values<int32_t>(name + ".columns")));
  }
}

TEST_CASE("dynamic time warping: infinite costs still leave a path") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto path = dynamic_time_warping(std::vector<float>(6, kInfinity), 2, 3);
  REQUIRE(path);
  CHECK(path->rows.front() == 0);
  CHECK(path->columns.front() == 0);
  CHECK(path->rows.back() == 1);
  CHECK(path->columns.back() == 2);
}

TEST_CASE("median filter: transformers' numbers, and rows too short for it") {
  const StoredVectors stored("alignment");
  for (const std::string name : {"median.long", "median.short"}) {
    const std::vector<float> input = stored.floats(name + ".input");
    const auto filtered = median_filter(input, 2, stored.side(name + ".input", 1), 7);
    REQUIRE(filtered);
    CHECK(*filtered == stored.floats(name + ".output"));
    CHECK((*filtered == input) == (name == "median.short"));
  }
  const std::vector<float> any{3, 1, 2};
  CHECK(median_filter(any, 1, 3, 1).value() == any);
}

TEST_CASE("alignment: Whisper's steps give PyTorch's matrix, path and times") {
  const StoredVectors stored("alignment");
  const std::vector<float> logits = stored.floats("align.logits");
  const AlignmentOptions options{.frames = 51, .first_tokens = 3};
  const auto matrix = alignment_matrix(logits, 3, 12, 64, options);
  REQUIRE(matrix);
  CHECK(distance(*matrix, stored.floats("align.matrix")) < 2e-5);

  const auto found = align(logits, 3, 12, 64, options);
  REQUIRE(found);
  CHECK(found->path.rows == wide(stored.values<int32_t>("align.rows")));
  CHECK(found->path.columns == wide(stored.values<int32_t>("align.columns")));
  CHECK(found->seconds == stored.values<double>("align.seconds"));

  const auto collected = align(layers_of(stored), 1, options);
  REQUIRE(collected);
  CHECK(collected->seconds == found->seconds);
  CHECK(align(layers_of(stored), 0, options)->seconds != found->seconds);
}

TEST_CASE("alignment: frames beyond those that count have no influence, and the scale has") {
  const StoredVectors stored("alignment");
  std::vector<float> logits = stored.floats("align.logits");
  const AlignmentOptions options{.frames = 51, .first_tokens = 3};
  const std::vector<float> matrix = alignment_matrix(logits, 3, 12, 64, options).value();
  for (size_t i = 0; i < logits.size(); ++i)
    if (i % 64 >= 51) logits[i] = 1e30f;
  CHECK(alignment_matrix(logits, 3, 12, 64, options).value() == matrix);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = i % 64 >= 51 ? 1e30f : 2 * logits[i];
  CHECK(alignment_matrix(logits, 3, 12, 64, options).value() != matrix);
  CHECK(alignment_matrix(logits, 3, 12, 64, {.frames = 51, .scale = 0.5f, .first_tokens = 3}).value() == matrix);
}

TEST_CASE("alignment: columns that don't vary count nothing") {
  const auto matrix = alignment_matrix(std::vector<float>(20, 1.0f), 1, 4, 5, {});
  REQUIRE(matrix);
  CHECK(*matrix == std::vector<float>(15, 0.0f));
}

TEST_CASE("alignment: bad input by name") {
  const std::vector<float> six(6);
  CHECK(refusal(dynamic_time_warping(six, 0, 6)) ==
        "dynamic_time_warping: matrix is 0 x 6; both sides must be 1 to 2147483647");
  CHECK(refusal(dynamic_time_warping(six, 2, 2)) == "dynamic_time_warping: matrix has 6 values; it must have 4");
  const std::vector<float> nan{std::numeric_limits<float>::quiet_NaN()};
  CHECK(refusal(dynamic_time_warping(nan, 1, 1)) == "dynamic_time_warping: matrix holds NaN");
  CHECK(refusal(median_filter(six, 2, 3, 4)) == "median_filter: median width is 4; it must be odd and at least 1");
  CHECK(refusal(median_filter(six, 2, 3, -1)) == "median_filter: median width is -1; it must be odd and at least 1");
  CHECK(refusal(align(six, 0, 2, 3, {})) == "align: heads is 0; it must be at least 1");
  CHECK(refusal(align(six, 4, 2, 3, {})) == "align: logits has 6 values, which 4 heads can't share");
  CHECK(refusal(align(six, 1, 3, 3, {})) == "align: a head of logits has 6 values; it must have 9");
  CHECK(refusal(align(six, 1, 2, 3, {.frames = 4})) == "align: frames is 4; it must be 0 to 3, the logits' keys");
  CHECK(refusal(align(six, 1, 2, 3, {.scale = INFINITY})) == "align: scale is not finite");
  CHECK(refusal(align(six, 1, 2, 3, {.median_width = 2})) ==
        "align: median width is 2; it must be odd and at least 1");
  CHECK(refusal(align(six, 1, 2, 3, {.first_tokens = 1})) ==
        "align: of 2 tokens, 1 are dropped at the beginning and 1 at the end; at least one must be left");
  CHECK(refusal(align(six, 1, 2, 3, {.frames_per_second = 0})) == "align: frames_per_second must be above 0");
  CHECK(refusal(align(std::span<const LayerMap>{}, 0, {})) == "align: layers is empty; there must be at least one");
  std::vector<LayerMap> layers = layers_of(StoredVectors("alignment"));
  CHECK(refusal(align(layers, 2, {})) == "align: item is 2; layer 4 has 2");
  layers[1].q_len = 11;
  CHECK(refusal(align(layers, 0, {})) == "align: layer 7 is 11 x 64; layer 4 is 12 x 64");
  layers[1].q_len = 12;
  layers[1].values.pop_back();
  CHECK(refusal(align(layers, 0, {})) == "align: layer 7 has 3071 values; its sizes ask for 3072");
}
