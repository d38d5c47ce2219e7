// Attention editing: each edit equals its definition, computed in fp64 with every weight held, and touches nothing
// else.
#include "weft/attention_edit.hpp"

#include <algorithm>
#include <cmath>

#include "device/edit_reference.hpp"
#include "device/fixture.hpp"

namespace weft::test {
namespace {

constexpr EditPlace kPlace{.layer = 3, .step = 5};
using Kind = KeyEditKind;

double tolerance(DType dtype) { return dtype == DType::f16 ? 4e-3 : 5e-6; }

// The output as edited; `copies` of the call see the same editor, so that its constants are used again.
std::vector<float> run(const EditCase& shape, const EditInputs& inputs, const AttentionEdits& edits,
                       const EditPlace& place = kPlace, const AttentionFunction& inner = {}) {
  const AttentionCall call = must(make_call(device(), shape, inputs));
  const AttentionEditor editor = must(AttentionEditor::make(device(), edits));
  Recorder recorder(device());
  must(editor.attention(recorder, call, place, inner));
  must(must(recorder.submit()).wait());
  return must(read_output(device(), shape, call));
}

double largest_difference(const std::vector<float>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = std::abs(found[i] - expected[i]);
    largest = difference <= largest ? largest : difference;  // a NaN stays
  }
  return largest;
}

double largest_difference(const std::vector<double>& left, const std::vector<double>& right) {
  return largest_difference(std::vector<float>(left.begin(), left.end()), right);
}

// Attentions with all that edits must get along with.
std::vector<EditCase> cases(DType dtype) {
  std::vector<EditCase> list = {
      {.name = "plain"},
      {.name = "rows of heads side by side", .lengths = true, .head_rows = true},
      {.name = "grouped heads, mask and lengths", .heads = 6, .kv_heads = 2, .lengths = true, .drop_mask = true},
      {.name = "one key head, narrow values", .kv_heads = 1, .value_dim = 24, .head_rows = true},
      {.name = "own bias, one row", .bias_batch = 1, .bias_heads = 1, .bias_rows = 1},
      {.name = "own bias of few columns", .bias_batch = 2, .bias_heads = 1, .bias_rows = 9, .bias_columns = 8},
      {.name = "own bias and mask of every head", .heads = 4, .kv_heads = 2, .drop_mask = true, .bias_batch = 1,
       .bias_heads = 4, .bias_rows = 9},
      {.name = "null keys, sinks and softcap", .heads = 4, .kv_heads = 2, .null_len = 2, .sinks = true, .softcap = 3.0f},
      {.name = "one item of keys for the batch, one head of values", .key_batch = 1, .value_kv_heads = 1, .lengths = true},
      {.name = "one row, odd dims, three items", .batch = 3, .q_len = 1, .kv_len = 77, .head_dim = 40, .value_dim = 36},
  };
  for (EditCase& shape : list) shape.dtype = dtype;
  return list;
}

KeyEdit key_edit(Kind kind, std::vector<KeyFactor> factors, std::vector<uint32_t> heads = {},
                 std::vector<uint32_t> items = {}) {
  return {.kind = kind, .factors = std::move(factors), .items = std::move(items), .scope = {.heads = std::move(heads)}};
}

PromptAlignment replaced(const EditCase& shape) {  // a word of two tokens by one of three, and one of two by one
  return must(replace_alignment({{1}, {2, 3}, {4}, {5, 6}, {9}}, {{1}, {7, 8, 8}, {4}, {3}, {9}},
                                static_cast<uint32_t>(shape.kv_len)));
}

PromptAlignment refined(const EditCase& shape) {
  return must(refine_alignment({1, 2, 3, 4, 9}, {1, 2, 7, 8, 3, 9}, static_cast<uint32_t>(shape.kv_len)));
}

std::vector<float> half_weights(const EditCase& shape) {
  std::vector<float> weights(static_cast<size_t>(shape.kv_len), 1.0f);
  weights[1] = 0.0f;
  weights[2] = 0.25f;
  return weights;
}

struct NamedEdits {
  std::string name;
  AttentionEdits edits;
};

std::vector<NamedEdits> key_edits() {
  return {
      {"values scaled", {.keys = {key_edit(Kind::scale_values, {{1, 0.0f}, {2, 3.0f}, {4, -1.0f}})}}},
      {"weights scaled", {.keys = {key_edit(Kind::scale_weights, {{0, 0.0f}, {2, 8.0f}, {3, 0.2f}})}}},
      {"scores scaled", {.keys = {key_edit(Kind::scale_scores, {{1, 2.0f}, {2, 0.0f}, {5, -1.5f}})}}},
      {"values scaled in one head", {.keys = {key_edit(Kind::scale_values, {{1, 4.0f}}, {1})}}},
      {"weights scaled in one head and item", {.keys = {key_edit(Kind::scale_weights, {{2, 9.0f}}, {2}, {1})}}},
      {"scores scaled in two heads of an item", {.keys = {key_edit(Kind::scale_scores, {{3, 8.0f}, {5, -8.0f}}, {0, 3}, {0})}}},
      {"all three, the first kind twice",
       {.keys = {key_edit(Kind::scale_values, {{1, 2.0f}}), key_edit(Kind::scale_weights, {{2, 3.0f}}, {1, 2}),
                 key_edit(Kind::scale_scores, {{3, 0.5f}}, {}, {1}), key_edit(Kind::scale_values, {{1, 1.5f}}, {3})}}},
  };
}

std::vector<NamedEdits> prompt_edits(const EditCase& shape) {
  const PromptEdit replace{.base = 0, .item = 1, .alignment = replaced(shape)};
  PromptEdit reweighted = replace;
  reweighted.factors = {{1, 0.5f}, {4, -2.0f}};
  PromptEdit refine{.base = 0, .item = 1, .alignment = refined(shape), .factors = {{2, 3.0f}}};
  PromptEdit blended = refine;
  blended.blend = {{.first_step = 2, .weights = half_weights(shape)}, {.first_step = 6, .weights = {}}};
  PromptEdit by_head = blended;
  by_head.scope.heads = {1, 2};
  PromptEdit back = replace;
  std::swap(back.base, back.item);
  return {
      {"replace", {.prompts = {replace}}},
      {"replace, then reweight", {.prompts = {reweighted}}},
      {"reweight by the base's weights", {.prompts = {{.base = 0, .item = 1, .factors = {{1, 3.0f}, {2, 0.0f}}}}}},
      {"refine, then reweight", {.prompts = {refine}}},
      {"refine, blended", {.prompts = {blended}}},
      {"refine, blended, in two heads", {.prompts = {by_head}}},
      {"both ways, with scaled keys of all kinds",
       {.keys = {key_edit(Kind::scale_values, {{1, 2.0f}}), key_edit(Kind::scale_weights, {{2, 3.0f}}, {1, 2}),
                 key_edit(Kind::scale_scores, {{3, 0.5f}}, {}, {1})},
        .prompts = {reweighted, back}}},
  };
}

std::vector<NamedEdits> region_edits(const EditCase& shape) {
  RegionEdit regions{};
  for (int32_t row = 0; row < shape.q_len; ++row) regions.row_regions.push_back(row % 3 - 1);
  for (int32_t key = 0; key < shape.kv_len; ++key) regions.key_regions.push_back(key == 0 ? -1 : key % 3);
  RegionEdit item = regions, heads = regions;
  item.items = {1};
  heads.items = {0};
  heads.scope.heads = {0, 3};
  return {
      {"regions", {.regions = {regions}}},
      {"regions of one item", {.regions = {item}}},
      {"regions of two heads of an item", {.regions = {heads}}},
      {"regions with a replaced word and scaled weights in a head",
       {.keys = {key_edit(Kind::scale_weights, {{2, 3.0f}}, {1})},
        .prompts = {{.base = 0, .item = 1, .alignment = replaced(shape)}},
        .regions = {heads}}},
  };
}

void check_edits(const EditCase& shape, const std::vector<NamedEdits>& list, double& largest) {
  const EditInputs inputs = make_inputs(shape);
  const std::vector<double> unedited = reference(shape, inputs, {}, kPlace);
  for (const NamedEdits& one : list) {
    CAPTURE(shape.name, one.name, to_string(shape.dtype));
    const std::vector<double> expected = reference(shape, inputs, one.edits, kPlace);
    CHECK(largest_difference(expected, unedited) > 5 * tolerance(shape.dtype));
    const double difference = largest_difference(run(shape, inputs, one.edits), expected);
    CHECK(difference <= tolerance(shape.dtype));
    largest = std::max(largest, difference);
  }
}

// The floats of one head of one item.
std::vector<float> head_of(const EditCase& shape, const std::vector<float>& output, int64_t item, int64_t head) {
  const int64_t size = shape.q_len * shape.value_dim;
  const auto begin = output.begin() + (item * shape.heads + head) * size;
  return {begin, begin + size};
}

}  // namespace

