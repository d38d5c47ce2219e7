// Blocks of a model's size: a whole cross-attention block of a family, with random weights.
//
//   block family=stable_diffusion b2 h8 q4096 k77 d40 context=768 f32
//   block family=llama_3_2_vision h32 kv8 q64 k6404 d128 context=4096 f32 prepared hidden=14336
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reference/array.hpp"
#include "weft/weft.hpp"

namespace weft::bench {

enum class Family : int32_t {
  stable_diffusion,  // layer norm, 3 projections, attention, projection with bias, residual
  llama_3_2_vision,  // RMS norm, norms of query and key heads, gate; with `hidden` its gated
                     // feed-forward
};

// Rows of the query are of heads * head_dim.
struct BlockCase {
  Family family = Family::stable_diffusion;  // family=
  int64_t batch = 1;                         // b
  int64_t heads = 1;                         // h
  int64_t kv_heads = 1;                      // kv; h when not given
  int64_t q_len = 0;                         // q
  int64_t kv_len = 0;                        // k
  int64_t head_dim = 0;                      // d
  int64_t context_dim = 0;                   // context=
  DType dtype = DType::f32;                  // of all tensors
  int64_t hidden = 0;     // hidden=, of the feed-forward behind the attention; 0: none
  bool prepared = false;  // keys and values are projected beforehand, as for a decoder's next token
  int64_t seed = 0;

  int64_t dim() const { return heads * head_dim; }
  int64_t kv_dim() const { return kv_heads * head_dim; }
  bool operator==(const BlockCase&) const = default;
};

// Errors: invalid_argument, naming the line and the word.
Result<BlockCase> parse_block(std::string_view line);
std::string print(const BlockCase& c);
double flops_of(const BlockCase& c);
double bytes_of(const BlockCase& c);

// A block on a device. Long contexts repeat a few hundred rows, which the device can't know but the
// reference makes use of.
struct BlockProblem {
  CrossAttentionBlock block;
  CrossAttentionCall call;                             // on a context that isn't prepared
  CrossAttentionCall timed;                            // the same as the case has it
  std::vector<std::pair<std::string, Tensor>> inputs;  // of all peers, by name
  int64_t context_rows = 0;  // that differ: row j is row j mod context_rows
};

// Errors: the library's.
Result<BlockProblem> make_problem(const Device& device, const BlockCase& c);
// In fp64: every step-th row of each item, [1, batch, rows, dim].
Result<reference::Array> solve(const Device& device, const BlockProblem& problem, int64_t step);
// Multiplications of one row's result.
double steps_a_row(const BlockCase& c);

}  // namespace weft::bench
