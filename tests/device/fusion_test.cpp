// Cross-attention blocks and feed-forwards against the fp64 composition of their formulas, option
// by option.
#include "device/fusion_world.hpp"

#include "device/host_app.hpp"

using namespace weft;
using namespace weft::test;

namespace {

struct Variant {
  const char* name;
  Sizes sizes;
  std::function<void(World&, CrossAttentionBlock&, CrossAttentionCall&)> change;
};

void add_resampler(World& w, CrossAttentionBlock& b) {
  b.context_and_query = true;
  b.context_norm = w.norm(NormKind::layer, 12);
  b.query_norm = w.norm(NormKind::layer, 12);
}

const std::vector<Variant>& norm_variants() {
  static const std::vector<Variant> variants = {
      {"plain", {}, [](World&, auto&, auto&) {}},
      {"layer norms before, residual of the norm",
       {},
       [](World& w, auto& b, auto&) {
         b.query_norm = w.norm(NormKind::layer, 12);
         b.context_norm = w.norm(NormKind::layer, 10);
         b.residual_of_norm = true;
       }},
      {"rms norm before, layer norm after, no residual",
       {},
       [](World& w, auto& b, auto&) {
         b.query_norm = w.norm(NormKind::rms, 12, false);
         b.post_norm = w.norm(NormKind::layer, 12);
         b.residual = false;
       }},
      {"norms without weights, other epsilon",
       {},
       [](World&, auto& b, auto&) {
         b.query_norm = {.kind = NormKind::layer, .epsilon = 0.1f};
         b.post_norm = {.kind = NormKind::rms};
       }},
      {"norms of single heads",
       {.kv_heads = 1, .together = true},
       [](World& w, auto& b, auto&) {
         b.query_head_norm = w.norm(NormKind::rms, 4, false);
         b.key_head_norm = w.norm(NormKind::layer, 4);
       }},
      {"norms of single heads over weights that lie together",
       {.together = true},
       [](World& w, auto& b, auto&) { b.key_head_norm = w.norm(NormKind::rms, 4); }},
      {"norms across heads",
       {.together = true},
       [](World& w, auto& b, auto&) {
         b.norm_across_heads = true;
         b.query_head_norm = w.norm(NormKind::layer, 12);
         b.key_head_norm = w.norm(NormKind::rms, 12);
       }},
      {"no projections",
       {.context_dim = 12},
       [](World& w, auto& b, auto&) {
         b.query = b.key = b.value = b.out = {};
         b.query_head_norm = b.key_head_norm = w.norm(NormKind::rms, 4);
         b.residual = false;
       }},
      {"no projections, normed query as residual",
       {.context_dim = 12},
       [](World& w, auto& b, auto&) {
         b.query = b.key = b.value = b.out = {};
         b.query_norm = w.norm(NormKind::layer, 12);
         b.residual_of_norm = true;
         b.query_head_norm = w.norm(NormKind::layer, 4);
       }},
  };
  return variants;
}

const std::vector<Variant>& input_variants() {
  static const std::vector<Variant> variants = {
      {"weights that lie together, fewer key heads, wide values",
       {.kv_heads = 1, .value_dim = 5, .together = true},
       [](World&, auto&, auto&) {}},
      {"a key without bias",
       {.kv_heads = 1, .value_dim = 6},
       [](World&, auto& b, auto&) { b.key.bias = {}; }},
      {"positions, one context for all",
       {.context_batch = 1},
       [](World& w, auto&, auto& c) {
         c.query_position = w.rows({2, 5, 12});
         c.context_position = w.rows({7, 10});
       }},
      {"positions for all items, weights that lie together",
       {.together = true},
       [](World& w, auto&, auto& c) {
         c.query_position = w.rows({1, 5, 12});
         c.context_position = w.rows({2, 7, 10});
       }},
      {"two axes",
       {.batch = 1, .context_batch = 1},
       [](World& w, auto&, auto& c) {
         c.query = w.rows({5, 12});
         c.context = w.rows({7, 10});
         c.output = w.output({5, 12});
         c.row_factors = w.factors({5});
       }},
      {"rotations",
       {.together = true},
       [](World& w, auto&, auto& c) {
         c.query_angles = w.tensor(DType::f32, {5, 4}, 3.0);
         c.key_angles = w.tensor(DType::f32, {7, 2}, 3.0);
       }},
      {"rotated without projections",
       {.context_dim = 12},
       [](World& w, auto& b, auto& c) {
         b.query = b.key = {};
         c.query_angles = w.tensor(DType::f32, {5, 4}, 3.0);
         c.key_angles = w.tensor(DType::f32, {7, 4}, 3.0);
       }},
      {"the context and the query's own rows",
       {.context_dim = 12, .together = true},
       [](World& w, auto& b, auto&) { add_resampler(w, b); }},
      {"the same of one context, with positions and lengths",
       {.context_batch = 1, .context_dim = 12},
       [](World& w, auto& b, auto& c) {
         add_resampler(w, b);
         c.query_position = w.rows({2, 5, 12});
         c.context_position = w.rows({7, 12});
         c.attention.kv_lengths = w.numbers<int32_t>(DType::i32, {2}, {12, 4});
       }},
      {"the same without norms, one position",
       {.context_dim = 12},
       [](World& w, auto& b, auto& c) {
         b.context_and_query = true;
         c.context_position = w.rows({1, 7, 12});
       }},
      {"no rows", {.q_len = 0}, [](World&, auto&, auto&) {}},
      {"no keys", {.kv_len = 0}, [](World&, auto&, auto&) {}},
      {"no items", {.batch = 0, .context_batch = 0}, [](World&, auto&, auto&) {}},
      {"output of another type",
       {},
       [](World& w, auto&, auto& c) {
         c.output = w.output(DType::bf16, {2, 5, 12});
       }},
  };
  return variants;
}

const std::vector<Variant>& attention_variants() {
  static const std::vector<Variant> variants = {
      {"a mask, a bias, scale and softcap",
       {},
       [](World& w, auto& b, auto& c) {
         c.attention.keep_mask = w.numbers<uint8_t>(DType::u8, {2, 1, 1, 7},
                                                    {1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0});
         c.attention.bias = w.tensor(DType::f32, {1, 3, 5, 7}, 1.0);
         b.scale = 0.7f;
         b.softcap = 2.0f;
       }},
      {"lengths, causal",
       {},
       [](World& w, auto&, auto& c) {
         c.attention.kv_lengths = w.numbers<int32_t>(DType::i32, {2}, {3, 0});
         c.attention.causal = true;
         c.attention.position_offset = 1;
       }},
      {"regions and sinks",
       {},
       [](World& w, auto&, auto& c) {
         c.attention.query_regions = w.numbers<int32_t>(DType::i32, {1, 5}, {0, 0, 1, 2, 1});
         c.attention.key_regions = w.numbers<int32_t>(DType::i32, {1, 7}, {0, 1, 1, 0, 1, 0, 1});
         c.attention.sinks = w.tensor(DType::f32, {3}, 1.0);
       }},
      {"null keys of another type",
       {.value_dim = 5},
       [](World& w, auto& b, auto&) {
         b.null_key = w.tensor(DType::f32, {1, 2, 4}, 1.0);
         b.null_value = w.tensor(DType::f32, {3, 2, 5}, 1.0);
       }},
      {"more sources",
       {.kv_heads = 1, .value_dim = 5},
       [](World& w, auto& b, auto& c) {
         b.scale = 0.9f;
         b.more_sources.resize(2);
         b.more_sources[0] = {w.norm(NormKind::layer, 8), w.projection(4, 8, false),
                              w.projection(5, 8, false)};
         std::tie(b.more_sources[1].key, b.more_sources[1].value) = w.pair(4, 5, 6);
         c.more_sources.resize(2);
         c.more_sources[0].context = w.rows({2, 4, 8});
         c.more_sources[0].gate = w.gate(GateKind::value, 1);
         c.more_sources[0].attention.kv_lengths = w.numbers<int32_t>(DType::i32, {2}, {4, 2});
         c.more_sources[1].context = w.rows({1, 3, 6});
         c.more_sources[1].row_factors = w.factors({2, 5}, {0, 1, 0, 0.5f});
       }},
      {"more sources, written in place",
       {.context_dim = 12},
       [](World& w, auto& b, auto& c) {
         b.out = {};
         b.residual = false;
         b.more_sources.resize(1);
         b.more_sources[0] = {{}, w.projection(12, 8), w.projection(12, 8)};
         c.more_sources.resize(1);
         c.more_sources[0].context = w.rows({2, 4, 8});
       }},
  };
  return variants;
}

const std::vector<Variant>& result_variants() {
  static const std::vector<Variant> variants = {
      {"a gate through tanh",
       {},
       [](World& w, auto& b, auto&) { b.gate = w.gate(GateKind::tanh, 1); }},
      {"a gate of columns, row factors, no residual",
       {},
       [](World& w, auto& b, auto& c) {
         b.gate = w.gate(GateKind::value, 12);
         b.residual = false;
         c.row_factors = w.factors({2, 5}, {0, 1, 0.5f});
       }},
      {"a feed-forward",
       {},
       [](World& w, auto& b, auto&) {
         b.post_norm = w.norm(NormKind::layer, 12);
         b.feed_forward = make_feed_forward(w, 12, 20, false);
       }},
      {"a gated feed-forward with gates and factors",
       {},
       [](World& w, auto& b, auto& c) {
         b.gate = w.gate(GateKind::tanh, 12);
         b.feed_forward = make_feed_forward(w, 12, 20, true);
         b.feed_forward->gate = w.gate(GateKind::tanh, 1);
         c.row_factors = w.factors({2, 5}, {0, 1, 0.5f});
         c.feed_forward_factors = w.factors({2, 5}, {1, 0});
       }},
      {"a feed-forward's own factors",
       {},
       [](World& w, auto& b, auto& c) {
         b.feed_forward = make_feed_forward(w, 12, 20, false);
         c.feed_forward_factors = w.factors({2, 5}, {1, 0});
       }},
      {"a feed-forward of another dim",
       {},
       [](World& w, auto& b, auto& c) {
         b.feed_forward = make_feed_forward(w, 12, 20, false);
         b.feed_forward->down = w.projection(9, 20);
         b.feed_forward->residual = false;
         b.feed_forward->activation = Activation::quick_gelu;
         b.feed_forward->post_norm = w.norm(NormKind::rms, 9);
         c.output = w.output({2, 5, 9});
       }},
  };
  return variants;
}

void check_all(const std::vector<Variant>& variants) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
    for (size_t i = 0; i < variants.size(); ++i) {
      const Variant& variant = variants[i];
      if (dtype == DType::bf16 && i % 3 != 0) continue;
      INFO(variant.name << ", " << to_string(dtype));
      World world{device(), dtype, cases::Random(static_cast<int64_t>(i))};
      CrossAttentionBlock block = make_block(world, variant.sizes);
      CrossAttentionCall call = test::make_call(world, variant.sizes);
      variant.change(world, block, call);
      check_block(world, block, call);
    }
}

}  // namespace

