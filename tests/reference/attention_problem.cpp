// The data of attention cases.
#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/problem.hpp"

namespace weft::cases {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPoison[] = {kNan, kInfinity, -kInfinity};

using reference::Array;
using reference::AttentionInputs;
using reference::RowPlace;

// The sizes of a case's tensors, once its sequences are drawn.
struct Sizes {
  bool packed_q, packed_kv;
  int64_t items, query_rows, key_rows;
  int64_t longest_q, longest_kv;  // the sizes of masks
};

double query_size(Logits logits) {
  switch (logits) {
    case Logits::normal:
      return 1.0;
    case Logits::large:
      return 100.0;
    case Logits::huge:
      return 30000.0;
  }
  return 1.0;
}

// Starts of items whose lengths are drawn; gives the rows of the tensor that holds them.
int64_t draw_starts(const AttentionCase& c, int64_t longest, Random& random,
                    std::vector<int32_t>& starts) {
  int64_t at = c.starts == Starts::gaps ? 2 : 0;
  starts.assign(1, static_cast<int32_t>(at));
  for (int64_t b = 0; b < c.batch; ++b) {
    int64_t length = b % 4 == 1 ? 0 : b % 4 == 2 ? longest : random.below(longest + 1);
    if (c.starts == Starts::gaps && b % 3 == 0) length = longest + 3;
    starts.push_back(static_cast<int32_t>(at += length));
  }
  const int64_t rows = at + (c.starts == Starts::gaps ? 3 : 0);
  if (c.starts == Starts::outside) {
    starts.front() = -4;
    starts.back() = static_cast<int32_t>(rows + 7);
  }
  return rows;
}

int32_t length_of(const AttentionCase& c, int64_t item, Random& random) {
  const int64_t in_turn[] = {0, c.kv_len + 5, 1, c.kv_len, c.kv_len / 2};
  switch (c.lengths) {
    case Lengths::none:
    case Lengths::full:
      return static_cast<int32_t>(c.kv_len);
    case Lengths::random:
      return static_cast<int32_t>(random.below(c.kv_len + 1));
    case Lengths::zero:
      return 0;
    case Lengths::over:
      return static_cast<int32_t>(c.kv_len + 1 + item * 1000);
    case Lengths::negative:
      return static_cast<int32_t>(-1 - item * 1000);
    case Lengths::quarter:
      return static_cast<int32_t>(c.kv_len / 4);
    case Lengths::mixed:
      return static_cast<int32_t>(in_turn[item % 5]);
  }
  return 0;
}

// The rows or keys of a packed item.
int64_t count_of(const std::vector<int32_t>& starts, int64_t item, int64_t rows, int64_t most) {
  if (starts.empty()) return rows;
  const auto at = [&](int64_t n) { return std::clamp<int64_t>(starts[n], 0, rows); };
  const int64_t count = at(item + 1) - at(item);
  return most > 0 ? std::min(count, most) : count;
}

int32_t offset_of(const AttentionCase& c, const AttentionInputs& inputs, const Sizes& sizes,
                  int64_t item, Random& random) {
  constexpr int32_t kFar[] = {std::numeric_limits<int32_t>::min(),
                              std::numeric_limits<int32_t>::max(), -(1 << 28) + 1, (1 << 28) - 1,
                              1 << 30};
  switch (c.offsets) {
    case Offsets::none:
      return 0;
    case Offsets::random:
      return static_cast<int32_t>(random.below(c.q_len + c.kv_len + 5) - c.q_len - 2);
    case Offsets::end: {
      int64_t keys = count_of(inputs.kv_starts, item, sizes.key_rows, inputs.max_kv_len);
      if (!inputs.kv_lengths.empty()) keys = std::clamp<int64_t>(inputs.kv_lengths[item], 0, keys);
      const int64_t rows = count_of(inputs.q_starts, item, sizes.query_rows, inputs.max_q_len);
      return static_cast<int32_t>(keys - rows);
    }
    case Offsets::negative:
      return static_cast<int32_t>(-1 - random.below(c.q_len + 2));
    case Offsets::far:
      return kFar[item % 5];
  }
  return 0;
}

// One entry of a boolean mask: every nonzero value counts, in any byte.
double boolean_element(Mask mask, bool masked, Random& random) {
  constexpr double kBytes[] = {1.0, 2.0, 128.0, 255.0};
  constexpr double kIntegers[] = {1.0, -1.0, 256.0, -2147483648.0};
  const bool nonzero = masked == (mask_kind(mask) == MaskKind::drop);
  const int64_t pick = random.below(4);
  if (!nonzero) return 0.0;
  return mask_dtype(mask) == DType::u8 ? kBytes[pick] : kIntegers[pick];
}

// An array of a mask's shape; element(masked) makes its entries.
template <class Element>
Array masked_array(const AttentionCase& c, const Sizes& sizes, const std::string& axes,
                   int64_t columns, int64_t share, Random& random, Element element) {
  const auto has = [&](char axis) { return axes.find(axis) != std::string::npos; };
  Array mask(has('b') ? sizes.items : 1, has('h') ? c.heads : 1, has('q') ? sizes.longest_q : 1,
             columns);
  const int64_t rows = columns > 0 ? static_cast<int64_t>(mask.values.size()) / columns : 0;
  for (int64_t row = 0; row < rows; ++row) {
    const bool whole_row = c.masked == Masked::all || (c.masked == Masked::rows && row % 2 == 0);
    for (int64_t j = 0; j < columns; ++j) {
      const bool masked = whole_row || (c.masked == Masked::blocks
                                            ? (j / 64 + row / 8) % 4 != 0
                                            : c.masked != Masked::none && random.below(share) == 0);
      mask.values[static_cast<size_t>(row * columns + j)] = element(masked);
    }
  }
  return mask;
}

void draw_masks(const AttentionCase& c, const Sizes& sizes, AttentionInputs& inputs) {
  Random mask_random(c.seed, 4), bias_random(c.seed, 10);
  // Packed keys may hold some where the longest item is to have none.
  const auto columns = [&](int64_t asked) {
    return c.kv_len == 0 ? sizes.longest_kv : std::min(asked, sizes.longest_kv);
  };
  if (c.mask != Mask::none) {
    Array mask =
        masked_array(c, sizes, c.mask_shape, columns(c.mask_keys), 2, mask_random,
                     [&](bool masked) { return boolean_element(c.mask, masked, mask_random); });
    (mask_kind(c.mask) == MaskKind::keep ? inputs.keep_mask : inputs.drop_mask) = std::move(mask);
  }
  if (c.bias != Bias::none)
    inputs.bias = masked_array(
        c, sizes, c.bias_shape, columns(c.bias_keys), 4, bias_random, [&](bool masked) {
          const double bias = round_to(bias_dtype(c.bias), 2.0 * bias_random.uniform());
          return masked ? -kInfinity : bias;
        });
}

constexpr int64_t kQueryIds = 3, kKeyIds = 4;  // rows and columns of the region mask

// Eight runs of neighbours, one id each
Array block_ids(int64_t batch, int64_t rows) {
  Array ids(batch, 1, 1, rows);
  for (size_t i = 0; i < ids.values.size(); ++i)
    ids.values[i] = static_cast<double>(static_cast<int64_t>(i) % rows * 8 / rows);
  return ids;
}

// Ids from -1 to `count`, and now and then one far outside.
Array draw_ids(int64_t batch, int64_t rows, int64_t count, Random& random) {
  Array ids(batch, 1, 1, rows);
  for (double& id : ids.values) {
    id = static_cast<double>(random.below(count + 2) - 1);
    if (random.below(16) == 0) id = random.below(2) == 0 ? -2147483648.0 : 2147483647.0;
  }
  return ids;
}

void draw_regions(const AttentionCase& c, const Sizes& sizes, AttentionInputs& inputs) {
  if (c.regions == Regions::none) return;
  Random random(c.seed, 11);
  const bool mask = c.regions == Regions::mask;
  const auto batch = [&](One one, bool packed) {
    return c.ones & one || packed ? int64_t{1} : sizes.items;
  };
  const auto ids = [&](int64_t items, int64_t rows, int64_t count) {
    return c.regions == Regions::blocks ? block_ids(items, rows)
                                        : draw_ids(items, rows, count, random);
  };
  inputs.query_regions =
      ids(batch(kOneQueryRegions, sizes.packed_q), inputs.query.shape[2], mask ? kQueryIds : 1);
  inputs.key_regions =
      ids(batch(kOneKeyRegions, sizes.packed_kv), inputs.key.shape[2], mask ? kKeyIds : 1);
  if (!mask) return;
  inputs.region_mask = Array(1, 1, kQueryIds, kKeyIds);
  for (double& entry : inputs.region_mask->values)
    entry = boolean_element(Mask::keep, random.below(2) == 0, random);
}

// Numbers of items, one in three outside of them.
std::vector<int32_t> draw_items(int64_t batch, int64_t count, Random& random) {
  std::vector<int32_t> items;
  for (int64_t b = 0; count > 0 && b < batch; ++b) {
    const int64_t inside = random.below(count);
    items.push_back(static_cast<int32_t>(b % 3 != 2 ? inside : b % 2 == 0 ? -1 - b : count + b));
  }
  return items;
}

void draw_extras(const AttentionCase& c, AttentionInputs& inputs) {
  Random random(c.seed, 12);
  for (int64_t h = 0; c.sinks && h < c.heads; ++h)
    inputs.sinks.push_back(h % 4 == 3 ? -kInfinity : round_to(DType::f32, 3.0 * random.uniform()));
  if (c.null_len > 0) {
    const int64_t heads = c.ones & kOneNullHead ? 1 : c.kv_heads;
    inputs.null_key = random_array(random, c.kv, {1, heads, c.null_len, c.head_dim}, 1.0);
    inputs.null_value = random_array(random, c.kv, {1, heads, c.null_len, c.value_dim}, 1.0);
  }
  inputs.score_items = draw_items(c.batch, c.score_items, random);
  inputs.value_items = draw_items(c.batch, c.value_items, random);
}

void draw_tensors(const AttentionCase& c, const Sizes& sizes, AttentionInputs& inputs) {
  Random query_random(c.seed, 1), key_random(c.seed, 2), value_random(c.seed, 3);
  const auto batch = [&](bool packed, One one, int64_t count) {
    if (packed || c.ones & one) return int64_t{1};
    return c.broadcast_kv && one != kOneQuery ? std::min<int64_t>(count, 1) : count;
  };
  const auto heads = [&](One one, int64_t count) { return c.ones & one ? int64_t{1} : count; };
  const int64_t value_items = c.value_items > 0 ? c.value_items : c.batch;
  inputs.query = random_array(query_random, c.query,
                              {batch(sizes.packed_q, kOneQuery, sizes.items),
                               heads(kOneQueryHead, c.heads), sizes.query_rows, c.head_dim},
                              query_size(c.logits));
  inputs.key = random_array(key_random, c.kv,
                            {batch(sizes.packed_kv, kOneKey, sizes.items),
                             heads(kOneKeyHead, c.kv_heads), sizes.key_rows, c.head_dim},
                            1.0);
  inputs.value = random_array(value_random, c.kv,
                              {batch(sizes.packed_kv, kOneValue, value_items),
                               heads(kOneValueHead, c.kv_heads), sizes.key_rows, c.value_dim},
                              1.0);
}

// Marks what any row reads, then spoils the rest.
class Poisoner {
 public:
  explicit Poisoner(AttentionInputs& inputs)
      : inputs_(inputs),
        query_(marks(inputs.query)),
        key_(marks(inputs.key)),
        value_(marks(inputs.value)) {
    for (const std::optional<Array>* mask : masks())
      mask_.push_back(
          *mask ? Array((*mask)->shape[0], (*mask)->shape[1], (*mask)->shape[2], (*mask)->shape[3])
                : Array());
    for (const RowPlace& row : reference::rows_of(inputs)) mark(row);
  }

