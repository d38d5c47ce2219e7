#include "reference/problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weft::cases {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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
    case Lengths::mixed:
      return static_cast<int32_t>(in_turn[item % 5]);
  }
  return 0;
}

// Nonzero bytes of every kind take part.
double boolean_element(bool masked, Random& random) {
  constexpr double kTakesPart[] = {1.0, 2.0, 128.0, 255.0};
  return masked ? 0.0 : kTakesPart[random.below(4)];
}

reference::Array make_mask(const AttentionCase& c, Random& random) {
  reference::Array mask(mask_has(c, 'b') ? c.batch : 1, mask_has(c, 'h') ? c.heads : 1,
                        mask_has(c, 'q') ? c.q_len : 1, c.kv_len);
  const bool boolean = c.mask == Mask::boolean;
  const int64_t rows = c.kv_len > 0 ? static_cast<int64_t>(mask.values.size()) / c.kv_len : 0;
  for (int64_t row = 0; row < rows; ++row) {
    const bool whole_row = c.masked == Masked::all || (c.masked == Masked::rows && row % 2 == 0);
    for (int64_t j = 0; j < c.kv_len; ++j) {
      const bool masked =
          whole_row || (c.masked != Masked::none && random.below(boolean ? 2 : 4) == 0);
      const double bias =
          masked ? -kInfinity : round_to(mask_dtype(c.mask), 2.0 * random.uniform());
      mask.values[static_cast<size_t>(row * c.kv_len + j)] =
          boolean ? boolean_element(masked, random) : bias;
    }
  }
  return mask;
}

// True where no query row that reads item and head of the keys takes key j.
bool unused(const AttentionCase& c, const reference::AttentionInputs& inputs, int64_t item,
            int64_t kv_head, int64_t j) {
  const int64_t group = c.heads / c.kv_heads;
  for (int64_t b = c.broadcast_kv ? 0 : item; b < (c.broadcast_kv ? c.batch : item + 1); ++b)
    for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h)
      for (int64_t i = 0; i < c.q_len; ++i)
        if (reference::takes_part(inputs, b, h, i, j)) return false;
  return true;
}

void poison_unused_keys(const AttentionCase& c, reference::AttentionInputs& inputs) {
  constexpr double kPoison[] = {kNan, kInfinity, -kInfinity};
  for (int64_t item = 0; item < inputs.key.shape[0]; ++item)
    for (int64_t head = 0; head < c.kv_heads; ++head)
      for (int64_t j = 0; j < c.kv_len; ++j) {
        if (!unused(c, inputs, item, head, j)) continue;
        std::fill_n(inputs.key.row(item, head, j), c.head_dim, kPoison[j % 3]);
        std::fill_n(inputs.value.row(item, head, j), c.value_dim, kPoison[(j + 1) % 3]);
      }
}

// Past an item's length the mask says that a key takes part, or is NaN: nothing there may be
// believed.
void poison_mask_past_length(const AttentionCase& c, reference::AttentionInputs& inputs) {
  if (inputs.kv_lengths.empty()) return;
  int64_t longest = 0;
  for (int32_t length : inputs.kv_lengths) longest = std::max<int64_t>(longest, length);
  reference::Array& mask = inputs.mask;
  for (int64_t b = 0; b < mask.shape[0]; ++b)
    for (int64_t h = 0; h < mask.shape[1]; ++h)
      for (int64_t i = 0; i < mask.shape[2]; ++i)
        for (int64_t j = 0; j < c.kv_len; ++j) {
          const int64_t length = mask.shape[0] == 1 ? longest : inputs.kv_lengths[b];
          if (j >= length) mask.row(b, h, i)[j] = c.mask == Mask::boolean ? 1.0 : kNan;
        }
}

// Rows of a plain operation. Layout blhd stands for a dense tensor of three axes.
Placement place_rows(DType dtype, int64_t rows, int64_t dim, Layout layout) {
  if (layout == Layout::blhd && rows % 2 == 0)
    return place(dtype, {2, rows / 2, dim}, Layout::bhld);
  return place(dtype, {rows, dim}, layout);
}

Operand rows_operand(Random& random, DType dtype, int64_t rows, int64_t dim, Layout layout,
                     double size) {
  return {random_array(random, dtype, {1, 1, rows, dim}, size),
          place_rows(dtype, rows, dim, layout)};
}

Operand vector_operand(Random& random, DType dtype, int64_t dim, Layout layout, double size) {
  return {random_array(random, dtype, {1, 1, 1, dim}, size), place(dtype, {dim}, layout)};
}

}  // namespace

uint64_t Random::bits() {
  uint64_t z = state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-52 - 1.0; }

int64_t Random::below(int64_t count) {
  return static_cast<int64_t>(bits() % static_cast<uint64_t>(count));
}

reference::Array random_array(Random& random, DType dtype, const std::array<int64_t, 4>& shape,
                              double size) {
  reference::Array array(shape[0], shape[1], shape[2], shape[3]);
  for (double& value : array.values) value = round_to(dtype, size * random.uniform());
  return array;
}

