"""Exports a checkpoint as MINDIR, ONNX or AIR, loads the file again and compares its outputs."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from src.errors import ConfigError, OutputError
from src.net.formats import INPUT_FORMATS, require_checkpoint
from src.tools.common.command import add_settings, make_parser, positive, refuse_existing, run_command

logger = logging.getLogger(__name__)

FORMATS = ("MINDIR", "ONNX", "AIR")


def _work(arguments: argparse.Namespace) -> int:
    require_checkpoint(arguments.checkpoint)
    from src.net.build import choose_device
    from src.net.exporting import ENDINGS, check_possible, compare, export_network, sample_outputs
    from src.net.loading import load_network

    check_possible(arguments.file_format, arguments.dynamic, choose_device(arguments.device_target))
    target = Path(f"{arguments.file_name}{ENDINGS[arguments.file_format]}")
    refuse_existing(target, arguments.force, "file_name", [arguments.checkpoint])
    network, name, *_ = load_network(arguments.checkpoint, arguments.network, arguments.stages)
    height, width = _sides(arguments, name)
    network.set_train(False)
    shape = (arguments.batch_size, 3, height, width)
    compared = "not compared: nothing but the Ascend converter reads AIR"
    with _folder_beside(target) as aside:  # what is compared there replaces nothing until it has passed
        shapes = [] if arguments.file_format == "AIR" else [shape]
        samples = sample_outputs(network, [*shapes, (1, 3, 2 * height, width)] if arguments.dynamic else shapes)
        logger.info("exporting, this takes a while")
        written = export_network(
            network, aside / arguments.file_name.name, arguments.file_format, shape, arguments.dynamic
        )
        if samples:
            logger.info("loading %s again and comparing it", target.name)
            difference = compare(written, arguments.file_format, samples)
            if not difference.is_small:
                raise OutputError(
                    f"{target}: would differ from the checkpoint by {difference.largest:.2g}; not written"
                )
            compared = (
                f"loaded again: outputs within {difference.largest:.2g} of the checkpoint's, "
                f"which reach {difference.scale:.2g}"
            )
        written.replace(target)
    takes = "any shape" if arguments.dynamic else f"shape {shape}"
    size = target.stat().st_size / 1e6
    print(f"{target}: {size:.1f} MB, takes uint8 BGR pictures of {takes}, gives pafs and heatmaps")
    print(compared)
    return 0


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A folder for the time being on the disk of `target`; OutputError where none can be made."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=target.parent, prefix=".export_")
    except OSError as error:
        raise OutputError(f"{target.parent}: cannot be written: {error.strerror or error}") from None
    with folder as name:
        yield Path(name)


def _sides(arguments: argparse.Namespace, network: str) -> tuple[int, int]:
    multiple = INPUT_FORMATS[network].multiple
    for name in ("height", "width"):
        if getattr(arguments, name) % multiple:
            raise ConfigError(f"{name}: {getattr(arguments, name)} must be a multiple of {multiple} for {network}")
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
