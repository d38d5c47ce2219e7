// The parts that blocks are made of, one or few operations each. Rows are [batch, length, dim];
// `part` names them in labels and errors.
#pragma once

#include <optional>
#include <string>

#include "fusion/scope.hpp"
#include "weft/fusion.hpp"

namespace weft::fusion {

// [length, dim] as [1, length, dim]; three axes as they are.
Tensor as_rows(const Tensor& tensor);

// Factors [batch, length] as one axis; empty stays empty.
Tensor flat(const Tensor& factors);

// Of no kind: the input itself, or a copy of it in `output`.
Result<Tensor> normed(const Scope& scope, const std::string& part, const Norm& norm,
                      const Tensor& input);
Result<void> norm_into(const Scope& scope, const std::string& part, const Norm& norm,
                       const Tensor& input, const Tensor& output);

// Without a weight: the input itself.
Result<Tensor> projected(const Scope& scope, const std::string& part, const Projection& projection,
                         const Tensor& input);
Result<void> project_into(const Scope& scope, const std::string& part, const Projection& projection,
                          const Tensor& input, const Tensor& output,
                          Activation activation = Activation::none);

// Without a position: the input itself.
Result<Tensor> positioned(const Scope& scope, const std::string& part, const Tensor& input,
                          const Tensor& position);

// Also converts the type.
Result<void> copy_into(const Scope& scope, const std::string& part, const Tensor& input,
                       const Tensor& output);

// One projection for both, where weights and biases lie one behind the other.
std::optional<Projection> joined(const Projection& first, const Projection& second);

// What becomes of projected queries or keys: the norm of the heads, then the rotation.
struct HeadParts {
  std::string part;  // "query"
  int64_t heads = 1;
  const Norm* norm = nullptr;  // null: none
  bool across_heads = false;
  const Tensor* angles = nullptr;  // null or empty: none
  bool in_place = false;           // the rows are this recording's own
};
Result<Tensor> finish_heads(const Scope& scope, const HeadParts& parts, const Tensor& rows);

// output = input + gate * factors * down(activation(up(norm(input)))) and the like.
Result<void> record_feed_forward(const Scope& scope, const FeedForward& block, const Tensor& input,
                                 const Tensor& output, const Tensor& row_factors);

}  // namespace weft::fusion
