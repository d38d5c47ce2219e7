// Blocks of published model families: which tensors of a checkpoint make one, under which names and with which
// options. A family is a table (runtime/fusion/families/); tests/families says how to add one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/device.hpp"
#include "weft/export.hpp"
#include "weft/fusion.hpp"
#include "weft/tensor_source.hpp"

namespace weft {

struct FamilyInfo {
  const char* name;    // "whisper", "t5", "llama_3_2_vision"
  const char* models;  // whom it serves: "Whisper (transformers names)"
  const char* block;   // what is computed: "pre-norm cross-attention of a decoder layer"
  const char* example;  // a tensor's name: "model.decoder.layers.0.encoder_attn.q_proj.weight"
};
// All of them, by name. Thread safety: any thread.
WEFT_EXPORT std::span<const FamilyInfo> families() noexcept;

// What tensors' shapes can't say. 0: the family's own default (of the published models).
struct FamilyOptions {
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  float epsilon = 0;        // of all norms
  float scale = 0;          // of the attention's scores
  int64_t chunk_len = 0;    // RETRO
  DType dtype = DType::f32;  // of the weights on the device: f32, f16, bf16. Norms, biases and gates stay f32
};

// A block that a checkpoint holds.
struct FoundBlock {
  std::string family;
  std::string prefix;   // what stands before the family's names: "model.decoder.layers.0."
  uint32_t heads = 0;   // where the shapes say it, else the family's default; 0: must be given
  uint32_t kv_heads = 0;
  // Columns of the two streams, and of one query head; 0: no shape, or no number of heads, says it.
  int64_t dim = 0, context_dim = 0, head_dim = 0;
  std::vector<std::string> missing;  // tensors that the family needs and the source lacks
  std::vector<std::string> wrong;    // "NAME: shape [3, 4], expected [4, 4]"
};
// Every block of every family that the names allow, by prefix, numbers in it as numbers. Where families share names,
// the one that fits best, or one entry each where nothing in the source tells them apart (they compute the same, or
// differ in options); no entry for what lacks a family's first tensor, the one of FamilyInfo::example.
WEFT_EXPORT std::vector<FoundBlock> find_blocks(const TensorSource& source);

// Loads a block's tensors to the device, streamed in pieces of a few MiB, and checks every shape. Waits. Where a block's
// tensors lie in files of their own (an adapter beside its UNet), the source must give those of all.
// Errors: invalid_argument (no such family, with all names; tensors that are missing or have other shapes, all of
// them in one message), those of the source, out_of_memory.
WEFT_EXPORT Result<FusionStack> load_family(const Device& device, const TensorSource& source, std::string_view family,
                                            std::string_view prefix, const FamilyOptions& options = {});

}  // namespace weft
