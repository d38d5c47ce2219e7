"""ncnn's SDPA layer on Vulkan beside Weft, by its Python wheel, which runs whole networks only: a
run includes bringing the inputs to the device and the output back.

Started by `weft_bench --ncnn PYTHON`. It takes the fastest of its settings for each case.
"""

import time

import ncnn
import numpy as np

import worker

# What differs between the settings that are tried.
SETTINGS = {
    "f32": {},
    "f16 storage": {"use_fp16_packed": True, "use_fp16_storage": True},
    "f16 storage and arithmetic": {
        "use_fp16_packed": True,
        "use_fp16_storage": True,
        "use_fp16_arithmetic": True,
    },
}
HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")


def network(device, scale, settings):
    # SDPA: 5 is whether a mask comes along, 6 the scale.
    param = (
        "7767517\n4 4\n"
        "Input query 0 1 query\nInput key 0 1 key\nInput value 0 1 value\n"
        f"SDPA attention 3 1 query key value output 5=0 6={scale:.9e}\n"
    )
    net = ncnn.Net()
    net.opt.use_vulkan_compute = True
    for name in HALF:
        setattr(net.opt, name, settings.get(name, False))
    net.set_vulkan_device(device)
    if net.load_param_mem(param) != 0:
        raise RuntimeError("ncnn took no network with SDPA")
    net.load_model_mem(b"")
    return net


class Ncnn:
    settle_ms = 20

    def hello(self, question):
        names = [ncnn.get_gpu_info(i).device_name() for i in range(ncnn.get_gpu_count())]
        if question["device"] not in names:
            raise RuntimeError(f"ncnn sees no {question['device']}, only {names}")
        self.device = names.index(question["device"])
        return f"ncnn {ncnn.__version__} on {question['device']}"

    def fetch(self, output):
        return np.array(output, dtype=np.float32)

    def case(self, question, arrays):
        if question["kind"] != "attention":
            return {}
        if any(dtype != "f32" for _, dtype in arrays.values()):
            return {}
        # Batch items are heads: of three axes, heads are the outermost.
        mats = {}
        for name, (array, _) in arrays.items():
            folded = np.ascontiguousarray(array.reshape(-1, *array.shape[2:]))
            mats[name] = (ncnn.Mat(folded), folded)  # the Mat does not own its numbers
        best, best_ns, best_name = None, None, ""
        for name, settings in SETTINGS.items():
            run = self.runner(network(self.device, question["scale"], settings), mats)
            run()
            begin = time.perf_counter_ns()
            run()
            taken = time.perf_counter_ns() - begin
            if best is None or taken < best_ns:
                best, best_ns, best_name = run, taken, name
        return {f"{best_name}, with upload and download": best}

    def runner(self, net, mats):
        def run():
            extractor = net.create_extractor()
            for name, (mat, _) in mats.items():
                extractor.input(name, mat)
            status, output = extractor.extract("output")
            if status != 0:
                raise RuntimeError(f"ncnn answered {status}")
            return output

        return run


worker.serve(Ncnn())
