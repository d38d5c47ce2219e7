#include "decide/select.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "base/text.hpp"
#include "decide/shared_memory.hpp"

namespace weft::decide {
namespace {

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
  const char* what = missing & kNeed16bitStorage  ? "16-bit storage"
                     : missing & kNeedFloat16     ? "16-bit arithmetic"
                     : missing & kNeedVote        ? "votes in subgroups"
                     : missing & kNeedShuffle     ? "shuffles in subgroups"
                     : missing & kNeedMatrix2     ? "matrices of a workgroup (VK_NV_cooperative_matrix2)"
                                                  : "something";
  return text("needs ", what, ", which the device lacks");
}

// Why the device's subgroups and matrices don't serve a row; empty if they do.
template <class Row>
std::string subgroup_refusal(const Row& row, const DeviceTraits& traits) {
  if (row.subgroups.count == 0) return {};
  const uint32_t size = subgroup_size(row, traits);
  const bool one_size = traits.min_subgroup_size == traits.max_subgroup_size;
  if (!(traits.subgroup_size_control || one_size) || !traits.full_subgroups)
    return "needs full subgroups of a given size, which the device can't promise";
  if (size < traits.min_subgroup_size || size > traits.max_subgroup_size)
    return text("needs subgroups of ", size, ", the device has ", traits.min_subgroup_size, " to ",
                traits.max_subgroup_size);
  if (row.subgroups.count > traits.max_workgroup_subgroups)
    return text("needs ", row.subgroups.count, " subgroups a workgroup, the device allows ",
                traits.max_workgroup_subgroups);
  return {};
}

template <class Row>
std::string matrix_refusal(const Row& row, const DeviceTraits& traits) {
  if (row.matrix.m == 0) return {};
  const MatrixElement input =
      row.inputs == Inputs::bf16 ? MatrixElement::bf16 : MatrixElement::f16;
  const MatrixShape wanted{row.matrix.m, row.matrix.n,       row.matrix.k,
                           input,        MatrixElement::f32, MatrixScope::subgroup};
  const auto& shapes = traits.matrix_shapes;
  if (traits.vulkan_memory_model && std::ranges::find(shapes, wanted) != shapes.end()) return {};
  return text("needs cooperative matrices of ", wanted.m, "x", wanted.n, "x", wanted.k, " ",
              to_string(input), ", which the device lacks");
}

const char* name_of(Inputs inputs) { return inputs == Inputs::bf16 ? "bf16" : "f16"; }

template <class Row, class Problem>
std::string input_refusal(const Row& row, const Problem& problem) {
  if (row.inputs == Inputs::any || row.inputs == problem.inputs) return {};
  return text("it takes inputs of ", name_of(row.inputs), " only");
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
  if (row.max_kv_len != 0 && problem.kv_len == 0)
    return text("kv_len is unknown, it takes up to ", row.max_kv_len);
  if (row.max_kv_len != 0 && problem.kv_len > row.max_kv_len)
    return text("kv_len is ", problem.kv_len, ", it takes up to ", row.max_kv_len);
  if (row.unpack && problem.large_kv)
    return text("it converts keys and values to fp32, these take more than ", kMostUnpackedBytes,
                " bytes there");
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
std::string elements_hint(const Row& row, const Problem& problem) {
  if (row.elements == Elements::half && !problem.half) return "worth it for 16-bit elements, these have 32";
  if (row.elements == Elements::f32 && problem.half) return "worth it for 32-bit elements, these have 16";
  return {};
}

// Why a row that can run is not worth it; empty if it is.
std::string hint_refusal(const AttentionRow& row, const AttentionProblem& problem) {
  if (auto hint = elements_hint(row, problem); !hint.empty()) return hint;
  if (problem.q_len < row.min_q_len)
    return text("worth it from q_len ", row.min_q_len, ", got ", problem.q_len);
  if (row.max_q_len != 0 && (problem.q_len == 0 || problem.q_len > row.max_q_len))
    return text("worth it up to q_len ", row.max_q_len, ", got ", problem.q_len);
  if (problem.kv_len < row.min_kv_len)
    return text("worth it from kv_len ", row.min_kv_len, ", got ", problem.kv_len);
  return {};
}
std::string hint_refusal(const LinearRow& row, const LinearProblem& problem) {
  if (auto hint = elements_hint(row, problem); !hint.empty()) return hint;
  if (problem.rows < row.min_rows)
    return text("worth it from ", row.min_rows, " rows, got ", problem.rows);
  if (problem.out_features < row.min_out_features)
    return text("worth it from out_features ", row.min_out_features, ", got ",
                problem.out_features);
  return {};
}

std::string shared_refusal(const AttentionRow& row, const AttentionProblem& problem,
                           const DeviceTraits& traits) {
  const uint32_t bytes = shared_bytes(row, problem, traits);
  if (bytes <= traits.shared_memory_bytes) return {};
  return text("needs ", bytes, " bytes of shared memory, the device has ",
              traits.shared_memory_bytes);
}
std::string shared_refusal(const LinearRow& row, const LinearProblem&, const DeviceTraits& traits) {
  const uint32_t bytes = shared_bytes(row, traits);
  if (bytes <= traits.shared_memory_bytes) return {};
  return text("needs ", bytes, " bytes of shared memory, the device has ",
              traits.shared_memory_bytes);
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
    case Where::small: return "integrated GPUs with small subgroups";
    case Where::large: return "GPUs with larger subgroups or memory of their own";
    case Where::wide: return "GPUs with wide subgroups";
    case Where::ample: return "GPUs with wide subgroups and registers for them";
    case Where::narrow: return "GPUs whose subgroups may be narrow";
    case Where::any: break;
  }
  return "any device";
}

std::string subgroups_of(const DeviceTraits& traits) {
  const uint32_t least = traits.min_subgroup_size, most = traits.max_subgroup_size;
  if (most == 0) return "subgroups of unknown size";
  return least == most ? text("subgroups of ", most) : text("subgroups of ", least, " to ", most);
}

// Names the device, with that of it which decided.
std::string where_refusal(Where where, const DeviceTraits& traits) {
  std::string reason = text("preferred on ", name_of(where), ", this is ", to_string(traits.type));
  const bool gpu = traits.type != DeviceType::cpu;
  const bool for_wide = where == Where::wide || where == Where::ample ||
                        (where == Where::discrete && traits.type == DeviceType::discrete);
  const bool for_size =
      where == Where::large || (where == Where::small && traits.type == DeviceType::integrated);
  if (gpu && for_wide && !fits(Where::wide, traits))
    reason += text(" with ", subgroups_of(traits), " (wide: at least ", kWideSubgroup, ")");
  else if (gpu && for_size)
    reason += text(" with ", subgroups_of(traits), " (small: at most ", kSmallSubgroup, ")");
  else if (where == Where::ample && traits.few_registers)
    reason += " with few registers";
  return reason;
}

// Why a row can't run a problem at all; empty if it can.
template <class Row, class Problem>
std::string impossible(const DeviceTraits& traits, const Row& row, const Problem& problem) {
  if (const char* lacking = not_compiled(row.shader))
    return text("this build's shader compiler has no ", lacking);
  if (const uint32_t missing = row.needs & ~met_needs(traits); missing != 0)
    return missing_needs(missing);
  if (std::string reason = input_refusal(row, problem); !reason.empty()) return reason;
  if (std::string reason = matrix_refusal(row, traits); !reason.empty()) return reason;
  if (std::string reason = subgroup_refusal(row, traits); !reason.empty()) return reason;
  if (std::string reason = workgroup_refusal(local_size(row, traits), traits); !reason.empty())
    return reason;
  if (std::string reason = size_refusal(row, problem); !reason.empty()) return reason;
  if (std::string reason = shared_refusal(row, problem, traits); !reason.empty()) return reason;
  return feature_refusal(row, problem);
}

// One selection: what is asked for, and what is known.
template <class Row, class Problem>
struct Selection {
  const DeviceTraits& traits;
  const Problem& problem;
  const Overrides& overrides;
  std::span<const Row> rows;
  const Findings& findings;
  bool forcing = forces(overrides.kernel, rows);

