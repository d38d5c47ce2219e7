#include "reference/random_case.hpp"

#include <algorithm>
#include <iterator>

#include "reference/problem.hpp"

namespace weft::cases {
namespace {

template <class T, size_t N>
T pick(Random& random, const T (&from)[N]) {
  return from[random.below(static_cast<int64_t>(N))];
}

bool one_in(Random& random, int64_t n) { return random.below(n) == 0; }

// low to high, both included.
int64_t between(Random& random, int64_t low, int64_t high) {
  return low + random.below(high - low + 1);
}

constexpr DType kAnyType[] = {DType::f32, DType::f16, DType::bf16};
// Every remainder of 4 and the ends; the usual ones more often.
constexpr int64_t kDims[] = {1,  2,  3,  4,  5,  7,  8,  8,  16, 16,  24,  32,  32,
                             33, 40, 48, 63, 64, 64, 72, 80, 96, 128, 160, 256, 576};
constexpr Layout kLayouts[] = {Layout::bhld, Layout::bhld, Layout::blhd, Layout::padded,
                               Layout::odd};
constexpr const char* kAxes[] = {"bhqk", "bhqk", "k", "bk", "hk", "qk", "bqk", "hqk", "bhk"};

// What its group compiles: types, dims and kinds.
AttentionCase draw_kind(Random& random) {
  AttentionCase c;
  c.query = pick(random, kAnyType);
  c.kv = one_in(random, 3) ? pick(random, kAnyType) : c.query;
  c.output = one_in(random, 3) ? pick(random, kAnyType) : c.query;
  c.head_dim = pick(random, kDims);
  c.value_dim = one_in(random, 3) ? pick(random, kDims) : c.head_dim;
  c.layout = pick(random, kLayouts);
  c.logsumexp = !one_in(random, 3);
  if (one_in(random, 2))
    c.mask = pick(random, {Mask::keep, Mask::drop, Mask::keep_i32, Mask::drop_i32});
  if (one_in(random, 3)) c.bias = pick(random, {Bias::f32, Bias::f16, Bias::bf16});
  if (one_in(random, 3)) c.lengths = Lengths::random;
  if (one_in(random, 4)) c.softcap = 1.0f;
  c.causal = one_in(random, 4);
  if (one_in(random, 4)) c.window_left = 0;
  if (one_in(random, 3)) c.offsets = Offsets::random;
  if (one_in(random, 4)) c.regions = pick(random, {Regions::equal, Regions::mask});
  c.sinks = one_in(random, 4);
  if (one_in(random, 4)) c.null_len = 1;
  if (one_in(random, 4)) {
    c.packed = pick(random, {Packed::q, Packed::k, Packed::qk, Packed::qk});
  } else {
    if (one_in(random, 5)) c.score_items = 1;
    if (one_in(random, 5)) c.value_items = 1;
  }
  c.weights = one_in(random, 6);
  return c;
}

void draw_sizes(AttentionCase& c, Random& random) {
  c.batch = one_in(random, 40) ? 0 : between(random, 1, 5);
  c.kv_heads = between(random, 1, 3);
  c.heads = c.kv_heads * between(random, 1, 3);
  c.q_len = one_in(random, 30) ? 0 : between(random, 1, one_in(random, 4) ? 70 : 20);
  c.kv_len = one_in(random, 30) ? 0 : between(random, 1, one_in(random, 4) ? 140 : 40);
  c.seed = random.below(100000);
  c.poison = one_in(random, 2);
  if (one_in(random, 8)) c.logits = one_in(random, 2) ? Logits::large : Logits::huge;
  if (one_in(random, 3)) c.scale = pick(random, {1.0f, -0.25f, 0.1f, 0.5f, 2.0f});
  if (c.softcap > 0.0f) c.softcap = pick(random, {0.5f, 2.0f, 15.0f, 30.0f, 50.0f});
}

void draw_masks(AttentionCase& c, Random& random) {
  const auto columns = [&] {
    return c.kv_len > 0 && one_in(random, 4) ? between(random, 1, c.kv_len) : c.kv_len;
  };
  c.mask_keys = c.bias_keys = c.kv_len;
  if (c.mask != Mask::none) {
    c.mask_shape = pick(random, kAxes);
    c.mask_keys = columns();
  }
  if (c.bias != Bias::none) {
    c.bias_shape = pick(random, kAxes);
    c.bias_keys = columns();
  }
  if (one_in(random, 3)) c.masked = pick(random, {Masked::none, Masked::rows, Masked::all});
}

void draw_positions(AttentionCase& c, Random& random) {
  if (c.lengths != Lengths::none)
    c.lengths = pick(random, {Lengths::full, Lengths::random, Lengths::random, Lengths::zero,
                              Lengths::over, Lengths::negative, Lengths::mixed, Lengths::mixed});
  if (c.window_left == 0) do {
      c.window_left = static_cast<int32_t>(between(random, -1, c.kv_len));
      c.window_right = static_cast<int32_t>(between(random, -1, c.kv_len));
    } while (c.window_left < 0 && c.window_right < 0);
  if (one_in(random, 2)) c.offset = static_cast<int32_t>(between(random, -c.q_len - 2, c.kv_len));
  if (c.offsets != Offsets::none)
    c.offsets = pick(
        random, {Offsets::random, Offsets::random, Offsets::end, Offsets::negative, Offsets::far});
}

void draw_items(AttentionCase& c, Random& random) {
  if (c.packed != Packed::none) {
    c.starts = pick(random, {Starts::tight, Starts::gaps, Starts::outside});
    c.no_max = one_in(random, 4);
  }
  if (c.score_items > 0) c.score_items = between(random, 1, 4);
  if (c.value_items > 0) c.value_items = between(random, 1, 4);
  if (c.null_len > 0) c.null_len = between(random, 1, one_in(random, 4) ? 16 : 4);
  for (uint32_t bit = 1; bit <= kOneKeyRegions; bit <<= 1)
    if (one_in(random, 6)) c.ones |= bit;
  c.broadcast_kv = one_in(random, 8);
  // What can't be together.
  if (c.packed == Packed::q || c.packed == Packed::qk) c.ones &= ~kOneQuery;
  if (c.packed == Packed::k || c.packed == Packed::qk) {
    c.ones &= ~(kOneKey | kOneValue);
    c.broadcast_kv = false;
  }
  if (c.ones & (kOneKey | kOneValue)) c.broadcast_kv = false;
  if (c.ones & kOneKeyHead) c.ones &= ~kOneValueHead;
  if (c.regions == Regions::none) c.ones &= ~(kOneQueryRegions | kOneKeyRegions);
  if (c.null_len == 0) c.ones &= ~kOneNullHead;
}

AttentionCase draw_attention(Random& kind, Random& random) {
  AttentionCase c = draw_kind(kind);
  draw_sizes(c, random);
  draw_masks(c, random);
  draw_positions(c, random);
  draw_items(c, random);
  return c;
}

WeightsCase draw_weights(Random& kind, Random& random) {
  WeightsCase c{.attention = draw_attention(kind, random)};
  AttentionCase& a = c.attention;
  c.stage = static_cast<WeightsStage>(random.below(4));
  if (c.stage < WeightsStage::masked) a.poison = false;
  a.logsumexp = a.weights = false;  // the test decides
  // Weights look at keys alone: where these have one head, so have null keys.
  if (a.ones & kOneKeyHead && a.null_len > 0) a.ones |= kOneNullHead;
  // How many keys packed items have is drawn later: all of them.
  const bool packed_kv = a.packed == Packed::k || a.packed == Packed::qk;
  const int64_t keys = packed_kv ? 0 : a.kv_len + a.null_len;
  for (int64_t n = between(random, 0, 4); n > 0 && keys > 0; --n)
    c.keys.push_back(static_cast<uint32_t>(random.below(keys)));
  for (int64_t n = between(random, 0, 2); n > 0; --n)
    c.heads.push_back(static_cast<uint32_t>(random.below(a.heads)));
  c.null_keys_last = one_in(random, 2);
  c.mean_heads = one_in(random, 3);
  c.accumulate = one_in(random, 3);
  return c;
}

MergeCase draw_merge(Random& kind, Random& random) {
  MergeCase c;
  c.left = pick(kind, kAnyType);
  c.right = pick(kind, kAnyType);
  c.output = pick(kind, kAnyType);
  c.value_dim = pick(kind, kDims);
  c.layout = pick(kind, kLayouts);
  c.logsumexp = one_in(kind, 2);
  c.batch = between(random, 1, 3);
  c.heads = between(random, 1, 4);
  c.q_len = between(random, 0, 30);
  c.empty = pick(random, {Empty::none, Empty::left, Empty::right, Empty::both, Empty::mixed});
  if (c.left == c.output && one_in(random, 3)) c.in_place = InPlace::left;
  if (c.right == c.output && one_in(random, 3)) c.in_place = InPlace::right;
  c.seed = random.below(100000);
  return c;
}

}  // namespace

Case random_case(int64_t seed, int64_t index) {
  const int64_t group = index / kRandomGroup;
  Random kind(seed, static_cast<uint64_t>(group) * 2 + 1000);
  Random random(seed, static_cast<uint64_t>(index) * 2 + 1001);
  if (group % 16 == 5) return draw_merge(kind, random);
  if (group % 4 == 2) return draw_weights(kind, random);
  return draw_attention(kind, random);
}

}  // namespace weft::cases
