// Random blocks and their inputs on a device, and the rule that their results are held to. Included
// by two tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "device/fixture.hpp"
#include "reference/fusion.hpp"

namespace weft::test {

// Makes tensors of random numbers, of one type for rows and weights.
struct World {
  const Device& on;
  DType dtype = DType::f32;
  cases::Random random{1};

  Tensor tensor(DType type, const Dims& shape, double size, double centre = 0.0) {
    const cases::Placement placement = cases::place(type, shape, cases::Layout::bhld);
    reference::Array values =
        cases::decode(std::vector<std::byte>(placement.buffer_bytes), placement);
    for (double& value : values.values) value = centre + size * random.uniform();
    return must(cases::upload(on, values, placement));
  }
  Tensor rows(const Dims& shape) { return tensor(dtype, shape, 1.0); }
  Tensor factors(const Dims& shape, const std::vector<float>& first = {}) {
    Tensor made = must(on.tensor(DType::f32, shape));
    std::vector<float> values(static_cast<size_t>(made.elements()));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = i < first.size() ? first[i] : static_cast<float>(random.uniform());
    must(on.upload(made, values));
    return made;
  }
  template <class T>
  Tensor numbers(DType type, const Dims& shape, const std::vector<T>& values) {
    Tensor made = must(on.tensor(type, shape));
    must(on.upload(made, values));
    return made;
  }
  Tensor output(const Dims& shape) { return output(dtype, shape); }
  Tensor output(DType type, const Dims& shape) {
    return must(cases::poisoned(on, cases::place(type, shape, cases::Layout::bhld)));
  }
  Norm norm(NormKind kind, int64_t dim, bool bias = true) {
    Norm made{.kind = kind, .weight = tensor(DType::f32, {dim}, 0.5, 1.0)};
    if (bias) made.bias = tensor(DType::f32, {dim}, 0.3);
    return made;
  }
  Projection projection(int64_t out, int64_t in, bool bias = true) {
    Projection made{.weight = tensor(dtype, {out, in}, 1.5 / std::sqrt(static_cast<double>(in)))};
    if (bias) made.bias = tensor(DType::f32, {out}, 0.3);
    return made;
  }
  // Both in one buffer, the second behind the first.
  std::pair<Projection, Projection> pair(int64_t first, int64_t second, int64_t in,
                                         bool bias = true) {
    const Projection both = projection(first + second, in, bias);
    Projection left, right;
    left.weight = must(both.weight.slice(0, 0, first));
    right.weight = must(both.weight.slice(0, first, second));
    if (bias) left.bias = must(both.bias.slice(0, 0, first));
    if (bias) right.bias = must(both.bias.slice(0, first, second));
    return {left, right};
  }
  Gate gate(GateKind kind, int64_t count) { return {kind, tensor(DType::f32, {count}, 0.4, 0.6)}; }
};

struct Sizes {
  int64_t batch = 2, q_len = 5, dim = 12;
  int64_t context_batch = 2, kv_len = 7, context_dim = 10;
  int64_t heads = 3, kv_heads = 3, head_dim = 4, value_dim = 4;
  bool together = false;  // key's and value's weights
};

// A block with projections and a residual, and nothing else.
inline CrossAttentionBlock make_block(World& world, const Sizes& s = {}) {
  CrossAttentionBlock block;
  block.name = "cross";
  block.heads = static_cast<uint32_t>(s.heads);
  block.kv_heads = static_cast<uint32_t>(s.kv_heads);
  block.query = world.projection(s.heads * s.head_dim, s.dim);
  const int64_t keys = s.kv_heads * s.head_dim, values = s.kv_heads * s.value_dim;
  if (s.together) {
    std::tie(block.key, block.value) = world.pair(keys, values, s.context_dim);
  } else {
    block.key = world.projection(keys, s.context_dim);
    block.value = world.projection(values, s.context_dim);
  }
  block.out = world.projection(s.dim, s.heads * s.value_dim);
  return block;
}

inline CrossAttentionCall make_call(World& world, const Sizes& s = {}) {
  return {.query = world.rows({s.batch, s.q_len, s.dim}),
          .context = world.rows({s.context_batch, s.kv_len, s.context_dim}),
          .output = world.output({s.batch, s.q_len, s.dim})};
}

inline FeedForward make_feed_forward(World& world, int64_t dim, int64_t hidden, bool gated) {
  FeedForward made;
  made.norm = world.norm(NormKind::layer, dim);
  made.activation = gated ? Activation::silu : Activation::gelu;
  if (gated)
    std::tie(made.gate_up, made.up) = world.pair(hidden, hidden, dim, false);
  else
    made.up = world.projection(hidden, dim);
  made.down = world.projection(dim, hidden, !gated);
  return made;
}

// One output of a recording and what it should be.
struct Expected {
  Tensor output;
  std::function<reference::Array(const reference::Fusion&)> formula;
};

// The largest error, over what is allowed: four times what the formula loses when all that lies
// between its operations is rounded to the rows' type, one rounding of the result, and fp32
// arithmetic.
inline double error_of(const World& world, const Expected& expected,
                       const std::vector<std::byte>& bytes) {
  const Tensor& t = expected.output;
  const reference::Array found =
      cases::decode(bytes, {t.dtype, t.shape, t.strides, t.offset_bytes, bytes.size()});
  const reference::Array exact = expected.formula(reference::Fusion(world.on));
  const reference::Array rounded = expected.formula(reference::Fusion(world.on, world.dtype));
  REQUIRE(found.values.size() == exact.values.size());
  double largest = 1.0, rounding = 0.0, error = 0.0;
  for (size_t i = 0; i < exact.values.size(); ++i) {
    largest = std::max(largest, std::abs(exact.values[i]));
    rounding = std::max(rounding, std::abs(rounded.values[i] - exact.values[i]));
    const double distance = std::abs(found.values[i] - exact.values[i]);
    error = distance <= error ? error : distance;  // NaN stays
  }
  return error / (4.0 * rounding + cases::ulp(t.dtype, largest) + 2e-5 * largest);
}

// Records, runs twice as a program and compares.
inline ProgramStats check(const World& world, const std::function<Result<void>(Recorder&)>& record,
                          const std::vector<Expected>& expected) {
  Recorder recorder(world.on);
  must(record(recorder));
  const Program program = must(recorder.finish());
  std::vector<std::vector<std::byte>> first;
  for (int turn = 0; turn < 2; ++turn) {
    must(must(program.run()).wait());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto bytes = must(cases::buffer_bytes(world.on, expected[i].output));
      if (turn == 0) {
        CHECK(error_of(world, expected[i], bytes) <= 1.0);
        first.push_back(bytes);
        must(cases::poison_again(world.on, expected[i].output));
      } else {
        CHECK(bytes == first[i]);
      }
    }
  }
  return program.stats();
}

inline ProgramStats check_block(const World& world, const CrossAttentionBlock& block,
                                const CrossAttentionCall& call) {
  return check(world, [&](Recorder& recorder) { return cross_attention(recorder, block, call); },
               {{call.output, [&](const reference::Fusion& fusion) {
                   return fusion.cross_attention(block, call);
                 }}});
}

}  // namespace weft::test
