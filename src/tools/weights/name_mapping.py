"""Finds each parameter of a network among published weights, and proves by its shape that it is the one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.arrays import Array
from src.errors import CheckpointError

Arrays = Mapping[str, Array]
Shapes = Mapping[str, tuple[int, ...]]

#: The published body model was trained on pixels divided by this; the network here divides by 255.
BODY_MODEL_PIXEL_RANGE = 256.0
_PIXEL_RANGE = 255.0
_FIRST_LAYER = "base.vgg_base.layers.0"

_BATCHNORM_NAMES = {"gamma": "gamma", "beta": "beta", "moving_mean": "mean", "moving_variance": "variance"}

#: A layer of the body model within a key: ports put the block before it (model1_1., stages.0., module.).
_BODY_LAYER = re.compile(
    r"(?:^|[./])(?P<layer>conv[1-5]_[1-5](?:_CPM(?:_L[12])?)?|Mconv[1-7]_stage[2-6]_L[12])[./:_]"
    r"(?P<kind>weights?|bias(?:es)?|kernel|[Wb])(?::0)?$"
)


def arrange(network: str, shapes: Shapes, arrays: Arrays, source: Path) -> dict[str, NDArray[np.float32]]:
    """For every parameter (name and shape) its array from the published ones, turned into the network's layout.

    Raises CheckpointError naming the first that is missing or of another shape.
    """
    find, table = _finder(network, _unwrapped(arrays))
    arranged = {}
    for name, shape in shapes.items():
        key = find(name)
        if key not in table:
            raise CheckpointError(f"{source}: holds no {key}, which {name} needs; it has {_some(list(arrays))}")
        arranged[name] = _fitted(name, shape, key, table[key], source)
    if network == "vgg19" and find is _body_model_key:
        _fold_pixel_range(arranged)
    return arranged


@functools.lru_cache(maxsize=1)
def body_model_layers() -> Mapping[str, str]:
    """Layer names of the published body model by this network's: `conv1_1` by `base.vgg_base.layers.0`, and so on."""
    from src.net.openposenet import VGG19_LAYERS  # brings MindSpore

    table: dict[str, str] = {}
    block, number, position = 1, 1, 0
    for width in VGG19_LAYERS:
        if isinstance(width, str):
            block, number, position = block + 1, 1, position + 1
        else:
            table[f"base.vgg_base.layers.{position}"] = f"conv{block}_{number}"
            number, position = number + 1, position + 2
    table.update({f"base.{name}": name for name in ("conv4_3_CPM", "conv4_4_CPM")})
    for branch in ("L1", "L2"):
        table.update({f"stage_1.conv{i}_CPM_{branch}": f"conv5_{i}_CPM_{branch}" for i in range(1, 6)})
        for stage in range(2, 7):
            layers = {f"stage_{stage}.conv{i}_{branch}": f"Mconv{i}_stage{stage}_{branch}" for i in range(1, 8)}
            table.update(layers)
    return table


def _finder(network: str, arrays: Arrays) -> tuple[Callable[[str], str], Arrays]:
    """How a parameter's key is found, and the arrays under such keys."""
    if network == "mobilenet_v2":
        return small_network_key, arrays
    body = {}
    for key, array in arrays.items():
        match = _BODY_LAYER.search(key)
        if match:
            body[f"{match['layer']}.{'bias' if match['kind'][0] == 'b' else 'weight'}"] = array
    return (_body_model_key, body) if body else (_own_key, arrays)


#: What wrappers put before a model's own names, once or several times.
_WRAPPER = re.compile(r"^(?:(?:module|model|network|net|_orig_mod)\.)+")


def _unwrapped(arrays: Arrays) -> Arrays:
    """The arrays also under their names without wrappers' prefixes; a name that is there as it is keeps its array."""
    return {**{_WRAPPER.sub("", key): array for key, array in arrays.items()}, **arrays}


def _body_model_key(name: str) -> str:
    layer, kind = name.rsplit(".", 1)
    return f"{body_model_layers()[layer]}.{kind}"


def small_network_key(name: str) -> str:
    """`Openpose/MConv_Stage1_L1_2_pointwise/BatchNorm/gamma` for `stage_1.L1.1.pointwise.bn.gamma`, and so on."""
    parts = name.split(".")
    kind = f"BatchNorm/{_BATCHNORM_NAMES[parts[-1]]}" if parts[-2] == "bn" else "weight"
    if parts[0] == "base":
        if parts[1] == "conv":
            return f"MobilenetV2/Conv/{kind}"
        block = f"_{parts[2]}" if parts[2] != "0" else ""
        return f"MobilenetV2/expanded_conv{block}/{parts[3]}/{kind}"
    stage = parts[0].split("_")[1]
    return f"Openpose/MConv_Stage{stage}_{parts[1]}_{int(parts[2]) + 1}_{parts[3]}/{kind}"


def _own_key(name: str) -> str:
    """Weights that already have the checkpoint's own names."""
    return name


def _fitted(name: str, shape: tuple[int, ...], key: str, array: Array, source: Path) -> NDArray[np.float32]:
    """The array in the network's layout (out, in, height, width); TensorFlow keeps (height, width, in, out), and
    depthwise (height, width, channels, 1)."""
    layouts = [array]
    if array.ndim == 4:
        layouts += [array.transpose(3, 2, 0, 1), array.transpose(2, 3, 0, 1)]
    for layout in layouts:
        if layout.shape == tuple(shape):
            fitted = np.ascontiguousarray(layout, np.float32)
            if not np.isfinite(fitted).all():
                raise CheckpointError(f"{source}: {key} holds values that are no numbers")
            return fitted
    raise CheckpointError(
        f"{source}: {key} has shape {array.shape}, {name} needs {tuple(shape)}; is it of another model?"
    )


def _fold_pixel_range(arranged: dict[str, NDArray[np.float32]]) -> None:
    """Let the first layer answer to pixels / 255 - 0.5 as it did to pixels / 256 - 0.5."""
    weight, bias = arranged[f"{_FIRST_LAYER}.weight"], arranged[f"{_FIRST_LAYER}.bias"]
    scaled = weight * np.float32(_PIXEL_RANGE / BODY_MODEL_PIXEL_RANGE)
    arranged[f"{_FIRST_LAYER}.bias"] = bias + 0.5 * (scaled - weight).sum(axis=(1, 2, 3))
    arranged[f"{_FIRST_LAYER}.weight"] = scaled


def _some(keys: list[str], shown: int = 3) -> str:
    more = f", … {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(keys[:shown]) + more if keys else "nothing"
