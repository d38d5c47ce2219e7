"""Vectors of detectors, segmenters and two-stream models, made by their own modules."""

import formulas
import numpy as np
import torch
import vectors
from torch import nn
from transformers import CLIPConfig, CLIPModel, DetrConfig, LxmertConfig, SamMaskDecoderConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.detr.modeling_detr import DetrDecoderLayer
from transformers.models.lxmert.modeling_lxmert import LxmertXLayer
from transformers.models.sam.modeling_sam import SamTwoWayTransformer

VERSION = "transformers 4.57.6"


# ---- DETR ----

DETR = {"dim": 24, "heads": 3, "queries": 5, "keys": 8}


def detr_inputs():
    """Object queries are parameters, the same for every item; padded pixels lie anywhere."""
    keep = torch.ones(2, 1, 1, DETR["keys"], dtype=torch.uint8)
    keep[0, ..., [3, 7]] = 0
    keep[1, ..., [2, 5, 6, 7]] = 0
    return {"query": vectors.normal(2, DETR["queries"], DETR["dim"]),
            "context": vectors.normal(2, DETR["keys"], DETR["dim"]),
            "query_position": vectors.normal(1, DETR["queries"], DETR["dim"]),
            "context_position": vectors.normal(2, DETR["keys"], DETR["dim"]), "keep_mask": keep}


def detr_formula(given, project, out, norm):
    """Positions go into queries and keys, not values; the norm comes after the residual."""
    x, memory = given["query"], given["context"]
    added = formulas.attention(
        project("q", x + given["query_position"]),
        project("k", memory + given["context_position"]), project("v", memory), DETR["heads"],
        keep=given["keep_mask"])
    return {"output": norm(x + out(added))}


def detr():
    """The names are BART's too; query_position_embeddings tells them apart."""
    dim, heads = DETR["dim"], DETR["heads"]
    config = DetrConfig(d_model=dim, decoder_attention_heads=heads, decoder_ffn_dim=8, dropout=0.0)
    layer = vectors.randomize(DetrDecoderLayer(config))
    prefix = "model.decoder.layers.0."
    inputs = detr_inputs()
    checkpoint = vectors.published(layer, prefix, only=("encoder_attn",))
    object_queries = "model.query_position_embeddings.weight"
    checkpoint[object_queries] = inputs["query_position"][0]

    def run(dtype, given):
        part = vectors.in_type(layer, dtype)
        mask = vectors.additive(given["keep_mask"], dtype).expand(-1, -1, DETR["queries"], -1)
        # From what the self-attention gives to what the feed-forward gets.
        return {"output": vectors.call_part(
            part, {"hidden_states": given["query"], "object_queries": given["context_position"],
                   "query_position_embeddings": given["query_position"],
                   "encoder_hidden_states": given["context"], "encoder_attention_mask": mask},
            replace={part.self_attn_layer_norm: lambda _: given["query"]}, input_of=part.fc1)}

    def formula(tensors, given):
        attn = f"{prefix}encoder_attn"
        return detr_formula(
            given, lambda kind, rows: formulas.linear(tensors, f"{attn}.{kind}_proj", rows),
            lambda rows: formulas.linear(tensors, f"{attn}.out_proj", rows),
            lambda rows: formulas.layer_norm(tensors, f"{attn}_layer_norm", rows, 1e-5))

    return vectors.Vector(
        "detr", prefix, f"{VERSION} DetrDecoderLayer", checkpoint, inputs, run, formula,
        {"heads": heads}, without_effect=(f"{prefix}encoder_attn.k_proj.bias", object_queries))