TEST_CASE("blocks: norms") { check_all(norm_variants()); }
TEST_CASE("blocks: inputs") { check_all(input_variants()); }
TEST_CASE("blocks: attention") { check_all(attention_variants()); }
TEST_CASE("blocks: results") { check_all(result_variants()); }

TEST_CASE("blocks: keys and values that lie together are one product") {
  const auto operations = [](bool together, bool position, NormKind norm) {
    World world{device()};
    const Sizes sizes{.together = together};
    CrossAttentionBlock block = make_block(world, sizes);
    if (norm != NormKind::none) block.key_head_norm = world.norm(norm, 4);
    CrossAttentionCall call = test::make_call(world, sizes);
    if (position) call.context_position = world.rows({7, 10});
    return check_block(world, block, call).operations;
  };
  CHECK(operations(false, false, NormKind::none) == 6);  // four products, attention, residual
  CHECK(operations(true, false, NormKind::none) == 5);
  CHECK(operations(true, true, NormKind::none) == 7);  // keys are of other rows than values
  CHECK(operations(true, false, NormKind::rms) == 7);  // single heads don't fold over columns
}

TEST_CASE("blocks: parts have names") {
  World world{device()};
  CrossAttentionBlock block = make_block(world);
  block.feed_forward = make_feed_forward(world, 12, 8, true);
  const CrossAttentionCall call = test::make_call(world);
  Recorder recorder(world.on);
  recorder.label("before");
  must(cross_attention(recorder, block, call));
  block.name = {};
  must(cross_attention(recorder, block, call));
  must(add(recorder, {.left = call.query, .right = call.query, .output = call.output}));
  if (world.on.traits().timestamp_period_ns <= 0) SKIP("no timestamps on this device");
  const Program program = must(recorder.finish({.timestamps = true}));
  must(must(program.run()).wait());
  std::vector<std::string> names;
  for (const OperationTime& time : must(program.times())) names.push_back(time.name);
  // Of a block with a name, and of one that takes the recorder's label. In the order that the
  // recorder chose.
  std::vector<std::string> wanted = {"add before"};
  for (const std::string name : {"cross", "before"})
    for (const auto& [operation, part] : std::initializer_list<std::pair<std::string, std::string>>{
             {"linear", "query"},
             {"linear", "key"},
             {"linear", "value"},
             {"attention", "attention"},
             {"linear", "out"},
             {"add", "add"},
             {"layer_norm", "feed_forward.norm"},
             {"linear", "feed_forward.gate_up"},
             {"multiply", "feed_forward.multiply"},
             {"linear", "feed_forward.down"},
             {"add", "feed_forward.add"}})
      wanted.push_back(operation + " " + name + "." + part);
  std::ranges::sort(names);
  std::ranges::sort(wanted);
  CHECK(names == wanted);
}

