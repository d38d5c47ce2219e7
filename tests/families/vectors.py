"""What every family's vectors share: seeded values, the two files of a vector, and their check.

FAMILY.safetensors is one block's checkpoint (f16, published names); FAMILY.io.safetensors holds its
inputs, the outputs of the family's own implementation in fp32, and those of the same run in half.
"""

import copy
import dataclasses
import json
import struct
import zlib
from collections.abc import Callable

import numpy as np
import torch
from safetensors import safe_open

MAX_BYTES = 60_000  # of the two files together
FORMULA_ERROR = 1e-5  # fp32 modules against a float64 formula, on outputs of order 1
Arrays = dict[str, np.ndarray]
Tensors = dict[str, torch.Tensor]


@dataclasses.dataclass
class Vector:
    family: str
    prefix: str  # what stands before the family's names: "model.decoder.layers.0."
    source: str  # whose code made the outputs: "transformers 4.57.6 WhisperDecoderLayer"
    checkpoint: Tensors  # by full published name, f16 or values that f16 holds
    inputs: Tensors
    # The family's implementation on weights and inputs of a type; inputs come cast to it.
    run: Callable[[torch.dtype, Tensors], Tensors]
    # The same outputs from the stored tensors alone (float64), which shows that they suffice.
    # Gets the checkpoint by full name and the inputs.
    formula: Callable[[Arrays, Arrays], Arrays]
    options: dict[str, object] = dataclasses.field(default_factory=dict)  # heads, epsilon, ...
    # Tensors that no output depends on: biases of keys, which every score of a row has in common,
    # and what only tells the family from others of the same names.
    without_effect: tuple[str, ...] = ()
    variant: str = ""  # a second vector of a family is FAMILY.VARIANT.safetensors

    @property
    def name(self):
        return self.family + (f".{self.variant}" if self.variant else "")


# ---- Values ----


def seed(name):
    """Each family has its own seed, so that adding one leaves the others' files as they are."""
    torch.manual_seed(zlib.crc32(name.encode()))
    torch.set_num_threads(1)


def rounded(tensor):
    """fp32 values that f16 holds."""
    return tensor.detach().to(torch.float16).to(torch.float32)


def normal(*shape, std=1.0, mean=0.0):
    return rounded(torch.randn(*shape) * std + mean)


def queries(*shape):
    """Rows of order 1, but for one that is so small that a pre-norm's epsilon shows in it."""
    rows = normal(*shape)
    rows[0, 1] = rounded(rows[0, 1] / 256)
    return rows


def randomize(module, gains=None):
    """Random weights: norms' near 1, matrices' such that rows of order 1 stay so.

    gains: factors by a part of the parameter's name.
    """
    norm_types = ("LayerNorm", "RMSNorm", "T5LayerNorm", "MllamaTextRMSNorm", "IdeficsRMSNorm")
    with torch.no_grad():
        for path, part in module.named_modules():
            is_norm = type(part).__name__ in norm_types
            for name, value in part.named_parameters(path, recurse=False):
                is_factor = is_norm and name.endswith("weight")
                std = value.shape[-1] ** -0.5 if value.dim() > 1 else 0.25
                gain = next((g for key, g in (gains or {}).items() if key in name), 1.0)
                value.copy_(normal(*value.shape, std=gain * std, mean=1.0 if is_factor else 0.0))
    return module.eval()


def in_type(module, dtype):
    return copy.deepcopy(module).to(dtype)


def published(module, prefix, only=()):
    """The module's tensors under the names of a checkpoint; `only`: those that start so."""
    tensors = {f"{prefix}{name}": value for name, value in module.state_dict().items()
               if not only or name.startswith(tuple(only))}
    assert tensors, f"{prefix}: no tensor starts with {only}"
    return tensors


def additive(keep, dtype):
    """The mask that transformers and diffusers add to scores: the type's lowest where not kept."""
    return torch.zeros(keep.shape, dtype=dtype).masked_fill(keep == 0, torch.finfo(dtype).min)


def kept(lengths, kv_len):
    """keep_mask [batch, 1, 1, kv_len] of kv_lengths [batch]."""
    return (torch.arange(kv_len) < lengths[:, None])[:, None, None].to(torch.uint8)


def call_part(module, arguments, replace=None, input_of=None, output_of=None):
    """Calls a whole layer and returns what lies within it: one submodule's input or output.

    replace: {submodule: function of its output}, for parts that a block does not cover.
    """
    found = []
    hooks = [part.register_forward_hook(lambda _, __, output, f=function: f(output))
             for part, function in (replace or {}).items()]
    if input_of is not None:
        hooks.append(input_of.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0])))
    else:
        hooks.append(output_of.register_forward_hook(lambda _, __, output: found.append(output)))
    with torch.no_grad():
        module(**arguments)
    for hook in hooks:
        hook.remove()
    value, = found
    return value


