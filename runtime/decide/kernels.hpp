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
  kNeedFloat16 = 1u << 1,  // arithmetic
  kNeedVote = 1u << 2,     // subgroup operations
  kNeedShuffle = 1u << 3,
  kNeedMatrix2 = 1u << 4,  // all that attention_coopmat2.comp takes of VK_NV_cooperative_matrix2
};

// Where a row is preferred at all; a forced row runs anywhere. discrete: GPUs with memory of their own
// whose subgroups are never smaller than kWideSubgroup; in smaller ones an invocation has half the
// registers. small: GPUs that share memory with the host and whose subgroups are never larger than
// kSmallSubgroup: 64 registers an invocation are all, and what a subgroup shares takes them too.
// large: GPUs that are not small.
// wide: GPUs, shared memory with the host or not, whose subgroups are known to be never smaller than
// kWideSubgroup: registers for tiles, and a memory of its own for what workgroups share (Arm's GPUs, of
// subgroups of 16 at most, keep it in cached main memory: Best Practices Developer Guide 100614, 7.3.2).
// ample: those of them that are not known to have few registers. narrow: GPUs that are neither small nor
// wide, as Intel's: the driver chooses how many run together, and an invocation's registers with it.
inline constexpr uint32_t kWideSubgroup = 32;
inline constexpr uint32_t kSmallSubgroup = 16;
enum class Where : uint32_t { any, cpu, gpu, discrete, small, large, wide, ample, narrow };

// For which elements of keys and values, or of weights, a row is preferred.
enum class Elements : uint32_t { any, half, f32 };

// Which elements a row can take at all: matrix units multiply one type, and fp32 is not rounded to it.
enum class Inputs : uint32_t { any, f16, bf16 };  // query, key and value; data and weights

// How a row goes about it (the table of paths in architecture.md); what its shader is told.
enum class Path : uint32_t { lane, tile, short_keys, split, coopmat, coopmat2 };

// Cooperative matrices, fp32 accumulators: a [m, k] b [k, n]. m == 0: none.
struct MatrixTile {
  uint32_t m = 0, n = 0, k = 0;
};

// Subgroups that a workgroup is made of, where a row counts in subgroups: they are full ones, and
// local_size is theirs together.
struct Subgroups {
  uint32_t count = 0;  // 0: the row does not care
  uint32_t size = 0;   // invocations that it asks for; 0: the device's usual number
};

// The features that take no registers while keys pass.
inline constexpr uint32_t kLightFeatures =
    kAllFeatures &
    ~(kFeatureWindow | kFeatureRegions | kFeatureRegionMask | kFeatureNullKeys);

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
  bool hold_query;       // for all steps, in registers or (tile, short) shared memory; else read again from below there

  // Paths other than lane. There local_size counts where `subgroups` does not.
  Path path = Path::lane;
  uint32_t block_q = 0;     // query rows a workgroup; 0: local_size x rows
  uint32_t max_q_len = 0;   // hint: rows worth it up to this many query rows; 0: always
  uint32_t min_kv_len = 0;  // hint
  uint32_t max_kv_len = 0;  // more keys go to another row; 0: any number
  Inputs inputs = Inputs::any;
  Subgroups subgroups = {};
  MatrixTile matrix = {};
  bool self_test = false;  // chosen only where its self-test passed
  // Keys and values are converted to fp32 first, in transient memory of kMostUnpackedBytes at most.
  bool unpack = false;
};

// Copies made for speed must not be what a call fails of, or takes an app's memory for: drivers
// bound an allocation (lavapipe by 2 GiB), and a recording's transient tensors share one.
inline constexpr uint64_t kMostUnpackedBytes = 256u << 20;

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

  Path path = Path::lane;
  uint32_t block_rows = 0;     // rows a workgroup; 0: local_size x rows
  uint32_t block_columns = 0;  // 0: columns
  Inputs inputs = Inputs::any;
  Subgroups subgroups = {};
  MatrixTile matrix = {};
  bool self_test = false;
};

std::span<const AttentionRow> attention_rows() noexcept;
std::span<const LinearRow> linear_rows() noexcept;

// Workgroup of a row on a device, and what it computes.
template <class Row>
uint32_t local_size(const Row& row, const DeviceTraits& traits) noexcept {
  if (row.subgroups.count == 0) return row.local_size;
  return row.subgroups.count * (row.subgroups.size != 0 ? row.subgroups.size : traits.subgroup_size);
}
// The subgroup size that a row's pipelines ask for; 0: whatever the driver likes.
template <class Row>
uint32_t subgroup_size(const Row& row, const DeviceTraits& traits) noexcept {
  return row.subgroups.count == 0 ? 0 : local_size(row, traits) / row.subgroups.count;
}
inline uint32_t block_q(const AttentionRow& row) noexcept {
  return row.block_q != 0 ? row.block_q : row.local_size * row.rows;
}
inline uint32_t block_rows(const LinearRow& row) noexcept {
  return row.block_rows != 0 ? row.block_rows : row.local_size * row.rows;
}
inline uint32_t block_columns(const LinearRow& row) noexcept {
  return row.block_columns != 0 ? row.block_columns : row.columns;
}

// What this build's shader compiler lacked to compile a module; null: nothing.
const char* not_compiled(Shader shader) noexcept;
// The needs bits that a device meets.
uint32_t met_needs(const DeviceTraits& traits) noexcept;
bool fits(Where where, const DeviceTraits& traits) noexcept;

}  // namespace weft::decide