  void spoil() {
    spoil_rows(inputs_.query, query_);
    spoil_rows(inputs_.key, key_);
    spoil_rows(inputs_.value, value_);
    // Entries that must not be believed say that their key takes part, or are NaN.
    const double lies[] = {1.0, 0.0, kNan};
    for (size_t m = 0; m < 3; ++m)
      for (size_t i = 0; i < mask_[m].values.size(); ++i)
        if (mask_[m].values[i] == 0.0) (*masks()[m])->values[i] = lies[m];
  }

 private:
  static Array marks(const Array& of) { return Array(of.shape[0], of.shape[1], of.shape[2], 1); }
  std::array<std::optional<Array>*, 3> masks() {
    return {&inputs_.keep_mask, &inputs_.drop_mask, &inputs_.bias};
  }

  void mark(const RowPlace& row) {
    *query_.row(row.query_item, row.head, row.first_row + row.i) = 1.0;
    for (int64_t j = 0; j < row.keys; ++j) {
      if (!reference::within_reach(inputs_, row, j)) continue;
      mark_masks(row, j);
      if (!reference::takes_part(inputs_, row, j)) continue;
      *key_.row(row.key_item, row.kv_head, row.first_key + j) = 1.0;
      *value_.row(row.value_item, row.kv_head, row.first_key + j) = 1.0;
    }
  }
  // A bias is read where no mask hides its key.
  void mark_masks(const RowPlace& row, int64_t j) {
    bool hidden = false;
    for (size_t m = 0; m < 3 && !hidden; ++m) {
      if (!*masks()[m]) continue;
      Array& mask = **masks()[m];
      hidden = j >= mask.shape[3];
      if (hidden) continue;
      mask_[m].row(row.item, row.head, row.i)[j] = 1.0;
      const bool nonzero = mask.row(row.item, row.head, row.i)[j] != 0.0;
      hidden = (m == 0 && !nonzero) || (m == 1 && nonzero);
    }
  }
  static void spoil_rows(Array& array, const Array& used) {
    const auto width = static_cast<size_t>(array.shape[3]);
    for (size_t row = 0; row < used.values.size(); ++row)
      if (used.values[row] == 0.0)
        std::fill_n(array.values.begin() + static_cast<ptrdiff_t>(row * width), width,
                    kPoison[row % 3]);
  }

