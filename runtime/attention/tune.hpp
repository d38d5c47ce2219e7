// Measured choices: kept as notes of the device, one for each class of descriptions.
#pragma once

#include <span>

#include "decide/select.hpp"
#include "weft/tune.hpp"

namespace weft::attention_detail {

// The description with its lengths replaced by their class: what shares a plan and a measurement.
AttentionDesc class_of(AttentionDesc desc) noexcept;

// The row measured to be the fastest for a validated description; null: none was, or it is no more.
const char* fastest_known(const Device& device, const AttentionDesc& desc,
                          std::span<const decide::AttentionRow> rows = decide::attention_rows());

// As weft::tune, for a validated description with lengths; plans made before are left alone.
Result<TuneReport> measure(const Device& device, const AttentionDesc& desc, const TuneOptions& options,
                           std::span<const decide::AttentionRow> rows = decide::attention_rows());

struct Sizes {
  uint32_t batch = 0, heads = 0, kv_heads = 0;
};
// A made-up call of a description, tensors included, in at most `max_bytes`: `sizes` are halved as need be.
// Errors: unsupported where nothing is left to halve; those of memory.
Result<AttentionCall> make_call(const Device& device, const AttentionDesc& desc, uint64_t max_bytes,
                                Sizes& sizes);

}  // namespace weft::attention_detail