TEST_CASE("blocks: a prepared context gives what the context gives") {
  for (const DType dtype : {DType::f32, DType::f16}) {
    World world{device(), dtype};
    CrossAttentionBlock block = make_block(world, {.kv_heads = 1, .value_dim = 5});
    block.context_norm = world.norm(NormKind::layer, 10);
    block.key_head_norm = world.norm(NormKind::rms, 4);
    CrossAttentionCall call = test::make_call(world);
    call.context_position = world.rows({7, 10});
    call.key_angles = world.tensor(DType::f32, {7, 4}, 3.0);
    const CrossAttentionCall unprepared = call;
    Recorder first(world.on);
    call.prepared = must(
        prepare_context(first, block, call.context, 1, call.context_position, call.key_angles));
    must(must(first.submit()).wait());
    CHECK(call.prepared.key.shape == Dims{2, 1, 7, 4});
    CHECK(call.prepared.value.shape == Dims{2, 1, 7, 5});
    call.context = call.context_position = call.key_angles = {};
    const auto formula = [&](const reference::Fusion& fusion) {
      return fusion.cross_attention(block, unprepared);
    };
    for (int round = 0; round < 2; ++round)
      check(world, [&](Recorder& r) { return cross_attention(r, block, call); },
            {{call.output, formula}});
    // In one recording, and of what has no projections.
    block.key = block.value = {};
    block.heads = block.kv_heads = 1;
    block.query = world.projection(10, 12);
    block.key_head_norm = {};
    block.out = world.projection(12, 10);
    CrossAttentionCall plain = unprepared;
    plain.context_position = plain.key_angles = {};
    check(world,
          [&](Recorder& r) -> Result<void> {
            CrossAttentionCall with = plain;
            WEFT_ASSIGN(with.prepared, prepare_context(r, block, plain.context));
            with.context = {};
            return cross_attention(r, block, with);
          },
          {{plain.output, [&](const reference::Fusion& fusion) {
              return fusion.cross_attention(block, plain);
            }}});
  }
}