  // Why a row may not run, preferences aside; empty if it may.
  std::string barred(const Row& row) const {
    if (forcing && !lists_name(overrides.kernel, row.name)) return "another row is forced";
    if (std::string reason = why_disabled(overrides, row.name); !reason.empty()) return reason;
    if (std::string reason = impossible(traits, row, problem); !reason.empty()) return reason;
    for (const Findings::Veto& veto : findings.vetoes)
      if (std::string_view(veto.row) == row.name) return veto.why;
    return {};
  }

  std::string refusal(const Row& row) const {
    std::string reason = barred(row);
    if (!reason.empty() || forcing) return reason;  // preferences give way
    if (!fits(row.where, traits)) return where_refusal(row.where, traits);
    return hint_refusal(row, problem);
  }

  // The row measured to be the fastest, where it may run; preferences give way to measurements.
  const Row* fastest() const {
    if (!findings.fastest || forcing) return nullptr;
    for (const Row& row : rows)
      if (std::string_view(row.name) == findings.fastest && barred(row).empty()) return &row;
    return nullptr;
  }

  std::vector<Verdict> judge() const {
    const std::string_view unknown = unknown_name(overrides.kernel, rows);
    const Row* measured = fastest();
    std::vector<Verdict> verdicts;
    bool chosen = false;
    for (const Row& row : rows) {
      std::string reason = unknown.empty() ? measured == &row ? std::string() : refusal(row)
                                           : text("no kernel row is called \"", unknown, "\"");
      if (reason.empty() && measured) {
        reason = measured == &row ? "chosen: measured to be the fastest" : "measured to be slower";
      } else if (reason.empty()) {
        reason = chosen ? "comes after the chosen row" : "chosen";
        chosen = true;
      }
      verdicts.push_back({row.name, std::move(reason)});
    }
    return verdicts;
  }

