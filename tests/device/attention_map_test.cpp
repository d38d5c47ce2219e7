// Attention maps: what they collect equals materialised weights in fp64, whoever runs and however often.
#include "weft/attention_map.hpp"

#include <cmath>
#include <numeric>

#include "device/compare.hpp"
#include "device/fixture.hpp"
#include "weft/alignment.hpp"

using namespace weft;
using namespace weft::test;

namespace {

struct Problem {
  cases::AttentionCase line;
  cases::AttentionProblem data;
  AttentionCall call;

  explicit Problem(const std::string& text, int64_t seed = 0)
      : line(std::get<cases::AttentionCase>(must(cases::parse(text)))) {
    line.seed = seed;
    data = cases::make_problem(line);
    call = must(cases::make_call(device(), line, data));
  }
};

reference::WeightsResult expected_map(const Problem& problem, const AttentionMapOptions& options) {
  return reference::attention_weights(problem.data.inputs, {.stage = options.stage,
                                                            .heads = options.heads,
                                                            .keys = options.words,
                                                            .null_keys_last = options.null_keys_last,
                                                            .mean_heads = options.mean_heads});
}

// "" where the map holds `factor` times the weights; rows of no item hold 0.
std::string differs(const LayerMap& map, const reference::WeightsResult& expected, WeightsStage stage,
                    double factor = 1.0) {
  const auto& shape = expected.values.shape;
  if (map.items != shape[0] || map.heads != shape[1] || map.q_len != shape[2] || map.words != shape[3])
    return "sizes " + Dims{map.items, map.heads, map.q_len, map.words}.text();
  const Allowed allowed =
      stage == WeightsStage::probabilities ? allowed_weights(expected) : allowed_scores(expected);
  if (map.values.size() != expected.values.values.size()) return "count " + std::to_string(map.values.size());
  for (size_t i = 0; i < map.values.size(); ++i) {
    const double right = expected.values.values[i];
    const double wanted = std::isnan(right) ? 0.0 : factor * right;
    if (std::isinf(wanted) && map.values[i] == wanted) continue;
    const double most = std::isnan(right) ? 0.0 : factor * (allowed(i) + 4 * kUnit * (1 + std::abs(right)));
    if (!(std::abs(map.values[i] - wanted) <= most))
      return "value " + std::to_string(i) + " is " + std::to_string(map.values[i]) + ", expected " +
             std::to_string(wanted);
  }
  return {};
}

AttentionMap make_map(AttentionMapOptions options) {
  return must(AttentionMap::create(device(), std::move(options)));
}

void run_once(const AttentionFunction& attend, const AttentionCall& call) {
  Recorder recorder(device());
  must(attend(recorder, call));
  must(must(recorder.submit()).wait());
}

LayerMap map_of(const AttentionMap& map, const Problem& problem, uint32_t layer = 0) {
  run_once(map.at(layer), problem.call);
  return must(map.read(layer));
}

}  // namespace

TEST_CASE("attention map: chosen keys are the fp64 weights, with every feature") {
  for (const char* line :
       {"b2 h4 q20 k13 d8 f32", "b2 h4 kv2 q9 k33 d40 f16 mask=keep masked=rows poison", "b5 h4 q9 k21 d8 bf16 lengths=mixed poison",
        "b3 h4 q9 k21 d8 f32 causal offsets=end window=6,-1 bias softcap=2", "b2 h4 q9 k21 d8 f32 null=3 sinks",
        "b4 h4 q9 k21 d8 f32 packed=qk starts=gaps poison", "b5 h4 q9 k21 d8 f32 score_items=3 value_items=2",
        "b3 h4 kv2 q9 k21 d8 f32 one=qh regions=equal"}) {
    const Problem problem(line);
    for (const WeightsStage stage : {WeightsStage::scaled, WeightsStage::masked, WeightsStage::probabilities})
      for (const bool mean : {false, true}) {
        if (stage == WeightsStage::scaled && problem.line.poison) continue;  // NaN is looked at there
        INFO(line << ", stage " << static_cast<int>(stage) << (mean ? ", mean" : ""));
        const AttentionMapOptions options{
            .words = {2, 5, 0}, .heads = {3, 1}, .stage = stage, .mean_heads = mean};
        const LayerMap map = map_of(make_map(options), problem);
        CHECK(map.heads_in_mean == (mean ? 2 : 1));
        CHECK(map.runs == 1);
        CHECK(differs(map, expected_map(problem, options), stage) == "");
      }
  }
}

