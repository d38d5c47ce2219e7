// Text and pictures: words attend to image features.
#pragma once

#include "fusion/families/table.hpp"

namespace weft::family {

// BERT's names, in BLIP and in LAVIS' Q-Former.
inline constexpr PartRow kBertCrossParts[] = {
    {Part::query_weight, "crossattention.self.query.weight", "QD"},
    {Part::query_bias, "crossattention.self.query.bias", "Q"},
    {Part::key_weight, "crossattention.self.key.weight", "QC"},
    {Part::key_bias, "crossattention.self.key.bias", "Q"},
    {Part::value_weight, "crossattention.self.value.weight", "QC"},
    {Part::value_bias, "crossattention.self.value.bias", "Q"},
    {Part::out_weight, "crossattention.output.dense.weight", "DQ"},
    {Part::out_bias, "crossattention.output.dense.bias", "D"},
    {Part::post_norm_weight, "crossattention.output.LayerNorm.weight", "D"},
    {Part::post_norm_bias, "crossattention.output.LayerNorm.bias", "D"},
};
inline constexpr StepTable kBertCrossSteps[] = {{.parts = kBertCrossParts}};
inline constexpr const char* kBlipNames[] = {"!intermediate_query.dense.bias"};
inline constexpr const char* kBlip2QformerLavisNames[] = {"intermediate_query.dense.bias"};

inline constexpr FamilyTable kBlip = {
    .info = {"blip", "BLIP's text encoder and decoder (transformers names)",
             "post-norm cross-attention of a BERT layer to image features",
             "text_decoder.bert.encoder.layer.0.crossattention.self.query.weight"},
    .steps = kBertCrossSteps,
    .epsilon = 1e-12f,
    .head_dim = 64,
    .evidence = {.names = kBlipNames}};

inline constexpr FamilyTable kBlip2QformerLavis = {
    .info = {"blip2_qformer_lavis", "BLIP-2's Q-Former (LAVIS names)",
             "post-norm cross-attention of query tokens to image features",
             "Qformer.bert.encoder.layer.0.crossattention.self.query.weight"},
    .steps = kBertCrossSteps,
    .epsilon = 1e-12f,
    .head_dim = 64,
    .evidence = {.names = kBlip2QformerLavisNames}};

inline constexpr PartRow kBlip2QformerParts[] = {
    {Part::query_weight, "crossattention.attention.query.weight", "QD"},
    {Part::query_bias, "crossattention.attention.query.bias", "Q"},
    {Part::key_weight, "crossattention.attention.key.weight", "QC"},
    {Part::key_bias, "crossattention.attention.key.bias", "Q"},
    {Part::value_weight, "crossattention.attention.value.weight", "QC"},
    {Part::value_bias, "crossattention.attention.value.bias", "Q"},
    {Part::out_weight, "crossattention.output.dense.weight", "DQ"},
    {Part::out_bias, "crossattention.output.dense.bias", "D"},
    {Part::post_norm_weight, "crossattention.output.LayerNorm.weight", "D"},
    {Part::post_norm_bias, "crossattention.output.LayerNorm.bias", "D"},
};
inline constexpr StepTable kBlip2QformerSteps[] = {{.parts = kBlip2QformerParts}};

inline constexpr FamilyTable kBlip2Qformer = {
    .info = {"blip2_qformer", "BLIP-2's Q-Former (transformers names)",
             "post-norm cross-attention of query tokens to image features",
             "qformer.encoder.layer.0.crossattention.attention.query.weight"},
    .steps = kBlip2QformerSteps,
    .epsilon = 1e-12f,
    .head_dim = 64};

inline constexpr PartRow kOpenFlamingoParts[] = {
    {Part::gate, "attn_gate", "_"},
    {Part::query_norm_weight, "attn.norm.weight", "D"},
    {Part::query_norm_bias, "attn.norm.bias", "D"},
    {Part::query_weight, "attn.to_q.weight", "QD"},
    {Part::key_value_weight, "attn.to_kv.weight", "2QC"},
    {Part::out_weight, "attn.to_out.weight", "DQ"},
    {Part::feed_forward_gate, "ff_gate", "_"},
    {Part::feed_forward_norm_weight, "ff.0.weight", "D"},
    {Part::feed_forward_norm_bias, "ff.0.bias", "D"},
    {Part::up_weight, "ff.1.weight", "FD"},
    {Part::down_weight, "ff.3.weight", "DF"},
};
inline constexpr StepTable kOpenFlamingoSteps[] = {{.parts = kOpenFlamingoParts}};

inline constexpr FamilyTable kOpenFlamingo = {
    .info = {"open_flamingo", "OpenFlamingo",
             "gated pre-norm cross-attention of words to their pictures' latents, and feed-forward",
             "lang_encoder.transformer.blocks.3.gated_cross_attn_layer.attn_gate"},
    .steps = kOpenFlamingoSteps,
    .head_dim = 64};

inline constexpr PartRow kIdeficsParts[] = {
    {Part::gate, "alpha_cross_attn", "_|__D"},
    {Part::query_norm_weight, "input_layernorm.weight", "D"},
    {Part::query_weight, "cross_attn.q_proj.weight", "QD"},
    {Part::key_weight, "cross_attn.k_proj.weight", "QC"},
    {Part::value_weight, "cross_attn.v_proj.weight", "QC"},
    {Part::out_weight, "cross_attn.o_proj.weight", "DQ"},
    {Part::query_head_norm_weight, "cross_attn.q_layer_norm.weight", "H", Need::optional},
    {Part::key_head_norm_weight, "cross_attn.k_layer_norm.weight", "H", Need::optional},
    {Part::feed_forward_gate, "alpha_dense", "_|__D"},
    {Part::feed_forward_norm_weight, "post_attention_layernorm.weight", "D"},
    {Part::gate_up_weight, "mlp.gate_proj.weight", "FD"},
    {Part::up_weight, "mlp.up_proj.weight", "FD"},
    {Part::down_weight, "mlp.down_proj.weight", "DF"},
};
inline constexpr StepTable kIdeficsSteps[] = {
    {.parts = kIdeficsParts, .activation = Activation::silu}};

inline constexpr FamilyTable kIdefics = {
    .info = {"idefics", "IDEFICS (transformers names)",
             "gated pre-norm (RMS) cross-attention of words to image features, and feed-forward",
             "model.gated_cross_attn_layers.0.alpha_cross_attn"},
    .steps = kIdeficsSteps,
    .norm = NormKind::rms,
    .epsilon = 1e-6f,
    .head_dim = 128};

inline constexpr PartRow kLlama32VisionParts[] = {
    {Part::gate, "cross_attn_attn_gate", "_"},
    {Part::query_norm_weight, "input_layernorm.weight", "D"},
    {Part::query_weight, "cross_attn.q_proj.weight", "QD"},
    {Part::key_weight, "cross_attn.k_proj.weight", "KC"},
    {Part::value_weight, "cross_attn.v_proj.weight", "KC"},
    {Part::out_weight, "cross_attn.o_proj.weight", "DQ"},
    {Part::query_head_norm_weight, "cross_attn.q_norm.weight", "H"},
    {Part::key_head_norm_weight, "cross_attn.k_norm.weight", "H"},
    {Part::feed_forward_gate, "cross_attn_mlp_gate", "_"},
    {Part::feed_forward_norm_weight, "post_attention_layernorm.weight", "D"},
    {Part::gate_up_weight, "mlp.gate_proj.weight", "FD"},
    {Part::up_weight, "mlp.up_proj.weight", "FD"},
    {Part::down_weight, "mlp.down_proj.weight", "DF"},
};
inline constexpr StepTable kLlama32VisionSteps[] = {
    {.parts = kLlama32VisionParts, .activation = Activation::silu}};

inline constexpr FamilyTable kLlama32Vision = {
    .info = {"llama_3_2_vision", "Llama 3.2 Vision (transformers names)",
             "gated pre-norm (RMS) cross-attention of words to image tiles, and feed-forward",
             "language_model.model.layers.3.cross_attn_attn_gate"},
    .steps = kLlama32VisionSteps,
    .norm = NormKind::rms};

// Layers' names: a pair of attention and feed-forward.
inline constexpr PartRow kPerceiverResamplerStack[] = {
    {Part::latents, "latents", "ND"},
    {Part::last_norm_weight, "norm.weight", "D"},
    {Part::last_norm_bias, "norm.bias", "D"},
};
inline constexpr PartRow kPerceiverResamplerParts[] = {
    {Part::context_norm_weight, "layers.{}.0.norm_media.weight", "D"},
    {Part::context_norm_bias, "layers.{}.0.norm_media.bias", "D"},
    {Part::query_norm_weight, "layers.{}.0.norm_latents.weight", "D"},
    {Part::query_norm_bias, "layers.{}.0.norm_latents.bias", "D"},
    {Part::query_weight, "layers.{}.0.to_q.weight", "QD"},
    {Part::key_value_weight, "layers.{}.0.to_kv.weight", "2QD"},
    {Part::out_weight, "layers.{}.0.to_out.weight", "DQ"},
    {Part::feed_forward_norm_weight, "layers.{}.1.0.weight", "D"},
    {Part::feed_forward_norm_bias, "layers.{}.1.0.bias", "D"},
    {Part::up_weight, "layers.{}.1.1.weight", "FD"},
    {Part::down_weight, "layers.{}.1.3.weight", "DF"},
};
inline constexpr StepTable kPerceiverResamplerSteps[] = {
    {.parts = kPerceiverResamplerParts, .layers = Layers::all, .context_and_query = true}};

inline constexpr FamilyTable kPerceiverResampler = {
    .info = {"perceiver_resampler", "OpenFlamingo's perceiver resampler",
             "latents attend to image features and themselves, and feed-forward, in layers",
             "perceiver.layers.0.0.norm_media.weight"},
    .parts = kPerceiverResamplerStack,
    .steps = kPerceiverResamplerSteps,
    .head_dim = 64};

// Both directions with the same weights, each from the old states.
inline constexpr PartRow kLxmertParts[] = {
    {Part::query_weight, "visual_attention.att.query.weight", "QD"},
    {Part::query_bias, "visual_attention.att.query.bias", "Q"},
    {Part::key_weight, "visual_attention.att.key.weight", "QD"},
    {Part::key_bias, "visual_attention.att.key.bias", "Q"},
    {Part::value_weight, "visual_attention.att.value.weight", "QD"},
    {Part::value_bias, "visual_attention.att.value.bias", "Q"},
    {Part::out_weight, "visual_attention.output.dense.weight", "DQ"},
    {Part::out_bias, "visual_attention.output.dense.bias", "D"},
    {Part::post_norm_weight, "visual_attention.output.LayerNorm.weight", "D"},
    {Part::post_norm_bias, "visual_attention.output.LayerNorm.bias", "D"},
};
inline constexpr StepTable kLxmertSteps[] = {
    {.parts = kLxmertParts}, {.parts = kLxmertParts, .swapped = true, .together = true}};

inline constexpr FamilyTable kLxmert = {
    .info = {"lxmert", "LXMERT (transformers names)",
             "post-norm cross-attention of words and boxes to each other, at once, shared weights",
             "lxmert.encoder.x_layers.0.visual_attention.att.query.weight"},
    .steps = kLxmertSteps,
    .epsilon = 1e-12f,
    .head_dim = 64};

// One head of keys and values for all.
inline constexpr PartRow kCocaStack[] = {
    {Part::latents, "img_queries", "ND"},
    {Part::last_norm_weight, "img_attn_pool_norm.gamma", "D"},
    {Part::last_norm_bias, "img_attn_pool_norm.beta", "D", Need::optional},
};
inline constexpr PartRow kCocaParts[] = {
    {Part::query_weight, "img_attn_pool.to_q.weight", "QD"},
    {Part::key_value_weight, "img_attn_pool.to_kv.weight", "2HC"},
    {Part::out_weight, "img_attn_pool.to_out.weight", "DQ"},
    {Part::query_norm_weight, "img_attn_pool.norm.gamma", "D"},
    {Part::query_norm_bias, "img_attn_pool.norm.beta", "D", Need::optional},
    {Part::context_norm_weight, "img_attn_pool.context_norm.gamma", "C"},
    {Part::context_norm_bias, "img_attn_pool.context_norm.beta", "C", Need::optional},
};
inline constexpr StepTable kCocaSteps[] = {{.parts = kCocaParts, .residual = false}};

inline constexpr FamilyTable kCoca = {
    .info = {"coca", "CoCa (names of lucidrains/CoCa-pytorch)",
             "attention pooling: learned queries attend to image features, one head of keys",
             "img_attn_pool.to_q.weight"},
    .parts = kCocaStack,
    .steps = kCocaSteps,
    .kv_heads = 1};

inline constexpr PartRow kClipStack[] = {
    {Part::right_weight, "visual_projection.weight", "PC"},
    {Part::left_weight, "text_projection.weight", "PD"},
    {Part::logit_scale, "logit_scale", "|_"},
};

inline constexpr FamilyTable kClip = {
    .info = {"clip", "CLIP (transformers names)",
             "scaled cosine similarities of pooled texts (query) and pictures (context), projected",
             "visual_projection.weight"},
    .parts = kClipStack};

}  // namespace weft::family