  AttentionInputs& inputs_;
  Array query_, key_, value_;
  std::vector<Array> mask_;
};

Dims dims(const Array& a) { return {a.shape[0], a.shape[1], a.shape[2], a.shape[3]}; }

void place_all(const AttentionCase& c, AttentionProblem& problem) {
  const AttentionInputs& inputs = problem.inputs;
  const Layout plain = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  problem.query = place(c.query, dims(inputs.query), c.layout);
  problem.key = place(c.kv, dims(inputs.key), c.layout);
  problem.value = place(c.kv, dims(inputs.value), c.layout);
  if (const auto& mask = inputs.keep_mask ? inputs.keep_mask : inputs.drop_mask)
    problem.mask = place(mask_dtype(c.mask), dims(*mask), plain);
  if (inputs.bias) problem.bias = place(bias_dtype(c.bias), dims(*inputs.bias), plain);
  const int64_t rows = inputs.query.shape[2];
  problem.output = place(c.output, {inputs.batch, c.heads, rows, c.value_dim}, c.layout);
  problem.logsumexp = place(DType::f32, {inputs.batch, c.heads, rows}, plain);
  problem.weights = place(DType::f32, {inputs.batch, c.heads, rows, inputs.kv_len()}, c.layout);
  const auto place_ids = [&](const Array& ids) {
    return place(DType::i32, {ids.shape[0], ids.shape[3]}, plain);
  };
  if (inputs.query_regions) problem.query_regions = place_ids(*inputs.query_regions);
  if (inputs.key_regions) problem.key_regions = place_ids(*inputs.key_regions);
  if (inputs.region_mask) problem.region_mask = place(DType::u8, {kQueryIds, kKeyIds}, plain);
  const auto place_null = [&](const Array& null) {
    return place(c.kv, {null.shape[1], null.shape[2], null.shape[3]}, c.layout);
  };
  if (inputs.null_key) problem.null_key = place_null(*inputs.null_key);
  if (inputs.null_value) problem.null_value = place_null(*inputs.null_value);
}

}  // namespace

