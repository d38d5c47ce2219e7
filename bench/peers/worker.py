"""The other end of weft_bench's workers: a line of JSON in, a line of JSON out.

A peer is a class with hello(question) -> version, case(question, arrays) -> {variant: function},
where a function computes the case once and waits until it is done, and fetch(output) -> a NumPy
array of f32 (or f64) from what a function gave. It may have device_ns() -> the time that the last
run took by the device's own clock, or None.
"""

import json
import os
import sys
import time

import numpy as np


def load(inputs):
    """name -> (array, dtype name); bf16 comes as 16-bit numbers."""
    return {name: (np.load(entry["file"]), entry["dtype"]) for name, entry in inputs.items()}


def answer(peer, state, question):
    command = question["command"]
    if command == "hello":
        return {"version": peer.hello(question)}
    if command == "case":
        state.clear()
        state.update(peer.case(question, load(question["inputs"])))
        return {"variants": list(state), "settle_ms": getattr(peer, "settle_ms", 5)}
    function = state[question["variant"]]
    if command == "check":
        np.save(question["output"], np.ascontiguousarray(peer.fetch(function())))
        return {}
    if command == "run":
        taken, on_device = [], []
        for _ in range(question["times"]):
            begin = time.perf_counter_ns()
            function()
            taken.append(time.perf_counter_ns() - begin)
            if hasattr(peer, "device_ns"):
                on_device.append(peer.device_ns())
        return {"ns": taken, "device_ns": [ns for ns in on_device if ns is not None]}
    return {"error": f"unknown command {command!r}"}


def serve(peer):
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not look like an answer
    state = {}
    for line in sys.stdin:
        try:
            reply = answer(peer, state, json.loads(line))
        except Exception as error:  # whatever it is, the other side says it and goes on
            reply = {"error": f"{type(error).__name__}: {error}"[:500]}
        out.write(json.dumps(reply) + "\n")