TEST_CASE("editing: every edit of every attention equals its definition") {
  for (const DType dtype : {DType::f32, DType::f16}) {
    double largest = 0;
    for (const EditCase& shape : cases(dtype)) {
      check_edits(shape, key_edits(), largest);
      check_edits(shape, prompt_edits(shape), largest);
      check_edits(shape, region_edits(shape), largest);
    }
    WARN("largest difference in " << to_string(dtype) << ": " << largest);
  }
}

TEST_CASE("editing: other layers and steps, and factors of 1, give the same bits as no edit") {
  const EditCase shape{.heads = 4, .kv_heads = 2, .drop_mask = true, .head_rows = true};
  const EditInputs inputs = make_inputs(shape);
  const std::vector<float> plain = run(shape, inputs, {});
  AttentionEdits edits{.keys = {key_edit(Kind::scale_values, {{1, 3.0f}})},
                       .prompts = {{.base = 0, .item = 1, .alignment = replaced(shape)}},
                       .regions = region_edits(shape)[0].edits.regions};
  for (EditScope* scope : {&edits.keys[0].scope, &edits.prompts[0].scope, &edits.regions[0].scope}) {
    scope->layers = {1, 3};
    scope->first_step = 4;
    scope->last_step = 6;
  }
  CHECK(run(shape, inputs, edits, {.layer = 2, .step = 5}) == plain);
  CHECK(run(shape, inputs, edits, {.layer = 3, .step = 3}) == plain);
  CHECK(run(shape, inputs, edits, {.layer = 3, .step = 7}) == plain);
  CHECK(run(shape, inputs, edits, {.layer = 1, .step = 4}) != plain);
  CHECK(run(shape, inputs, edits, {.layer = 3, .step = 6}) != plain);
  for (const Kind kind : {Kind::scale_values, Kind::scale_weights, Kind::scale_scores})
    CHECK(run(shape, inputs, {.keys = {key_edit(kind, {{1, 1.0f}, {2, 4.0f}, {2, 0.25f}})}}) == plain);
  const std::vector<float> none(static_cast<size_t>(shape.kv_len), 0.0f);
  CHECK(run(shape, inputs, {.prompts = {{.alignment = replaced(shape), .blend = {{0, none}}}}}) == plain);
}

