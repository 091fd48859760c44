"""A network as an ONNX graph that takes pictures of any number and size, which MindSpore's own exporter cannot write.

Follows the `construct` methods of `openposenet.py` and `mobilenet.py`. Needs the package `onnx`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from mindspore import Parameter, nn
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from src.net.build import PictureNet
from src.net.folding import fold_batch_norms
from src.net.formats import INPUT_FORMATS
from src.net.mobilenet import STRIDE8_BLOCK, ConvNorm, InvertedResidual, MobileBase, SeparableConv, SeparableStage
from src.net.openposenet import Base, FirstStage, RefiningStage, VggBase
from src.pose.skeleton import HEATMAP_CHANNELS, PAF_CHANNELS

#: Old enough for ONNX Runtime from 2022 on.
OPSET, IR_VERSION = 17, 8
INPUT, OUTPUTS = "pictures", ("pafs", "heatmaps")


def onnx_model(network: PictureNet, name: str, stages: int) -> onnx.ModelProto:
    """Pictures (N, 3, H, W) uint8 BGR to pafs (N, 38, H/8, W/8) and heatmaps (N, 19, H/8, W/8) of the last stage.

    H and W are multiples of the network's input format; name and stages are in the model's metadata. The batch
    normalisations of `network` are folded.
    """
    fold_batch_norms(network)
    graph = _Graph()
    features = graph.cell(network.network.base, _normalised(graph, name))
    pafs = heatmaps = ""
    entering = features
    for stage in network.network.stages:
        pafs, heatmaps = graph.stage(stage, entering)
        entering = graph.op("Concat", [pafs, heatmaps, features], axis=1)
    del graph.nodes[-1]  # nobody takes the last stage's
    for made, output in zip((pafs, heatmaps), OUTPUTS):
        graph.nodes.append(helper.make_node("Identity", [made], [output]))
    sides = ["N", "C", "h", "w"]
    outputs = [
        helper.make_tensor_value_info(output, TensorProto.FLOAT, [sides[0], channels, *sides[2:]])
        for output, channels in zip(OUTPUTS, (PAF_CHANNELS, HEATMAP_CHANNELS))
    ]
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", 3, "H", "W"])]
    whole = helper.make_graph(graph.nodes, "openpose", inputs, outputs, graph.constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, {"network": name, "stages": str(stages)})
    onnx.checker.check_model(model)
    return model


def _normalised(graph: _Graph, name: str) -> str:
    takes = INPUT_FORMATS[name]
    x = graph.op("Cast", [INPUT], to=TensorProto.FLOAT)
    if takes.rgb:
        x = graph.op("Gather", [x, graph.constant(np.array([2, 1, 0], np.int64))], axis=1)
    x = graph.op("Mul", [x, graph.constant(np.array(takes.scale, np.float32))])
    return graph.op("Add", [x, graph.constant(np.array(takes.offset, np.float32))])


class _Graph:
    """Nodes and constants so far; each method adds what a cell computes of the value `x` and returns its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        """Add an operator with one output."""
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values: NDArray[np.generic]) -> str:
        """Add an array."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def cell(self, cell: nn.Cell, x: str) -> str:
        """Add a cell of one input and one output; TypeError for kinds that the networks do not have."""
        if isinstance(cell, nn.Conv2d):
            return self._convolution(cell, x)
        if isinstance(cell, InvertedResidual):
            y = self._chain((cell.expand, cell.depthwise, cell.project), x)
            return self.op("Add", [x, y]) if cell.residual else y
        if isinstance(cell, MobileBase):
            return self._mobile_base(cell, x)
        if isinstance(cell, nn.MaxPool2d):
            return self.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
        if isinstance(cell, nn.ReLU6):
            low, high = (self.constant(np.array(bound, np.float32)) for bound in (0, 6))
            return self.op("Clip", [x, low, high])
        if isinstance(cell, nn.ReLU):
            return self.op("Relu", [x])
        return self._chain(_parts(cell), x)

    def stage(self, stage: nn.Cell, x: str) -> tuple[str, str]:
        """Add a stage: its pafs and heatmaps."""
        if isinstance(stage, SeparableStage):
            return self.cell(stage.L1, x), self.cell(stage.L2, x)
        return self._chain(_branch(stage, "L1"), x), self._chain(_branch(stage, "L2"), x)

    def _chain(self, cells: Sequence[nn.Cell], x: str) -> str:
        for cell in cells:
            x = self.cell(cell, x)
        return x

    def _convolution(self, conv: nn.Conv2d, x: str) -> str:
        inputs = [x, self.constant(_values(conv.weight))]
        if conv.has_bias:
            inputs.append(self.constant(_values(conv.bias)))
        kernel, stride = list(conv.kernel_size), list(conv.stride)
        return self.op("Conv", inputs, kernel_shape=kernel, strides=stride, group=conv.group, auto_pad="SAME_UPPER")

    def _mobile_base(self, base: MobileBase, x: str) -> str:
        stride8 = self._chain((base.conv, *base.blocks[: STRIDE8_BLOCK + 1]), x)
        deep = self._chain(tuple(base.blocks[STRIDE8_BLOCK + 1 :]), stride8)
        doubled = self.constant(np.array([1, 1, 2, 2], np.float32))
        place = "asymmetric"  # source pixel = target pixel / 2
        enlarged = self.op("Resize", [deep, "", doubled], mode="linear", coordinate_transformation_mode=place)
        return self.op("Concat", [stride8, enlarged], axis=1)


def _parts(cell: nn.Cell) -> Sequence[nn.Cell]:
    """The cells that a cell calls one after the other."""
    if isinstance(cell, nn.Identity):
        return ()
    if isinstance(cell, nn.SequentialCell):
        return tuple(cell)
    if isinstance(cell, ConvNorm):
        return cell.conv, cell.bn, cell.act
    if isinstance(cell, SeparableConv):
        return cell.depthwise, cell.pointwise
    if isinstance(cell, VggBase):
        return (cell.layers,)
    if isinstance(cell, Base):
        return cell.vgg_base, cell.conv4_3_CPM, cell.relu, cell.conv4_4_CPM, cell.relu
    raise TypeError(f"no ONNX form of {type(cell).__name__}")


def _branch(stage: FirstStage | RefiningStage, branch: str) -> list[nn.Cell]:
    """The convolutions of one branch, with an activation behind each but the last."""
    convolutions = list(_convolutions(stage, branch))
    chain = [cell for convolution in convolutions for cell in (convolution, stage.relu)]
    return chain[:-1]


def _convolutions(stage: FirstStage | RefiningStage, branch: str) -> Iterator[nn.Cell]:
    middle = "_CPM" if isinstance(stage, FirstStage) else ""
    for number in range(1, 6 if isinstance(stage, FirstStage) else 8):
        yield getattr(stage, f"conv{number}{middle}_{branch}")


def _values(parameter: Parameter) -> NDArray[np.float32]:
    return np.ascontiguousarray(parameter.asnumpy(), np.float32)
