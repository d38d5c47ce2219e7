// Attention rows on trial: a small problem on the device against the same sum on the host.
#pragma once

#include <span>
#include <string>

#include "decide/select.hpp"
#include "weft/attention.hpp"

namespace weft::attention_detail {

// What is known, or found out now, of the rows that could run a description: with it, the row that
// decide::select_attention picks has passed its self-test. Errors: those of the device.
// `large_kv`: as AttentionProblem::large_kv.
Result<decide::Findings> find_out(
    const Device& device, const AttentionDesc& desc,
    std::span<const decide::AttentionRow> rows = decide::attention_rows(), bool large_kv = false);

// Why a row's self-test bars it; empty: it passed now or earlier, or needs none.
Result<std::string> self_test(const Device& device, const decide::AttentionRow& row);

}  // namespace weft::attention_detail
