// The only place that looks at the shapes of an attention: calls in, plain numbers out.
#pragma once

#include <cstdint>
#include <vector>

#include "base/checks.hpp"
#include "weft/attention.hpp"

namespace weft::attention_detail {

struct AttentionShape {
  uint32_t batch = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t q_len = 0;
  uint32_t kv_len = 0;
  AttentionDesc desc;  // q_len and kv_len included
  float scale_log2 = 0.0f;
  bool aligned = false;  // as WEFT_ATTENTION_ALIGNED
};

struct WeightsShape {
  uint32_t batch = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t q_len = 0;
  uint32_t kv_len = 0;
  uint32_t head_dim = 0;
  uint32_t head_count = 0;    // listed heads
  uint32_t key_count = 0;     // listed keys
  uint32_t output_heads = 0;  // head_count, or 1 for their mean
  MaskKind mask = MaskKind::none;
  float scale_log2 = 0.0f;
  bool aligned = false;  // as WEFT_WEIGHTS_ALIGNED
};

// Given tensors of a call, with their names. No device is needed. Errors: invalid_argument.
std::vector<checks::Operand> operands(const AttentionCall& call);
std::vector<checks::Operand> operands(const AttentionWeightsCall& call);
Result<AttentionShape> validate(const AttentionCall& call);
Result<WeightsShape> validate(const AttentionWeightsCall& call);
// Fills in value_dim and clears what has no meaning (the type of a mask that is no bias).
Result<AttentionDesc> validate(const AttentionDesc& desc);

// Whether a call's shape is what a plan was made for; invalid_argument names the difference.
Result<void> match(const AttentionDesc& call, const AttentionDesc& plan);

}  // namespace weft::attention_detail