AttentionProblem make_problem(const AttentionCase& c) {
  AttentionProblem problem;
  AttentionInputs& inputs = problem.inputs;
  Sizes sizes{.packed_q = c.packed == Packed::q || c.packed == Packed::qk,
              .packed_kv = c.packed == Packed::k || c.packed == Packed::qk,
              .items = c.score_items > 0 ? c.score_items : c.batch,
              .query_rows = c.q_len,
              .key_rows = c.kv_len,
              .longest_q = c.q_len,
              .longest_kv = c.kv_len};
  if (c.score_items > 0 && c.ones & kOneQuery && c.ones & kOneKey) sizes.items = 1;
  Random start_random(c.seed, 13), length_random(c.seed, 5), offset_random(c.seed, 14);
  inputs.max_q_len = sizes.packed_q && !c.no_max ? c.q_len : 0;
  inputs.max_kv_len = sizes.packed_kv && !c.no_max ? c.kv_len : 0;
  if (sizes.packed_q) {
    sizes.query_rows = draw_starts(c, c.q_len, start_random, inputs.q_starts);
    sizes.longest_q = std::min(inputs.max_q_len > 0 ? c.q_len : sizes.query_rows, sizes.query_rows);
  }
  if (sizes.packed_kv) {
    sizes.key_rows = draw_starts(c, c.kv_len, start_random, inputs.kv_starts);
    sizes.longest_kv = std::min(inputs.max_kv_len > 0 ? c.kv_len : sizes.key_rows, sizes.key_rows);
  }
  inputs.batch = sizes.packed_q ? 1 : c.batch;
  inputs.items = sizes.items;
  inputs.heads = c.heads;
  inputs.scale = c.scale;
  inputs.softcap = c.softcap;
  inputs.position_offset = c.offset;
  inputs.causal = c.causal;
  inputs.window_left = c.window_left;
  inputs.window_right = c.window_right;
  draw_tensors(c, sizes, inputs);
  for (int64_t item = 0; c.lengths != Lengths::none && item < sizes.items; ++item)
    inputs.kv_lengths.push_back(length_of(c, item, length_random));
  for (int64_t item = 0; c.offsets != Offsets::none && item < sizes.items; ++item)
    inputs.position_offsets.push_back(offset_of(c, inputs, sizes, item, offset_random));
  draw_masks(c, sizes, inputs);
  draw_regions(c, sizes, inputs);
  draw_extras(c, inputs);
  if (c.poison) Poisoner(inputs).spoil();
  place_all(c, problem);
  return problem;
}

