// kernels.def as data: every shader module and every kernel row, in order of preference.
#pragma once

#include <cstdint>
#include <span>

#include "weft/attention.hpp"
#include "weft/traits.hpp"

namespace weft::decide {

// A SPIR-V module.
enum class Shader : uint32_t {
#define WEFT_SHADER(id, source, flags) id,
#include "decide/kernels.def"
  count
};

// What a row needs of a device, as bits.
enum Need : uint32_t {
  kNeedNothing = 0,
  kNeed16bitStorage = 1u << 0,
};

// Where a row is preferred at all; a forced row runs anywhere. discrete: GPUs with memory of their own
// whose subgroups are never smaller than kWideSubgroup; in smaller ones an invocation has half the
// registers.
inline constexpr uint32_t kWideSubgroup = 32;
enum class Where : uint32_t { any, cpu, gpu, discrete };

// For which elements of keys and values, or of weights, a row is preferred.
enum class Elements : uint32_t { any, half };

struct AttentionRow {
  const char* name;
  Shader shader;
  uint32_t needs;
  Where where;
  Elements elements;
  uint32_t features;       // what it can do of kFeature...
  uint32_t max_head_dim;
  uint32_t max_value_dim;
  uint32_t max_dim_sum;  // head_dim + value_dim
  uint32_t min_q_len;    // hint: rows worth it from this many query rows on; 0: always
  uint32_t local_size;
  uint32_t rows;         // query rows an invocation
  uint32_t block_kv;
  uint32_t value_chunk;  // most value elements an invocation; 0: the whole row
  bool hold_query;
};

struct LinearRow {
  const char* name;
  Shader shader;
  uint32_t needs;
  Where where;
  Elements elements;
  uint32_t min_rows;          // hint, as above
  uint32_t min_out_features;  // likewise
  uint32_t local_size;
  uint32_t rows;
  uint32_t columns;
};

std::span<const AttentionRow> attention_rows() noexcept;
std::span<const LinearRow> linear_rows() noexcept;

// The needs bits that a device meets.
uint32_t met_needs(const DeviceTraits& traits) noexcept;
bool fits(Where where, const DeviceTraits& traits) noexcept;

}  // namespace weft::decide
