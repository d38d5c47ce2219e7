"""The vector of RETRO's chunked cross-attention, by github.com/lucidrains/RETRO-pytorch."""

import formulas
import numpy as np
import torch
import torch.nn.functional as F
import vectors
from repository_families import heads_of, in_type, joined, weights_of, with_prefix

CHUNK = 4  # rows of a chunk; published: 64
HEADS = 2
TURNED = 8  # columns of a head that are rotated, of 12; published: 32 of 64
NEIGHBOURS, NEIGHBOUR_LEN = 2, 5


def angles(positions):
    """[positions, TURNED] radians: the two halves that are turned together have the same ones."""
    frequencies = 10000.0 ** -(torch.arange(0, TURNED, 2) / TURNED)
    half = torch.outer(positions.float(), frequencies)
    return vectors.rounded(torch.cat((half, half), -1))


def turn(rows, angles):
    """Rotates the first columns of each head; the others stay."""
    left, right = rows[..., :TURNED].chunk(2, -1)
    turned = rows[..., :TURNED] * angles.cos() + torch.cat((-right, left), -1) * angles.sin()
    return torch.cat((turned, rows[..., TURNED:]), -1)


def rms_norm(rows, gamma):
    size = rows.norm(dim=-1, keepdim=True) * rows.shape[-1] ** -0.5
    return rows / size.clamp(min=1e-8) * gamma


def retro():
    """A decoder layer's PreNorm(ChunkedCrossAttention): pre-norm and residual around it."""
    dim, inner, length = 24, 24, 10
    chunks = length // CHUNK
    prefix = "decoder.layers.0.1."
    tensors = weights_of({
        "norm.gamma": (dim,), "fn.cross_attn.null_k": (inner,), "fn.cross_attn.null_v": (inner,),
        "fn.cross_attn.to_q.weight": (inner, dim), "fn.cross_attn.to_k.weight": (inner, dim),
        "fn.cross_attn.to_v.weight": (inner, dim), "fn.cross_attn.to_out.weight": (dim, inner),
        "fn.cross_attn.to_out.bias": (dim,)})
    for name in ("null_k", "null_v"):
        tensors[f"fn.cross_attn.{name}"] = vectors.normal(inner)
    tensors = with_prefix(prefix, tensors)
    # The repository shifts the angles of queries as it shifts the rows, cutting CHUNK - 1 off the
    # front and padding with zeros: the first row of a chunk has position 2 CHUNK - 2, others none.
    shifted = torch.zeros(CHUNK, TURNED)
    shifted[0] = angles(torch.tensor([2 * CHUNK - 2]))[0]
    query = vectors.normal(2, length, dim)
    query[0, 4] = vectors.rounded(query[0, 4] / 256)  # so small that a norm's epsilon would show
    inputs = {"query": query, "context": vectors.normal(2, chunks, NEIGHBOURS * NEIGHBOUR_LEN, dim),
              "query_angles": shifted,
              "key_angles": angles(torch.arange(NEIGHBOUR_LEN)).repeat(NEIGHBOURS, 1),
              # Item by item, chunk by chunk. Without any neighbour a chunk has the null key left.
              "kv_lengths": torch.tensor([10, 0, 7, 3], dtype=torch.int32)}

    def run(dtype, given):
        w, x = in_type(tensors, dtype, prefix), given["query"]
        shift = CHUNK - 1
        rows = F.pad(rms_norm(x, w["norm.gamma"]), (0, 0, -shift, shift))[:, :chunks * CHUNK]
        rows = rows.unflatten(1, (chunks, CHUNK)).flatten(0, 1)
        context = given["context"].flatten(0, 1)
        q, k, v = (heads_of(of @ w[f"fn.cross_attn.to_{name}.weight"].T, HEADS)
                   for name, of in (("q", rows), ("k", context), ("v", context)))
        q = turn(q * q.shape[-1] ** -0.5, given["query_angles"])
        k = turn(k, given["key_angles"])
        null_k, null_v = (w[f"fn.cross_attn.{name}"].unflatten(0, (HEADS, 1, -1))
                          .expand(len(q), -1, -1, -1) for name in ("null_k", "null_v"))
        scores = q @ torch.cat((null_k, k), 2).transpose(-1, -2)
        hidden = torch.arange(k.shape[2]) >= given["kv_lengths"][:, None, None, None]
        scores = scores.masked_fill(F.pad(hidden, (1, 0)), -torch.finfo(dtype).max)
        added = F.linear(joined(scores.softmax(-1) @ torch.cat((null_v, v), 2)),
                         w["fn.cross_attn.to_out.weight"], w["fn.cross_attn.to_out.bias"])
        added = added.unflatten(0, (2, chunks)).flatten(1, 2)
        return {"output": F.pad(added, (0, 0, shift, length - chunks * CHUNK - shift)) + x}

    def formula(tensors, given):
        """Row by row: row i belongs to chunk (i - CHUNK + 1) / CHUNK, if that is not negative."""
        attn, x = f"{prefix}fn.cross_attn", given["query"].copy()

        def turned(rows, angles):  # a head's columns j and j + TURNED / 2 are a complex number
            rows = rows.reshape(-1, HEADS, rows.shape[-1] // HEADS).copy()
            half = TURNED // 2
            number = (rows[..., :half] + 1j * rows[..., half:TURNED]) * np.exp(
                1j * angles[:, None, :half])
            rows[..., :half], rows[..., half:TURNED] = number.real, number.imag
            return rows.reshape(1, len(rows), inner)

        for item in range(2):
            for i in range(CHUNK - 1, length):
                chunk, row = divmod(i - CHUNK + 1, CHUNK)
                count = int(given["kv_lengths"][item * chunks + chunk])
                seen = given["context"][item, chunk, :count]
                unit = x[item, i] / np.sqrt((x[item, i] ** 2).mean())
                unit *= tensors[f"{prefix}norm.gamma"]
                q = turned(formulas.linear(tensors, f"{attn}.to_q", unit)[None],
                           given["query_angles"][row:row + 1])
                k = turned(formulas.linear(tensors, f"{attn}.to_k", seen),
                           given["key_angles"][:len(seen)])
                v = formulas.linear(tensors, f"{attn}.to_v", seen)[None]
                k, v = (np.concatenate((tensors[f"{attn}.null_{name}"][None, None], rows), 1)
                        for name, rows in (("k", k), ("v", v)))
                added = formulas.attention(q, k, v, HEADS)
                x[item, i] += formulas.linear(tensors, f"{attn}.to_out", added)[0, 0]
        return {"output": x}

    return vectors.Vector(
        "retro", prefix, "torch, formula of github.com/lucidrains/RETRO-pytorch "
        "PreNorm(ChunkedCrossAttention)", tensors, inputs, run, formula,
        {"heads": HEADS, "chunk_len": CHUNK})


FAMILIES = {"retro": retro}
