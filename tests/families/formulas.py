"""The steps of a block in float64 NumPy, for checks of stored vectors from their tensors alone."""

import math

import numpy as np


def linear(tensors, name, rows):
    """rows W^T + b; no bias where the checkpoint has none."""
    return rows @ tensors[f"{name}.weight"].T + tensors.get(f"{name}.bias", 0.0)


def layer_norm(tensors, name, rows, epsilon):
    centred = rows - rows.mean(-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return unit * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def rms_norm(tensors, name, rows, epsilon):
    return rows / np.sqrt((rows**2).mean(-1, keepdims=True) + epsilon) * tensors[f"{name}.weight"]


def gelu(rows):
    """By the error function, not its approximations."""
    return 0.5 * rows * (1 + np.vectorize(math.erf)(rows / np.sqrt(2)))


def split(rows, heads):
    """[batch, length, heads * d] to [batch, heads, length, d]."""
    return rows.reshape(*rows.shape[:-1], heads, -1).swapaxes(1, 2)


def attention(query, key, value, heads, scale=None, keep=None):
    """Projected rows to rows. keep: [batch | 1, heads | 1, q_len | 1, kv_len], 1 = takes part."""
    q, k, v = (split(rows, heads) for rows in (query, key, value))
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if keep is not None:
        scores = np.where(keep != 0, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    joined = weights / weights.sum(-1, keepdims=True) @ v
    return joined.swapaxes(1, 2).reshape(*query.shape[:-1], -1)
