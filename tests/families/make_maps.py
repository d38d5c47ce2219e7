"""Writes ../vectors/maps.safetensors and alignment.safetensors: attention maps aggregated, and tokens aligned,
by PyTorch, diffusers and transformers."""

import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import __version__ as diffusers_version
from diffusers.pipelines.stable_diffusion_attend_and_excite import (
    pipeline_stable_diffusion_attend_and_excite as excite)
from safetensors.numpy import save_file
from transformers import __version__ as transformers_version
from transformers.models.whisper.generation_whisper import _dynamic_time_warping, _median_filter

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "vectors"
SIZES = [((4, 4), (16, 16)), ((5, 7), (11, 13)), ((8, 6), (3, 4)), ((1, 1), (3, 2))]
TIES = 2  # the matrix of small whole numbers


def resized(maps, size):
    """[..., height, width]"""
    flat = maps.reshape(1, -1, *maps.shape[-2:])
    return F.interpolate(flat, size=size, mode="bicubic", align_corners=False).reshape(*maps.shape[:-2], *size)


def pictures(rows, height, width):
    """[heads, rows, words] to [heads, words, height, width]"""
    return rows.transpose(1, 2).reshape(rows.shape[0], rows.shape[2], height, width)


def daam_vectors(tensors):
    """Two layers of other sizes. The formulas of github.com/castorini/daam (trace.py, heatmap.py)."""
    layers = {"small": (3, 4, 6), "large": (2, 8, 12)}
    merged = []
    for name, (heads, height, width) in layers.items():
        rows = torch.rand(heads, height * width, 5) ** 8  # peaks, so that resizing undershoots
        tensors[f"daam.{name}"] = rows
        merged.append(resized(pictures(rows, height, width), (10, 15)))
    merged = torch.cat(merged)
    assert (merged < -1e-3).any()
    maps = merged.clamp(min=0).mean(0)
    words = torch.stack([maps[[0, 3]].mean(0), maps[2]])
    low, high = words.amin((1, 2), keepdim=True), words.amax((1, 2), keepdim=True)
    tensors |= {"daam.output": maps, "daam.normalized": maps / (maps.sum(0, keepdim=True) + 1e-6),
                "daam.words": words, "daam.range": (words - low) / (high - low + 1e-8)}


def excite_vectors(tensors):
    """Two layers of 6 x 5 rows and 9 keys, averaged, and what diffusers makes of the mean."""
    for name, heads in {"first": 2, "second": 4}.items():
        tensors[f"excite.{name}"] = torch.softmax(2 * torch.randn(heads, 30, 9), -1)
    mean = torch.cat([tensors["excite.first"], tensors["excite.second"]]).mean(0).reshape(6, 5, 9)
    shares = torch.softmax(100 * mean[:, :, 1:-1], -1)
    smoothing = excite.GaussianSmoothing()
    padded = F.pad(shares.permute(2, 0, 1)[:, None], (1, 1, 1, 1), mode="reflect")
    tensors["excite.output"] = smoothing(padded)[:, 0]
    pipeline = excite.StableDiffusionAttendAndExcitePipeline
    peaks = torch.stack(pipeline._compute_max_attention_per_index(mean.clone(), list(range(1, 8))))
    torch.testing.assert_close(peaks, tensors["excite.output"].amax((1, 2)))


def make_maps():
    tensors = {}
    for number, (size, new_size) in enumerate(SIZES):
        tensors[f"bicubic.{number}.input"] = torch.randn(size)
        tensors[f"bicubic.{number}.output"] = resized(tensors[f"bicubic.{number}.input"], new_size)
    daam_vectors(tensors)
    excite_vectors(tensors)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def path_vectors(tensors):
    for number, (rows, columns) in enumerate([(5, 9), (12, 40), (7, 11), (1, 6), (6, 1), (9, 4)]):
        matrix = torch.randn(rows, columns).numpy()
        if number == TIES:
            matrix = np.round(matrix)
        tensors[f"path.{number}.matrix"] = matrix
        for name, indices in zip(["rows", "columns"], _dynamic_time_warping(matrix)):
            tensors[f"path.{number}.{name}"] = indices.astype(np.int32)


def normalized(logits, frames):
    """openai/whisper's steps between the logits of chosen heads and the matrix (timing.py, find_alignment)."""
    weights = torch.softmax(logits[:, :, :frames], -1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    return _median_filter((weights - mean) / deviation, 7).mean(0)[3:-1]


def align_vectors(tensors):
    """Heads that look along a bent line, with noise."""
    heads, tokens, frames, counted = 3, 12, 64, 51
    centre = torch.linspace(0, 1, tokens)[:, None] ** 1.4 * counted
    distance = (torch.arange(frames)[None] - centre) / 4
    logits = 4 * torch.exp(-distance**2) + torch.randn(heads, tokens, frames)
    matrix = normalized(logits, counted)
    rows, columns = _dynamic_time_warping(-matrix.double().numpy())
    again = _dynamic_time_warping(-normalized(logits.double(), counted).numpy())
    assert all(map(np.array_equal, (rows, columns), again))  # no rounding error decides
    jumps = np.diff(rows, prepend=-1).astype(bool)
    tensors |= {"align.logits": logits.numpy(), "align.matrix": matrix.numpy(),
                "align.rows": rows.astype(np.int32), "align.columns": columns.astype(np.int32),
                "align.seconds": (columns[jumps] / 50).astype(np.float64)}


def make_alignment():
    tensors = {}
    path_vectors(tensors)
    for name, columns in {"long": 23, "short": 3}.items():
        tensors[f"median.{name}.input"] = torch.randn(2, columns).numpy()
        filtered = _median_filter(torch.from_numpy(tensors[f"median.{name}.input"])[None], 7)
        tensors[f"median.{name}.output"] = filtered[0].numpy()
    align_vectors(tensors)
    return tensors


def save(name, tensors, source):
    tensors = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    assert all(math.prod(value.shape) > 0 for value in tensors.values())
    save_file(tensors, FOLDER / f"{name}.safetensors", {"source": source})


if __name__ == "__main__":
    torch.manual_seed(7)
    save("maps", make_maps(), f"torch {torch.__version__}, diffusers {diffusers_version}")
    save("alignment", make_alignment(), f"torch {torch.__version__}, transformers {transformers_version}")