def detr_original():
    """As github.com/facebookresearch/detr has it: one weight for queries, keys and values."""
    dim, heads = DETR["dim"], DETR["heads"]
    layer = vectors.randomize(nn.ModuleDict({
        "multihead_attn": nn.MultiheadAttention(dim, heads), "norm2": nn.LayerNorm(dim)}))
    prefix = "transformer.decoder.layers.0."

    def run(dtype, given):
        part = vectors.in_type(layer, dtype)
        given = {name: value if name == "keep_mask" else value.transpose(0, 1)
                 for name, value in given.items()}  # torch puts the length first
        x, memory = given["query"], given["context"]
        added, _ = part["multihead_attn"](
            x + given["query_position"], memory + given["context_position"], memory,
            key_padding_mask=given["keep_mask"][:, 0, 0] == 0)
        return {"output": part["norm2"](x + added).transpose(0, 1)}

    def formula(tensors, given):
        attn = f"{prefix}multihead_attn"
        rows_of = {kind: slice(i * dim, (i + 1) * dim) for i, kind in enumerate("qkv")}
        return detr_formula(
            given, lambda kind, rows: rows @ tensors[f"{attn}.in_proj_weight"][rows_of[kind]].T
            + tensors[f"{attn}.in_proj_bias"][rows_of[kind]],
            lambda rows: formulas.linear(tensors, f"{attn}.out_proj", rows),
            lambda rows: formulas.layer_norm(tensors, f"{prefix}norm2", rows, 1e-5))

    return vectors.Vector(
        "detr_original", prefix, "torch 2.9.1 MultiheadAttention and LayerNorm, order of "
        "github.com/facebookresearch/detr TransformerDecoderLayer.forward_post",
        vectors.published(layer, prefix), detr_inputs(), run, formula, {"heads": heads})


# ---- Segment Anything ----


def sam_two_way():
    """Tokens and image by turns, twice: self-attention, tokens to image, feed-forward, image to
    tokens; then tokens to image again. The tokens are their own positions.
    """
    dim, heads = 24, 2
    config = SamMaskDecoderConfig(hidden_size=dim, num_attention_heads=heads, mlp_dim=40)
    config._attn_implementation = "eager"
    stack = vectors.randomize(SamTwoWayTransformer(config))
    prefix = "mask_decoder.transformer."
    tokens = vectors.normal(2, 5, dim)
    inputs = {"query": tokens, "query_position": tokens.clone(),
              "context": vectors.normal(2, 6, dim), "context_position": vectors.normal(1, 6, dim)}

    def run(dtype, given):
        def picture(rows):  # [batch, dim, 2, 3]
            return rows.transpose(1, 2).unflatten(2, (2, 3)).expand(2, -1, -1, -1)

        tokens, image = vectors.in_type(stack, dtype)(
            point_embeddings=given["query"][:, None], image_embeddings=picture(given["context"]),
            image_positional_embeddings=picture(given["context_position"]),
            attention_similarity=None)
        return {"output": tokens[:, 0], "context_output": image[:, 0]}

    def formula(tensors, given):
        x, image = given["query"], given["context"]
        x_position, image_position = given["query_position"], given["context_position"]

        def attend(name, query, key, value):
            q, k, v = (formulas.linear(tensors, f"{prefix}{name}.{kind}_proj", rows)
                       for kind, rows in (("q", query), ("k", key), ("v", value)))
            return formulas.linear(
                tensors, f"{prefix}{name}.out_proj", formulas.attention(q, k, v, heads))

        def norm(name, rows, epsilon):
            return formulas.layer_norm(tensors, f"{prefix}{name}", rows, epsilon)

        for layer in ("layers.0.", "layers.1."):
            at = x + x_position
            if layer == "layers.0.":  # no positions and no residual
                x = attend(f"{layer}self_attn", x, x, x)
            else:
                x = x + attend(f"{layer}self_attn", at, at, x)
            x = norm(f"{layer}layer_norm1", x, 1e-6)
            x = norm(f"{layer}layer_norm2", x + attend(
                f"{layer}cross_attn_token_to_image", x + x_position, image + image_position, image),
                1e-6)
            hidden = np.maximum(formulas.linear(tensors, f"{prefix}{layer}mlp.lin1", x), 0)
            x = norm(f"{layer}layer_norm3",
                     x + formulas.linear(tensors, f"{prefix}{layer}mlp.lin2", hidden), 1e-6)
            image = norm(f"{layer}layer_norm4", image + attend(
                f"{layer}cross_attn_image_to_token", image + image_position, x + x_position, x),
                1e-6)
        x = norm("layer_norm_final_attn", x + attend(
            "final_attn_token_to_image", x + x_position, image + image_position, image), 1e-5)
        return {"output": x, "context_output": image}

    checkpoint = vectors.published(stack, prefix)
    return vectors.Vector(
        "sam_two_way", prefix, f"{VERSION} SamTwoWayTransformer", checkpoint, inputs, run, formula,
        {"heads": heads},
        without_effect=tuple(name for name in checkpoint if name.endswith("k_proj.bias")))


