// Which kernel row runs a problem on a device, and why the others don't. Pure: reads traits and
// rows only.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "decide/kernels.hpp"
#include "weft/attention.hpp"

namespace weft::decide {

// What the user asked for: comma-separated lists.
struct Overrides {
  std::string kernel =
      {};  // names of rows to force; each binds only the kind of operation that has it
  std::string disable = {};  // beginnings of names of rows to leave out
};

// Sizes that a row may refuse, and lengths that it may prefer (0: unknown).
struct AttentionProblem {
  uint32_t head_dim = 0;
  uint32_t value_dim = 0;
  uint32_t q_len = 0;
  bool half = false;  // keys and values have 16 bits
  uint32_t features = 0;
};
struct LinearProblem {
  uint32_t rows = 0;
  uint32_t out_features = 0;
  bool half = false;  // weights have 16 bits
};

// What was decided about one row: "chosen", or why not.
struct Verdict {
  const char* row;
  std::string text;
};

// The first row that fits. Errors: unsupported, with every row and why it can't run.
Result<const AttentionRow*> select_attention(const DeviceTraits& traits,
                                             const AttentionProblem& problem,
                                             const Overrides& overrides,
                                             std::span<const AttentionRow> rows = attention_rows());
Result<const LinearRow*> select_linear(const DeviceTraits& traits, const LinearProblem& problem,
                                       const Overrides& overrides,
                                       std::span<const LinearRow> rows = linear_rows());

// The same decision, every row in order.
std::vector<Verdict> judge_attention(const DeviceTraits& traits, const AttentionProblem& problem,
                                     const Overrides& overrides,
                                     std::span<const AttentionRow> rows = attention_rows());

// The smallest q_len that meets the same hints as this one: problems that differ only in it share a
// row.
uint32_t q_len_class(uint32_t q_len,
                     std::span<const AttentionRow> rows = attention_rows()) noexcept;

// What select_attention needs of a description.
AttentionProblem problem_of(const AttentionDesc& desc) noexcept;

// Value elements that an invocation of this row takes: the row's limit, spread evenly over the chunks.
uint32_t value_chunk(const AttentionRow& row, uint32_t value_dim) noexcept;

// Specialization constants, indexed by WEFT_ATTENTION_... and WEFT_LINEAR_...
inline constexpr size_t kAttentionConstants = 16;
inline constexpr size_t kLinearConstants = 10;
// `desc.value_dim` must not be 0.
std::array<uint32_t, kAttentionConstants> attention_constants(const AttentionRow& row,
                                                              const AttentionDesc& desc,
                                                              bool aligned);

// Operations with one kernel each.
enum class Simple : uint32_t { weights, merge, norm, add, gather };
struct SimpleChoice {
  const char* name;
  Shader shader;
  uint32_t local_size;
};
SimpleChoice choose_simple(Simple kind, const DeviceTraits& traits) noexcept;

// WEFT_TYPE_... of a floating type.
constexpr uint32_t element_type(DType dtype) { return static_cast<uint32_t>(dtype); }
// WEFT_MASK_U8 or WEFT_MASK_I32.
constexpr uint32_t mask_type(DType dtype) { return dtype == DType::i32; }
// "kv_lengths", for the lowest bit of features that is set.
const char* feature_name(uint32_t features) noexcept;

}  // namespace weft::decide
