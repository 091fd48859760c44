"""Turn published weights into a MindSpore checkpoint for `test_tmp.py` and `train_start.py`.

    python -m src.tools.import_weights --input openpose_mobilenet_v2.npz --network mobilenet_v2 --output m.ckpt
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.errors import CheckpointError, JobError
from src.net.build import ARCHITECTURES, build_network
from src.train.checkpoint import network_meta, write_checkpoint

BATCHNORM_NAMES = {"gamma": "gamma", "beta": "beta", "moving_mean": "mean", "moving_variance": "variance"}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m src.tools.import_weights",
        description="Turn published weights (.npz) into a MindSpore checkpoint.",
        epilog="example: python -m src.tools.import_weights --input openpose_mobilenet_v2.npz "
        "--network mobilenet_v2 --output models/m.ckpt",
    )
    parser.add_argument("--input", required=True, type=Path, help="weights file (.npz)")
    parser.add_argument("--network", required=True, choices=sorted(ARCHITECTURES), help="network they belong to")
    parser.add_argument("--stages", type=int, default=6, help="number of stages of the network [default: 6]")
    parser.add_argument("--output", required=True, type=Path, help="checkpoint to write (.ckpt)")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        count = import_weights(arguments.input, arguments.network, arguments.stages, arguments.output)
    except JobError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{arguments.output}: {count} parameters of {arguments.network} from {arguments.input}")
    return 0


def import_weights(source: Path, network_name: str, stages: int, target: Path) -> int:
    """Write the checkpoint and return its number of parameters.

    Raises CheckpointError when the file cannot be read, a parameter is missing or a shape differs, or `target` exists.
    """
    if target.exists():
        raise CheckpointError(f"{target}: exists already; name another output file or remove it")
    arrays = _read_arrays(source)
    network = build_network(network_name, stages)
    translate = {"mobilenet_v2": _mobilenet_array, "vgg19": _same_name}[network_name]
    for parameter in network.get_parameters():
        array = translate(parameter.name, arrays, source)
        if array.shape != parameter.shape:
            raise CheckpointError(
                f"{source}: {parameter.name} has shape {array.shape}, network={network_name} needs {parameter.shape}"
            )
        parameter.set_data(parameter.init_data().from_numpy(np.ascontiguousarray(array, np.float32)))
    write_checkpoint(network, target, network_meta(network_name, stages, imported_from=source.name))
    return len(list(network.get_parameters()))


def _read_arrays(source: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(source, allow_pickle=False) as archive:
            return dict(archive.items())
    except FileNotFoundError:
        raise CheckpointError(f"{source}: no such weights file") from None
    except (OSError, ValueError, AttributeError, EOFError) as error:
        raise CheckpointError(f"{source}: not an .npz weights file ({error})") from None


def _mobilenet_array(name: str, arrays: Mapping[str, NDArray[Any]], source: Path) -> NDArray[Any]:
    """The array for a MindSpore parameter name; convolutions come as (kh, kw, in, out), depthwise as (kh, kw, channels, 1)."""
    layer, kind = _published_name(name)
    key = f"{layer}/{kind}"
    if key not in arrays:
        raise CheckpointError(f"{source}: holds no {key}, which {name} needs")
    array = arrays[key]
    if array.ndim == 4:
        return array.transpose(2, 3, 0, 1) if layer.endswith("depthwise") else array.transpose(3, 2, 0, 1)
    return array


def _published_name(name: str) -> tuple[str, str]:
    """('Openpose/MConv_Stage1_L1_2_pointwise', 'BatchNorm/gamma') for 'stage_1.L1.1.pointwise.bn.gamma', and so on."""
    parts = name.split(".")
    kind = f"BatchNorm/{BATCHNORM_NAMES[parts[-1]]}" if parts[-2] == "bn" else "weight"
    if parts[0] == "base":
        if parts[1] == "conv":
            return "MobilenetV2/Conv", kind
        block = f"_{parts[2]}" if parts[2] != "0" else ""
        return f"MobilenetV2/expanded_conv{block}/{parts[3]}", kind
    stage = parts[0].split("_")[1]
    return f"Openpose/MConv_Stage{stage}_{parts[1]}_{int(parts[2]) + 1}_{parts[3]}", kind


def _same_name(name: str, arrays: Mapping[str, NDArray[Any]], source: Path) -> NDArray[Any]:
    if name not in arrays:
        raise CheckpointError(f"{source}: holds no {name}; it wants arrays under the checkpoint's own parameter names")
    return arrays[name]


if __name__ == "__main__":
    sys.exit(main())
