#include "peer_openblas.hpp"

#ifdef WEFT_HAVE_OPENBLAS
#include <cblas.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>

#include "workers.hpp"

// The softmax is compiled for the widest vectors that the processor has, as the products are.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__ELF__)
#define WEFT_BENCH_CLONES \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#define WEFT_BENCH_INLINE inline __attribute__((always_inline))
#else
#define WEFT_BENCH_CLONES
#define WEFT_BENCH_INLINE inline
#endif

namespace weft::bench {
namespace {

// exp(x) for x <= 0 to about 2e-7: 2^n times a polynomial of what is left; every step vectorises.
WEFT_BENCH_INLINE float fast_exp(float x) {
  const float scaled = std::max(x, -87.0f) * 1.44269504f;
  const int whole =
      static_cast<int>(scaled - 0.5f);  // towards zero: the nearest, for numbers below 0
  const float rest = (scaled - static_cast<float>(whole)) * 0.693147181f;
  float series = 1.0f / 720.0f;
  series = series * rest + 1.0f / 120.0f;
  series = series * rest + 1.0f / 24.0f;
  series = series * rest + 1.0f / 6.0f;
  series = series * rest + 0.5f;
  series = series * rest + 1.0f;
  series = series * rest + 1.0f;
  return series * std::bit_cast<float>((whole + 127) << 23);
}

constexpr int kLanes = 16;  // partial sums, so that rows need no strict order

WEFT_BENCH_CLONES void softmax_rows(float* scores, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scores + r * columns;
    float largest[kLanes], sums[kLanes];
    std::fill_n(largest, kLanes, -std::numeric_limits<float>::infinity());
    std::fill_n(sums, kLanes, 0.0f);
    const int64_t whole = columns / kLanes * kLanes;
    for (int64_t c = 0; c < whole; c += kLanes)
      for (int i = 0; i < kLanes; ++i) largest[i] = std::max(largest[i], row[c + i]);
    for (int64_t c = whole; c < columns; ++c) largest[0] = std::max(largest[0], row[c]);
    const float top = *std::max_element(largest, largest + kLanes);
    for (int64_t c = 0; c < whole; c += kLanes)
      for (int i = 0; i < kLanes; ++i) sums[i] += row[c + i] = fast_exp(row[c + i] - top);
    for (int64_t c = whole; c < columns; ++c) sums[0] += row[c] = fast_exp(row[c] - top);
    float sum = 0.0f;
    for (float part : sums) sum += part;
    const float factor = 1.0f / sum;
    for (int64_t c = 0; c < columns; ++c) row[c] *= factor;
  }
}

std::vector<float> floats(const reference::Array& array) {
  return {array.values.begin(), array.values.end()};
}

reference::Array array_of(const std::vector<float>& values, std::array<int64_t, 4> shape) {
  reference::Array array(shape[0], shape[1], shape[2], shape[3]);
  array.values.assign(values.begin(), values.end());
  return array;
}

double best_seconds(const std::function<void()>& run) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

struct AttentionPeer {
  cases::AttentionCase c;
  std::vector<float> query, key, value, scores, output;
  Workers workers;
  int threads;

  AttentionPeer(const cases::AttentionCase& c, const cases::AttentionProblem& p, int threads)
      : c(c),
        query(floats(p.inputs.query)),
        key(floats(p.inputs.key)),
        value(floats(p.inputs.value)),
        scores(static_cast<size_t>(c.batch * c.heads * c.q_len * c.kv_len)),
        output(static_cast<size_t>(c.batch * c.heads * c.q_len * c.value_dim)),
        workers(threads),
        threads(threads) {}

  void one_head(int index) {
    const int rows = static_cast<int>(c.q_len), keys = static_cast<int>(c.kv_len);
    const int head_dim = static_cast<int>(c.head_dim), value_dim = static_cast<int>(c.value_dim);
    const int64_t head = index % c.heads, item = index / c.heads;
    const int64_t kv = (c.broadcast_kv ? 0 : item * c.kv_heads) + head / (c.heads / c.kv_heads);
    const float scale =
        c.scale != 0.0f ? c.scale : 1.0f / std::sqrt(static_cast<float>(c.head_dim));
    const float* q = query.data() + index * c.q_len * c.head_dim;
    const float* k = key.data() + kv * c.kv_len * c.head_dim;
    const float* v = value.data() + kv * c.kv_len * c.value_dim;
    float* s = scores.data() + index * c.q_len * c.kv_len;
    float* o = output.data() + index * c.q_len * c.value_dim;
    if (rows == 1) {  // a product with a vector has a function of its own
      cblas_sgemv(CblasRowMajor, CblasNoTrans, keys, head_dim, scale, k, head_dim, q, 1, 0.0f, s,
                  1);
      softmax_rows(s, 1, keys);
      cblas_sgemv(CblasRowMajor, CblasTrans, keys, value_dim, 1.0f, v, value_dim, s, 1, 0.0f, o, 1);
      return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, keys, head_dim, scale, q, head_dim,
                k, head_dim, 0.0f, s, keys);
    softmax_rows(s, rows, keys);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, value_dim, keys, 1.0f, s, keys, v,
                value_dim, 0.0f, o, value_dim);
  }

