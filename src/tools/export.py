"""Exports a checkpoint as MINDIR, ONNX or AIR, loads the file again and compares its outputs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from src.errors import ConfigError, OutputError
from src.net.formats import INPUT_FORMATS
from src.tools.command import add_settings, make_parser, positive, run_command

FORMATS = ("MINDIR", "ONNX", "AIR")
#: Largest difference of an exported network's outputs, as a share of its largest output.
_TOLERANCE = 1e-3


def _work(arguments: argparse.Namespace) -> int:
    from src.net.build import build_network, choose_device
    from src.net.weights import load_all_weights
    from src.tools.exporting import ENDINGS, check_possible, compare, export_network, sample_outputs

    check_possible(arguments.file_format, arguments.dynamic, choose_device(arguments.device_target))
    height, width = _sides(arguments)
    target = Path(f"{arguments.file_name}{ENDINGS[arguments.file_format]}")
    if target.exists() and not arguments.force:
        raise OutputError(f"{target}: is there already; name another --file_name or give --force")
    network = build_network(arguments.network, arguments.stages)
    load_all_weights(network, arguments.checkpoint, arguments.network, arguments.stages)
    network.set_train(False)
    shape = (arguments.batch_size, 3, height, width)
    samples = sample_outputs(network, [shape, (1, 3, 2 * height, width)] if arguments.dynamic else [shape])
    written = export_network(network, arguments.file_name, arguments.file_format, shape, arguments.dynamic)
    takes = "any shape" if arguments.dynamic else f"shape {shape}"
    size = written.stat().st_size / 1e6
    print(f"{written}: {size:.1f} MB, takes uint8 BGR pictures of {takes}, gives pafs and heatmaps")
    if arguments.file_format == "AIR":
        print("not compared: nothing but the Ascend converter reads AIR")
        return 0
    difference = compare(written, arguments.file_format, samples)
    if not difference.largest <= _TOLERANCE * max(difference.scale, 1e-6):
        raise OutputError(f"{written}: differs from the checkpoint by {difference.largest:.2g}; do not use it")
    print(
        f"loaded again: outputs within {difference.largest:.2g} of the checkpoint's, which reach {difference.scale:.2g}"
    )
    return 0


def _sides(arguments: argparse.Namespace) -> tuple[int, int]:
    multiple = INPUT_FORMATS[arguments.network].multiple
    for name in ("height", "width"):
        if getattr(arguments, name) % multiple:
            raise ConfigError(
                f"{name}: {getattr(arguments, name)} must be a multiple of {multiple} for {arguments.network}"
            )
    return arguments.height, arguments.width


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "export",
        "Export a checkpoint. On CPU: MINDIR with fixed or dynamic shapes, ONNX with fixed ones. AIR needs Ascend.",
        "--checkpoint=models/m.ckpt --network=vgg19 --file_format=ONNX --height=368 --width=496 --file_name=models/m",
        "--checkpoint=models/m.ckpt --network=vgg19 --file_format=MINDIR --dynamic --file_name=models/m",
    )
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="the checkpoint to export")
    parser.add_argument("--file_name", type=Path, required=True, help="the exported file, without its ending")
    parser.add_argument("--file_format", choices=FORMATS, default="MINDIR", help="[%(default)s]")
    parser.add_argument("--height", type=positive, default=368, help="of the pictures, in pixels [%(default)s]")
    parser.add_argument("--width", type=positive, default=496, help="of the pictures, in pixels [%(default)s]")
    parser.add_argument("--batch_size", type=positive, default=1, help="pictures at a time [%(default)s]")
    parser.add_argument("--dynamic", action="store_true", help="take pictures of any number and size (MINDIR)")
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")
    add_settings(parser, "network", "stages", "device_target")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
