#include "decide/select.hpp"

#include <algorithm>
#include <string_view>

#include "base/text.hpp"
#include "params.h"

namespace weft::decide {
namespace {

static_assert(element_type(DType::f32) == WEFT_TYPE_F32 &&
              element_type(DType::f16) == WEFT_TYPE_F16 &&
              element_type(DType::bf16) == WEFT_TYPE_BF16);
static_assert(static_cast<int>(MaskKind::none) == WEFT_MASK_NONE &&
              static_cast<int>(MaskKind::keep) == WEFT_MASK_KEEP &&
              static_cast<int>(MaskKind::drop) == WEFT_MASK_DROP);
static_assert(mask_type(DType::u8) == WEFT_MASK_U8 && mask_type(DType::i32) == WEFT_MASK_I32);
static_assert(kFeatureKvLengths == WEFT_FEATURE_KV_LENGTHS &&
              kFeatureLogsumexp == WEFT_FEATURE_LOGSUMEXP &&
              kFeatureWindow == WEFT_FEATURE_WINDOW &&
              kFeaturePositionOffsets == WEFT_FEATURE_POSITION_OFFSETS &&
              kFeaturePackedQuery == WEFT_FEATURE_PACKED_QUERY &&
              kFeaturePackedKv == WEFT_FEATURE_PACKED_KV &&
              kFeatureRegions == WEFT_FEATURE_REGIONS &&
              kFeatureRegionMask == WEFT_FEATURE_REGION_MASK &&
              kFeatureSoftcap == WEFT_FEATURE_SOFTCAP && kFeatureSinks == WEFT_FEATURE_SINKS &&
              kFeatureNullKeys == WEFT_FEATURE_NULL_KEYS &&
              kFeatureScoreItems == WEFT_FEATURE_SCORE_ITEMS &&
              kFeatureValueItems == WEFT_FEATURE_VALUE_ITEMS);
static_assert(kAttentionConstants == WEFT_ATTENTION_ALIGNED + 1);
static_assert(kLinearConstants == WEFT_LINEAR_ALIGNED + 1);

// Calls `visit` with each entry of a comma-separated list, without spaces around it.
template <class Visit>
void for_each_entry(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view entry = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (entry.starts_with(' ')) entry.remove_prefix(1);
    while (entry.ends_with(' ')) entry.remove_suffix(1);
    if (!entry.empty()) visit(entry);
  }
}

bool lists_name(std::string_view list, std::string_view name) {
  bool found = false;
  for_each_entry(list, [&](std::string_view entry) { found |= entry == name; });
  return found;
}

// The entry of the list that `name` starts with, or nothing.
std::string_view listed_beginning(std::string_view list, std::string_view name) {
  std::string_view found;
  for_each_entry(list, [&](std::string_view entry) {
    if (found.empty() && name.starts_with(entry)) found = entry;
  });
  return found;
}

template <class Row>
bool has_row(std::span<const Row> rows, std::string_view name) {
  return std::ranges::any_of(rows, [&](const Row& row) { return name == row.name; });
}

// Whether an override forces rows of this kind.
template <class Row>
bool forces(std::string_view list, std::span<const Row> rows) {
  return std::ranges::any_of(rows, [&](const Row& row) { return lists_name(list, row.name); });
}

// An entry that names no row of any kind, or nothing.
template <class Row>
std::string_view unknown_name(std::string_view list, std::span<const Row> rows) {
  std::string_view unknown;
  for_each_entry(list, [&](std::string_view entry) {
    if (unknown.empty() && !has_row(rows, entry) && !has_row(attention_rows(), entry) &&
        !has_row(linear_rows(), entry))
      unknown = entry;
  });
  return unknown;
}

std::string missing_needs(uint32_t missing) {
  if (missing & kNeed16bitStorage) return "needs 16-bit storage, which the device lacks";
  return "needs what the device lacks";
}

// Why a row can't run the problem's sizes; empty if it can.
std::string size_refusal(const AttentionRow& row, const AttentionProblem& problem) {
  if (problem.head_dim > row.max_head_dim)
    return text("head_dim is ", problem.head_dim, ", it takes up to ", row.max_head_dim);
  if (problem.value_dim > row.max_value_dim)
    return text("value_dim is ", problem.value_dim, ", it takes up to ", row.max_value_dim);
  if (problem.head_dim + problem.value_dim > row.max_dim_sum)
    return text("head_dim + value_dim is ", problem.head_dim + problem.value_dim,
                ", it takes up to ", row.max_dim_sum);
  return {};
}
std::string size_refusal(const LinearRow&, const LinearProblem&) { return {}; }

// Why a row can't do what the call asks for; empty if it can.
std::string feature_refusal(const AttentionRow& row, const AttentionProblem& problem) {
  const uint32_t missing = problem.features & ~row.features;
  return missing == 0 ? std::string() : text("it can't do ", feature_name(missing));
}
std::string feature_refusal(const LinearRow&, const LinearProblem&) { return {}; }

template <class Row, class Problem>
bool elements_fit(const Row& row, const Problem& problem) {
  return row.elements == Elements::any || problem.half;
}
constexpr const char* kForHalf = "worth it for 16-bit elements, these have 32";

// Why a row that can run is not worth it; empty if it is.
std::string hint_refusal(const AttentionRow& row, const AttentionProblem& problem) {
  if (!elements_fit(row, problem)) return kForHalf;
  if (problem.q_len >= row.min_q_len) return {};
  return text("worth it from q_len ", row.min_q_len, ", got ", problem.q_len);
}
std::string hint_refusal(const LinearRow& row, const LinearProblem& problem) {
  if (!elements_fit(row, problem)) return kForHalf;
  if (problem.rows < row.min_rows)
    return text("worth it from ", row.min_rows, " rows, got ", problem.rows);
  if (problem.out_features < row.min_out_features)
    return text("worth it from out_features ", row.min_out_features, ", got ",
                problem.out_features);
  return {};
}

std::string workgroup_refusal(uint32_t local_size, const DeviceTraits& traits) {
  const uint32_t allowed = std::min(traits.max_workgroup_invocations, traits.max_workgroup_size[0]);
  if (local_size <= allowed) return {};
  return text("needs workgroups of ", local_size, " invocations, the device allows ", allowed);
}

const char* name_of(Where where) {
  switch (where) {
    case Where::cpu: return "CPU devices";
    case Where::gpu: return "GPUs";
    case Where::discrete: return "discrete GPUs";
    case Where::any: break;
  }
  return "any device";
}

std::string where_refusal(Where where, const DeviceTraits& traits) {
  std::string reason = text("preferred on ", name_of(where), ", this is ", to_string(traits.type));
  if (where == Where::discrete && traits.type == DeviceType::discrete)
    reason += text(" with subgroups of ", traits.min_subgroup_size, ", not ", kWideSubgroup);
  return reason;
}

template <class Row, class Problem>
std::string refusal(const DeviceTraits& traits, const Row& row, const Problem& problem,
                    const Overrides& overrides, bool forcing) {
  if (forcing && !lists_name(overrides.kernel, row.name)) return "another row is forced";
  if (const auto entry = listed_beginning(overrides.disable, row.name); !entry.empty())
    return text("disabled by \"", entry, "\"");
  if (const uint32_t missing = row.needs & ~met_needs(traits); missing != 0)
    return missing_needs(missing);
  if (std::string reason = workgroup_refusal(row.local_size, traits); !reason.empty())
    return reason;
  if (std::string reason = size_refusal(row, problem); !reason.empty()) return reason;
  if (std::string reason = feature_refusal(row, problem); !reason.empty()) return reason;
  if (forcing) return {};  // preferences give way
  if (!fits(row.where, traits)) return where_refusal(row.where, traits);
  return hint_refusal(row, problem);
}

template <class Row, class Problem>
std::vector<Verdict> judge(const DeviceTraits& traits, const Problem& problem,
                           const Overrides& overrides, std::span<const Row> rows) {
  const bool forcing = forces(overrides.kernel, rows);
  const std::string_view unknown = unknown_name(overrides.kernel, rows);
  std::vector<Verdict> verdicts;
  bool chosen = false;
  for (const Row& row : rows) {
    std::string reason = unknown.empty() ? refusal(traits, row, problem, overrides, forcing)
                                         : text("no kernel row is called \"", unknown, "\"");
    if (reason.empty()) {
      reason = chosen ? "comes after the chosen row" : "chosen";
      chosen = true;
    }
    verdicts.push_back({row.name, std::move(reason)});
  }
  return verdicts;
}

template <class Row, class Problem>
Result<const Row*> select(const char* operation, const DeviceTraits& traits, const Problem& problem,
                          const Overrides& overrides, std::span<const Row> rows) {
  if (const auto name = unknown_name(overrides.kernel, rows); !name.empty())
    return fail(Code::unsupported, text(operation, ": no kernel row is called \"", name, "\""));
  const bool forcing = forces(overrides.kernel, rows);
  for (const Row& row : rows)
    if (refusal(traits, row, problem, overrides, forcing).empty()) return &row;
  std::string message = text(operation, ": no kernel row can run this");
  for (const Verdict& verdict : judge(traits, problem, overrides, rows))
    message += text("; ", verdict.row, ": ", verdict.text);
  return fail(Code::unsupported, std::move(message));
}

}  // namespace