TEST_CASE("editing: heads and items that are not listed keep their bits") {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const EditCase shape{.dtype = dtype, .batch = 3, .heads = 6, .kv_heads = 2, .lengths = true};
    const EditInputs inputs = make_inputs(shape);
    const std::vector<float> plain = run(shape, inputs, {});
    PromptEdit prompt{.base = 0, .item = 1, .alignment = replaced(shape)};
    prompt.scope.heads = {1, 5};
    RegionEdit region = region_edits(shape)[2].edits.regions[0];
    region.items = {1};
    region.scope.heads = {1, 5};
    for (const AttentionEdits& edits : std::vector<AttentionEdits>{
             {.keys = {key_edit(Kind::scale_values, {{1, 3.0f}}, {1, 5}, {1})}},
             {.keys = {key_edit(Kind::scale_weights, {{1, 3.0f}}, {1, 5}, {1})}},
             {.keys = {key_edit(Kind::scale_scores, {{1, 3.0f}}, {1, 5}, {1})}},
             {.prompts = {prompt}},
             {.regions = {region}}}) {
      const std::vector<float> found = run(shape, inputs, edits);
      for (int64_t item = 0; item < shape.batch; ++item)
        for (int64_t head = 0; head < shape.heads; ++head) {
          CAPTURE(to_string(dtype), item, head);
          const bool edited = item == 1 && (head == 1 || head == 5);
          CHECK((head_of(shape, found, item, head) == head_of(shape, plain, item, head)) != edited);
        }
    }
  }
}

