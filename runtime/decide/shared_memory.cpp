#include "decide/shared_memory.hpp"

#include <algorithm>

#include "decide/constants.hpp"
#include "params.h"

namespace weft::decide {
namespace {

// Bytes of `rows` rows of a tile: groups of four elements as they are in memory, an odd number of
// groups a row so that neighbouring rows lie in different banks.
uint32_t tile_bytes(uint32_t rows, uint32_t groups, bool half) {
  return rows * (groups | 1u) * (half ? 8u : 16u);
}

// Groups of a row of query or key: whole steps of two in the loop over them.
uint32_t head_groups(uint32_t head_dim) { return (head_dim + 7) / 8 * 2; }

// Weights of `rows` query rows and `keys` keys, padded as above, and the maxima and sums of their
// columns of invocations.
uint32_t weights_bytes(uint32_t rows, uint32_t keys, uint32_t columns, uint32_t statistics) {
  return rows * (keys + 4) * 4 + rows * columns * statistics * 4;
}
constexpr uint32_t kTileRest = 64;  // flags, and what arrays of no use leave of themselves

// shaders/attention_tile.comp and shaders/attention_short.comp
uint32_t tile_shared_bytes(const AttentionRow& row, const AttentionProblem& problem) {
  const bool all_keys = row.path == Path::short_keys;
  const uint32_t columns = all_keys ? 8 : row.local_size * row.rows / row.block_q;
  const uint32_t rows = row.local_size / columns * row.rows;
  const bool null_keys = all_keys && (problem.features & kFeatureNullKeys) != 0;
  const uint32_t keys = row.block_kv + (null_keys ? WEFT_MAX_NULL_KEYS : 0);
  const uint32_t query = head_groups(problem.head_dim);
  const uint32_t value = value_chunk(row, std::max(problem.value_dim, 1u)) / 4;
  return (row.hold_query ? tile_bytes(rows, query, problem.query_half) : 0) +
         tile_bytes((all_keys ? 2 : 1) * keys, std::max(query, value), problem.half) +
         weights_bytes(rows, keys, columns, all_keys ? 2 : 1) + kTileRest;
}

// shaders/attention_coopmat.comp: keys and values of a block, padded to whole matrices; of each
// subgroup the scores and factors of its rows; marks of steps that are seen and of values that are not
// finite.
uint32_t coopmat_shared_bytes(const AttentionRow& row, const AttentionProblem& problem) {
  const auto up = [](uint32_t size, uint32_t unit) { return (size + unit - 1) / unit * unit; };
  const uint32_t value_dim = std::max(problem.value_dim, 1u);
  const uint32_t chunk = std::min(value_chunk(row, value_dim), value_dim);
  const uint32_t keys = row.block_kv * (up(problem.head_dim, row.matrix.k) + 8) * 2;
  const uint32_t values = up(chunk, row.matrix.n) * (row.block_kv + 8) * 2;
  const uint32_t rows = row.subgroups.count * row.matrix.m;
  const uint32_t queries = row.hold_query ? 16 : row.block_q * (up(problem.head_dim, row.matrix.k) + 8) * 2;
  const uint32_t scratch = rows * ((row.block_kv + 4) * 4 + 4);
  return keys + queries + values + scratch + row.block_kv * 4 + 20;
}

// shaders/attention_split.comp: dot products on their way through a span, or the sums of all spans;
// the lane row of this path has none.
uint32_t split_shared_bytes(const AttentionRow& row, const AttentionProblem& problem,
                            const DeviceTraits& traits) {
  if (row.shader == Shader::attention_split_lane) return 0;
  const uint32_t value_groups = (problem.value_dim + 3) / 4;
  const uint32_t groups = std::max((problem.head_dim + 3) / 4, value_groups);
  const bool shuffles = row.shader == Shader::attention_split_shuffle;
  const uint32_t wanted = groups <= 8 ? 4 : groups <= 16 ? 8 : groups <= 32 ? 16 : groups <= 64 ? 32 : 64;
  const uint32_t span = shuffles ? std::max(std::min(wanted, subgroup_size(row, traits)), 1u) : wanted;
  const uint32_t size = local_size(row, traits);
  const uint32_t meeting = shuffles ? 0 : row.block_q * size;
  return 16 * std::max(meeting, size / span * value_groups) + 8 * (size / span) + 8;
}

}  // namespace

uint32_t shared_bytes(const AttentionRow& row, const AttentionProblem& problem,
                      const DeviceTraits& traits) noexcept {
  switch (row.path) {
    case Path::tile:
    case Path::short_keys:
      return tile_shared_bytes(row, problem);
    case Path::coopmat:
      return coopmat_shared_bytes(row, problem);
    case Path::split:
      return split_shared_bytes(row, problem, traits);
    case Path::coopmat2:
      return 16;  // marks of steps, and of keys whose values are not finite; the driver adds its own
    case Path::lane:
      break;
  }
  return 0;
}

uint32_t shared_bytes(const LinearRow& row, const DeviceTraits&) noexcept {
  switch (row.path) {
    case Path::tile:  // shaders/linear_tile.comp: 16 features, padded by four rows
      return 16 * (row.block_rows + 4 + row.block_columns + 4) * 4;
    case Path::coopmat:  // shaders/linear_coopmat.comp: 32 features and 8 of padding; sums
      return (row.block_rows + row.block_columns) * (32 + 8) * 2 +
             row.subgroups.count * row.matrix.m * row.matrix.n * 4;
    case Path::lane:
    case Path::short_keys:
    case Path::split:
    case Path::coopmat2:
      break;
  }
  return 0;
}

}  // namespace weft::decide
