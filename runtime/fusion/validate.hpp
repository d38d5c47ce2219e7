// The rules of blocks and their calls: shapes, types and options that contradict each other. What
// lies in memory where is left to the operations.
#pragma once

#include <string>

#include "base/checks.hpp"
#include "weft/fusion.hpp"

namespace weft::fusion {

// The sizes of a block for one call.
struct BlockShape {
  int64_t batch = 0, q_len = 0, dim = 0;  // of the query
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t value_width = 0;  // of what attention gives: heads * value_dim
  int64_t out_dim = 0;
};

// Items of the context that a call may have.
enum class Items {
  of_query,  // the query's batch, or 1
  any,       // the attention says how many
};

Result<BlockShape> validate(const checks::Rules& rules, const CrossAttentionBlock& block,
                            const CrossAttentionCall& call, Items items);
Result<void> validate(const checks::Rules& rules, const FeedForward& block, const Tensor& input,
                      const Tensor& output, const Tensor& row_factors);

// The parts of these rules.
struct ContextShape {
  int64_t batch = 0, kv_len = 0;
  int64_t head_dim = 0, value_dim = 0;
};
// Context, its norm, key and value: for prepare_context too.
Result<ContextShape> check_context(const checks::Rules& rules, const CrossAttentionBlock& block,
                                   const Tensor& context, const Tensor& position);

struct Named {
  std::string name;
  const Tensor& tensor;
};
Result<void> check_tensor(const checks::Rules& rules, const Named& named, size_t rank);
// [length, dim] or [batch, length, dim] of a floating type.
Result<void> check_rows(const checks::Rules& rules, const Named& named);
Result<void> check_size(const checks::Rules& rules, const Named& named, size_t axis, int64_t wanted,
                        const char* what);
Result<void> check_norm(const checks::Rules& rules, const std::string& name, const Norm& norm,
                        int64_t dim);
// Gives out_features, or in_features where there is no weight.
Result<int64_t> check_projection(const checks::Rules& rules, const std::string& name,
                                 const Projection& projection, int64_t in_features);
// Gives the dim of the result.
Result<int64_t> check_feed_forward(const checks::Rules& rules, const std::string& name,
                                   const FeedForward& block, int64_t dim);
Result<void> check_gate(const checks::Rules& rules, const std::string& name, const Gate& gate,
                        int64_t dim);
// Optional: f32 [batch, length], dense; [length] for a batch of 1.
Result<void> check_factors(const checks::Rules& rules, const std::string& name,
                           const Tensor& factors, int64_t batch, int64_t length);
// Rows as those of `like`, of this dim.
Result<void> check_same_rows(const checks::Rules& rules, const Named& output, const Named& like,
                             int64_t dim);
// Nothing that the block gives may be set in the call.
Result<void> check_attention(const checks::Rules& rules, const std::string& name,
                             const AttentionCall& call);

}  // namespace weft::fusion