TEST_CASE("blocks: a function may take the attention's place") {
  World world{device()};
  CrossAttentionBlock block = make_block(world, {.kv_heads = 1, .value_dim = 5});
  block.scale = 0.5f;
  CrossAttentionCall call = test::make_call(world);
  int calls = 0;
  call.attend = [&](Recorder& recorder, const AttentionCall& given) -> Result<void> {
    ++calls;
    CHECK(given.query.shape == Dims{2, 3, 5, 4});
    CHECK(given.key.shape == Dims{2, 1, 7, 4});
    CHECK(given.output.shape == Dims{2, 3, 5, 5});
    CHECK(given.scale == 0.5f);
    AttentionCall changed = given;
    changed.causal = true;
    return attention(recorder, changed);
  };
  CrossAttentionCall causal = call;
  causal.attention.causal = true;
  check(world, [&](Recorder& r) { return cross_attention(r, block, call); },
        {{call.output,
          [&](const reference::Fusion& f) { return f.cross_attention(block, causal); }}});
  CHECK(calls == 1);
  call.attend = [](Recorder&, const AttentionCall&) {
    return Result<void>(fail(Code::unsupported, "mine: no"));
  };
  Recorder recorder(world.on);
  const auto refused = cross_attention(recorder, block, call);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unsupported);
  CHECK(refused.error().message == "cross_attention (cross): attention: mine: no");
  CHECK(must(recorder.finish()).stats().operations == 0);
}

