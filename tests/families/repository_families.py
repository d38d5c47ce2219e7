"""Vectors of families that neither transformers nor diffusers has: the formulas of their original
repositories, written out in torch for both types, and checked by the same in NumPy another way.
"""

import formulas
import numpy as np
import torch
import torch.nn.functional as F
import vectors


def weights_of(shapes):
    """Random tensors by name; norms' factors are near 1."""
    made = {}
    for name, shape in shapes.items():
        is_norm = len(shape) == 1 and name.endswith(("weight", "gamma"))
        std = shape[-1] ** -0.5 if len(shape) > 1 else 0.25
        made[name] = vectors.normal(*shape, std=std, mean=1.0 if is_norm else 0.0)
    return made


def in_type(tensors, dtype, prefix):
    """The tensors by the family's own names."""
    return {name.removeprefix(prefix): value.to(dtype) for name, value in tensors.items()}


def with_prefix(prefix, tensors):
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def layer_norm(tensors, name, rows):
    return F.layer_norm(rows, rows.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def heads_of(rows, heads):
    return rows.unflatten(-1, (heads, -1)).transpose(-2, -3)


def joined(rows):
    return rows.transpose(-2, -3).flatten(-2)


def probabilities(scores):
    """As these repositories have it, the largest score subtracted before the softmax."""
    return (scores - scores.amax(-1, keepdim=True)).softmax(-1)


def feed_forward(tensors, name, rows):
    """LayerNorm, up, GELU, down, no biases: entries 0, 1 and 3 of a Sequential."""
    hidden = F.gelu(layer_norm(tensors, f"{name}.0", rows) @ tensors[f"{name}.1.weight"].T)
    return hidden @ tensors[f"{name}.3.weight"].T


def feed_forward_formula(tensors, name, rows):
    rows = formulas.layer_norm(tensors, f"{name}.0", rows, 1e-5)
    return formulas.linear(tensors, f"{name}.3",
                           formulas.gelu(formulas.linear(tensors, f"{name}.1", rows)))


def feed_forward_shapes(name, dim, hidden):
    return {f"{name}.0.weight": (dim,), f"{name}.0.bias": (dim,),
            f"{name}.1.weight": (hidden, dim), f"{name}.3.weight": (dim, hidden)}


# ---- OpenFlamingo ----


def open_flamingo():
    """Text rows see the rows of the latest picture before them, and nothing before the first."""
    dim, media_dim, heads, inner = 24, 28, 2, 20
    prefix = "lang_encoder.transformer.blocks.3.gated_cross_attn_layer."
    tensors = weights_of({
        "attn.norm.weight": (dim,), "attn.norm.bias": (dim,), "attn.to_q.weight": (inner, dim),
        "attn.to_kv.weight": (2 * inner, media_dim), "attn.to_out.weight": (dim, inner),
    } | feed_forward_shapes("ff", dim, 40))
    tensors |= {"attn_gate": torch.tensor([0.75]), "ff_gate": torch.tensor([-0.625])}
    tensors = with_prefix(prefix, tensors)

    is_media_token = torch.zeros(2, 7, dtype=torch.int32)
    is_media_token[0, [2, 5]] = 1
    is_media_token[1, [0, 3]] = 1
    media = torch.arange(1, 3).repeat_interleave(4)  # two pictures of 4 rows: ids 1 and 2
    inputs = {"query": vectors.queries(2, 7, dim), "context": vectors.normal(2, 8, media_dim),
              "query_regions": is_media_token.cumsum(-1).to(torch.int32),  # 0: before the first
              "key_regions": media.to(torch.int32).expand(2, -1).contiguous()}

    def run(dtype, given):
        w, x = in_type(tensors, dtype, prefix), given["query"]
        q = heads_of(layer_norm(w, "attn.norm", x) @ w["attn.to_q.weight"].T, heads)
        k, v = (heads_of(rows, heads)
                for rows in (given["context"] @ w["attn.to_kv.weight"].T).chunk(2, -1))
        scores = q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)
        text_time = given["query_regions"][:, None, :, None]
        scores = scores.masked_fill(text_time != given["key_regions"][:, None, None],
                                    -torch.finfo(dtype).max)
        seen = probabilities(scores).masked_fill(text_time == 0, 0)
        x = x + joined(seen @ v) @ w["attn.to_out.weight"].T * w["attn_gate"].tanh()
        return {"output": x + feed_forward(w, "ff", x) * w["ff_gate"].tanh()}

    def formula(tensors, given):
        x, media = given["query"].copy(), given["context"]
        rows = formulas.layer_norm(tensors, f"{prefix}attn.norm", x, 1e-5)
        q = formulas.linear(tensors, f"{prefix}attn.to_q", rows)
        k, v = np.split(formulas.linear(tensors, f"{prefix}attn.to_kv", media), 2, -1)
        for item, row in np.ndindex(x.shape[:2]):  # each row with the keys that it sees
            seen = given["key_regions"][item] == given["query_regions"][item, row]
            if seen.any():
                added = formulas.attention(q[item][None, row:row + 1], k[item][None, seen],
                                           v[item][None, seen], heads)
                x[item, row] += (np.tanh(tensors[f"{prefix}attn_gate"])
                                 * formulas.linear(tensors, f"{prefix}attn.to_out", added))[0, 0]
        return {"output": x + np.tanh(tensors[f"{prefix}ff_gate"])
                * feed_forward_formula(tensors, f"{prefix}ff", x)}

    return vectors.Vector(
        "open_flamingo", prefix, "torch, formula of github.com/mlfoundations/open_flamingo "
        "GatedCrossAttentionBlock", tensors, inputs, run, formula, {"heads": heads})