namespace {

// Outputs of unit size under sums of any size; empty parts hold NaN.
reference::MergeResult draw_part(const MergeCase& c, DType dtype, bool left) {
  Random random(c.seed, left ? 15 : 16);
  reference::MergeResult part{
      .output = random_array(random, dtype, {c.batch, c.heads, c.q_len, c.value_dim}, 1.0),
      .logsumexp = random_array(random, DType::f32, {c.batch, c.heads, c.q_len, 1}, 4.0)};
  const auto width = static_cast<ptrdiff_t>(c.value_dim);
  for (size_t row = 0; row < part.logsumexp.values.size(); ++row) {
    if (row % 5 == 4) part.logsumexp.values[row] = round_to(DType::f32, 100.0 * random.uniform());
    const bool empty = c.empty == Empty::both || c.empty == (left ? Empty::left : Empty::right) ||
                       (c.empty == Empty::mixed && (row & (left ? 1u : 2u)) != 0);
    if (!empty) continue;
    part.logsumexp.values[row] = -kInfinity;
    std::fill_n(part.output.values.begin() + static_cast<ptrdiff_t>(row) * width, width, kNan);
  }
  return part;
}

}  // namespace

MergeProblem make_problem(const MergeCase& c) {
  const Layout plain = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  const Dims shape{c.batch, c.heads, c.q_len, c.value_dim};
  const Placement logsumexp = place(DType::f32, {c.batch, c.heads, c.q_len}, plain);
  return {.left = draw_part(c, c.left, true),
          .right = draw_part(c, c.right, false),
          .left_output = place(c.left, shape, c.layout),
          .right_output = place(c.right, shape, c.layout),
          .left_logsumexp = logsumexp,
          .right_logsumexp = logsumexp,
          .output = place(c.output, shape, c.layout),
          .logsumexp = logsumexp};
}

}  // namespace weft::cases
