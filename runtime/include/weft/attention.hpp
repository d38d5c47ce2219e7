// Cross-attention: output = softmax(scale * query key^T [+ bias]) value, on strided views.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "weft/recorder.hpp"

namespace weft {

enum class MaskKind : int32_t {
  none = 0,
  boolean = 1,  // u8: nonzero means that the key takes part
  bias = 2,     // f32, f16 or bf16, added to the scaled score; -infinity means that the key takes no part
};

// What a plan fixes. Everything else (lengths, strides, scale) may differ in every call.
struct AttentionDesc {
  DType query_dtype = DType::f32;   // f32, f16, bf16
  DType kv_dtype = DType::f32;      // of key and value
  DType output_dtype = DType::f32;
  uint32_t head_dim = 0;   // 1 to 256
  uint32_t value_dim = 0;  // 1 to 256; 0: head_dim
  MaskKind mask = MaskKind::none;
  DType mask_dtype = DType::u8;  // of a bias
  bool kv_lengths = false;
  bool logsumexp = false;
  // Typical lengths, for choosing a kernel only; any lengths stay correct. 0: unknown.
  uint32_t q_len = 0;
  uint32_t kv_len = 0;
};

// One call. Shapes, with every stride allowed whose last is 1 (0 in batch: one item for all):
struct AttentionCall {
  Tensor query;       // [batch, heads, q_len, head_dim]
  Tensor key;         // [batch, kv_heads, kv_len, head_dim]; kv_heads divides heads; query head h uses
                      // key head h / (heads / kv_heads)
  Tensor value;       // [batch, kv_heads, kv_len, value_dim]
  Tensor output;      // [batch, heads, q_len, value_dim]; must not overlap the inputs
  Tensor mask;        // optional: [batch | 1, heads | 1, q_len | 1, kv_len]; u8 is a boolean mask, else a bias
  Tensor kv_lengths;  // optional: i32 [batch]; item b uses keys 0 to kv_lengths[b] - 1;
                      // values are clamped to 0 .. kv_len
  Tensor logsumexp;   // optional output: f32 [batch, heads, q_len], natural logarithm
  float scale = 0.0f;  // 0: 1 / sqrt(head_dim); must be finite
};
// A key that is masked or beyond its length never influences an output, whatever its bits (NaN included).
// A row without any key gives output 0 and logsumexp -infinity. Lengths and batch may be 0.
// Sums and softmax are fp32 in a fixed order: the same call on the same device gives the same bits.

// A chosen kernel, ready to record. Copies share it. Thread safety: any thread.
class Attention {
 public:
  // Chooses a kernel row and builds its pipeline. Slow the first time on some drivers.
  // Errors: invalid_argument; unsupported with every row and why it can't.
  static Result<Attention> plan(const Device& device, const AttentionDesc& desc);
  // Records a call that fits the description. Errors: invalid_argument, naming the rule and the values;
  // unsupported (more heads, batch items or rows than the device's grids hold); out_of_memory and device_lost
  // where it makes a pipeline.
  Result<void> record(Recorder& recorder, const AttentionCall& call) const;
  // The kernel row chosen, "attention_lane_cpu" for instance.
  const char* kernel() const noexcept;

  struct State;
  explicit Attention(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

// What a call describes. Errors: invalid_argument as Attention::record.
Result<AttentionDesc> describe(const AttentionCall& call);

// Plans (once per description and device) and records. Errors: those of plan and record.
Result<void> attention(Recorder& recorder, const AttentionCall& call);

// Every kernel row in order of preference: chosen, or why not. For people.
std::string explain(const Device& device, const AttentionDesc& desc);

// The weights of an attention, recomputed from its logsumexp: softmax(scale * query key^T [+ bias]).
struct AttentionWeightsCall {
  Tensor query, key, mask, kv_lengths;  // as in AttentionCall
  Tensor logsumexp;  // f32 [batch, heads, q_len], as written by attention with the same arguments
  Tensor weights;    // f32 output [batch, listed heads (1 if mean_heads), q_len, listed keys]
  float scale = 0.0f;
  std::span<const uint32_t> heads;  // heads to write, or to average; empty: all
  std::span<const uint32_t> keys;   // keys to write; empty: all
  bool mean_heads = false;          // the mean over the listed heads in place of each
};

// Masked keys get exactly 0. Errors: as Attention::record.
Result<void> attention_weights(Recorder& recorder, const AttentionWeightsCall& call);

}  // namespace weft
