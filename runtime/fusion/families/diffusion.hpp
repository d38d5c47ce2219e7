// Denoisers of pictures: image rows attend to a prompt.
#pragma once

#include "fusion/families/table.hpp"

namespace weft::family {

inline constexpr PartRow kStableDiffusionParts[] = {
    {Part::query_weight, "attn2.to_q.weight", "QD"},
    {Part::query_bias, "attn2.to_q.bias", "Q", Need::absent},
    {Part::key_weight, "attn2.to_k.weight", "QC"},
    {Part::value_weight, "attn2.to_v.weight", "QC"},
    {Part::out_weight, "attn2.to_out.0.weight", "DQ"},
    {Part::out_bias, "attn2.to_out.0.bias", "D"},
    {Part::query_norm_weight, "norm2.weight", "D"},
    {Part::query_norm_bias, "norm2.bias", "D"},
};
inline constexpr StepTable kStableDiffusionSteps[] = {{.parts = kStableDiffusionParts}};
inline constexpr const char* kStableDiffusionNames[] = {"!add_embedding.linear_1.bias"};
inline constexpr const char* kStableDiffusionXlNames[] = {"add_embedding.linear_1.bias"};
inline constexpr int64_t kStableDiffusionContext[] = {768};
inline constexpr int64_t kStableDiffusionXlContext[] = {1024, 2048};

// The number called attention_head_dim in its configuration, 8, is the number of heads.
inline constexpr FamilyTable kStableDiffusion = {
    .info = {"stable_diffusion", "Stable Diffusion 1 (diffusers names)",
             "pre-norm cross-attention of a UNet's transformer block",
             "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.weight"},
    .steps = kStableDiffusionSteps,
    .heads = 8,
    .evidence = {.names = kStableDiffusionNames, .context_dims = kStableDiffusionContext}};

inline constexpr FamilyTable kStableDiffusionXl = {
    .info = {"stable_diffusion_xl", "Stable Diffusion 2 and XL (diffusers names)",
             "pre-norm cross-attention of a UNet's transformer block",
             "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q.weight"},
    .steps = kStableDiffusionSteps,
    .head_dim = 64,
    .evidence = {.names = kStableDiffusionXlNames, .context_dims = kStableDiffusionXlContext}};

inline constexpr PartRow kIpAdapterParts[] = {
    {Part::query_weight, "attn2.to_q.weight", "QD"},
    {Part::key_weight, "attn2.to_k.weight", "QC"},
    {Part::value_weight, "attn2.to_v.weight", "QC"},
    {Part::out_weight, "attn2.to_out.0.weight", "DQ"},
    {Part::out_bias, "attn2.to_out.0.bias", "D"},
    {Part::query_norm_weight, "norm2.weight", "D"},
    {Part::query_norm_bias, "norm2.bias", "D"},
    {Part::source_key_weight, "/ip_adapter.{odd}.to_k_ip.weight", "QI"},
    {Part::source_value_weight, "/ip_adapter.{odd}.to_v_ip.weight", "QI"},
};
inline constexpr StepTable kIpAdapterSteps[] = {{.parts = kIpAdapterParts}};

inline constexpr FamilyTable kIpAdapter = {
    .info = {"ip_adapter",
             "IP-Adapter, UNet and adapter in one source; heads must be given: 8 for Stable "
             "Diffusion 1, dim / 64 for XL",
             "pre-norm cross-attention to a prompt and, with a softmax of its own, to a picture",
             "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.weight"},
    .steps = kIpAdapterSteps};

// Its norm2 belongs to the feed-forward.
inline constexpr PartRow kPixartParts[] = {
    {Part::query_weight, "attn2.to_q.weight", "QD"},   {Part::query_bias, "attn2.to_q.bias", "Q"},
    {Part::key_weight, "attn2.to_k.weight", "QC"},     {Part::key_bias, "attn2.to_k.bias", "Q"},
    {Part::value_weight, "attn2.to_v.weight", "QC"},   {Part::value_bias, "attn2.to_v.bias", "Q"},
    {Part::out_weight, "attn2.to_out.0.weight", "DQ"}, {Part::out_bias, "attn2.to_out.0.bias", "D"},
};
inline constexpr StepTable kPixartSteps[] = {{.parts = kPixartParts}};

inline constexpr FamilyTable kPixart = {
    .info = {"pixart", "PixArt-alpha and PixArt-sigma (diffusers names)",
             "cross-attention of a transformer block, without a norm",
             "transformer_blocks.0.attn2.to_q.weight"},
    .steps = kPixartSteps,
    .head_dim = 72};

}  // namespace weft::family
