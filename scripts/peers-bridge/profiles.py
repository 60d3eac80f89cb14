"""ONNX Runtime's own profiles, summed up as src/backend/profile.rs does it."""

import json


def read(paths):
    """Node time by provider of all files together; None without any."""
    providers, seen, quantized, half = {}, set(), 0, 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            events = json.load(file)
        for event in events:
            if event.get("cat") != "Node" or not event.get("name", "").endswith("_kernel_time"):
                continue
            facts = event.get("args", {})
            provider, took = facts.get("provider", "unknown"), event.get("dur", 0)
            nodes, time = providers.get(provider, (0, 0))
            node = (path, provider, event["name"])
            providers[provider] = (nodes + (node not in seen), time + took)
            seen.add(node)
            if is_quantized(facts.get("op_name", "")):
                quantized += took
            elif "float16" in json.dumps(facts.get("input_type_shape", "")):
                half += took
    if not providers:
        return None
    return {"providers": providers, "quantized_us": quantized, "half_us": half}


def is_quantized(operator):
    named = ("ConvInteger", "MatMulInteger", "QGemm", "QuantizeLinear", "DequantizeLinear")
    return operator.startswith(("QLinear", "Dynamic")) or operator in named
