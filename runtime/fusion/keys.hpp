// Keys and values of a context.
#pragma once

#include <string>

#include "fusion/parts.hpp"

namespace weft::fusion {

// What keys and values are made of: a block's, or those of one of its further sources.
struct KeyParts {
  std::string part;  // before the names of its parts: "", "source.1."
  const Norm& context_norm;
  const Projection& key;
  const Projection& value;
  const Norm* key_head_norm = nullptr;
  bool across_heads = false;
  int64_t kv_heads = 1;
};
KeyParts key_parts(const CrossAttentionBlock& block);
KeyParts key_parts(const CrossAttentionBlock& block, size_t source);

// Rows [batch, kv_len, kv_heads * head_dim | value_dim]; slices of columns, of one product, where
// they can be.
struct KeyValue {
  Tensor key, value;
};

// `position` and `angles` are optional.
Result<KeyValue> record_keys(const Scope& scope, const KeyParts& parts, const Tensor& context,
                             const Tensor& position, const Tensor& angles);

// As record_keys, of the context's rows with the query's own behind them (context_and_query).
Result<KeyValue> record_keys_with_query(const Scope& scope, const CrossAttentionBlock& block,
                                        const CrossAttentionCall& call);

}  // namespace weft::fusion
