// Pictures: latents, object queries and prompt tokens attend to pixels and image features.
#pragma once

#include "fusion/families/table.hpp"

namespace weft::family {

inline constexpr PartRow kPerceiverParts[] = {
    {Part::context_norm_weight, "attention.self.layernorm2.weight", "C"},
    {Part::context_norm_bias, "attention.self.layernorm2.bias", "C"},
    {Part::query_norm_weight, "attention.self.layernorm1.weight", "D"},
    {Part::query_norm_bias, "attention.self.layernorm1.bias", "D"},
    {Part::query_weight, "attention.self.query.weight", "QD"},
    {Part::query_bias, "attention.self.query.bias", "Q"},
    {Part::key_weight, "attention.self.key.weight", "QC"},
    {Part::key_bias, "attention.self.key.bias", "Q"},
    {Part::value_weight, "attention.self.value.weight", "VC"},
    {Part::value_bias, "attention.self.value.bias", "V"},
    {Part::out_weight, "attention.output.dense.weight", "DV"},
    {Part::out_bias, "attention.output.dense.bias", "D"},
    {Part::feed_forward_norm_weight, "layernorm.weight", "D"},
    {Part::feed_forward_norm_bias, "layernorm.bias", "D"},
    {Part::up_weight, "mlp.dense1.weight", "FD"},
    {Part::up_bias, "mlp.dense1.bias", "F"},
    {Part::down_weight, "mlp.dense2.weight", "DF"},
    {Part::down_bias, "mlp.dense2.bias", "D"},
};
inline constexpr StepTable kPerceiverSteps[] = {{.parts = kPerceiverParts}};

inline constexpr FamilyTable kPerceiver = {
    .info = {"perceiver", "Perceiver IO (transformers names, use_query_residual)",
             "latents attend to inputs, both normed, and feed-forward",
             "perceiver.encoder.cross_attention.attention.self.layernorm2.weight"},
    .steps = kPerceiverSteps,
    .epsilon = 1e-5f};

inline constexpr PartRow kDetrParts[] = {
    {Part::query_weight, "encoder_attn.q_proj.weight", "QD"},
    {Part::query_bias, "encoder_attn.q_proj.bias", "Q"},
    {Part::key_weight, "encoder_attn.k_proj.weight", "QD"},
    {Part::key_bias, "encoder_attn.k_proj.bias", "Q"},
    {Part::value_weight, "encoder_attn.v_proj.weight", "QD"},
    {Part::value_bias, "encoder_attn.v_proj.bias", "Q"},
    {Part::out_weight, "encoder_attn.out_proj.weight", "DQ"},
    {Part::out_bias, "encoder_attn.out_proj.bias", "D"},
    {Part::post_norm_weight, "encoder_attn_layer_norm.weight", "D"},
    {Part::post_norm_bias, "encoder_attn_layer_norm.bias", "D"},
};
inline constexpr StepTable kDetrSteps[] = {{.parts = kDetrParts}};
inline constexpr const char* kDetrNames[] = {"query_position_embeddings.weight"};

inline constexpr FamilyTable kDetr = {
    .info = {"detr", "DETR (transformers names)",
             "post-norm cross-attention of object queries to an image, positions given",
             "model.decoder.layers.0.encoder_attn.q_proj.weight"},
    .steps = kDetrSteps,
    .heads = 8,
    .evidence = {.names = kDetrNames}};

inline constexpr PartRow kDetrOriginalParts[] = {
    {Part::query_key_value_weight, "multihead_attn.in_proj_weight", "3DD"},
    {Part::query_key_value_bias, "multihead_attn.in_proj_bias", "3D"},
    {Part::out_weight, "multihead_attn.out_proj.weight", "DD"},
    {Part::out_bias, "multihead_attn.out_proj.bias", "D"},
    {Part::post_norm_weight, "norm2.weight", "D"},
    {Part::post_norm_bias, "norm2.bias", "D"},
};
inline constexpr StepTable kDetrOriginalSteps[] = {{.parts = kDetrOriginalParts}};

inline constexpr FamilyTable kDetrOriginal = {
    .info = {"detr_original", "DETR (original names, those of torch.nn.TransformerDecoderLayer)",
             "post-norm cross-attention of object queries to an image, positions given",
             "transformer.decoder.layers.0.multihead_attn.in_proj_weight"},
    .steps = kDetrOriginalSteps,
    .heads = 8};

inline constexpr PartRow kSamSelfParts[] = {
    {Part::query_weight, "layers.{}.self_attn.q_proj.weight", "DD"},
    {Part::query_bias, "layers.{}.self_attn.q_proj.bias", "D"},
    {Part::key_weight, "layers.{}.self_attn.k_proj.weight", "DD"},
    {Part::key_bias, "layers.{}.self_attn.k_proj.bias", "D"},
    {Part::value_weight, "layers.{}.self_attn.v_proj.weight", "DD"},
    {Part::value_bias, "layers.{}.self_attn.v_proj.bias", "D"},
    {Part::out_weight, "layers.{}.self_attn.out_proj.weight", "DD"},
    {Part::out_bias, "layers.{}.self_attn.out_proj.bias", "D"},
    {Part::post_norm_weight, "layers.{}.layer_norm1.weight", "D"},
    {Part::post_norm_bias, "layers.{}.layer_norm1.bias", "D"},
};
inline constexpr PartRow kSamTokenToImageParts[] = {
    {Part::query_weight, "layers.{}.cross_attn_token_to_image.q_proj.weight", "QD"},
    {Part::query_bias, "layers.{}.cross_attn_token_to_image.q_proj.bias", "Q"},
    {Part::key_weight, "layers.{}.cross_attn_token_to_image.k_proj.weight", "QD"},
    {Part::key_bias, "layers.{}.cross_attn_token_to_image.k_proj.bias", "Q"},
    {Part::value_weight, "layers.{}.cross_attn_token_to_image.v_proj.weight", "QD"},
    {Part::value_bias, "layers.{}.cross_attn_token_to_image.v_proj.bias", "Q"},
    {Part::out_weight, "layers.{}.cross_attn_token_to_image.out_proj.weight", "DQ"},
    {Part::out_bias, "layers.{}.cross_attn_token_to_image.out_proj.bias", "D"},
    {Part::post_norm_weight, "layers.{}.layer_norm2.weight", "D"},
    {Part::post_norm_bias, "layers.{}.layer_norm2.bias", "D"},
    {Part::up_weight, "layers.{}.mlp.lin1.weight", "FD"},
    {Part::up_bias, "layers.{}.mlp.lin1.bias", "F"},
    {Part::down_weight, "layers.{}.mlp.lin2.weight", "DF"},
    {Part::down_bias, "layers.{}.mlp.lin2.bias", "D"},
    {Part::feed_forward_post_norm_weight, "layers.{}.layer_norm3.weight", "D"},
    {Part::feed_forward_post_norm_bias, "layers.{}.layer_norm3.bias", "D"},
};
inline constexpr PartRow kSamImageToTokenParts[] = {
    {Part::query_weight, "layers.{}.cross_attn_image_to_token.q_proj.weight", "QD"},
    {Part::query_bias, "layers.{}.cross_attn_image_to_token.q_proj.bias", "Q"},
    {Part::key_weight, "layers.{}.cross_attn_image_to_token.k_proj.weight", "QD"},
    {Part::key_bias, "layers.{}.cross_attn_image_to_token.k_proj.bias", "Q"},
    {Part::value_weight, "layers.{}.cross_attn_image_to_token.v_proj.weight", "QD"},
    {Part::value_bias, "layers.{}.cross_attn_image_to_token.v_proj.bias", "Q"},
    {Part::out_weight, "layers.{}.cross_attn_image_to_token.out_proj.weight", "DQ"},
    {Part::out_bias, "layers.{}.cross_attn_image_to_token.out_proj.bias", "D"},
    {Part::post_norm_weight, "layers.{}.layer_norm4.weight", "D"},
    {Part::post_norm_bias, "layers.{}.layer_norm4.bias", "D"},
};
inline constexpr PartRow kSamFinalParts[] = {
    {Part::query_weight, "final_attn_token_to_image.q_proj.weight", "QD"},
    {Part::query_bias, "final_attn_token_to_image.q_proj.bias", "Q"},
    {Part::key_weight, "final_attn_token_to_image.k_proj.weight", "QD"},
    {Part::key_bias, "final_attn_token_to_image.k_proj.bias", "Q"},
    {Part::value_weight, "final_attn_token_to_image.v_proj.weight", "QD"},
    {Part::value_bias, "final_attn_token_to_image.v_proj.bias", "Q"},
    {Part::out_weight, "final_attn_token_to_image.out_proj.weight", "DQ"},
    {Part::out_bias, "final_attn_token_to_image.out_proj.bias", "D"},
    {Part::post_norm_weight, "layer_norm_final_attn.weight", "D"},
    {Part::post_norm_bias, "layer_norm_final_attn.bias", "D"},
};
// The first layer's tokens are replaced by what they attend to, without positions.
inline constexpr StepTable kSamSteps[] = {
    {.parts = kSamSelfParts,
     .layers = Layers::first,
     .self = true,
     .positions = false,
     .residual = false},
    {.parts = kSamSelfParts, .layers = Layers::later, .self = true},
    {.parts = kSamTokenToImageParts, .layers = Layers::all, .activation = Activation::relu},
    {.parts = kSamImageToTokenParts, .layers = Layers::all, .swapped = true},
    {.parts = kSamFinalParts, .epsilon = 1e-5f},
};

inline constexpr FamilyTable kSamTwoWay = {
    .info = {"sam_two_way", "Segment Anything's mask decoder (transformers names)",
             "prompt tokens and image attend to each other, layer by layer, positions given",
             "mask_decoder.transformer.layers.0.self_attn.q_proj.weight"},
    .steps = kSamSteps,
    .epsilon = 1e-6f,
    .heads = 8};

}  // namespace weft::family
