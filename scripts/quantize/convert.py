"""Converts an ONNX network to another precision; `facebench models quantize` runs it with the libraries of
requirements.txt, and so can a person: python3 convert.py --to fp16 SOURCE.onnx RESULT.onnx

Inputs and outputs keep their names, shapes and 32-bit floats, so that whoever feeds the network needs no change.
Standard output gets one line of JSON about the result. Status 3 and one line on standard error mean that SOURCE is
not a network that can be converted; any other failure is a fault of this script or its libraries.
"""

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

LIBRARIES = ["onnx", "onnxruntime", "numpy", "protobuf"]
SIXTEEN_BITS = [TensorProto.FLOAT16, TensorProto.BFLOAT16]
# Parts of the names of the operators that quantized networks have.
QUANTIZED = ["QuantizeLinear", "QLinear", "Integer"]
LARGEST_FP16 = float(np.finfo(np.float16).max)


class Unfit(Exception):
    """The source is not what can be converted."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(";")[0])
    parser.add_argument("--to", choices=CONVERTERS, required=True)
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    words = parser.parse_args()
    try:
        model, about = CONVERTERS[words.to](load(words.source))
    except Unfit as why:
        print(why, file=sys.stderr)
        return 3
    onnx.save(model, words.result)
    versions = {name: version(name) for name in LIBRARIES}
    print(json.dumps({"python": platform.python_version(), "libraries": versions, **about}))
    return 0


def load(path):
    try:
        model = onnx.load(path)
        # A few bytes of anything can pass for an empty protobuf message.
        if not model.graph.node:
            raise Unfit("it has no operators: it is not an ONNX network")
        onnx.checker.check_model(model)
    except DecodeError:
        raise Unfit("it is not an ONNX network") from None
    except onnx.checker.ValidationError as error:
        raise Unfit(f"it is not a sound ONNX network: {first_line(error)}") from None
    except OSError as error:
        raise Unfit(f"it cannot be read: {error}") from None
    return model


def to_fp16(model):
    """Weights and arithmetic in 16 bits; operators that have no such form stay as they are, between two casts."""
    tensors = list(weights(model.graph))
    floats = [tensor for tensor in tensors if tensor.data_type == TensorProto.FLOAT]
    if any(tensor.data_type in SIXTEEN_BITS for tensor in tensors):
        raise Unfit("it has weights of 16 bits already")
    if any(part in node.op_type for node in model.graph.node for part in QUANTIZED):
        raise Unfit("it computes with 8-bit integers")
    for tensor in floats:
        values = onnx.numpy_helper.to_array(tensor)
        largest = float(np.abs(values).max(initial=0))
        # A single value may be the open end of a range, which fp16 may well cut.
        if values.size > 1 and not largest <= LARGEST_FP16:
            raise Unfit(f"its weight {tensor.name} reaches {largest:g}, and fp16 ends at {LARGEST_FP16:g}")
    kept = {node.op_type for node in model.graph.node if node.op_type in DEFAULT_OP_BLOCK_LIST}
    model = convert_float_to_float16(model, keep_io_types=True)
    # The casts are appended at the end, where no reader of ONNX must accept them.
    ordered = OnnxModel(model)
    ordered.topological_sort()
    onnx.checker.check_model(ordered.model)
    return ordered.model, {"kept_fp32": sorted(kept)}


def weights(graph):
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def first_line(error):
    return str(error).strip().splitlines()[0]


# --to WORD: what makes of a loaded network another and a dictionary about it.
CONVERTERS = {"fp16": to_fp16}

if __name__ == "__main__":
    sys.exit(main())