# ---- Files ----

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.int32: "I32", torch.uint8: "U8"}


def save(path, tensors, metadata):
    """Written here and not by the safetensors package, whose metadata come in any order."""
    header = {"__metadata__": {key: str(value) for key, value in sorted(metadata.items())}}
    data = b""
    # The widest types first, so that every tensor is aligned to its own.
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):
        value = tensors[name]
        piece = value.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": TYPES[value.dtype], "shape": list(value.shape),
                        "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def load(path):
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def cast(inputs, dtype):
    return {name: value.to(dtype) if value.is_floating_point() else value
            for name, value in inputs.items()}


def write(vector, folder):
    """Runs a vector, writes its two files, reads them back and checks them; a line to print."""
    with torch.no_grad():
        full = vector.run(torch.float32, cast(vector.inputs, torch.float32))
        half = vector.run(torch.float16, cast(vector.inputs, torch.float16))
    assert set(full) == set(half) <= {"output", "context_output"}, vector.name
    weights = {name: value.detach().to(torch.float16) for name, value in vector.checkpoint.items()}
    for name, value in (vector.checkpoint | vector.inputs).items():
        exact = not value.is_floating_point() or torch.equal(rounded(value), value.float())
        assert exact, f"{vector.name}: {name} has values that f16 does not hold"
    outputs = {name: value.detach().float() for name, value in full.items()}
    outputs |= {f"{name}_half": value.detach().float() for name, value in half.items()}

    paths = [folder / f"{vector.name}.safetensors", folder / f"{vector.name}.io.safetensors"]
    about = {"family": vector.family, "prefix": vector.prefix, "source": vector.source}
    save(paths[0], weights, {"format": "pt"})
    save(paths[1], vector.inputs | outputs, about | vector.options)
    size = sum(path.stat().st_size for path in paths)
    assert size < MAX_BYTES, f"{vector.name}: {size} bytes"
    return f"{vector.name}: {size} bytes, {check(vector, *paths)}"


def check(vector, checkpoint_path, io_path):
    """Recomputes the outputs by the formula from what the files hold, and judges the half run."""
    stored, metadata = load(checkpoint_path)
    io, about = load(io_path)
    assert all(value.dtype == np.float16 for value in stored.values()), vector.name
    assert about["prefix"] == vector.prefix, vector.name
    assert any(name.startswith(vector.prefix) for name in stored), vector.name
    wide = {name: value.astype(np.float64) for name, value in stored.items()}
    inputs = {name: io[name].astype(np.float64) for name in vector.inputs}
    results = vector.formula(wide, inputs)
    assert set(results) == set(io) & {"output", "context_output"}, vector.name
    idle = without_effect(vector, wide, inputs, results)
    assert idle == set(vector.without_effect), (
        f"{vector.name}: no output depends on {sorted(idle)}; without_effect says "
        f"{sorted(vector.without_effect)}")
    lines = []
    for name, value in results.items():
        error = np.abs(value - io[name]).max()
        half_error = np.abs(io[f"{name}_half"] - io[name]).max()
        largest = np.abs(io[name]).max()
        assert value.shape == io[name].shape, f"{vector.name}: {name}: {value.shape}"
        assert error <= FORMULA_ERROR, f"{vector.name}: {name}: formula differs by {error:.2g}"
        # Between: 0 would mean that the half run was none, more that it overflowed.
        assert 1e-5 < half_error < 2e-2, f"{vector.name}: {name}: half error {half_error:.2g}"
        assert 0.5 < largest < 10, f"{vector.name}: {name}: largest {largest:.2g}"
        lines.append(f"{name} within {error:.1e}, half {half_error:.1e}, largest {largest:.2f}")
    return "; ".join(lines)


def without_effect(vector, weights, inputs, results):
    """The stored tensors that may be wrong and no output shows it."""
    def shows(weights, inputs):
        with np.errstate(all="ignore"):  # a changed mask may leave a row without keys
            changed = vector.formula(weights, inputs)
        # Ten times what a test allows; not a number is a change too.
        return any(not np.abs(changed[name] - results[name]).max() < 1e-3 for name in results)

    def other(name, value):
        if vector.inputs[name].dtype == torch.uint8:
            return np.ones_like(value)
        return -value if vector.inputs[name].is_floating_point() else value + 1

    idle = {name for name in weights if not shows(weights | {name: -weights[name]}, inputs)}
    return idle | {name for name in inputs
                   if not shows(weights, inputs | {name: other(name, inputs[name])})}