# ---- Perceiver resampler ----


def perceiver_resampler():
    """Latents, twice: attention to the inputs and the latents themselves, feed-forward; a norm."""
    dim, heads, inner, latents = 24, 2, 20, 5
    prefix = "perceiver."
    shapes = {"latents": (latents, dim), "norm.weight": (dim,), "norm.bias": (dim,)}
    for layer in ("layers.0", "layers.1"):
        shapes |= {f"{layer}.0.{norm}.{part}": (dim,)
                   for norm in ("norm_media", "norm_latents") for part in ("weight", "bias")}
        shapes |= {f"{layer}.0.to_q.weight": (inner, dim),
                   f"{layer}.0.to_kv.weight": (2 * inner, dim),
                   f"{layer}.0.to_out.weight": (dim, inner)}
        shapes |= feed_forward_shapes(f"{layer}.1", dim, 40)
    tensors = weights_of(shapes)
    tensors["latents"] = vectors.queries(1, latents, dim)[0]
    tensors = with_prefix(prefix, tensors)
    inputs = {"context": vectors.queries(2, 7, dim)}

    def run(dtype, given):
        w = in_type(tensors, dtype, prefix)
        x = w["latents"].expand(2, -1, -1)
        for layer in ("layers.0", "layers.1"):
            media = layer_norm(w, f"{layer}.0.norm_media", given["context"])
            rows = layer_norm(w, f"{layer}.0.norm_latents", x)
            q = heads_of(rows @ w[f"{layer}.0.to_q.weight"].T, heads)
            both = torch.cat((media, rows), 1) @ w[f"{layer}.0.to_kv.weight"].T
            k, v = (heads_of(half, heads) for half in both.chunk(2, -1))
            weights = probabilities(q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2))
            x = joined(weights @ v) @ w[f"{layer}.0.to_out.weight"].T + x
            x = feed_forward(w, f"{layer}.1", x) + x
        return {"output": layer_norm(w, "norm", x)}

    def formula(tensors, given):
        x = np.stack([tensors[f"{prefix}latents"]] * 2)
        for layer in (f"{prefix}layers.0", f"{prefix}layers.1"):
            rows = formulas.layer_norm(tensors, f"{layer}.0.norm_latents", x, 1e-5)
            media = formulas.layer_norm(tensors, f"{layer}.0.norm_media", given["context"], 1e-5)
            to_key, to_value = np.split(tensors[f"{layer}.0.to_kv.weight"], 2)
            seen = np.concatenate((media, rows), 1)
            added = formulas.attention(formulas.linear(tensors, f"{layer}.0.to_q", rows),
                                       seen @ to_key.T, seen @ to_value.T, heads)
            x = x + formulas.linear(tensors, f"{layer}.0.to_out", added)
            x = x + feed_forward_formula(tensors, f"{layer}.1", x)
        return {"output": formulas.layer_norm(tensors, f"{prefix}norm", x, 1e-5)}

    return vectors.Vector(
        "perceiver_resampler", prefix, "torch, formula of github.com/mlfoundations/open_flamingo "
        "PerceiverResampler", tensors, inputs, run, formula, {"heads": heads})


