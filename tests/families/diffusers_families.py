"""Vectors of text-to-image blocks: attn2 of diffusers' BasicTransformerBlock in several models."""

import torch
from diffusers import __version__
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

import formulas
import vectors

ATTENTION = f"diffusers {__version__} BasicTransformerBlock"


def run_attn2(block, dtype, arguments, after):
    """The stream between the self-attention, which is taken to add nothing, and the next norm."""
    part = vectors.in_type(block, dtype)
    return {"output": vectors.call_part(part, arguments, replace={part.attn1: torch.zeros_like},
                                        input_of=getattr(part, after))}


def projected(weights, name, query, context, heads, keep=None):
    """attn2 up to its output projection."""
    rows = [formulas.linear(weights, f"{name}.{part}", of)
            for part, of in [("to_q", query), ("to_k", context), ("to_v", context)]]
    return formulas.attention(*rows, heads, keep=keep)


def transformer_block(heads, head_dim, context_dim, **options):
    return BasicTransformerBlock(heads * head_dim, heads, head_dim, cross_attention_dim=context_dim,
                                 **options)


def stable_diffusion_like(family, prefix, heads, head_dim, context_dim, lengths, extra=None):
    block = vectors.randomize(transformer_block(heads, head_dim, context_dim))
    extra = extra or {}

    def run(dtype, inputs):
        arguments = {"hidden_states": inputs["query"], "encoder_hidden_states": inputs["context"]}
        return run_attn2(block, dtype, arguments, "norm3")

    def formula(weights, inputs):
        rows = formulas.layer_norm(weights, f"{prefix}norm2", inputs["query"], epsilon=1e-5)
        rows = projected(weights, f"{prefix}attn2", rows, inputs["context"], heads)
        added = formulas.linear(weights, f"{prefix}attn2.to_out.0", rows)
        return {"output": inputs["query"] + added}

    return vectors.Vector(
        family, prefix, ATTENTION, vectors.published(block, prefix, ["norm2", "attn2"]) | extra,
        {"query": vectors.queries(2, lengths[0], heads * head_dim),
         "context": vectors.normal(2, lengths[1], context_dim)},
        run, formula, {"heads": heads}, tuple(extra))


def stable_diffusion():
    return stable_diffusion_like("stable_diffusion",
                                 "down_blocks.0.attentions.0.transformer_blocks.0.", heads=2,
                                 head_dim=20, context_dim=28, lengths=(9, 7))


def stable_diffusion_xl():
    # The pooled text and the picture's size go in here, which other UNets of these names lack.
    extra = {"add_embedding.linear_1.bias": vectors.normal(8)}
    return stable_diffusion_like("stable_diffusion_xl",
                                 "mid_block.attentions.0.transformer_blocks.3.", heads=3,
                                 head_dim=16, context_dim=36, lengths=(6, 11), extra=extra)


def ip_adapter():
    """The adapter's keys and values beside the UNet's own, under the names that each file has."""
    prefix = "down_blocks.0.attentions.0.transformer_blocks.0."
    heads, head_dim, context_dim, scale = 2, 20, 28, 0.625
    height, width = 2, 5
    block = transformer_block(heads, head_dim, context_dim)
    block.attn2.set_processor(IPAdapterAttnProcessor2_0(
        heads * head_dim, context_dim, num_tokens=(4,), scale=[scale]))
    vectors.randomize(block)
    adapter = block.attn2.processor
    # Adapter files count attention layers of both kinds, and this is the first attn2: number 1.
    names = {"ip_adapter.1.to_k_ip.weight": adapter.to_k_ip[0].weight,
             "ip_adapter.1.to_v_ip.weight": adapter.to_v_ip[0].weight}
    own = vectors.published(block, prefix, ["norm2", "attn2.to_"])
    # One value of the mask for each query: what lies outside, at the edge and inside.
    mask = torch.tensor([0.0, 0.25, 1.0, 1.0, 0.5, 0.0, 0.0, 1.0, 0.75, 1.0])

    def run(dtype, inputs):
        image = inputs["context.1"][:, None]  # one picture
        masks = [mask.view(1, 1, height, width)]
        return run_attn2(block, dtype, {
            "hidden_states": inputs["query"],
            "encoder_hidden_states": (inputs["context"], [image]),
            "cross_attention_kwargs": {"ip_adapter_masks": masks}}, "norm3")

    def formula(weights, inputs):
        name = f"{prefix}attn2"
        query = formulas.layer_norm(weights, f"{prefix}norm2", inputs["query"], epsilon=1e-5)
        text = projected(weights, name, query, inputs["context"], heads)
        adapted = {f"{name}.to_q.weight": weights[f"{name}.to_q.weight"],
                   f"{name}.to_k.weight": weights["ip_adapter.1.to_k_ip.weight"],
                   f"{name}.to_v.weight": weights["ip_adapter.1.to_v_ip.weight"]}
        image = projected(adapted, name, query, inputs["context.1"], heads)
        factors = inputs["factor.1"] * inputs["row_factors.1"][..., None]
        added = formulas.linear(weights, f"{name}.to_out.0", text + factors * image)
        return {"output": inputs["query"] + added}

    return vectors.Vector(
        "ip_adapter", prefix, f"{ATTENTION} with IPAdapterAttnProcessor2_0", own | names,
        {"query": vectors.queries(2, height * width, heads * head_dim),
         "context": vectors.normal(2, 7, context_dim),
         "context.1": vectors.normal(2, 4, context_dim),
         "factor.1": torch.tensor([scale]), "row_factors.1": mask.repeat(2, 1)},
        run, formula, {"heads": heads})


def pixart():
    prefix, heads, head_dim = "transformer_blocks.0.", 3, 12
    dim = heads * head_dim  # of the context too: captions are projected before the first block
    block = vectors.randomize(transformer_block(
        heads, head_dim, dim, attention_bias=True, norm_type="ada_norm_single",
        norm_elementwise_affine=False, norm_eps=1e-6))

    def run(dtype, inputs):
        keep = vectors.kept(inputs["kv_lengths"], inputs["context"].shape[1])[:, 0]
        return run_attn2(block, dtype, {
            "hidden_states": inputs["query"], "encoder_hidden_states": inputs["context"],
            "encoder_attention_mask": vectors.additive(keep, dtype),
            "timestep": torch.zeros(2, 6 * dim, dtype=dtype)}, "norm2")

    def formula(weights, inputs):
        name, context = f"{prefix}attn2", inputs["context"]
        keep = torch.arange(context.shape[1]).numpy() < inputs["kv_lengths"][:, None, None, None]
        rows = projected(weights, name, inputs["query"], context, heads, keep)
        return {"output": inputs["query"] + formulas.linear(weights, f"{name}.to_out.0", rows)}

    return vectors.Vector(
        # Of the blocks with attn2, only those of adaptive norms from one table have the table.
        "pixart", prefix, f"{ATTENTION}, ada_norm_single",
        vectors.published(block, prefix, ["attn2", "scale_shift_table"]),
        {"query": vectors.normal(2, 10, dim), "context": vectors.normal(2, 8, dim),
         "kv_lengths": torch.tensor([8, 5], dtype=torch.int32)},
        run, formula, {"heads": heads},
        (f"{prefix}attn2.to_k.bias", f"{prefix}scale_shift_table"))


FAMILIES = {"stable_diffusion": stable_diffusion, "stable_diffusion_xl": stable_diffusion_xl,
            "ip_adapter": ip_adapter, "pixart": pixart}
