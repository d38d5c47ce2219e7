#include "peers.hpp"

#ifdef WEFT_HAVE_OPENBLAS
#include <cblas.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>

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
        query(to_floats(p.inputs.query)),
        key(to_floats(p.inputs.key)),
        value(to_floats(p.inputs.value)),
        scores(static_cast<size_t>(c.batch * c.heads * c.q_len * c.kv_len)),
        output(static_cast<size_t>(c.batch * c.heads * c.q_len * c.value_dim)),
        workers(threads),
        threads(threads) {}

  void one_head(int index) {
    const int rows = static_cast<int>(c.q_len), keys = static_cast<int>(c.kv_len);
    const int head_dim = static_cast<int>(c.head_dim), value_dim = static_cast<int>(c.value_dim);
    const int64_t head = index % c.heads, item = index / c.heads;
    const int64_t kv = (c.broadcast_kv ? 0 : item * c.kv_heads) + head / (c.heads / c.kv_heads);
    const float scale = scale_of(c);
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
        input(to_floats(p.input.values)),
        weight(to_floats(p.weight.values)),
        bias(to_floats(p.bias.values)),
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

// How it ran, and the output of the last run.
struct Way {
  std::function<void()> run;
  std::function<reference::Array()> output;
  std::string detail;
  bool spins = false;  // OpenBLAS's own threads wait busily after a product
};

Way way_of(const cases::AttentionCase& c, Measured& measured, int threads) {
  const auto peer = std::make_shared<AttentionPeer>(c, measured.attention(), threads);
  const std::string count = std::to_string(threads);
  Way outside{[peer] { peer->heads_over_threads(); }, {}, "heads over threads: " + count};
  Way inside{[peer] { peer->threads_inside_products(); },
             {},
             "threads inside products: " + count,
             threads > 1};
  const bool outside_wins = threads > 1 && best_seconds(outside.run) <= best_seconds(inside.run);
  Way best = outside_wins ? outside : inside;
  best.output = [peer] {
    return to_array(peer->output, {peer->c.batch, peer->c.heads, peer->c.q_len, peer->c.value_dim});
  };
  return best;
}

Way way_of(const cases::LinearCase& c, Measured& measured, int threads) {
  const auto peer = std::make_shared<LinearPeer>(c, measured.linear(), threads);
  const auto output = [peer] {
    return to_array(peer->output, {1, 1, peer->c.rows, peer->c.out_features});
  };
  return {[peer] { peer->run(); }, output, "threads inside products: " + std::to_string(threads),
          threads > 1};
}

bool computes(const Measured& measured) {
  const Problem& problem = measured.problem();
  if (!measured.is_f32()) return false;
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem)) return is_plain(*c);
  const auto* c = std::get_if<cases::LinearCase>(&problem);
  return c && c->activation == Activation::none;
}

Offer offer(Measured& measured, int threads) {
  if (!computes(measured)) return {};
  const auto* c = std::get_if<cases::AttentionCase>(&measured.problem());
  const Way way = c ? way_of(*c, measured, threads)
                    : way_of(std::get<cases::LinearCase>(measured.problem()), measured, threads);
  way.run();
  if (std::string problem = measured.check(way.output()); !problem.empty()) return {{}, problem};
  Contender contender = timed("openblas", way.detail, [run = way.run]() -> Result<void> {
    run();
    return {};
  });
  if (way.spins) contender.settle = std::chrono::milliseconds(100);
  return {{contender}, {}};
}

}  // namespace

std::optional<Peer> openblas_peer(int threads) {
  const std::string config = openblas_get_config();  // "OpenBLAS 0.3.21 ", then how it was built
  const std::string version = config.substr(0, config.find(' ', config.find(' ') + 1));
  return Peer{"openblas", version + " for " + openblas_get_corename(),
              [threads](Measured& measured) { return offer(measured, threads); }};
}

}  // namespace weft::bench

#else

namespace weft::bench {

std::optional<Peer> openblas_peer(int) { return std::nullopt; }

}  // namespace weft::bench

#endif