# ---- CoCa ----


def coca():
    """Learned queries pool a picture: norms of both sides, one head of keys and values, no
    residual, a norm of the result. The norms have no biases; their `beta` are zeros, kept beside.
    """
    dim, image_dim, heads, head_dim, count = 24, 20, 3, 10, 6
    tensors = weights_of({
        "img_queries": (count, dim), "img_attn_pool.norm.gamma": (dim,),
        "img_attn_pool.context_norm.gamma": (image_dim,),
        "img_attn_pool.to_q.weight": (heads * head_dim, dim),
        "img_attn_pool.to_kv.weight": (2 * head_dim, image_dim),
        "img_attn_pool.to_out.weight": (dim, heads * head_dim), "img_attn_pool_norm.gamma": (dim,)})
    tensors["img_queries"] = vectors.queries(1, count, dim)[0]
    betas = {name.replace("gamma", "beta"): torch.zeros_like(value)
             for name, value in tensors.items() if name.endswith("gamma")}
    tensors |= betas
    inputs = {"context": vectors.queries(2, 9, image_dim)}

    def run(dtype, given):
        w = in_type(tensors, dtype, "")

        def norm(name, rows):
            return F.layer_norm(rows, rows.shape[-1:], w[f"{name}.gamma"], w[f"{name}.beta"])

        x = norm("img_attn_pool.norm", w["img_queries"].expand(2, -1, -1))
        image = norm("img_attn_pool.context_norm", given["context"])
        q = heads_of(x @ w["img_attn_pool.to_q.weight"].T, heads) * head_dim**-0.5
        k, v = (image @ w["img_attn_pool.to_kv.weight"].T).chunk(2, -1)
        pooled = joined(probabilities(q @ k[:, None].transpose(-1, -2)) @ v[:, None])
        return {"output": norm("img_attn_pool_norm", pooled @ w["img_attn_pool.to_out.weight"].T)}

    def formula(tensors, given):
        def norm(name, rows):
            gain = {"of.weight": tensors[f"{name}.gamma"], "of.bias": 0.0}
            return formulas.layer_norm(gain, "of", rows, 1e-5)

        q = formulas.linear(tensors, "img_attn_pool.to_q",
                            norm("img_attn_pool.norm", tensors["img_queries"]))
        image = norm("img_attn_pool.context_norm", given["context"])
        k, v = np.split(formulas.linear(tensors, "img_attn_pool.to_kv", image), 2, -1)
        pooled = [formulas.attention(np.stack([one] * 2), k, v, 1)
                  for one in np.split(q, heads, -1)]  # head by head, all with the same keys
        return {"output": norm("img_attn_pool_norm", formulas.linear(
            tensors, "img_attn_pool.to_out", np.concatenate(pooled, -1)))}

    return vectors.Vector(
        "coca", "", "torch, formula of github.com/lucidrains/CoCa-pytorch CoCa.embed_image",
        tensors, inputs, run, formula, {"heads": heads, "kv_heads": 1},
        without_effect=tuple(betas))


FAMILIES = {
    "coca": coca,
    "open_flamingo": open_flamingo,
    "perceiver_resampler": perceiver_resampler,
}
