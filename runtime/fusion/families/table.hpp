// What a family's table is made of. A table says which tensors make a block, what each of them is
// and which shape it has, and the options that no tensor tells. Nothing else in Weft knows a
// family.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "weft/families.hpp"

namespace weft::family {

// What a tensor is, in the words of weft/fusion.hpp.
enum class Part : uint8_t {
  query_norm_weight,
  query_norm_bias,
  context_norm_weight,
  context_norm_bias,
  query_head_norm_weight,
  query_head_norm_bias,
  key_head_norm_weight,
  key_head_norm_bias,
  post_norm_weight,
  post_norm_bias,
  query_weight,
  query_bias,
  key_weight,
  key_bias,
  value_weight,
  value_bias,
  key_value_weight,  // rows of the key, then as many of the value
  key_value_bias,
  query_key_value_weight,  // a third of the rows each
  query_key_value_bias,
  out_weight,
  out_bias,
  null_key,  // [heads * head_dim], or [head_dim] for all
  null_value,
  gate,
  source_key_weight,  // AttentionSource: one more
  source_value_weight,
  feed_forward_norm_weight,
  feed_forward_norm_bias,
  up_weight,
  up_bias,
  gate_up_weight,
  gate_up_bias,
  down_weight,
  down_bias,
  feed_forward_gate,
  feed_forward_post_norm_weight,
  feed_forward_post_norm_bias,
  // Of the stack, not of a step.
  latents,
  input_weight,
  input_bias,
  output_weight,
  output_bias,
  last_norm_weight,
  last_norm_bias,
  left_weight,  // Similarity
  right_weight,
  logit_scale,  // one number, whose exponential is Similarity::scale
};

enum class Need : uint8_t {
  required,
  optional,
  absent,  // that it is there tells another family of the same names
};

// `name` follows the prefix; "{}" in it stands for the number of a layer, and a name that begins
// with "/" has no prefix.
// "{odd}" is 2 i + 1 where the block is the source's i-th of this family (IP-Adapter's numbers).
//
// `shape` has one letter for each axis, all of one value throughout the family: Q is heads *
// head_dim, K kv_heads * head_dim, H head_dim, V the value's rows, D the query stream's dim, C the
// context's, F the hidden one, and any other letter what the first tensor says. "_" is 1, a digit
// multiplies what follows, "|" parts alternatives, an empty alternative is a single number of no
// axis.
struct PartRow {
  Part part;
  const char* name;
  const char* shape;
  Need need = Need::required;
};

// The rows of both.
template <size_t N, size_t M>
consteval std::array<PartRow, N + M> together(const PartRow (&first)[N],
                                              const PartRow (&second)[M]) {
  std::array<PartRow, N + M> all{};
  std::copy_n(first, N, all.begin());
  std::copy_n(second, M, all.begin() + N);
  return all;
}

enum class Layers : uint8_t {
  none,   // the step is there once
  all,    // for layer 0 and on, as long as there are tensors; neighbouring steps with layers
          // alternate
  first,  // for layer 0 only
  later,  // for layer 1 and on
};

// A FusionStep. Norms are there where their tensors are. A step with the very parts of the one
// before shares its weights.
struct StepTable {
  std::span<const PartRow> parts;
  Layers layers = Layers::none;
  bool swapped = false;
  bool self = false;
  bool together = false;
  bool positions = true;
  bool residual = true;
  bool residual_of_norm = false;
  bool context_and_query = false;
  bool norm_across_heads = false;
  GateKind gate = GateKind::tanh;  // where there are gates
  Activation activation = Activation::gelu;
  float epsilon = 0;  // 0: the family's
};

// What tells families of the same names and shapes apart; nothing here is needed to load one.
struct Evidence {
  // All hold: the source has a name that ends so; "!" before it: has none.
  std::span<const char* const> names{};
  // The context's dim is one of these. It counts more than names do.
  std::span<const int64_t> context_dims{};
};

struct FamilyTable {
  FamilyInfo info;
  std::span<const PartRow> parts{};  // of the stack
  std::span<const StepTable> steps{};
  NormKind norm = NormKind::layer;
  float epsilon = 1e-5f;
  float scale = 0;        // 0: 1 / sqrt(head_dim)
  uint32_t heads = 0;     // the published models'; 0: see head_dim
  uint32_t kv_heads = 0;  // 0: as many as heads
  uint32_t head_dim = 0;  // the published models'; 0: heads must be given, or an H says it
  int64_t chunk_len = 0;
  Evidence evidence{};
};

// By name.
std::span<const FamilyTable> tables() noexcept;

// The tensor whose presence marks a block: the first one.
inline const PartRow& anchor(const FamilyTable& table) {
  return table.steps.empty() ? table.parts.front() : table.steps.front().parts.front();
}

}  // namespace weft::family
