"""Exports a checkpoint for engine=onnxruntime: an ONNX file that takes pictures of any size, compared when written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.errors import CheckpointError, OutputError
from src.files import atomic_path, writing
from src.infer.onnx_network import ENDING, load_onnx
from src.infer.shapes import PADDING
from src.pose import DecodeSettings
from src.tools.common.command import add_settings, make_parser, refuse_existing, run_command

#: Sides (height, width) of the pictures on which both are compared, in pixels: multiples of 16 for every network.
COMPARED = ((96, 128), (160, 112))
TOLERANCE = 1e-3


def _work(arguments: argparse.Namespace) -> int:
    if not arguments.checkpoint.is_file():
        raise CheckpointError(f"{arguments.checkpoint}: no such checkpoint file")
    target = arguments.output or arguments.checkpoint.with_suffix(ENDING)
    if target.suffix != ENDING:
        raise OutputError(f"{target}: the name must end in {ENDING}")
    refuse_existing(target, arguments.force, "output", [arguments.checkpoint])
    import mindspore as ms

    from src.net.build import choose_device
    from src.net.loading import load_network
    from src.net.onnx_graph import onnx_model

    choose_device("CPU")
    loaded = load_network(arguments.checkpoint, arguments.network, arguments.stages)
    cell = loaded.cell.set_train(False)
    pictures = [_picture(*sides) for sides in COMPARED]
    wanted = [
        [maps[-1].asnumpy()[0] for maps in cell(ms.Tensor(one.transpose(2, 0, 1)[None].copy()))] for one in pictures
    ]
    model = onnx_model(cell, loaded.name, loaded.stages)
    with writing(target), atomic_path(target, suffix=ENDING) as aside:
        aside.write_bytes(model.SerializeToString())
        network = load_onnx(aside, loaded.name, min(COMPARED[0]), DecodeSettings())
        given = [network.forward([one])[0] for one in pictures]
        largest = max(
            float(np.abs(a - b).max()) for two, one in zip(wanted, given) for a, b in zip(two, (one.pafs, one.heatmaps))
        )
        if not largest <= TOLERANCE:
            raise OutputError(f"{target}: would differ from the checkpoint by {largest:.2g}; not written")
    size_mb = target.stat().st_size / 1e6
    print(f"{target}: {size_mb:.1f} MB, takes uint8 BGR pictures of any size, gives pafs and heatmaps")
    print(f"loaded again: outputs within {largest:.2g} of the checkpoint's")
    return 0


def _picture(height: int, width: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Noise beside padding."""
    picture = np.full((height, width, 3), PADDING, np.uint8)
    picture[:, : width // 2] = np.random.default_rng(height).integers(0, 256, (height, width // 2, 3))
    return picture


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "export_onnx",
        "Write a checkpoint's network as an ONNX file for inference with engine=onnxruntime, without MindSpore.",
        "--checkpoint=models/m.ckpt",
        "--checkpoint=models/m.ckpt --output=laptop/m.onnx",
    )
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="the checkpoint to export")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the ONNX file [beside the checkpoint]")
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")
    add_settings(parser, "network", "stages")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
