// A cross-attention block, its rules already checked.
#pragma once

#include "fusion/parts.hpp"
#include "fusion/validate.hpp"

namespace weft::fusion {

// `attention_factors` are row_factors of the attention alone, where the call has none.
Result<void> record_block(const Scope& scope, const CrossAttentionBlock& block,
                          const CrossAttentionCall& call, const BlockShape& shape,
                          const Tensor& attention_factors = {});

}  // namespace weft::fusion