# ---- LXMERT ----


def lxmert():
    """Words to boxes and boxes to words, the same weights, both from the states before."""
    dim, heads = 24, 3
    layer = vectors.randomize(LxmertXLayer(LxmertConfig(
        hidden_size=dim, num_attention_heads=heads, intermediate_size=8,
        attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)))
    prefix = "lxmert.encoder.x_layers.0."
    keep = torch.ones(2, 1, 1, 7, dtype=torch.uint8)  # of boxes
    keep[0, ..., [1, 6]] = 0
    keep_words = torch.ones(2, 1, 1, 5, dtype=torch.uint8)
    keep_words[1, ..., 3:] = 0
    inputs = {"query": vectors.normal(2, 5, dim), "context": vectors.normal(2, 7, dim),
              "keep_mask": keep, "swapped_keep_mask": keep_words}

    def run(dtype, given):
        words, boxes = vectors.in_type(layer, dtype).cross_att(
            given["query"], vectors.additive(given["swapped_keep_mask"], dtype), given["context"],
            vectors.additive(given["keep_mask"], dtype))
        return {"output": words[0], "context_output": boxes[0]}

    def formula(tensors, given):
        name = f"{prefix}visual_attention"

        def towards(x, context, keep=None):
            q, k, v = (formulas.linear(tensors, f"{name}.att.{kind}", rows)
                       for kind, rows in (("query", x), ("key", context), ("value", context)))
            added = formulas.linear(tensors, f"{name}.output.dense",
                                    formulas.attention(q, k, v, heads, keep=keep))
            return formulas.layer_norm(tensors, f"{name}.output.LayerNorm", x + added, 1e-12)

        words, boxes = given["query"], given["context"]
        return {"output": towards(words, boxes, given["keep_mask"]),
                "context_output": towards(boxes, words, given["swapped_keep_mask"])}

    return vectors.Vector(
        "lxmert", prefix, f"{VERSION} LxmertXLayer.cross_att",
        vectors.published(layer, prefix, only=("visual_attention",)), inputs, run, formula,
        {"heads": heads}, without_effect=(f"{prefix}visual_attention.att.key.bias",))


# ---- CLIP ----


class Pooled(nn.Module):
    """In place of an encoder: its pooled rows."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def forward(self, **_):
        return BaseModelOutputWithPooling(pooler_output=self.rows)


def clip():
    """Rows of texts [m, d] and pictures [n, d'] to logits_per_text [m, n]."""
    tiny = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
            "intermediate_size": 8}
    model = CLIPModel(CLIPConfig(
        text_config=tiny | {"hidden_size": 20, "vocab_size": 8, "max_position_embeddings": 4},
        vision_config=tiny | {"hidden_size": 28, "image_size": 4, "patch_size": 4},
        projection_dim=12))
    for projection in (model.text_projection, model.visual_projection):
        vectors.randomize(projection)
    with torch.no_grad():
        model.logit_scale.fill_(1.25)  # published: about 4.6, which makes logits of order 100
    inputs = {"query": vectors.normal(5, 20), "context": vectors.normal(3, 28)}

    def run(dtype, given):
        part = vectors.in_type(model, dtype)
        part.text_model, part.vision_model = Pooled(given["query"]), Pooled(given["context"])
        return {"output": part().logits_per_text}

    def formula(tensors, given):
        text, image = (rows / np.sqrt((rows**2).sum(-1, keepdims=True)) for rows in (
            formulas.linear(tensors, "text_projection", given["query"]),
            formulas.linear(tensors, "visual_projection", given["context"])))
        return {"output": np.exp(tensors["logit_scale"]) * text @ image.T}

    return vectors.Vector(
        "clip", "", f"{VERSION} CLIPModel",
        vectors.published(model, "", only=("text_proj", "visual_proj", "logit_scale")), inputs, run,
        formula)


FAMILIES = {
    "clip": clip,
    "detr": detr,
    "detr_original": detr_original,
    "lxmert": lxmert,
    "sam_two_way": sam_two_way,
}