TEST_CASE("editing: blends follow the steps") {
  const EditCase shape{};
  const EditInputs inputs = make_inputs(shape);
  const AttentionEdits edits{.prompts = {{.alignment = refined(shape),
                                          .blend = {{.first_step = 0, .weights = half_weights(shape)},
                                                    {.first_step = 4, .weights = {}},
                                                    {.first_step = 9, .weights = std::vector<float>(11, 0.0f)}}}}};
  for (const uint32_t step : {0u, 3u, 4u, 8u, 9u, 100u}) {
    CAPTURE(step);
    const EditPlace place{.layer = 0, .step = step};
    CHECK(largest_difference(run(shape, inputs, edits, place), reference(shape, inputs, edits, place)) <= 1e-5);
  }
}

TEST_CASE("editing: an inner function sees the call once, with every head, scaled scores and weights") {
  const EditCase shape{};
  const EditInputs inputs = make_inputs(shape);
  const AttentionEdits edits{.keys = {key_edit(Kind::scale_weights, {{2, 9.0f}}), key_edit(Kind::scale_scores, {{1, 2.0f}})},
                             .prompts = {{.alignment = replaced(shape)}}};
  const int64_t count = shape.batch * shape.heads * shape.q_len * shape.kv_len;
  const Tensor weights = must(device().tensor(DType::f32, {shape.batch, shape.heads, shape.q_len, shape.kv_len}));
  int calls = 0;
  const AttentionFunction look = [&](Recorder& recorder, const AttentionCall& call) -> Result<void> {
    ++calls;
    AttentionCall seen = call;
    seen.logsumexp = recorder.transient(DType::f32, {shape.batch, shape.heads, shape.q_len});
    WEFT_TRY(attention(recorder, seen));
    return attention_weights(recorder, {.attention = seen, .weights = weights});
  };
  const std::vector<float> output = run(shape, inputs, edits, kPlace, look);
  CHECK(calls == 1);
  CHECK(largest_difference(output, reference(shape, inputs, edits, kPlace)) <= 1e-5);
  // The weights times the values are the output of the edits of keys alone.
  const std::vector<float> found = must(device().download<float>(weights));
  REQUIRE(found.size() == static_cast<size_t>(count));
  const std::vector<double> expected = reference(shape, inputs, {.keys = edits.keys}, kPlace);
  double sum = 0;
  for (size_t key = 0; key < 11; ++key) sum += static_cast<double>(found[key]) * inputs.value[key * 16];
  CHECK(std::abs(sum - expected[0]) <= 1e-5);
}

TEST_CASE("editing: a function of a place does what the editor does, in a program run twice") {
  const EditCase shape{.head_rows = true};
  const EditInputs inputs = make_inputs(shape);
  const AttentionEdits edits = prompt_edits(shape)[6].edits;
  const AttentionCall call = must(make_call(device(), shape, inputs));
  const AttentionFunction function = must(AttentionEditor::make(device(), edits)).at(kPlace);  // outlives its editor
  Recorder recorder(device());
  must(function(recorder, call));
  const TwoRuns runs = must(run_twice(device(), recorder, {call.output}));
  CHECK(runs.same);
  CHECK(largest_difference(must(read_output(device(), shape, call)), reference(shape, inputs, edits, kPlace)) <= 1e-5);
}

