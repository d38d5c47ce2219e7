// Wrong attentions, for whatever takes an AttentionCall.
#pragma once

#include "bad_input/faults.hpp"
#include "weft/attention.hpp"

namespace weft::test {

using MakeAttention = std::function<Result<void>(const AttentionCall&)>;

// Everything that a call may have: one with batches of items, one with packed batches.
AttentionCall full_attention(const Maker& maker);
AttentionCall packed_attention(const Maker& maker);

// `maker` must outlive the rows.
Rows attention_rows(const Maker& maker, const MakeAttention& make);

}  // namespace weft::test