AttentionProblem make_problem(const AttentionCase& c) {
  AttentionProblem problem;
  Random query_random(c.seed, 1), key_random(c.seed, 2), value_random(c.seed, 3),
      mask_random(c.seed, 4), length_random(c.seed, 5);
  const int64_t kv_items = c.broadcast_kv ? std::min<int64_t>(c.batch, 1) : c.batch;
  reference::AttentionInputs& inputs = problem.inputs;
  inputs.scale = c.scale;
  inputs.query = random_array(query_random, c.query, {c.batch, c.heads, c.q_len, c.head_dim},
                              query_size(c.logits));
  inputs.key = random_array(key_random, c.kv, {kv_items, c.kv_heads, c.kv_len, c.head_dim}, 1.0);
  inputs.value =
      random_array(value_random, c.kv, {kv_items, c.kv_heads, c.kv_len, c.value_dim}, 1.0);
  inputs.mask_kind = mask_kind(c.mask);
  if (c.mask != Mask::none) inputs.mask = make_mask(c, mask_random);
  if (c.lengths != Lengths::none)
    for (int64_t item = 0; item < c.batch; ++item)
      inputs.kv_lengths.push_back(length_of(c, item, length_random));
  if (c.poison) {
    poison_unused_keys(c, inputs);
    if (c.mask != Mask::none) poison_mask_past_length(c, inputs);
  }

  const auto dims = [](const reference::Array& a) {
    return Dims{a.shape[0], a.shape[1], a.shape[2], a.shape[3]};
  };
  problem.query = place(c.query, dims(inputs.query), c.layout);
  problem.key = place(c.kv, dims(inputs.key), c.layout);
  problem.value = place(c.kv, dims(inputs.value), c.layout);
  if (c.mask != Mask::none) {
    const Layout layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
    problem.mask = place(mask_dtype(c.mask), dims(inputs.mask), layout);
  }
  problem.output = place(c.output, {c.batch, c.heads, c.q_len, c.value_dim}, c.layout);
  problem.logsumexp = place(DType::f32, {c.batch, c.heads, c.q_len},
                            c.layout == Layout::blhd ? Layout::bhld : c.layout);
  return problem;
}

LinearProblem make_problem(const LinearCase& c) {
  Random random(c.seed, 6);
  // Sums of about unit size, whatever the number of features.
  const double weight_size =
      3.0 / std::sqrt(static_cast<double>(std::max<int64_t>(c.in_features, 1)));
  const Layout weight_layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  LinearProblem problem;
  problem.input = rows_operand(random, c.input, c.rows, c.in_features, c.layout, 1.0);
  problem.weight =
      rows_operand(random, c.weight, c.out_features, c.in_features, weight_layout, weight_size);
  if (c.bias) problem.bias = vector_operand(random, c.bias_type, c.out_features, c.layout, 1.0);
  problem.output = place_rows(c.output, c.rows, c.out_features, c.layout);
  return problem;
}

NormProblem make_problem(const NormCase& c) {
  Random random(c.seed, 7);
  NormProblem problem;
  problem.input = rows_operand(random, c.input, c.rows, c.dim, c.layout, 1.0);
  for (double& value : problem.input.values.values) value = round_to(c.input, value + c.offset);
  if (!c.no_weight) problem.weight = vector_operand(random, c.weight, c.dim, c.layout, 2.0);
  if (c.bias) problem.bias = vector_operand(random, c.weight, c.dim, c.layout, 1.0);
  problem.output = place_rows(c.output, c.rows, c.dim, c.layout);
  return problem;
}

AddProblem make_problem(const AddCase& c) {
  Random random(c.seed, 8);
  const Layout right_layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  return {.left = rows_operand(random, c.left, c.rows, c.dim, c.layout, 1.0),
          .right = rows_operand(random, c.right, c.right_rows, c.dim, right_layout, 1.0),
          .output = place_rows(c.output, c.rows, c.dim, c.layout)};
}

GatherProblem make_problem(const GatherCase& c) {
  Random random(c.seed, 9);
  const Layout layout = c.layout == Layout::blhd ? Layout::bhld : c.layout;
  GatherProblem problem{.table = rows_operand(random, c.table, c.table_rows, c.dim, layout, 1.0),
                        .indices = {},
                        .output = place_rows(c.output, c.count, c.dim, layout)};
  constexpr int32_t kOutside[] = {-1, std::numeric_limits<int32_t>::min(),
                                  std::numeric_limits<int32_t>::max()};
  for (int64_t i = 0; i < c.count; ++i) {
    const auto rows = static_cast<int32_t>(c.table_rows);
    if (c.outside && i % 2 == 0)
      problem.indices.push_back(i % 8 == 6 ? rows : kOutside[i % 8 / 2]);
    else
      problem.indices.push_back(rows > 0 ? static_cast<int32_t>(random.below(rows)) : 0);
  }
  return problem;
}

}  // namespace weft::cases