TEST_CASE("attention map: the attention's output is what it was") {
  const Problem problem("b2 h4 q20 k13 d8 f32 mask=keep bias lse");
  run_once(make_map({.words = {1}}).at(0), problem.call);
  const auto expected = reference::attention(problem.data.inputs);
  CHECK(compare("output", must(cases::buffer_bytes(device(), problem.call.output)), problem.data.output,
                expected.output, allowed_output(problem.data.inputs, expected)) == "");
  CHECK(compare("logsumexp", must(cases::buffer_bytes(device(), problem.call.logsumexp)), problem.data.logsumexp,
                expected.logsumexp, allowed_logsumexp(problem.data.inputs, expected)) == "");
}

TEST_CASE("attention map: every run of a program adds, until it is cleared") {
  const Problem problem("b2 h4 q20 k13 d8 f32");
  for (const bool average : {false, true}) {
    const AttentionMapOptions options{.words = {3, 12}, .average = average};
    AttentionMap map = make_map(options);
    const auto expected = expected_map(problem, options);
    Recorder recorder(device());
    must(map.attention(recorder, problem.call, 9));
    const Program program = must(recorder.finish());
    CHECK(must(map.read(9)).values == std::vector<float>(80, 0.0f));
    CHECK(must(map.read(9)).runs == 0);
    for (int round = 0; round < 2; ++round) {
      for (int run = 0; run < 3; ++run) must(program.run());
      const LayerMap sum = must(map.read(9));
      CHECK(sum.runs == 3);
      CHECK(differs(sum, expected, options.stage, average ? 1 : 3) == "");
      must(map.clear());
      CHECK(must(map.read(9)).runs == 0);
      CHECK(must(map.read(9)).values == std::vector<float>(80, 0.0f));
    }
  }
}

TEST_CASE("attention map: other recordings and steps add to the same layer") {
  const Problem first("b1 h2 q7 k13 d8 f32", 1), second("b1 h2 q7 k13 d8 f32", 2);
  const AttentionMapOptions options{.words = {0, 4}, .first_step = 2, .last_step = 3};
  AttentionMap map = make_map(options);
  reference::WeightsResult sum = expected_map(first, options);
  const auto other = expected_map(second, options);
  for (size_t i = 0; i < sum.values.values.size(); ++i) {
    sum.values.values[i] += other.values.values[i];
    sum.magnitude.values[i] += other.magnitude.values[i];
  }
  const std::vector<const Problem*> steps{&second, &second, &first, &second, &first};
  for (uint32_t step = 0; step < steps.size(); ++step) {
    map.set_step(step);
    CHECK(map.collects(0) == (step == 2 || step == 3));
    run_once(map.at(0), steps[step]->call);
  }
  CHECK(must(map.read(0)).runs == 2);
  CHECK(differs(must(map.read(0)), sum, options.stage) == "");
}