  Result<const Row*> select(const char* operation) const {
    if (const auto name = unknown_name(overrides.kernel, rows); !name.empty())
      return fail(Code::unsupported, text(operation, ": no kernel row is called \"", name, "\""));
    if (const Row* measured = fastest()) return measured;
    for (const Row& row : rows)
      if (refusal(row).empty()) return &row;
    std::string message = text(operation, ": no kernel row can run this");
    if (forcing) message = text(operation, ": the kernel rows forced (", overrides.kernel, ") can't run this");
    const std::vector<Verdict> verdicts = judge();
    for (size_t i = 0; i < rows.size(); ++i)
      if (!forcing || lists_name(overrides.kernel, rows[i].name))
        message += text("; ", verdicts[i].row, ": ", verdicts[i].text);
    return fail(Code::unsupported, std::move(message));
  }
};

using AttentionSelection = Selection<AttentionRow, AttentionProblem>;
using LinearSelection = Selection<LinearRow, LinearProblem>;

// The largest of the lengths at which something changes, up to this one.
void raise(uint32_t& smallest, uint32_t threshold, uint32_t length) {
  if (threshold <= length) smallest = std::max(smallest, threshold);
}

}  // namespace

Result<const AttentionRow*> select_attention(const DeviceTraits& traits,
                                             const AttentionProblem& problem,
                                             const Overrides& overrides,
                                             std::span<const AttentionRow> rows,
                                             const Findings& findings) {
  return AttentionSelection{traits, problem, overrides, rows, findings}.select("attention");
}

Result<const LinearRow*> select_linear(const DeviceTraits& traits, const LinearProblem& problem,
                                       const Overrides& overrides,
                                       std::span<const LinearRow> rows, const Findings& findings) {
  return LinearSelection{traits, problem, overrides, rows, findings}.select("linear");
}

std::string why_not(const DeviceTraits& traits, const AttentionRow& row,
                    const AttentionProblem& problem) {
  return impossible(traits, row, problem);
}

std::string why_not(const DeviceTraits& traits, const LinearRow& row,
                    const LinearProblem& problem) {
  return impossible(traits, row, problem);
}

Preference preference(const DeviceTraits& traits, const AttentionRow& row,
                      const AttentionProblem& problem) {
  if (!fits(row.where, traits)) return Preference::other_devices;
  return hint_refusal(row, problem).empty() ? Preference::this_problem : Preference::other_problems;
}

std::string why_disabled(const Overrides& overrides, const char* row) {
  const std::string_view entry = listed_beginning(overrides.disable, row);
  return entry.empty() ? std::string() : text("disabled by \"", entry, "\"");
}

std::vector<Verdict> judge_attention(const DeviceTraits& traits, const AttentionProblem& problem,
                                     const Overrides& overrides,
                                     std::span<const AttentionRow> rows,
                                     const Findings& findings) {
  return AttentionSelection{traits, problem, overrides, rows, findings}.judge();
}

Lengths length_class(Lengths lengths, std::span<const AttentionRow> rows) noexcept {
  Lengths smallest{std::bit_floor(lengths.q), std::bit_floor(lengths.kv)};
  for (const AttentionRow& row : rows) {
    raise(smallest.q, row.min_q_len, lengths.q);
    raise(smallest.q, row.max_q_len + 1, lengths.q);
    raise(smallest.kv, row.min_kv_len, lengths.kv);
    raise(smallest.kv, row.max_kv_len + 1, lengths.kv);
  }
  return smallest;
}

Inputs common_inputs(std::initializer_list<DType> types) noexcept {
  const auto all = [&](DType dtype) {
    return std::ranges::all_of(types, [=](DType one) { return one == dtype; });
  };
  return all(DType::f16) ? Inputs::f16 : all(DType::bf16) ? Inputs::bf16 : Inputs::any;
}

AttentionProblem problem_of(const AttentionDesc& desc, bool large_kv) noexcept {
  return {.head_dim = desc.head_dim,
          .value_dim = desc.value_dim,
          .q_len = desc.q_len,
          .half = desc.kv_dtype != DType::f32,
          .features = desc.features,
          .kv_len = desc.kv_len,
          .inputs = common_inputs({desc.query_dtype, desc.kv_dtype}),
          .query_half = desc.query_dtype != DType::f32,
          .large_kv = large_kv};
}

const char* feature_name(uint32_t features) noexcept {
  static constexpr const char* kNames[] = {
      "kv_lengths",  "logsumexp", "causal or a window", "position_offsets", "q_starts",
      "kv_starts",   "regions",   "region_mask",        "softcap",          "sinks",
      "null_key",    "score_items", "value_items",       "weights"};
  for (size_t bit = 0; bit < std::size(kNames); ++bit)
    if (features >> bit & 1u) return kNames[bit];
  return "unknown features";
}

}  // namespace weft::decide
