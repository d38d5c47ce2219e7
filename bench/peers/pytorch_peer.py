"""PyTorch beside Weft: scaled_dot_product_attention with each of its backends, linear, norms, and
whole blocks of them.

On the CPU one variant, its own choice of kernel; on CUDA every backend that takes the case.
Started by `weft_bench --pytorch PYTHON`.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads and PyTorch's hinder each other

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import worker

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
    "cudnn": getattr(SDPBackend, "CUDNN_ATTENTION", None),
}
ACTIVATIONS = {
    "none": lambda x: x,
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}


def block(question, tensors):
    """A cross-attention block as models write it down: a function without arguments."""
    # All come with four axes, as [1, 1, out, in] and [1, 1, 1, dim].
    rows = ("query", "context")
    t = {name: tensor[0] if name in rows else tensor.squeeze() for name, tensor in tensors.items()}
    heads, kv_heads = question["heads"], question["kv_heads"]
    prepared = question["prepared"]

    def norm(name, x):
        weight = t[f"{name}.weight"]
        if question["norm"] == "rms":
            return F.rms_norm(x, weight.shape, weight, question["epsilon"])
        return F.layer_norm(x, weight.shape, weight, t[f"{name}.bias"], question["epsilon"])

    def linear(name, x):
        return F.linear(x, t[f"{name}.weight"], t.get(f"{name}.bias"))

    def head_rows(name, rows, count):
        rows = rows.unflatten(-1, (count, -1))
        if f"{name}_head_norm.weight" in t:
            rows = norm(f"{name}_head_norm", rows)
        return rows.transpose(1, 2)

    def keys_and_values():
        context = t["context"]
        key = head_rows("key", linear("key", context), kv_heads)
        return key, head_rows("value", linear("value", context), kv_heads)

    def feed_forward(x):
        n = norm("feed_forward.norm", x)
        hidden = F.silu(linear("feed_forward.gate_up", n)) * linear("feed_forward.up", n)
        return x + torch.tanh(t["feed_forward.gate"]) * linear("feed_forward.down", hidden)

    kept = [rows.contiguous() for rows in keys_and_values()] if prepared else None

    def compute():
        query = t["query"]
        q = head_rows("query", linear("query", norm("query_norm", query)), heads)
        key, value = kept or keys_and_values()
        a = F.scaled_dot_product_attention(q, key, value, enable_gqa=heads != kv_heads)
        x = linear("out", a.transpose(1, 2).flatten(2))
        if "gate" in t:
            x = torch.tanh(t["gate"]) * x
        x = query + x
        return feed_forward(x) if "feed_forward.norm.weight" in t else x

    return compute


class PyTorch:
    def hello(self, question):
        self.cuda = not question["cpu_device"] and torch.cuda.is_available()
        torch.set_num_threads(question["threads"])
        torch.set_grad_enabled(False)
        where = torch.cuda.get_device_name() if self.cuda else "CPU"
        return f"PyTorch {torch.__version__} on {where}"

    def tensor(self, array, dtype):
        tensor = torch.from_numpy(array)
        if dtype == "bf16":
            tensor = tensor.view(torch.bfloat16)
        return tensor.cuda() if self.cuda else tensor

    def fetch(self, output):
        return output.float().cpu().numpy()

    def waited(self, compute):
        if not self.cuda:
            return compute

        def run():
            self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            self.events[0].record()
            output = compute()
            self.events[1].record()
            torch.cuda.synchronize()
            return output

        return run

    def device_ns(self):
        if not self.cuda:
            return None
        return 1e6 * self.events[0].elapsed_time(self.events[1])

    def case(self, question, arrays):
        tensors = {name: self.tensor(*pair) for name, pair in arrays.items()}
        if len({tensor.dtype for tensor in tensors.values()}) > 1:
            return {}
        kind = question["kind"]
        if kind == "attention":
            return self.attention(question, tensors)
        if kind == "linear":
            rows = tensors["input"][0, 0]
            weight = tensors["weight"][0, 0]
            bias = tensors["bias"].flatten() if "bias" in tensors else None
            activation = ACTIVATIONS[question["activation"]]
            return {"default": self.waited(lambda: activation(F.linear(rows, weight, bias)))}
        if kind in ("layer_norm", "rms_norm"):
            rows = tensors["input"][0, 0]
            names = ("weight", "bias")
            weight, bias = (tensors[n].flatten() if n in tensors else None for n in names)
            dims, epsilon = rows.shape[-1:], question["epsilon"]
            if kind == "rms_norm":
                return {"default": self.waited(lambda: F.rms_norm(rows, dims, weight, epsilon))}
            norm = lambda: F.layer_norm(rows, dims, weight, bias, epsilon)
            return {"default": self.waited(norm)}
        if kind == "block":
            return {"default": self.waited(block(question, tensors))}
        return {}

    def attention(self, question, tensors):
        query, key, value = (tensors[name] for name in ("query", "key", "value"))
        grouped = query.shape[1] != key.shape[1]

        def compute():
            return F.scaled_dot_product_attention(
                query, key, value, scale=question["scale"], enable_gqa=grouped
            )

        if not self.cuda:
            return {f"default, threads: {torch.get_num_threads()}": compute}
        variants = {}
        for name, backend in BACKENDS.items():
            if backend is None:
                continue

            def run(backend=backend):
                with sdpa_kernel(backend):
                    return compute()

            run = self.waited(run)
            try:
                run()
            except (RuntimeError, torch.cuda.OutOfMemoryError):
                continue  # a backend that refuses the case
            variants[name] = run
        return variants


worker.serve(PyTorch())