TEST_CASE("feed-forwards alone") {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const bool gated : {false, true}) {
      World world{device(), dtype};
      FeedForward block = make_feed_forward(world, 8, 12, gated);
      if (gated) block.up.weight = world.projection(12, 8).weight;  // apart from gate_up
      const Tensor input = world.rows({2, 3, 8}), output = world.output({2, 3, 8});
      const Tensor factors = world.factors({2, 3}, {0, 1});
      check(world, [&](Recorder& r) { return feed_forward(r, block, input, output, factors); },
            {{output, [&](const reference::Fusion& fusion) {
                const reference::Array line = fusion.read(factors);
                return fusion.feed_forward(block, fusion.read(input), &line);
              }}});
    }
}

TEST_CASE("blocks are recorded into an app's command buffer") {
  HostApp host;
  const Device device = host.adopt();
  World world{device};
  CrossAttentionBlock block = make_block(world);
  block.query_norm = world.norm(NormKind::layer, 12);
  block.feed_forward = make_feed_forward(world, 12, 16, true);
  CrossAttentionCall call = test::make_call(world);
  const embed::AppBuffer raw = host.buffer(120), in = host.buffer(120), out = host.buffer(120);
  fill(raw, 1);
  std::vector<float> halves = counting(120, 1);
  for (float& value : halves) value *= 1.0f / 64;
  must(device.upload(call.query, halves));
  const reference::Array expected = reference::Fusion(device).cross_attention(block, call);
  const auto rows = [&](const embed::AppBuffer& buffer) {
    Tensor tensor = wrapped(device, buffer);
    return must(tensor.reshape({2, 5, 12}));
  };
  call.query = rows(in);
  call.output = rows(out);
  Recorder recorder(device);
  must(cross_attention(recorder, block, call));
  must(device.wait_idle());
  host.begin();
  host.app.dispatch(raw, in, 1.0f / 64, 0);
  const ExternalRecording recording = must(record_into(recorder, host.app.commands));
  host.end();
  must(host.app.submit_and_wait());
  const std::vector<float> found = contents(out);
  double error = 0;
  for (size_t i = 0; i < found.size(); ++i)
    error = std::max(error, std::abs(found[i] - expected.values[i]));
  CHECK(error <= 1e-4);
  CHECK(device.validation_messages() == 0);
}
