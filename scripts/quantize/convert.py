"""Converts an ONNX network to another precision; `facebench models quantize` runs it with the libraries of
requirements.txt, and so can a person: python3 convert.py --to fp16 SOURCE.onnx RESULT.onnx
For --to int8, --tensors names a file of what the network sees: 32-bit floats, one sample of --shape after the other.

Inputs and outputs keep their names, shapes and 32-bit floats, so that callers need no change.
Standard output gets one line of JSON about the result. Status 3 and one line on standard error mean that SOURCE is
not a network that can be converted; any other failure is a fault of this script or its libraries.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

# Before ONNX Runtime is loaded: its API switches telemetry off too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from google.protobuf.message import DecodeError  # noqa: E402
from onnx import TensorProto  # noqa: E402
from onnxruntime.quantization import (  # noqa: E402
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: E402
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16  # noqa: E402
from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: E402

LIBRARIES = ["onnx", "onnxruntime", "numpy", "protobuf"]
SIXTEEN_BITS = [TensorProto.FLOAT16, TensorProto.BFLOAT16]
# Parts of the names of the operators that quantized networks have.
QUANTIZED = ["QuantizeLinear", "QLinear", "Integer"]
# The operators that have a fast form for 8-bit integers; what is left out, such as the sigmoid of a score, would lose
# more than it gains.
INT8_OPERATORS = [
    *["Conv", "Gemm", "MatMul", "Relu", "Clip", "Add", "Mul", "Concat", "Resize"],
    *["MaxPool", "AveragePool", "GlobalAveragePool"],
]
# Of large pictures, convolutions of fewer channels are faster in floats.
FEW_CHANNELS = 32
# The oldest version of ONNX's operators that quantizes weights channel by channel is 13; 17 is what is tested.
OPSET = 17
LARGEST_FP16 = float(np.finfo(np.float16).max)


class Unfit(Exception):
    """The source is not what can be converted."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(";")[0])
    parser.add_argument("--to", choices=CONVERTERS, required=True)
    parser.add_argument("--tensors", type=Path, help="int8: what the network sees")
    parser.add_argument("--shape", type=int, nargs=3, help="int8: channels, height, width of a sample")
    parser.add_argument("--large", action="store_true", help="int8: the pictures are large, as a detector's are")
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    args = parser.parse_args()
    try:
        model, about = CONVERTERS[args.to](load(args.source), args)
    except Unfit as why:
        print(why, file=sys.stderr)
        return 3
    onnx.save(model, args.result)
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


def floats_of(model):
    """The weights of a network that is all of 32-bit floats."""
    tensors = list(weights(model.graph))
    if any(tensor.data_type in SIXTEEN_BITS for tensor in tensors):
        raise Unfit("it has weights of 16 bits already")
    if any(part in node.op_type for node in model.graph.node for part in QUANTIZED):
        raise Unfit("it computes with 8-bit integers")
    return [tensor for tensor in tensors if tensor.data_type == TensorProto.FLOAT]


def to_fp16(model, _words):
    """Weights and arithmetic in 16 bits; operators that have no such form stay as they are, between two casts."""
    for tensor in floats_of(model):
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


class Samples(CalibrationDataReader):
    """What the network sees, one run after the other."""

    def __init__(self, model, tensors, shape):
        wanted = model.graph.input[0]
        batch = wanted.type.tensor_type.shape.dim[0].dim_value or 1
        samples = np.memmap(tensors, dtype="<f4", mode="r").reshape(-1, 1, *shape)
        self.runs = ({wanted.name: np.repeat(sample, batch, axis=0)} for sample in samples)

    def get_next(self):
        return next(self.runs, None)


def to_int8(model, args):
    """Unsigned 8-bit activations, whose ranges are the least and largest seen, and signed 8-bit weights, a scale for
    each output channel: the pair that processors multiply fastest."""
    if args.tensors is None or args.shape is None:
        raise Unfit("int8 needs --tensors and --shape")
    floats_of(model)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < OPSET:
        model = onnx.version_converter.convert_version(model, OPSET)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        prepared, result = folder / "prepared.onnx", folder / "int8.onnx"
        onnx.save(model, folder / "source.onnx")
        # Folds constants and batch normalisation, and finds the shapes.
        quant_pre_process(folder / "source.onnx", prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        kept = leading(model.graph) if args.large else []
        quantize_static(
            prepared,
            result,
            Samples(model, args.tensors, args.shape),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=INT8_OPERATORS,
            nodes_to_exclude=[node.name for node in kept],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        quantized = onnx.load(result)
    if not any(node.op_type == "QuantizeLinear" for node in quantized.graph.node):
        raise Unfit("nothing in it has a form for 8-bit integers")
    onnx.checker.check_model(quantized)
    others = {node.op_type for node in model.graph.node if node.op_type not in INT8_OPERATORS}
    return quantized, {"kept_fp32": sorted(others | {node.op_type for node in kept})}


def leading(graph):
    """The convolutions at the beginning, up to the first that reads many channels at once."""
    shapes = {tensor.name: tensor.dims for tensor in graph.initializer}
    convolutions = []
    for node in graph.node:
        if node.op_type == "Conv":
            if shapes.get(node.input[1], [0, FEW_CHANNELS])[1] >= FEW_CHANNELS:
                break
            convolutions.append(node)
    return convolutions


def weights(graph):
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def first_line(error):
    return str(error).strip().splitlines()[0]


# --to WORD: what makes of a loaded network another and a dictionary about it.
CONVERTERS = {"fp16": to_fp16, "int8": to_int8}

if __name__ == "__main__":
    sys.exit(main())
