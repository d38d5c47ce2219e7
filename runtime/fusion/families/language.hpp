// Decoders of text: words attend to an encoder's states, or to retrieved text.
#pragma once

#include "fusion/families/table.hpp"

namespace weft::family {

inline constexpr PartRow kT5Parts[] = {
    {Part::query_weight, "EncDecAttention.q.weight", "QD"},
    {Part::key_weight, "EncDecAttention.k.weight", "QC"},
    {Part::value_weight, "EncDecAttention.v.weight", "QC"},
    {Part::out_weight, "EncDecAttention.o.weight", "DQ"},
    {Part::query_norm_weight, "layer_norm.weight", "D"},
};
inline constexpr StepTable kT5Steps[] = {{.parts = kT5Parts}};

// The 3B and 11B models' heads are 128 wide.
inline constexpr FamilyTable kT5 = {
    .info = {"t5", "T5, mT5, Flan-T5, FiD (transformers names); T5 3B and 11B need heads given",
             "pre-norm (RMS) cross-attention of a decoder block, scores not scaled",
             "decoder.block.0.layer.1.EncDecAttention.q.weight"},
    .steps = kT5Steps,
    .norm = NormKind::rms,
    .epsilon = 1e-6f,
    .scale = 1.0f,
    .head_dim = 64};

inline constexpr PartRow kEncoderAttnProjections[] = {
    {Part::query_weight, "encoder_attn.q_proj.weight", "QD"},
    {Part::query_bias, "encoder_attn.q_proj.bias", "Q"},
    {Part::key_weight, "encoder_attn.k_proj.weight", "QC"},
    {Part::key_bias, "encoder_attn.k_proj.bias", "Q"},
    {Part::value_weight, "encoder_attn.v_proj.weight", "QC"},
    {Part::value_bias, "encoder_attn.v_proj.bias", "Q"},
    {Part::out_weight, "encoder_attn.out_proj.weight", "DQ"},
    {Part::out_bias, "encoder_attn.out_proj.bias", "D"},
};
inline constexpr PartRow kEncoderAttnPostNorm[] = {
    {Part::post_norm_weight, "encoder_attn_layer_norm.weight", "D"},
    {Part::post_norm_bias, "encoder_attn_layer_norm.bias", "D"},
};
inline constexpr auto kBartParts = together(kEncoderAttnProjections, kEncoderAttnPostNorm);
inline constexpr StepTable kBartSteps[] = {{.parts = kBartParts}};
inline constexpr const char* kBartNames[] = {"layernorm_embedding.weight",
                                             "!decoder.layer_norm.weight"};
inline constexpr const char* kMarianNames[] = {"!layernorm_embedding.weight",
                                               "!decoder.layer_norm.weight",
                                               "!query_position_embeddings.weight"};

inline constexpr FamilyTable kBart = {
    .info = {"bart", "BART (transformers names)", "post-norm cross-attention of a decoder layer",
             "model.decoder.layers.0.encoder_attn.q_proj.weight"},
    .steps = kBartSteps,
    .head_dim = 64,
    .evidence = {.names = kBartNames}};

inline constexpr FamilyTable kMarian = {
    .info = {"marian", "Marian, OPUS-MT (transformers names)",
             "post-norm cross-attention of a decoder layer",
             "model.decoder.layers.0.encoder_attn.q_proj.weight"},
    .steps = kBartSteps,
    .head_dim = 64,
    .evidence = {.names = kMarianNames}};

inline constexpr PartRow kEncoderAttnQueryNorm[] = {
    {Part::query_norm_weight, "encoder_attn_layer_norm.weight", "D"},
    {Part::query_norm_bias, "encoder_attn_layer_norm.bias", "D"},
};
inline constexpr auto kMbartParts = together(kEncoderAttnProjections, kEncoderAttnQueryNorm);
inline constexpr StepTable kMbartSteps[] = {{.parts = kMbartParts}};
// Where norms come first, there is one after the last layer.
inline constexpr const char* kMbartNames[] = {"decoder.layer_norm.weight"};

inline constexpr FamilyTable kMbart = {
    .info = {"mbart", "mBART, M2M100, NLLB, Pegasus (transformers names)",
             "pre-norm cross-attention of a decoder layer",
             "model.decoder.layers.0.encoder_attn.q_proj.weight"},
    .steps = kMbartSteps,
    .head_dim = 64,
    .evidence = {.names = kMbartNames}};

inline constexpr PartRow kWhisperProjections[] = {
    {Part::query_weight, "encoder_attn.q_proj.weight", "QD"},
    {Part::query_bias, "encoder_attn.q_proj.bias", "Q"},
    {Part::key_weight, "encoder_attn.k_proj.weight", "QC"},
    {Part::key_bias, "encoder_attn.k_proj.bias", "Q", Need::absent},
    {Part::value_weight, "encoder_attn.v_proj.weight", "QC"},
    {Part::value_bias, "encoder_attn.v_proj.bias", "Q"},
    {Part::out_weight, "encoder_attn.out_proj.weight", "DQ"},
    {Part::out_bias, "encoder_attn.out_proj.bias", "D"},
};
inline constexpr auto kWhisperParts = together(kWhisperProjections, kEncoderAttnQueryNorm);
inline constexpr StepTable kWhisperSteps[] = {{.parts = kWhisperParts}};

inline constexpr FamilyTable kWhisper = {
    .info = {"whisper", "Whisper (transformers names)",
             "pre-norm cross-attention of a decoder layer",
             "model.decoder.layers.0.encoder_attn.q_proj.weight"},
    .steps = kWhisperSteps,
    .head_dim = 64};

// It scales queries and keys by head_dim^-0.25 each, which is the ordinary scale of their products.
inline constexpr PartRow kWhisperOpenaiParts[] = {
    {Part::query_weight, "cross_attn.query.weight", "QD"},
    {Part::query_bias, "cross_attn.query.bias", "Q"},
    {Part::key_weight, "cross_attn.key.weight", "QC"},
    {Part::value_weight, "cross_attn.value.weight", "QC"},
    {Part::value_bias, "cross_attn.value.bias", "Q"},
    {Part::out_weight, "cross_attn.out.weight", "DQ"},
    {Part::out_bias, "cross_attn.out.bias", "D"},
    {Part::query_norm_weight, "cross_attn_ln.weight", "D"},
    {Part::query_norm_bias, "cross_attn_ln.bias", "D"},
};
inline constexpr StepTable kWhisperOpenaiSteps[] = {{.parts = kWhisperOpenaiParts}};

inline constexpr FamilyTable kWhisperOpenai = {
    .info = {"whisper_openai", "Whisper (OpenAI's names)",
             "pre-norm cross-attention of a decoder block",
             "decoder.blocks.0.cross_attn.query.weight"},
    .steps = kWhisperOpenaiSteps,
    .head_dim = 64};

inline constexpr PartRow kRetroParts[] = {
    {Part::null_key, "fn.cross_attn.null_k", "Q"},
    {Part::null_value, "fn.cross_attn.null_v", "Q"},
    {Part::query_weight, "fn.cross_attn.to_q.weight", "QD"},
    {Part::key_weight, "fn.cross_attn.to_k.weight", "QC"},
    {Part::value_weight, "fn.cross_attn.to_v.weight", "QC"},
    {Part::out_weight, "fn.cross_attn.to_out.weight", "DQ"},
    {Part::out_bias, "fn.cross_attn.to_out.bias", "D"},
    {Part::query_norm_weight, "norm.gamma", "D"},
};
inline constexpr StepTable kRetroSteps[] = {{.parts = kRetroParts}};

// Its norm divides by the root mean square, or by 1e-8 where that is less.
inline constexpr FamilyTable kRetro = {
    .info =
        {"retro", "RETRO (names of lucidrains/RETRO-pytorch)",
         "pre-norm (RMS) cross-attention of chunks to their retrieved neighbours, with a null key",
         "decoder.layers.0.1.fn.cross_attn.null_k"},
    .steps = kRetroSteps,
    .norm = NormKind::rms,
    .epsilon = 1e-16f,
    .head_dim = 64,
    .chunk_len = 64};

}  // namespace weft::family
