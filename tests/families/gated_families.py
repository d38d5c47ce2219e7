"""Vectors of cross-attention layers with a feed-forward, made by transformers' own modules."""

import formulas
import numpy as np
import torch
import vectors
from transformers import IdeficsConfig, PerceiverConfig
from transformers.models.idefics.modeling_idefics import IdeficsGatedCrossAttentionLayer
from transformers.models.mllama import modeling_mllama as mllama
from transformers.models.perceiver.modeling_perceiver import PerceiverEncoder

VERSION = "transformers 4.57.6"


def silu(rows):
    return rows / (1 + np.exp(-rows))


def gated_mlp(tensors, name, rows):
    """The feed-forward of Llama and IDEFICS: down(silu(gate) * up)."""
    gate = silu(formulas.linear(tensors, f"{name}.gate_proj", rows))
    return formulas.linear(tensors, f"{name}.down_proj",
                           gate * formulas.linear(tensors, f"{name}.up_proj", rows))


def head_norm(tensors, name, rows, epsilon):
    """RMS norm of each head of projected rows."""
    width = tensors[f"{name}.weight"].size
    heads = rows.reshape(*rows.shape[:-1], -1, width)
    return formulas.rms_norm(tensors, name, heads, epsilon).reshape(rows.shape)


# ---- IDEFICS ----