TEST_CASE("editing: calls without keys or rows stay as they are") {
  for (const EditCase& shape : {EditCase{.kv_len = 0}, EditCase{.q_len = 0}, EditCase{.batch = 0}}) {
    const EditInputs inputs = make_inputs(shape);
    const std::vector<float> output = run(shape, inputs, {.keys = {{.kind = Kind::scale_values}}});
    CHECK(std::ranges::all_of(output, [](float value) { return value == 0; }));
  }
}

TEST_CASE("editing: edits that make no sense, or not for the call, are refused by name") {
  const EditCase shape{};
  const EditInputs inputs = make_inputs(shape);
  const auto refusal = [&](const AttentionEdits& edits, auto change) -> std::string {
    const auto editor = AttentionEditor::make(device(), edits);
    if (!editor) return editor.error().message;
    AttentionCall call = must(make_call(device(), shape, inputs));
    change(call);
    Recorder recorder(device());
    const auto recorded = editor->attention(recorder, call, kPlace);
    return recorded ? "none" : recorded.error().message;
  };
  const auto refused = [&](const AttentionEdits& edits) { return refusal(edits, [](AttentionCall&) {}); };
  const auto has = [](const std::string& message, const char* part) {
    CAPTURE(message, part);
    CHECK(message.starts_with("attention_edit: "));
    CHECK(message.find(part) != std::string::npos);
  };
  has(refused({.keys = {key_edit(Kind::scale_values, {{1, NAN}})}}), "keys[0].factors[0].factor is nan");
  has(refused({.keys = {key_edit(Kind::scale_weights, {{1, -1.0f}})}}), "finite and not negative");
  has(refused({.keys = {key_edit(static_cast<Kind>(3), {})}}), "keys[0].kind is 3");
  has(refused({.keys = {key_edit(Kind::scale_values, {{11, 2.0f}})}}), "factors[0].key is 11; the call has 11 keys");
  has(refused({.keys = {key_edit(Kind::scale_values, {{1, 2.0f}}, {4})}}), "scope.heads has 4; the call has 4 heads");
  has(refused({.keys = {key_edit(Kind::scale_values, {{1, 2.0f}}, {}, {2})}}), "items has 2; the call has 2 items");
  has(refused({.keys = {{.scope = {.first_step = 9, .last_step = 8}}}}), "first_step is 9, after last_step, 8");
  has(refused({.prompts = {{.base = 7}}}), "prompts[0].base has 7; the call has 2 items");
  has(refused({.prompts = {{}, {}}}), "prompts[1].item is 1, which another prompt edit changes");
  has(refused({.prompts = {{.alignment = {.matrix = {1, 0, 0, 1}}}}}), "matrix has 4 numbers; kv_len x kv_len makes 121");
  has(refused({.prompts = {{.blend = {{0, {2.0f}}}}}}), "weights are 0 to 1");
  has(refused({.regions = {{.row_regions = {0}, .key_regions = {0}}}}), "row_regions has 1 rows; the call has 9");
  has(refused({.regions = {{.row_regions = {-2}}}}), "regions are -1 to 4095");
  const AttentionEdits valid{.keys = {key_edit(Kind::scale_values, {{1, 2.0f}})}};
  has(refusal(valid, [](AttentionCall& call) { call.kv_starts = call.key; }), "packed batches can't be edited");
  has(refusal(valid, [](AttentionCall& call) { call.score_items = call.key; }), "score_items");
  has(refusal(valid, [](AttentionCall& call) { call.weights = call.key; }), "weights is given");
  has(refusal(valid, [](AttentionCall& call) { call.key.shape = {2, 11, 64}; }), "key.shape is [2, 11, 64]");
  CHECK(refused(valid) == "none");
}

}  // namespace weft::test