  void heads_over_threads() {
    openblas_set_num_threads(1);
    workers.for_each(static_cast<int>(c.batch * c.heads), [this](int i) { one_head(i); });
  }
  void threads_inside_products() {
    openblas_set_num_threads(threads);
    for (int i = 0; i < static_cast<int>(c.batch * c.heads); ++i) one_head(i);
  }
};

struct LinearPeer {
  cases::LinearCase c;
  std::vector<float> input, weight, bias, output;
  int threads;

  LinearPeer(const cases::LinearCase& c, const cases::LinearProblem& p, int threads)
      : c(c),
        input(floats(p.input.values)),
        weight(floats(p.weight.values)),
        bias(floats(p.bias.values)),
        output(static_cast<size_t>(c.rows * c.out_features)),
        threads(threads) {}

  // The bias goes in first; activations have no peer.
  void run() {
    openblas_set_num_threads(threads);
    const int rows = static_cast<int>(c.rows), in = static_cast<int>(c.in_features);
    const int out = static_cast<int>(c.out_features);
    if (c.bias)
      for (int64_t r = 0; r < c.rows; ++r)
        std::copy(bias.begin(), bias.end(), output.begin() + r * out);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, out, in, 1.0f, input.data(), in,
                weight.data(), in, c.bias ? 1.0f : 0.0f, output.data(), out);
  }
};

PeerRun make_attention(const cases::AttentionCase& c, Measured& measured, int threads) {
  const auto peer = std::make_shared<AttentionPeer>(c, measured.attention(), threads);
  const auto outside = [peer] { peer->heads_over_threads(); };
  const auto inside = [peer] { peer->threads_inside_products(); };
  const bool outside_wins = threads > 1 && best_seconds(outside) <= best_seconds(inside);
  PeerRun run{
      .run = inside, .output = {}, .label = "threads inside products: " + std::to_string(threads)};
  if (outside_wins)
    run = {.run = outside, .output = {}, .label = "heads over threads: " + std::to_string(threads)};
  run.output = [peer] {
    return array_of(peer->output, {peer->c.batch, peer->c.heads, peer->c.q_len, peer->c.value_dim});
  };
  return run;
}

PeerRun make_linear(const cases::LinearCase& c, Measured& measured, int threads) {
  const auto peer = std::make_shared<LinearPeer>(c, measured.linear(), threads);
  return {.run = [peer] { peer->run(); },
          .output =
              [peer] {
                return array_of(peer->output, {1, 1, peer->c.rows, peer->c.out_features});
              },
          .label = "threads inside products: " + std::to_string(threads)};
}

}  // namespace

bool has_openblas_peer(const cases::Case& problem) {
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem)) {
    cases::AttentionCase plain{.batch = c->batch,
                               .heads = c->heads,
                               .kv_heads = c->kv_heads,
                               .q_len = c->q_len,
                               .kv_len = c->kv_len,
                               .head_dim = c->head_dim,
                               .value_dim = c->value_dim,
                               .mask_keys = c->kv_len,
                               .bias_keys = c->kv_len,
                               .scale = c->scale,
                               .layout = c->layout,
                               .logits = c->logits,
                               .seed = c->seed};
    return *c == plain && c->kv_len > 0;
  }
  if (const auto* c = std::get_if<cases::LinearCase>(&problem))
    return c->input == DType::f32 && c->weight == DType::f32 && c->output == DType::f32 &&
           c->activation == Activation::none;
  return false;
}

PeerRun make_openblas_peer(Measured& measured, int threads) {
  if (const auto* c = std::get_if<cases::AttentionCase>(&measured.problem()))
    return make_attention(*c, measured, threads);
  return make_linear(std::get<cases::LinearCase>(measured.problem()), measured, threads);
}

std::string openblas_version() {
  return std::string(openblas_get_config()) + ", " + openblas_get_corename();
}

}  // namespace weft::bench

#else

namespace weft::bench {

bool has_openblas_peer(const cases::Case&) { return false; }
PeerRun make_openblas_peer(Measured&, int) { return {}; }
std::string openblas_version() { return {}; }

}  // namespace weft::bench

#endif
