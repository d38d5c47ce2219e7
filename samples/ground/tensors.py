"""Reads and writes safetensors files of the few types the sample needs."""

import json
import struct

import numpy as np

TYPES = {"F32": np.dtype("<f4"), "I32": np.dtype("<i4"), "U16": np.dtype("<u2"),
         "U8": np.dtype("u1")}


def save(path, arrays, metadata):
    """Largest type first, then by name; the header is padded with spaces to a multiple of 8."""
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header, begin = {"__metadata__": metadata}, 0
    for name in order:
        array = arrays[name]
        kind = next(key for key, dtype in TYPES.items() if dtype == array.dtype)
        header[name] = {"dtype": kind, "shape": list(array.shape),
                        "data_offsets": [begin, begin + array.nbytes]}
        begin += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(np.ascontiguousarray(arrays[name]).tobytes())


def load(path):
    """Returns (arrays, metadata)."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + size + begin:8 + size + end], TYPES[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"]).copy()
    return arrays, metadata