TEST_CASE("attention map: layers of other sizes, chosen layers, and heads of each") {
  const Problem wide("b2 h4 q64 k13 d8 f32"), narrow("b2 h2 q16 k13 d16 f16");
  AttentionMapOptions options{.words = {1, 2}, .layers = {{2, {}}, {0, {3, 0}}}, .mean_heads = false};
  const AttentionMap map = make_map(options);
  Recorder recorder(device());
  const AttentionFunction attend = map.in_order();
  for (const Problem* problem : {&wide, &wide, &narrow}) must(attend(recorder, problem->call));
  const Program program = must(recorder.finish());
  must(program.run());
  const std::vector<LayerMap> layers = must(map.read());
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].layer == 0);
  CHECK(layers[1].layer == 2);
  CHECK_FALSE(map.collects(1));
  CHECK(differs(layers[1], expected_map(narrow, options), options.stage) == "");
  options.heads = {3, 0};
  CHECK(differs(layers[0], expected_map(wide, options), options.stage) == "");
  CHECK(map.in_order(5) != nullptr);
  CHECK(mean_maps(layers, 1, 8, 8).has_value());
}

TEST_CASE("attention map: chosen items of a batch") {
  for (const char* line : {"b4 h2 q9 k21 d8 f32", "b4 h2 q9 k21 d8 f32 mask=keep lengths=random bias offsets=random causal",
                           "b4 h2 q9 k21 d8 f32 bcast_kv regions=equal", "b4 h2 q9 k21 d8 f32 score_items=3",
                           "b4 h2 q9 k21 d8 f32 packed=k starts=gaps"}) {
    INFO(line);
    const Problem problem(line);
    const AttentionMapOptions all{.words = {1, 2, 7}};
    AttentionMapOptions some = all;
    some.first_item = 1;
    some.item_count = 2;
    const LayerMap whole = map_of(make_map(all), problem), part = map_of(make_map(some), problem);
    CHECK(part.items == 2);
    const size_t item = whole.values.size() / 4;
    CHECK(part.values == std::vector<float>(whole.values.begin() + static_cast<ptrdiff_t>(item),
                                            whole.values.begin() + static_cast<ptrdiff_t>(3 * item)));
    some.item_count = 0;
    CHECK(map_of(make_map(some), problem).items == 3);
  }
}

TEST_CASE("attention map: memory is rows x words, and never queries x keys") {
  const Problem problem("b2 h8 q256 k77 d16 f32");
  const AttentionMap map = make_map({.words = {1, 2, 3, 4, 5, 6, 7, 8}});
  Recorder recorder(device());
  const AttentionFunction attend = map.in_order();
  for (int layer = 0; layer < 4; ++layer) must(attend(recorder, problem.call));
  const Program program = must(recorder.finish());
  constexpr uint64_t kRows = 2 * 256, kLogsumexp = kRows * 8 * 4;
  CHECK(map.size_bytes() == 4 * (kRows * 8 * 4 + 4));
  CHECK(map.tensor(3).shape == Dims{2, 1, 256, 8});
  CHECK(map.tensor(3).buffer.size_bytes() < 2 * kRows * 8 * 4);
  CHECK(program.stats().transient_bytes_summed >= 4 * kLogsumexp);
  CHECK(program.stats().transient_bytes_summed < 5 * kLogsumexp);
  CHECK(map.size_bytes() + program.stats().transient_bytes < kRows * 8 * 77 * 4);
}

TEST_CASE("attention map: raw logits of chosen heads align tokens") {
  const Problem problem("b2 h4 q11 k40 d16 f16");
  const AttentionMapOptions options{
      .every_key = true, .layers = {{0, {1, 3}}, {4, {2}}}, .stage = WeightsStage::scaled, .mean_heads = false};
  const AttentionMap map = make_map(options);
  for (const uint32_t layer : {0u, 1u, 4u}) run_once(map.at(layer), problem.call);
  const auto logits = reference::attention_weights(problem.data.inputs, {.stage = options.stage, .heads = {1, 3, 2}});
  std::vector<float> of_item;
  for (int64_t head = 0; head < 3; ++head)
    for (int64_t row = 0; row < 11; ++row)
      of_item.insert(of_item.end(), logits.values.row(1, head, row), logits.values.row(1, head, row) + 40);
  const AlignmentOptions alignment{.frames = 33, .first_tokens = 2};
  const Alignment found = must(align(must(map.read()), 1, alignment));
  CHECK(found.seconds.size() == 8);
  CHECK(found.seconds == must(align(of_item, 3, 11, 40, alignment)).seconds);
}