def idefics(vector_gates):
    """Scalar gates, or one gate for each column and norms of each head's queries and keys."""
    dim, media_dim, heads = 24, 20, 3
    config = IdeficsConfig(
        hidden_size=dim, num_attention_heads=heads, intermediate_size=40, dropout=0.0,
        alpha_type="vector" if vector_gates else "float", qk_layer_norms=vector_gates,
        vision_config={"embed_dim": media_dim})
    config._attn_implementation = "eager"
    layer = vectors.randomize(IdeficsGatedCrossAttentionLayer(config, layer_idx=0))
    with torch.no_grad():  # published gates begin at 0, which would hide the rest
        layer.alpha_cross_attn.copy_(
            vectors.normal(1, 1, dim, std=0.75) if vector_gates else torch.tensor([0.75]))
        layer.alpha_dense.copy_(
            vectors.normal(1, 1, dim, std=0.75) if vector_gates else torch.tensor([-0.5]))
    prefix = "model.gated_cross_attn_layers.0."

    # Two images of 4 rows; a text row sees those before it. Rows before the first image see none:
    # transformers sets what attention gives them to 0, so their masks have no key at all.
    images_seen = torch.tensor([[0, 0, 1, 1, 2, 2], [1, 1, 1, 2, 2, 2]])
    keep = (torch.arange(8) // 4 < images_seen[..., None])[:, None].to(torch.uint8)
    inputs = {"query": vectors.queries(2, 6, dim), "context": vectors.normal(2, 8, media_dim),
              "keep_mask": keep}

    def run(dtype, given):
        return {"output": vectors.in_type(layer, dtype)(
            hidden_states=given["query"], image_hidden_states=given["context"],
            image_attention_mask=vectors.additive(given["keep_mask"], dtype),
            cross_attention_gate=given["keep_mask"].any(-1)[:, 0].to(dtype))}

    def formula(tensors, given):
        attn, x, media = f"{prefix}cross_attn", given["query"], given["context"]
        rows = formulas.rms_norm(tensors, f"{prefix}input_layernorm", x, 1e-6)
        q = formulas.linear(tensors, f"{attn}.q_proj", rows)
        k = formulas.linear(tensors, f"{attn}.k_proj", media)
        if vector_gates:
            q = head_norm(tensors, f"{attn}.q_layer_norm", q, 1e-6)
            k = head_norm(tensors, f"{attn}.k_layer_norm", k, 1e-6)
        sees = given["keep_mask"][:, 0].any(-1)[..., None]
        keep = np.where(sees[:, None], given["keep_mask"], 1)  # any keys: such rows count as 0
        v = formulas.linear(tensors, f"{attn}.v_proj", media)
        added = formulas.attention(q, k, v, heads, keep=keep) * sees
        x = x + np.tanh(tensors[f"{prefix}alpha_cross_attn"]) * formulas.linear(
            tensors, f"{attn}.o_proj", added)
        rows = formulas.rms_norm(tensors, f"{prefix}post_attention_layernorm", x, 1e-6)
        return {"output": x + np.tanh(tensors[f"{prefix}alpha_dense"])
                * gated_mlp(tensors, f"{prefix}mlp", rows)}

    return vectors.Vector(
        "idefics", prefix, f"{VERSION} IdeficsGatedCrossAttentionLayer",
        vectors.published(layer, prefix), inputs, run, formula, {"heads": heads},
        variant="vector_gates" if vector_gates else "")


# ---- Llama 3.2 Vision ----


def llama_3_2_vision():
    """Grouped heads, norms of each head's queries and keys, tanh gates, masks of image tiles."""
    dim, heads, kv_heads = 40, 4, 2
    config = mllama.MllamaTextConfig(
        hidden_size=dim, num_attention_heads=heads, num_key_value_heads=kv_heads,
        intermediate_size=56, vocab_size=8, num_hidden_layers=4, pad_token_id=0)
    config._attn_implementation = "eager"
    layer = vectors.randomize(mllama.MllamaCrossAttentionDecoderLayer(config, layer_idx=3))
    with torch.no_grad():  # published gates begin at 0, which would hide the rest
        layer.cross_attn_attn_gate.fill_(0.75)
        layer.cross_attn_mlp_gate.fill_(-0.625)
    prefix = "language_model.model.layers.3."

    # [batch, text, images, tiles]; a tile is 3 rows of the context.
    tiles = torch.zeros(2, 6, 2, 2)
    tiles[0, 1:, 0, :] = 1  # row 0 stands before every image
    tiles[0, 4:, 1, 0] = 1  # the second image has one tile
    tiles[1, 2:, 0, 0] = 1  # rows 0 and 1 see nothing
    tiles[1, 3:, 1, :] = 1
    # transformers zeroes the mask of a row that sees nothing, and not what attention adds to it:
    # such a row attends to EVERY key; its feed-forward alone is multiplied by 0. The stored
    # keep_mask is that zeroed mask, so it has no row without keys.
    mask, text_rows = mllama._prepare_cross_attention_mask(tiles, 3, torch.float32)
    inputs = {"query": vectors.queries(2, 6, dim), "context": vectors.queries(2, 12, dim),
              "keep_mask": (mask == 0).to(torch.uint8),
              "feed_forward_factors": text_rows[:, 0, :, 0].contiguous()}

    def run(dtype, given):
        mask, text_rows = mllama._prepare_cross_attention_mask(tiles, 3, dtype)
        return {"output": vectors.in_type(layer, dtype)(
            hidden_states=given["query"], cross_attention_states=given["context"],
            cross_attention_mask=mask, attention_mask=None,
            full_text_row_masked_out_mask=text_rows)}

    def formula(tensors, given):
        attn, x = f"{prefix}cross_attn", given["query"]
        rows = formulas.rms_norm(tensors, f"{prefix}input_layernorm", x, 1e-5)
        q = formulas.linear(tensors, f"{attn}.q_proj", rows)
        q = head_norm(tensors, f"{attn}.q_norm", q, 1e-5)
        k = formulas.linear(tensors, f"{attn}.k_proj", given["context"])
        k = head_norm(tensors, f"{attn}.k_norm", k, 1e-5)
        v = formulas.linear(tensors, f"{attn}.v_proj", given["context"])

        def of_each_head(rows):  # key head j serves the query heads 2 j and 2 j + 1
            grouped = rows.reshape(*rows.shape[:-1], kv_heads, -1)
            return np.repeat(grouped, heads // kv_heads, -2).reshape(*rows.shape[:-1], -1)

        added = formulas.attention(q, of_each_head(k), of_each_head(v), heads,
                                   keep=given["keep_mask"])
        x = x + np.tanh(tensors[f"{prefix}cross_attn_attn_gate"]) * formulas.linear(
            tensors, f"{attn}.o_proj", added)
        rows = formulas.rms_norm(tensors, f"{prefix}post_attention_layernorm", x, 1e-5)
        added = gated_mlp(tensors, f"{prefix}mlp", rows) * given["feed_forward_factors"][..., None]
        return {"output": x + np.tanh(tensors[f"{prefix}cross_attn_mlp_gate"]) * added}

    return vectors.Vector(
        "llama_3_2_vision", prefix, f"{VERSION} MllamaCrossAttentionDecoderLayer",
        vectors.published(layer, prefix), inputs, run, formula,
        {"heads": heads, "kv_heads": kv_heads})


# ---- Perceiver ----


def perceiver():
    """Keys and values of different widths, a residual of the raw queries, a feed-forward."""
    dim, input_dim, heads = 24, 20, 2
    config = PerceiverConfig(
        d_latents=dim, d_model=input_dim, qk_channels=16, v_channels=28,
        num_cross_attention_heads=heads, num_self_attention_heads=heads,
        num_self_attends_per_block=0, cross_attention_widening_factor=2)
    layer = vectors.randomize(PerceiverEncoder(config, kv_dim=input_dim).cross_attention)
    prefix = "perceiver.encoder.cross_attention."
    inputs = {"query": vectors.queries(2, 5, dim), "context": vectors.queries(2, 9, input_dim),
              "kv_lengths": torch.tensor([9, 6], dtype=torch.int32)}

    def run(dtype, given):
        mask = vectors.additive(vectors.kept(given["kv_lengths"], 9), dtype)
        return {"output": vectors.in_type(layer, dtype)(
            given["query"], inputs=given["context"], inputs_mask=mask)[0]}

    def formula(tensors, given):
        attn, x = f"{prefix}attention.self", given["query"]
        rows = formulas.layer_norm(tensors, f"{attn}.layernorm1", x, 1e-5)
        context = formulas.layer_norm(tensors, f"{attn}.layernorm2", given["context"], 1e-5)
        added = formulas.attention(
            *(formulas.linear(tensors, f"{attn}.{name}", of)
              for name, of in (("query", rows), ("key", context), ("value", context))), heads,
            keep=np.arange(9) < given["kv_lengths"][:, None, None, None])
        x = x + formulas.linear(tensors, f"{prefix}attention.output.dense", added)
        rows = formulas.layer_norm(tensors, f"{prefix}layernorm", x, 1e-5)
        hidden = formulas.gelu(formulas.linear(tensors, f"{prefix}mlp.dense1", rows))
        return {"output": x + formulas.linear(tensors, f"{prefix}mlp.dense2", hidden)}

    return vectors.Vector(
        "perceiver", prefix, f"{VERSION} PerceiverEncoder.cross_attention",
        vectors.published(layer, prefix), inputs, run, formula, {"heads": heads},
        without_effect=(f"{prefix}attention.self.key.bias",))


FAMILIES = {
    "idefics": lambda: [idefics(vector_gates=False), idefics(vector_gates=True)],
    "llama_3_2_vision": llama_3_2_vision,
    "perceiver": perceiver,
}
