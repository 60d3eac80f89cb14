"""Writes a checkpoint's averaged weights as ONNX: batch norm folded in, plain operators, dynamic shapes."""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from networks import HEADS, INPUT_SCALE, STRIDES, Detector, Recognizer, Residual

OPSET = 12


class Graph:
    """A graph in the making; each method adds nodes and gives the name of what comes out."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def node(self, kind, inputs, output=None, **attributes):
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, value, name):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weights(self, layer):
        values = [layer.weight] + ([] if layer.bias is None else [layer.bias])
        kinds = ["weight", "bias"]
        return [self.constant(v.detach().numpy(), f"{k}_{len(self.nodes)}") for k, v in zip(kinds, values)]

    def conv(self, x, layer):
        side, pad, stride = layer.kernel_size[0], layer.padding[0], layer.stride[0]
        shape = {"kernel_shape": [side] * 2, "pads": [pad] * 4, "strides": [stride] * 2}
        return self.node("Conv", [x, *self.weights(layer)], **shape)

    def apply(self, x, module):
        match module:
            case nn.Sequential():
                for part in folded(module):
                    x = self.apply(x, part)
            case Residual():
                x = self.node("Add", [self.apply(x, module.body), self.apply(x, module.shortcut)])
                x = self.node("Relu", [x])
            case nn.Conv2d():
                x = self.conv(x, module)
            case nn.ReLU():
                x = self.node("Relu", [x])
            case nn.Flatten():
                x = self.node("Flatten", [x], axis=1)
            case nn.Linear():
                x = self.node("Gemm", [x, *self.weights(module)], "output", transB=1)
            case nn.Identity():
                pass
            case _:
                raise TypeError(type(module))
        return x

    def model(self, name, inputs, outputs):
        def values(shapes):
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in shapes]

        constants = list(self.constants.values())
        graph = helper.make_graph(self.nodes, name, values(inputs), values(outputs), constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7)
        model.producer_name = "facebench scripts/train/export.py"
        onnx.checker.check_model(model, full_check=True)
        return model


def folded(layers):
    """The layers with each batch norm folded into what stands before it."""
    parts = []
    for layer in layers:
        match layer:
            case nn.BatchNorm2d():
                parts[-1] = fuse_conv_bn_eval(parts[-1], layer)
            case nn.BatchNorm1d():
                parts[-1] = fuse_linear_bn_eval(parts[-1], layer)
            case _:
                parts.append(layer)
    return parts


def detector(net):
    with torch.no_grad():
        net.stem[0][0].weight *= INPUT_SCALE
    g = Graph()
    x, levels = g.apply("input", net.stem), []
    for stage, lateral in zip(net.stages, net.lateral):
        x = g.apply(x, stage)
        levels.append(g.apply(x, lateral))
    twice = g.constant(np.array([1, 1, 2, 2], np.float32), "twice")
    none = g.constant(np.array([], np.float32), "no_region")
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    for i in (1, 0):
        levels[i] = g.node("Add", [levels[i], g.node("Resize", [levels[i + 1], none, twice], **nearest)])
    levels = [g.apply(g.node("Relu", [level]), smooth) for level, smooth in zip(levels, net.smooth)]
    outputs = []
    for kind, numbers in HEADS.items():
        # 0 keeps the batch; with 1 there, OpenCV 4.6 would fold a batch into the cells.
        shape = g.constant(np.array([0, -1, numbers], np.int64), f"rows_of_{numbers}")
        for stride, level, head in zip(STRIDES, levels, net.heads[kind]):
            name = f"{kind}_{stride}"
            y = g.node("Transpose", [g.conv(level, head)], perm=[0, 2, 3, 1])
            if kind in ("cls", "obj"):
                g.node("Sigmoid", [g.node("Reshape", [y, shape])], name)
            else:
                g.node("Reshape", [y, shape], name)
            outputs.append((name, ["batch", f"cells_{stride}", numbers]))
    return g.model("facebench-det", [("input", ["batch", 3, "height", "width"])], outputs)


def recognizer(net):
    g = Graph()
    g.apply(g.apply("input", net.features), net.embed)
    return g.model("facebench-rec", [("input", ["batch", 3, 112, 112])], [("output", ["batch", 128])])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=["detector", "recognizer"])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("onnx", type=Path)
    given = parser.parse_args()
    weights = torch.load(given.checkpoint)["average"]
    if given.network == "detector":
        net, write = Detector(), detector
    else:
        net, write = Recognizer(), recognizer
        weights = {k.removeprefix("network."): v for k, v in weights.items() if k.startswith("network.")}
    net.load_state_dict(weights)
    onnx.save(write(net.eval()), given.onnx)
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{given.onnx}: {parameters} parameters, {given.onnx.stat().st_size} bytes")


if __name__ == "__main__":
    main()