TEST_CASE("attention map: a block calls it in attention's place") {
  const Problem problem("b2 h2 q9 k13 d8 f32 layout=blhd");
  const auto rows = [](const Tensor& heads) {
    Tensor tensor = heads;
    tensor.shape = {heads.shape[0], heads.shape[2], heads.shape[1] * heads.shape[3]};
    tensor.strides = {heads.strides[0], heads.strides[2], 1};
    return tensor;
  };
  const AttentionMapOptions options{.words = {1, 4}};
  const AttentionMap map = make_map(options);
  CrossAttentionCall call{.query = rows(problem.call.query), .context = rows(problem.call.key),
                          .output = must(device().tensor(DType::f32, {2, 9, 16})), .attend = map.at(0)};
  Recorder recorder(device());
  must(cross_attention(recorder, {.heads = 2}, call));
  must(must(recorder.submit()).wait());
  CHECK(differs(must(map.read(0)), expected_map(problem, options), options.stage) == "");
}

TEST_CASE("attention map: bad input by name") {
  const auto refused = [](AttentionMapOptions options) {
    const auto map = AttentionMap::create(device(), std::move(options));
    return map ? "none" : map.error().message;
  };
  CHECK(refused({}) == "attention_map: words is empty; it must list at least one key, or every_key be set");
  CHECK(refused({.words = {1}, .every_key = true}) ==
        "attention_map: words lists 1 keys; with every_key it must be empty");
  CHECK(refused({.words = {1}, .first_step = 3, .last_step = 2}) ==
        "attention_map: last_step is 2; it must be at least 3");
  CHECK(refused({.words = {1}, .layers = {{4, {}}, {4, {}}}}) == "attention_map: layers[1] is 4, as layers[0] is");
  CHECK(refused({.words = {1}, .stage = static_cast<WeightsStage>(4)}) ==
        "attention_map: stage is 4; it must be a WeightsStage");

  const Problem problem("b2 h4 q9 k13 d8 f32"), longer("b2 h4 q10 k13 d8 f32"), packed("b2 h4 q9 k13 d8 f32 packed=q");
  const auto failed = [](const AttentionMapOptions& options, const AttentionCall& call) {
    Recorder recorder(device());
    const AttentionMap map = make_map(options);
    const auto recorded = map.attention(recorder, call, 1);
    CHECK_FALSE(map.read(1));  // nothing is left of it
    return recorded ? "none" : recorded.error().message;
  };
  CHECK(failed({.words = {13}}, problem.call) == "attention_weights: keys[0] is 13; it must be below 13");
  CHECK(failed({.words = {1}, .heads = {4}}, problem.call) == "attention_weights: heads[0] is 4; it must be below 4");
  CHECK(failed({.words = {1}, .first_item = 2}, problem.call) ==
        "attention_map: first_item is 2 and item_count 0; the call's batch is 2");
  CHECK(failed({.words = {1}, .first_item = 1, .item_count = 2}, problem.call) ==
        "attention_map: first_item is 1 and item_count 2; the call's batch is 2");
  CHECK(failed({.words = {1}, .item_count = 1}, packed.call) ==
        "attention_map: q_starts is given; items of packed query rows can't be chosen");
  CHECK(failed({.words = {1}}, {}) == "attention_map: query is not given");

  const AttentionMap map = make_map({.words = {1}});
  run_once(map.at(1), problem.call);
  Recorder recorder(device());
  const auto other = map.attention(recorder, longer.call, 1);
  REQUIRE_FALSE(other);
  CHECK(other.error().message ==
        "attention_map: layer 1 collects [2, 1, 9, 1] (items, heads, q_len, words); this call has [2, 1, 10, 1]");
  CHECK(map.read(7).error().message == "attention_map: layer 7 was never recorded");
  CHECK_FALSE(map.tensor(7));
}
