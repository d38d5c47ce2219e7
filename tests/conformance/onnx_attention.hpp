// ONNX's Attention operator (opsets 23 to 25) in terms of this library: how an importer would run
// it. Decisions where the two differ:
//
// - scale: ONNX multiplies query and key by sqrt(scale) each, to keep 16-bit scores in range.
//   Scores are fp32 here, so scale multiplies them once. Negative scales, of which ONNX takes a
//   square root, and 0, which means "the default" here, are refused.
// - softmax_precision: the softmax is fp32 whatever it says (double included).
// - A mask whose last axis is 1 is not repeated over more keys: as in ONNX's reference evaluator,
//   keys beyond a mask's last column take no part.
// - past_key and past_value are put before the new keys and values on the host.
// - qk_matmul_output is f32, whatever the type of the inputs.
#pragma once

#include <cstdint>
#include <optional>

#include "weft/elements.hpp"
#include "weft/weft.hpp"

namespace weft::onnx {

// The node's attributes, with the operator's defaults.
struct AttentionAttributes {
  bool is_causal = false;
  std::optional<float> scale;  // 1 / sqrt(head size)
  float softcap = 0.0f;
  int64_t q_num_heads = 0;  // of 3-D inputs
  int64_t kv_num_heads = 0;
  int64_t qk_matmul_output_mode = 0;  // the values of WeightsStage
  int64_t left_window_size = -1;
  int64_t right_window_size = -1;
};

// The node's inputs; an empty optional where a slot is empty. 3-D: [batch, length, heads * dim].
// 4-D: [batch, heads, length, dim].
struct AttentionInputs {
  TensorView query, key, value;  // f32, f16 or bf16
  std::optional<TensorView>
      attn_mask;  // bool: true takes part; else added. Broadcast from the right
  std::optional<TensorView> past_key, past_value;  // [batch, kv_heads, past length, dim]
  std::optional<TensorView> nonpad_kv_seqlen;      // i64 [batch]
};

// A node whose inputs lie on a device.
struct AttentionNode {
  AttentionCall call;       // its key and value are present_key and present_value
  AttentionWeightsCall qk;  // its weights are qk_matmul_output; empty if not asked for
  Tensor y;                 // of the query's rank and type
};

// Copies the inputs to the device and makes the outputs. Errors: invalid_argument, unsupported
// (element types and scales as above), out_of_memory, device_lost.
Result<AttentionNode> make_attention(const Device& device, const AttentionAttributes& attributes,
                                     const AttentionInputs& inputs, bool with_qk_matmul_output);

// Errors: those of attention and attention_weights.
Result<void> record(Recorder& recorder, const AttentionNode& node);

}  // namespace weft::onnx