Result<const AttentionRow*> select_attention(const DeviceTraits& traits,
                                             const AttentionProblem& problem,
                                             const Overrides& overrides,
                                             std::span<const AttentionRow> rows) {
  return select("attention", traits, problem, overrides, rows);
}

Result<const LinearRow*> select_linear(const DeviceTraits& traits, const LinearProblem& problem,
                                       const Overrides& overrides,
                                       std::span<const LinearRow> rows) {
  return select("linear", traits, problem, overrides, rows);
}

std::vector<Verdict> judge_attention(const DeviceTraits& traits, const AttentionProblem& problem,
                                     const Overrides& overrides,
                                     std::span<const AttentionRow> rows) {
  return judge(traits, problem, overrides, rows);
}

uint32_t q_len_class(uint32_t q_len, std::span<const AttentionRow> rows) noexcept {
  uint32_t smallest = 0;
  for (const AttentionRow& row : rows)
    if (row.min_q_len <= q_len) smallest = std::max(smallest, row.min_q_len);
  return smallest;
}

AttentionProblem problem_of(const AttentionDesc& desc) noexcept {
  return {desc.head_dim, desc.value_dim, desc.q_len, desc.kv_dtype != DType::f32, desc.features};
}

uint32_t value_chunk(const AttentionRow& row, uint32_t value_dim) noexcept {
  const uint32_t most = row.value_chunk != 0 ? row.value_chunk : value_dim;
  const uint32_t chunks = (value_dim + most - 1) / most;
  return ((value_dim + chunks - 1) / chunks + 3) / 4 * 4;
}

