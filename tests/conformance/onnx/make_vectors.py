"""Writes attention.safetensors: the node tests of ONNX's Attention operator, as data.

Inputs, attributes and expected outputs come from the onnx release itself: its backend test module
makes each case from a fixed random seed when it is imported, as its own generator does.
"""

import argparse
import json
import pathlib
from collections import Counter

import ml_dtypes
import numpy as np
import onnx
from onnx.backend.test.case.node import _NodeTestCases
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

import onnx.backend.test.case.node.attention  # noqa: F401  (importing it makes the cases)

RELEASE = "1.23.2"
CASES_BY_OPSET = {23: 69, 24: 13, 25: 11}
RTOL, ATOL = 1e-3, 1e-7  # the suite's own
INPUTS = ["Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen"]
OUTPUTS = ["Y", "present_key", "present_value", "qk_matmul_output"]
SHORT_TYPES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
# 16-bit cases are rounded to 16 bits after every step. These outputs are also stored as the release
# computes them from the same inputs in 32 bits, under their name and ".f32".
ROUNDED = ["Y", "qk_matmul_output"]


def by_slot(slots, names, arrays):
    """The operator's name of each given array: a case may leave slots empty."""
    given = [slot for slot, name in zip(slots, names) if name]
    return dict(zip(given, arrays, strict=True))


def evaluate(case, inputs):
    """The outputs that the release's evaluator gives for the case's model, by slot."""
    node, = case.model.graph.node
    names = [name for name in node.input if name]
    found = ReferenceEvaluator(case.model).run(None, dict(zip(names, inputs, strict=True)))
    return by_slot(OUTPUTS, node.output, found)


def widened(array):
    return array.astype(np.float32) if array.dtype in SHORT_TYPES else array


def read_case(case):
    """(opset and attributes, arrays by the operator's names)."""
    node, = case.model.graph.node
    opset, = case.model.opset_import
    (inputs, outputs), = case.data_sets
    assert node.op_type == "Attention" and (case.rtol, case.atol) == (RTOL, ATOL), case.name
    expected = by_slot(OUTPUTS, node.output, outputs)
    # The stored attributes are those that made the outputs.
    for name, array in evaluate(case, inputs).items():
        assert np.array_equal(widened(array), widened(expected[name])), f"{case.name}: {name}"
    arrays = by_slot(INPUTS, node.input, inputs) | expected
    if inputs[0].dtype in SHORT_TYPES:
        wide = evaluate(case, [widened(array) for array in inputs])
        arrays |= {f"{name}.f32": wide[name] for name in ROUNDED if name in wide}
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {"opset": opset.version, "attributes": attributes}, arrays


def collect():
    notes, arrays = {}, {}
    for case in _NodeTestCases:
        if "_expanded" in case.name:
            continue  # the same case as a graph of simpler operators
        notes[case.name], tensors = read_case(case)
        arrays.update({f"{case.name}/{name}": array for name, array in tensors.items()})
    return notes, arrays


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default=pathlib.Path(__file__).with_name("attention.safetensors"))
    output = parser.parse_args().output
    assert onnx.__version__ == RELEASE, f"onnx {RELEASE} is wanted, not {onnx.__version__}"
    notes, arrays = collect()
    counts = Counter(note["opset"] for note in notes.values())
    assert counts == CASES_BY_OPSET, counts
    # One entry, sorted: the writer keeps no order among several.
    header = json.dumps({"release": f"onnx {RELEASE}", "license": "Apache-2.0",
                         "copyright": "Copyright (c) ONNX Project Contributors",
                         "rtol": RTOL, "atol": ATOL, "cases": notes},
                        sort_keys=True, separators=(",", ":"))
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(arrays, str(output), {"onnx_attention": header})
    print(f"{len(notes)} cases, {len(arrays)} tensors: {dict(sorted(counts.items()))}")


if __name__ == "__main__":
    main()
