"""ONNX Runtime's own profiles, summed up as src/runtime/profile.rs does it."""

import json


def read(paths):
    """Node time by provider of both networks together, and what each computes with; None without any. The detector's
    file is the first."""
    providers, seen, networks = {}, set(), []
    for path in paths:
        numbers = {"all_us": 0, "quantized_us": 0, "half_us": 0}
        networks.append(numbers)
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
            numbers["all_us"] += took
            if is_quantized(facts.get("op_name", "")):
                numbers["quantized_us"] += took
            elif "float16" in json.dumps(facts.get("input_type_shape", "")):
                numbers["half_us"] += took
    if not providers:
        return None
    detector, recognizer = networks
    return {"providers": providers, "detector": detector, "recognizer": recognizer}


def is_quantized(operator):
    named = ("ConvInteger", "MatMulInteger", "QGemm", "QuantizeLinear", "DequantizeLinear")
    return operator.startswith(("QLinear", "Dynamic")) or operator in named