std::array<uint32_t, kAttentionConstants> attention_constants(const AttentionRow& row,
                                                              const AttentionDesc& desc,
                                                              bool aligned) {
  std::array<uint32_t, kAttentionConstants> constants{};
  const auto set = [&](size_t id, uint32_t value) { constants[id] = value; };
  set(WEFT_ATTENTION_LOCAL_SIZE, row.local_size);
  set(WEFT_ATTENTION_HEAD_DIM, desc.head_dim);
  set(WEFT_ATTENTION_VALUE_DIM, desc.value_dim);
  set(WEFT_ATTENTION_ROWS, row.rows);
  set(WEFT_ATTENTION_BLOCK_KV, row.block_kv);
  set(WEFT_ATTENTION_VALUE_CHUNK, value_chunk(row, desc.value_dim));
  set(WEFT_ATTENTION_HOLD_QUERY, row.hold_query);
  set(WEFT_ATTENTION_QUERY_TYPE, element_type(desc.query_dtype));
  set(WEFT_ATTENTION_KV_TYPE, element_type(desc.kv_dtype));
  set(WEFT_ATTENTION_OUTPUT_TYPE, element_type(desc.output_dtype));
  set(WEFT_ATTENTION_MASK_KIND, static_cast<uint32_t>(desc.mask));
  set(WEFT_ATTENTION_MASK_TYPE, mask_type(desc.mask_dtype));
  set(WEFT_ATTENTION_HAS_BIAS, desc.bias);
  set(WEFT_ATTENTION_BIAS_TYPE, element_type(desc.bias_dtype));
  set(WEFT_ATTENTION_FEATURES, desc.features);
  set(WEFT_ATTENTION_ALIGNED, aligned);
  return constants;
}

const char* feature_name(uint32_t features) noexcept {
  static constexpr const char* kNames[] = {
      "kv_lengths",  "logsumexp", "causal or a window", "position_offsets", "q_starts",
      "kv_starts",   "regions",   "region_mask",        "softcap",          "sinks",
      "null_key",    "score_items", "value_items"};
  for (size_t bit = 0; bit < std::size(kNames); ++bit)
    if (features >> bit & 1u) return kNames[bit];
  return "unknown features";
}

SimpleChoice choose_simple(Simple kind, const DeviceTraits& traits) noexcept {
  struct Row {
    SimpleChoice base;
    Shader native16;
    const char* native16_name;
    uint32_t cpu_local_size;
  };
  static constexpr Row kRows[] = {
      {{"attention_weights", Shader::attention_weights, 64},
       Shader::attention_weights_native16,
       "attention_weights_native16",
       8},
      {{"attention_merge", Shader::attention_merge, 64},
       Shader::attention_merge_native16,
       "attention_merge_native16",
       8},
      {{"norm", Shader::norm, 64}, Shader::norm_native16, "norm_native16", 8},
      {{"add", Shader::add, 64}, Shader::add_native16, "add_native16", 8},
      {{"gather", Shader::gather, 64}, Shader::gather_native16, "gather_native16", 8},
  };
  const Row& row = kRows[static_cast<size_t>(kind)];
  SimpleChoice choice = row.base;
  if (traits.storage_16bit) {
    choice.name = row.native16_name;
    choice.shader = row.native16;
  }
  if (traits.type == DeviceType::cpu) choice.local_size = row.cpu_local_size;
  return choice;
}

}  // namespace weft::decide
