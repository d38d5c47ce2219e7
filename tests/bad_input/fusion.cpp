// Blocks and what is made of them.
#include "weft/fusion.hpp"

#include <limits>

#include "bad_input/device_tables.hpp"

namespace weft::test {
namespace {

Tensor f32(const Dims& shape) { return tensor(DType::f32, shape); }
Projection weights(int64_t out, int64_t in) {
  return {.weight = f32({out, in}), .bias = f32({out})};
}

// What belongs to another device is refused by the operation that takes it first, under its name
// there.
const Maker& own_maker() {
  static const Maker maker{.tensor = tensor, .foreign = {}, .transient = {}};
  return maker;
}

template <class Call>
Breaker<Call> breaker(const char* operation, const Call& valid,
                      Result<void> (*make)(Recorder&, const Call&)) {
  Recorder recorder(device());
  must(make(recorder, valid));
  must(must(recorder.submit()).wait());
  return {operation, valid, recording(make), {}};
}

struct Block {
  CrossAttentionBlock block;
  CrossAttentionCall call;
};

Result<void> record(Recorder& recorder, const Block& b) {
  return cross_attention(recorder, b.block, b.call);
}

Block valid_block() {
  Block b;
  b.block.name = "cross";
  b.block.heads = 4;
  b.block.kv_heads = 2;
  b.block.query_norm = {.kind = NormKind::layer, .weight = f32({12}), .bias = f32({12})};
  b.block.query = weights(16, 12);
  b.block.key = weights(8, 10);
  b.block.value = weights(6, 10);
  b.block.out = weights(12, 12);
  b.block.gate = {GateKind::tanh, f32({12})};
  b.block.more_sources.resize(1);
  b.block.more_sources[0] = {{}, weights(8, 5), weights(6, 5)};
  b.block.feed_forward = FeedForward{.up = weights(20, 12), .down = weights(12, 20)};
  b.call = {.query = f32({2, 5, 12}), .context = f32({2, 7, 10}), .output = f32({2, 5, 12})};
  b.call.query_position = f32({2, 5, 12});
  b.call.row_factors = f32({2, 5});
  b.call.more_sources.resize(1);
  b.call.more_sources[0].context = f32({1, 3, 5});
  return b;
}

void add_block_tensors(Breaker<Block>& wrong) {
  add_tensor_faults<Block>(
      wrong,
      {{WEFT_PART(Block, "query", call.query), DType::i32, true, false, true},
       {WEFT_PART(Block, "context", call.context), DType::u8, false, false, true},
       {WEFT_PART(Block, "output", call.output), DType::i32, true, true, true},
       {WEFT_PART(Block, "query_position", call.query_position), DType::i32, false, false, true},
       {WEFT_PART(Block, "query.weight", block.query.weight), DType::i32},
       {WEFT_PART(Block, "key.weight", block.key.weight), DType::u8},
       {WEFT_PART(Block, "value.bias", block.value.bias), DType::u8},
       {WEFT_PART(Block, "query_norm.weight", block.query_norm.weight), DType::i32},
       {WEFT_PART(Block, "gate.value", block.gate.value), DType::i32, true}},
      own_maker());
  wrong.add("a query of another device",
            {"query_norm: layer_norm: input.buffer is of another device"},
            [](Block& b) { b.call.query.buffer = device_maker().foreign(b.call.query); });
  wrong.add(
      "a weight of another device", {"out: linear: weight.buffer is of another device"},
      [](Block& b) { b.block.out.weight.buffer = device_maker().foreign(b.block.out.weight); });
  wrong.add("a feed-forward's weight of another recording",
            {"feed_forward.down", "another recording"}, [](Block& b) {
              Tensor& weight = b.block.feed_forward->down.weight;
              weight.buffer = device_maker().transient(weight);
            });
}

void add_block_sizes(Breaker<Block>& wrong) {
  wrong.add("no heads", {"heads is 0", "at least 1"}, [](Block& b) { b.block.heads = 0; });
  wrong.add("kv_heads that don't divide", {"kv_heads is 3, heads is 4", "divide"},
            [](Block& b) { b.block.kv_heads = 3; });
  wrong.add("heads that don't divide", {"query has 16 features, heads is 3", "divide"},
            [](Block& b) { b.block.heads = b.block.kv_heads = 3; });
  wrong.add("another in_features", {"query.weight.shape[1] is 11", "12"},
            [](Block& b) { b.block.query = weights(16, 11); });
  wrong.add("another bias", {"key.bias.shape[0] is 9", "8"},
            [](Block& b) { b.block.key.bias = f32({9}); });
  wrong.add("a bias alone", {"out.bias is given without out.weight"},
            [](Block& b) { b.block.out.weight = {}; });
  wrong.add("another head_dim", {"key's head_dim is 5, query's is 4"},
            [](Block& b) { b.block.key = weights(10, 10); });
  wrong.add("values that heads don't divide", {"value has 7 features, kv_heads is 2"},
            [](Block& b) { b.block.value = weights(7, 10); });
  wrong.add("a result that is no residual", {"result has 13 columns", "12"},
            [](Block& b) { b.block.out = weights(13, 12); });
  wrong.add("another context batch", {"context.shape[0] is 3", "2, the query's batch, or 1"},
            [](Block& b) {
              b.call.context = f32({3, 7, 10});
            });
  wrong.add("another output", {"output.shape[1] is 6, query.shape[1] is 5"}, [](Block& b) {
    b.call.output = f32({2, 6, 12});
  });
  wrong.add("output on the query", {"output is bytes", "query bytes", "overlap"},
            [](Block& b) { b.call.output = b.call.query; });
  wrong.add("output on the context", {"output is bytes", "context bytes", "overlap"},
            [](Block& b) { b.call.output.buffer = b.call.context.buffer = f32({240}).buffer; });
  wrong.add("another position", {"query_position.shape[1] is 4", "5"}, [](Block& b) {
    b.call.query_position = f32({2, 4, 12});
  });
  wrong.add("factors of other rows", {"row_factors.shape is [2, 4]", "[2, 5]"}, [](Block& b) {
    b.call.row_factors = f32({2, 4});
  });
  wrong.add("factors of another type", {"row_factors.dtype is f16", "f32"}, [](Block& b) {
    b.call.row_factors = tensor(DType::f16, {2, 5});
  });
  wrong.add("a gate of another length", {"gate.value.shape[0] is 5", "1, or 12"},
            [](Block& b) { b.block.gate.value = f32({5}); });
  wrong.add("another norm", {"query_norm.bias.shape[0] is 9", "12"},
            [](Block& b) { b.block.query_norm.bias = f32({9}); });
  wrong.add("another head norm", {"key_head_norm.weight.shape[0] is 8", "4"},
            [](Block& b) { b.block.key_head_norm = {.kind = NormKind::rms, .weight = f32({8})}; });
}

void add_block_options(Breaker<Block>& wrong) {
  wrong.add("a norm's kind", {"post_norm.kind is 7", "NormKind"},
            [](Block& b) { b.block.post_norm.kind = static_cast<NormKind>(7); });
  wrong.add("a weight of no norm", {"post_norm.weight is given", "none"},
            [](Block& b) { b.block.post_norm.weight = f32({12}); });
  wrong.add("a gate's kind", {"gate.kind is -1", "GateKind"},
            [](Block& b) { b.block.gate.kind = static_cast<GateKind>(-1); });
  wrong.add("a value of no gate", {"gate.value is given", "none"},
            [](Block& b) { b.block.gate.kind = GateKind::none; });
  wrong.add("no context", {"context and prepared are not given"},
            [](Block& b) { b.call.context = {}; });
  wrong.add("both contexts", {"context and prepared are both given"}, [](Block& b) {
    b.call.prepared.key = f32({2, 2, 7, 4});
  });
  wrong.add("prepared for other heads", {"prepared.key.shape[1] is 4", "2"}, [](Block& b) {
    b.call.context = {};
    b.call.prepared = {f32({2, 4, 7, 4}), f32({2, 4, 7, 3})};
  });
  wrong.add("a position of what is prepared", {"context_position is given", "prepared"},
            [](Block& b) {
              b.call.context = {};
              b.call.prepared = {f32({2, 2, 7, 4}), f32({2, 2, 7, 3})};
              b.call.context_position = f32({7, 10});
            });
  wrong.add("a resampler of another dim", {"context.shape[2] is 10", "context_and_query"},
            [](Block& b) { b.block.context_and_query = true; });
  const std::pair<const char*, Tensor AttentionCall::*> ours[] = {
      {"query", &AttentionCall::query},          {"key", &AttentionCall::key},
      {"value", &AttentionCall::value},          {"output", &AttentionCall::output},
      {"logsumexp", &AttentionCall::logsumexp},  {"weights", &AttentionCall::weights},
      {"null_key", &AttentionCall::null_key},    {"null_value", &AttentionCall::null_value}};
  for (const auto& [name, member] : ours)
    wrong.add(std::string("attention.") + name,
              {std::string("attention.") + name + " is given", "empty"},
              [member](Block& b) { b.call.attention.*member = f32({1}); });
  wrong.add("attention.scale", {"attention.scale is 2", "0"},
            [](Block& b) { b.call.attention.scale = 2; });
  wrong.add("attention.softcap", {"attention.softcap is 2", "0"},
            [](Block& b) { b.call.attention.softcap = 2; });
  wrong.add("a mask of another batch", {"attention: attention: keep_mask.shape[0] is 3"},
            [](Block& b) {
              b.call.attention.keep_mask = tensor(DType::u8, {3, 1, 1, 7});
            });
  wrong.add("a scale that is no number", {"attention: attention: scale is nan"},
            [](Block& b) { b.block.scale = std::numeric_limits<float>::quiet_NaN(); });
  wrong.add("half of the null keys", {"null_value is not given", "null_key"}, [](Block& b) {
    b.block.null_key = f32({2, 1, 4});
  });
}

void add_block_sources(Breaker<Block>& wrong) {
  wrong.add("a source too many", {"more_sources has 2, the block has 1"},
            [](Block& b) { b.call.more_sources.resize(2); });
  wrong.add("a source without context",
            {"more_sources[0].context and more_sources[0].prepared are not given"},
            [](Block& b) { b.call.more_sources[0].context = {}; });
  wrong.add("a source's context", {"more_sources[0]: key.weight.shape[1] is 5", "6"}, [](Block& b) {
    b.call.more_sources[0].context = f32({1, 3, 6});
  });
  wrong.add("a source's heads",
            {"more_sources[0].key and value have head_dim 4 and value_dim 4", "4 and 3"},
            [](Block& b) { b.block.more_sources[0].value = weights(8, 5); });
  wrong.add("a source's batch", {"more_sources[0].context.shape[0] is 3"}, [](Block& b) {
    b.call.more_sources[0].context = f32({3, 3, 5});
  });
  wrong.add("a source's gate", {"more_sources[0].gate.value is not given"},
            [](Block& b) { b.call.more_sources[0].gate.kind = GateKind::value; });
  wrong.add("a source's factors", {"more_sources[0].row_factors.shape is [2, 3]"}, [](Block& b) {
    b.call.more_sources[0].row_factors = f32({2, 3});
  });
  wrong.add("a source's scale", {"more_sources[0].attention.scale is 1"},
            [](Block& b) { b.call.more_sources[0].attention.scale = 1; });
  wrong.add("output on a source", {"output is bytes", "more_sources.context bytes", "overlap"},
            [](Block& b) {
              b.call.output.buffer = b.call.more_sources[0].context.buffer = f32({120}).buffer;
            });
  wrong.add("a feed-forward without a weight", {"feed_forward.down.weight is not given"},
            [](Block& b) { b.block.feed_forward->down = {}; });
  wrong.add("a feed-forward of another dim", {"feed_forward.up.weight.shape[1] is 11", "12"},
            [](Block& b) { b.block.feed_forward->up = weights(20, 11); });
  wrong.add("another gate_up", {"feed_forward.gate_up.weight.shape[0] is 19", "20"},
            [](Block& b) { b.block.feed_forward->gate_up = weights(19, 12); });
  wrong.add("a feed-forward's activation", {"feed_forward.activation is 6", "Activation"},
            [](Block& b) { b.block.feed_forward->activation = static_cast<Activation>(6); });
  wrong.add("a feed-forward that is no residual", {"feed_forward.down.weight.shape[0] is 9", "12"},
            [](Block& b) { b.block.feed_forward->down = weights(9, 20); });
  wrong.add("factors of no feed-forward", {"feed_forward_factors is given", "no feed_forward"},
            [](Block& b) {
              b.block.feed_forward.reset();
              b.call.feed_forward_factors = f32({2, 5});
            });
}

Rows block_rows() {
  Breaker<Block> wrong = breaker<Block>("cross_attention (cross)", valid_block(), record);
  add_block_tensors(wrong);
  add_block_sizes(wrong);
  add_block_options(wrong);
  add_block_sources(wrong);
  return wrong.rows;
}

struct Feed {
  FeedForward block;
  Tensor input, output, row_factors{};
};

Rows feed_forward_rows() {
  Breaker<Feed> wrong = breaker<Feed>(
      "feed_forward", {{.up = weights(8, 6), .down = weights(6, 8)}, f32({4, 6}), f32({4, 6})},
      [](Recorder& r, const Feed& f) {
        return feed_forward(r, f.block, f.input, f.output, f.row_factors);
      });
  add_tensor_faults<Feed>(wrong,
                          {{WEFT_FIELD(Feed, input), DType::i32, true, false, true},
                           {WEFT_FIELD(Feed, output), DType::i32, true, true, true},
                           {WEFT_PART(Feed, "up.weight", block.up.weight), DType::i32, true},
                           {WEFT_PART(Feed, "down.bias", block.down.bias), DType::i32}},
                          own_maker());
  wrong.add("other rows", {"output.shape[0] is 3, input.shape[0] is 4"}, [](Feed& f) {
    f.output = f32({3, 6});
  });
  wrong.add("output on the input", {"output is bytes", "input bytes"},
            [](Feed& f) { f.output = f.input; });
  wrong.add("other factors", {"row_factors.shape is [5]"},
            [](Feed& f) { f.row_factors = f32({5}); });
  return wrong.rows;
}

struct Prepare {
  CrossAttentionBlock block;
  Tensor context, position{};
};

Rows prepare_rows() {
  const Block valid = valid_block();
  Breaker<Prepare> wrong =
      breaker<Prepare>("prepare_context (cross)", {valid.block, valid.call.context, f32({7, 10})},
                       [](Recorder& r, const Prepare& p) {
                         return outcome(prepare_context(r, p.block, p.context, 1, p.position));
                       });
  add_tensor_faults<Prepare>(
      wrong,
      {{WEFT_FIELD(Prepare, context), DType::i32, true, false, true},
       {WEFT_PART(Prepare, "context_position", position), DType::i32, false, false, true}},
      own_maker());
  wrong.add("a resampler", {"context_and_query", "each call's query"},
            [](Prepare& p) { p.block.context_and_query = true; });
  wrong.add("heads beyond a kernel's", {"lay_out", "head_dim is 600", "576"},
            [](Prepare& p) { p.block.key = weights(1200, 10); });
  return wrong.rows;
}

struct Co {
  CrossAttentionBlock block;
  CoAttentionCall call;
};

Rows co_attention_rows() {
  Co valid;
  valid.block.heads = 2;
  valid.call.left = {.query = f32({2, 5, 8}), .output = f32({2, 5, 8})};
  valid.call.right = {.query = f32({2, 7, 8}), .output = f32({2, 7, 8})};
  Breaker<Co> wrong = breaker<Co>("co_attention", valid, [](Recorder& r, const Co& c) {
    return co_attention(r, c.block, c.block, c.call);
  });
  wrong.add("no query", {"left.query is not given"}, [](Co& c) { c.call.left.query = {}; });
  wrong.add("no output", {"right.output is not given"}, [](Co& c) { c.call.right.output = {}; });
  wrong.add("outputs in one place", {"left.output is bytes", "right.output bytes", "overlap"},
            [](Co& c) { c.call.left.output.buffer = c.call.right.output.buffer; });
  wrong.add("a new state over an old one", {"right.output is bytes", "left.query bytes", "overlap"},
            [](Co& c) {
              c.call.left.query.buffer = c.call.right.output.buffer;
              c.call.left.context = c.call.right.context = f32({2, 7, 8});
            });
  Rows rows = wrong.rows;
  Breaker<Co> inside{"cross_attention", valid, wrong.make, {}};
  inside.add("streams of other dims", {"key's head_dim is 5, query's is 4"}, [](Co& c) {
    c.call.right.query = f32({2, 7, 10});
    c.call.right.output = f32({2, 7, 10});
  });
  rows.insert(rows.end(), inside.rows.begin(), inside.rows.end());
  return rows;
}

Rows joint_rows() {
  using J = JointAttentionCall;
  const AttentionCall part{
      .query = f32({1, 2, 3, 4}), .key = f32({1, 2, 5, 4}), .value = f32({1, 2, 5, 4})};
  Breaker<J> wrong =
      breaker<J>("joint_attention", {{part, part}, f32({1, 2, 3, 4})}, joint_attention);
  wrong.add("no parts", {"parts is empty"}, [](J& j) { j.parts.clear(); });
  wrong.add("a part's output", {"parts[1].output is given"},
            [](J& j) { j.parts[1].output = j.output; });
  wrong.add("a part's logsumexp", {"parts[0].logsumexp is given"}, [](J& j) {
    j.parts[0].logsumexp = f32({1, 2, 3});
  });
  wrong.add("a part's weights", {"parts[1].weights is given"}, [](J& j) {
    j.parts[1].weights = f32({1, 2, 3, 5});
  });
  wrong.add("no output", {"output is not given"}, [](J& j) { j.output = {}; });
  wrong.add("an output of three axes", {"output.shape is [2, 3, 4]", "4"}, [](J& j) {
    j.output = f32({2, 3, 4});
  });
  wrong.add("a part of other queries",
            {"part.2: attention: output.shape[2] is 3, query.shape[2] is 4"}, [](J& j) {
              j.parts[1].query = f32({1, 2, 4, 4});
            });
  wrong.add("another logsumexp", {"merge: attention_merge: logsumexp.shape[2] is 4"}, [](J& j) {
    j.logsumexp = f32({1, 2, 4});
  });
  return wrong.rows;
}

struct Chunked {
  CrossAttentionBlock block;
  ChunkedAttentionCall call;
};

Rows chunked_rows() {
  Chunked valid;
  valid.block = valid_block().block;
  valid.block.more_sources.clear();
  valid.call = {.query = f32({2, 9, 12}),
                .context = f32({2, 2, 6, 10}),
                .output = f32({2, 9, 12}),
                .chunk_len = 4};
  Breaker<Chunked> wrong = breaker<Chunked>(
      "chunked_cross_attention (cross)", valid,
      [](Recorder& r, const Chunked& c) { return chunked_cross_attention(r, c.block, c.call); });
  add_tensor_faults<Chunked>(
      wrong,
      {{WEFT_PART(Chunked, "query", call.query), DType::i32, true, false, true},
       {WEFT_PART(Chunked, "context", call.context), DType::i32, true},
       {WEFT_PART(Chunked, "output", call.output), DType::i32, true, true, true}},
      own_maker());
  wrong.add("no chunk_len", {"chunk_len is 0", "1 to"}, [](Chunked& c) { c.call.chunk_len = 0; });
  wrong.add("another count of chunks", {"context.shape[1] is 3", "2"}, [](Chunked& c) {
    c.call.context = f32({2, 3, 6, 10});
  });
  wrong.add("a context with gaps", {"context.strides", "dense"}, [](Chunked& c) {
    c.call.context = must(f32({2, 2, 7, 10}).slice(2, 0, 6));
  });
  wrong.add("other lengths", {"kv_lengths.shape[0] is 3", "4"},
            [](Chunked& c) { c.call.kv_lengths = tensor(DType::i32, {3}); });
  wrong.add("other angles", {"query_angles.shape[0] is 9", "4"}, [](Chunked& c) {
    c.call.query_angles = f32({9, 2});
  });
  wrong.add("sources", {"more_sources is set"}, [](Chunked& c) { c.block.more_sources.resize(1); });
  return wrong.rows;
}

struct Similar {
  Similarity block;
  Tensor left, right, output;
};

Rows similarity_rows() {
  Breaker<Similar> wrong = breaker<Similar>(
      "similarity", {{.left = weights(8, 6)}, f32({3, 6}), f32({4, 8}), f32({3, 4})},
      [](Recorder& r, const Similar& s) {
        return similarity(r, s.block, s.left, s.right, s.output);
      });
  add_tensor_faults<Similar>(wrong,
                             {{WEFT_FIELD(Similar, left), DType::i32, true},
                              {WEFT_FIELD(Similar, right), DType::u8, true},
                              {WEFT_FIELD(Similar, output), DType::i32, true, true}},
                             own_maker());
  wrong.add("other columns", {"right is projected to 9 columns, left to 8"}, [](Similar& s) {
    s.right = f32({4, 9});
  });
  wrong.add("other rows", {"output.shape[1] is 5", "4"}, [](Similar& s) {
    s.output = f32({3, 5});
  });
  for (const float scale : {0.0f, std::numeric_limits<float>::infinity()})
    wrong.add("scale " + std::to_string(scale), {"scale is ", "finite and not 0"},
              [scale](Similar& s) { s.block.scale = scale; });
  wrong.add("output on the right", {"output is bytes", "right bytes"},
            [](Similar& s) { s.output.buffer = s.right.buffer; });
  return wrong.rows;
}

struct Fuse {
  FusionStack stack;
  FusionCall call;
};

Rows fuse_rows() {
  const Block valid = valid_block();
  Fuse fuse_valid;
  fuse_valid.stack.family = "test";
  fuse_valid.stack.steps = {{.block = valid.block}};
  fuse_valid.call = {
      .query = valid.call.query, .context = valid.call.context, .output = valid.call.output};
  fuse_valid.call.more_sources = valid.call.more_sources;
  Breaker<Fuse> wrong = breaker<Fuse>("fuse (test)", fuse_valid, [](Recorder& r, const Fuse& f) {
    return fuse(r, f.stack, f.call);
  });
  add_tensor_faults<Fuse>(
      wrong,
      {{WEFT_PART(Fuse, "query", call.query), DType::i32, false, false, true},
       {WEFT_PART(Fuse, "context", call.context), DType::i32, true, false, true}},
      own_maker());
  wrong.add("no query", {"query is not given"}, [](Fuse& f) { f.call.query = {}; });
  wrong.add("a query beside latents", {"query is given", "latents"}, [](Fuse& f) {
    f.stack.latents = f32({5, 12});
  });
  wrong.add("no output", {"output is not given"}, [](Fuse& f) { f.call.output = {}; });
  wrong.add("output on the context", {"output is bytes", "context bytes"},
            [](Fuse& f) { f.call.context.buffer = f.call.output.buffer = f32({240}).buffer; });
  wrong.add("a first step together", {"steps[0].together"},
            [](Fuse& f) { f.stack.steps[0].together = true; });
  wrong.add("options for a way that no step goes",
            {"swapped_attention has a window; no step goes from context to query"},
            [](Fuse& f) { f.call.swapped_attention.causal = true; });
  wrong.add("a negative chunk_len", {"chunk_len is -1"}, [](Fuse& f) { f.stack.chunk_len = -1; });
  wrong.add("a mask of chunks", {"attention.keep_mask is given", "kv_lengths"}, [](Fuse& f) {
    f.stack.chunk_len = 2;
    f.call.context = f32({2, 2, 3, 10});
    f.call.attention.keep_mask = tensor(DType::u8, {1, 1, 1, 3});
  });
  wrong.add("factors that no step uses", {"row_factors is given", "no step"}, [](Fuse& f) {
    f.stack.steps[0].self = true;
    f.call.more_sources.clear();
    f.call.row_factors = f32({2, 5});
  });
  wrong.add("steps beside a similarity", {"steps has 1", "empty"},
            [](Fuse& f) { f.stack.similarity = Similarity{}; });
  return wrong.rows;
}

}  // namespace

size_t check_fusion() {
  return check_rows("cross_attention", block_rows(), submissions) +
         check_rows("feed_forward", feed_forward_rows(), submissions) +
         check_rows("prepare_context", prepare_rows(), submissions) +
         check_rows("co_attention", co_attention_rows(), submissions) +
         check_rows("joint_attention", joint_rows(), submissions) +
         check_rows("chunked_cross_attention", chunked_rows(), submissions) +
         check_rows("similarity", similarity_rows(), submissions) +
         check_rows("fuse", fuse_rows(), submissions);
}

}  // namespace weft::test
