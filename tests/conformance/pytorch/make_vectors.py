"""Writes vectors.safetensors: what PyTorch gives for case lines, in fp64 and in their own types.

The inputs come from dump_cases, bit for bit those that the tests run. Each line is computed twice:
in fp64, by PyTorch's own math path wherever that has the line's features; and by plain operations
in the type of the query, whose largest error is what the tests allow twice of.
"""

import argparse
import json
import math

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

SAMPLES = 509  # elements kept of a line's output and of its logsumexp, evenly spread; prime
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
INFINITY = math.inf


class Line:
    """A case line's inputs, by the names of AttentionCall."""

    def __init__(self, file, number):
        self.facts = json.loads(file.metadata()[str(number)])
        self.tensors = {name: file.get_tensor(f"{number}.{name}") for name in self.facts["tensors"]}

    def __getattr__(self, name):
        return self.facts[name] if name in self.facts else self.tensors.get(name)


def along(tensor, axis, index):
    """An item of an axis that may have the size 1 for all items."""
    return tensor.select(axis, index if tensor.shape[axis] > 1 else 0)


def spread_heads(tensor, heads):
    """[kv_heads, rows, size] for every query head."""
    return tensor.repeat_interleave(heads // tensor.shape[0], 0)


def item_rows(starts, longest, total, item):
    """First row and number of rows of a packed item."""
    first, end = (min(max(int(starts[item + i]), 0), total) for i in (0, 1))
    count = max(end - first, 0)
    return first, min(count, longest) if longest else count


def keys_that_take_part(line, item, rows, keys):
    """Booleans [heads | 1, rows, keys]."""
    i = torch.arange(rows).view(-1, 1)
    j = torch.arange(keys).view(1, -1)
    keep = torch.ones(1, rows, keys, dtype=torch.bool)
    if line.kv_lengths is not None:
        keep = keep & (j < int(line.kv_lengths[item]))
    offset = line.offset + (int(line.offsets[item]) if line.offsets is not None else 0)
    position = i + min(max(offset, -2**29), 2**29)
    if line.causal:
        keep = keep & (j <= position)
    if line.window_left >= 0:
        keep = keep & (j >= position - line.window_left)
    if line.window_right >= 0:
        keep = keep & (j <= position + line.window_right)
    for name in ("keep_mask", "drop_mask", "bias"):
        mask = getattr(line, name)
        if mask is None:
            continue
        mask = along(mask, 0, item)[:, :rows, :keys]
        there = {"keep_mask": mask != 0, "drop_mask": mask == 0, "bias": mask != -INFINITY}[name]
        keep = keep & torch.nn.functional.pad(there, (0, keys - mask.shape[2]), value=False)
    return keep


def bias_of(line, item, rows, keys, keep):
    """The additive mask [heads | 1, rows, keys], -infinity where a key takes no part."""
    bias = torch.zeros(1, 1, 1, dtype=torch.float64)
    if line.bias is not None:
        given = along(line.bias, 0, item)[:, :rows, :keys].double()
        bias = torch.nn.functional.pad(given, (0, keys - given.shape[2]))
    return torch.where(keep, bias, -INFINITY)


def prepare_item(line, item):
    """(query, key, value, additive mask, first row): heads spread, null keys in front, in fp64."""
    query, key, value = (along(t, 0, 0 if packed else item) for t, packed in (
        (line.query, line.q_starts is not None), (line.key, line.kv_starts is not None),
        (line.value, line.kv_starts is not None)))
    first = 0
    if line.q_starts is not None:
        first, count = item_rows(line.q_starts, line.max_q_len, query.shape[1], item)
        query = query[:, first:first + count]
    if line.kv_starts is not None:
        start, count = item_rows(line.kv_starts, line.max_kv_len, key.shape[1], item)
        key, value = key[:, start:start + count], value[:, start:start + count]
    rows, keys = query.shape[1], key.shape[1]
    keep = keys_that_take_part(line, item, rows, keys)
    mask = bias_of(line, item, rows, keys, keep)

    # What no row sees may be NaN; it must be out of the way of 0 * NaN.
    unseen = ~keep.any(1, keepdim=True).any(0, keepdim=True).transpose(1, 2)
    key, value = (t.double().masked_fill(unseen & ~t.double().isfinite(), 0.0)
                  for t in (key, value))
    heads = line.heads
    query = query.double().expand(heads, -1, -1)
    key, value = spread_heads(key, heads), spread_heads(value, heads)
    if line.null_key is not None:
        null_key, null_value = (spread_heads(t.double(), heads)
                                for t in (line.null_key, line.null_value))
        key, value = torch.cat([null_key, key], 1), torch.cat([null_value, value], 1)
        mask = torch.nn.functional.pad(mask, (null_key.shape[1], 0))
    return query, key, value, mask, first


def by_math_path(line, query, key, value, mask):
    """PyTorch's math path in fp64; None where it lacks a feature. Its causal flag serves the lines
    that have nothing but that."""
    if line.softcap != 0 or line.sinks is not None:
        return None
    plainly_causal = line.is_plainly_causal
    with sdpa_kernel(SDPBackend.MATH):
        return scaled_dot_product_attention(
            query[None], key[None], value[None], attn_mask=None if plainly_causal else mask[None],
            is_causal=plainly_causal, scale=line.scale)[0]


def scores_of(line, query, key, mask):
    """[heads, rows, keys, and one more with sinks], in the type of the operands."""
    scores = (query * line.scale) @ key.transpose(1, 2)
    if line.softcap != 0:
        scores = line.softcap * torch.tanh(scores / line.softcap)
    scores = scores + mask
    if line.sinks is not None:
        sinks = line.sinks.to(scores.dtype).view(-1, 1, 1).expand(-1, scores.shape[1], 1)
        scores = torch.cat([scores, sinks], 2)
    return scores


def by_plain_operations(line, query, key, value, mask, dtype):
    """(output, logsumexp): every operation in the given type."""
    query, key, value, mask = (t.to(dtype) for t in (query, key, value, mask))
    scores = scores_of(line, query, key, mask)
    logsumexp = torch.logsumexp(scores, 2) if scores.shape[2] else scores.new_full(
        scores.shape[:2], -INFINITY)
    empty = (logsumexp == -INFINITY).unsqueeze(2)
    weights = torch.softmax(scores, 2).masked_fill(empty, 0.0)
    return weights[:, :, :key.shape[1]] @ value, logsumexp


def by_plain_loop(line, query, key, value, mask):
    """The same in f32, with the sums over keys in the order of the keys, as a plain loop adds them.
    PyTorch's own are in blocks, which errs less the more keys there are."""
    query, key, value, mask = (t.float() for t in (query, key, value, mask))
    scores = scores_of(line, query, key, mask)
    if not scores.shape[2]:
        return query.new_zeros(*query.shape[:2], value.shape[2]), scores.new_full(
            scores.shape[:2], -INFINITY)
    largest = scores.amax(2, keepdim=True)
    weights = torch.exp(scores - largest.masked_fill(largest == -INFINITY, 0.0))
    output = query.new_zeros(*query.shape[:2], value.shape[2])
    total = query.new_zeros(*query.shape[:2], 1)
    for j in range(scores.shape[2]):
        total += weights[:, :, j:j + 1]
        if j < value.shape[1]:
            output += weights[:, :, j:j + 1] * value[:, j:j + 1]
    return (output / total).masked_fill(total == 0, 0.0), (largest + torch.log(total)).squeeze(2)


def largest_error(found, expected):
    error = (found.double() - expected).abs()
    # Equal infinities differ by nothing.
    error = error.masked_fill(found.double() == expected, 0.0)
    return float(error.max()) if error.numel() else 0.0


class Results:
    """The output or the logsumexp of a line; NaN where no item has a row."""

    def __init__(self, shape):
        self.exact = torch.full(shape, math.nan, dtype=torch.float64)
        self.error = 0.0

    def put(self, item, first, exact, *plain):
        end = first + exact.shape[1]
        self.exact[item, :, first:end] = exact
        self.error = max(self.error, *(largest_error(found, exact) for found in plain))

    def samples(self):
        flat = self.exact.flatten().numpy()
        count = min(SAMPLES, flat.size)
        return flat[[i * flat.size // count for i in range(count)]]


def compute(line):
    """(output, logsumexp, did the math path give it)"""
    packed = line.q_starts is not None
    batch, rows = (1, line.query.shape[2]) if packed else (line.batch, line.query.shape[2])
    output = Results((batch, line.heads, rows, line.value.shape[3]))
    logsumexp = Results((batch, line.heads, rows))
    dtype = TYPES[line.type]
    by_path = True
    for item in range(line.batch):
        query, key, value, mask, first = prepare_item(line, item)
        exact, exact_logsumexp = by_plain_operations(line, query, key, value, mask, torch.float64)
        found = by_math_path(line, query, key, value, mask)
        by_path = by_path and found is not None
        if found is not None:
            assert largest_error(found, exact) <= 1e-12, (line.line, largest_error(found, exact))
            exact = found
        plain, _ = by_plain_operations(line, query, key, value, mask, dtype)
        # The library writes logsumexp in f32.
        _, plain_logsumexp = by_plain_operations(line, query, key, value, mask, torch.float32)
        loop, loop_logsumexp = by_plain_loop(line, query, key, value, mask)
        where = 0 if packed else item
        output.put(where, first, exact, plain, *([loop] if dtype == torch.float32 else []))
        logsumexp.put(where, first, exact_logsumexp, plain_logsumexp, loop_logsumexp)
    return output, logsumexp, by_path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", help="what dump_cases wrote")
    parser.add_argument("vectors", help="the file to write")
    arguments = parser.parse_args()

    lines, outputs, logsumexps, errors, hashes, by_path = [], [], [], [], [], 0
    begins = [[0, 0]]
    with safe_open(arguments.inputs, "pt") as file:
        for number in range(int(file.metadata()["lines"])):
            line = Line(file, number)
            output, logsumexp, path = compute(line)
            assert math.isfinite(output.error) and math.isfinite(logsumexp.error), line.line
            lines.append(line.line)
            outputs.append(output.samples())
            logsumexps.append(logsumexp.samples() if line.has_logsumexp else np.empty(0))
            begins.append([begins[-1][0] + len(outputs[-1]), begins[-1][1] + len(logsumexps[-1])])
            errors.append([output.error, logsumexp.error])
            hashes.append(int(line.hash))
            by_path += path
    tensors = {"output": np.concatenate(outputs), "logsumexp": np.concatenate(logsumexps),
               "begin": np.array(begins, np.int64), "error": np.array(errors),
               "hash": np.array(hashes, np.uint64)}
    save_file(tensors, arguments.vectors, {"lines": "\n".join(lines), "torch": torch.__version__,
                                           "math_path": str(by_path)})
    print(f"{len(lines)} lines, {by_path} of them by the math path, torch {torch.__version__}")


if __name__ == "__main__":
    main()
