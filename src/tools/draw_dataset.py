"""Draws a COCO-format data set of jointed figures, to try the jobs and tools with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from src.data.drawn.dataset import ANNOTATION_FILE, DEFAULT_SIZES, draw_dataset
from src.tools.common.command import make_parser, positive, refuse_existing, run_command, whole


def parse_size(text: str) -> tuple[int, int]:
    """`640x480` as (640, 480)."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and 32 <= int(width) <= 8192 and 32 <= int(height) <= 8192):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 640x480 (each side 32 ... 8192)")
    return int(width), int(height)


def _work(arguments: argparse.Namespace) -> int:
    for part in (ANNOTATION_FILE, "images"):
        refuse_existing(arguments.folder / part, arguments.force, "folder")
    print(
        draw_dataset(arguments.folder, arguments.pictures, arguments.seed, arguments.sizes, first_id=arguments.first_id)
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "draw_dataset",
        "Draw a COCO-format data set of jointed figures, to try the jobs and tools with.",
        "--folder=drawn --pictures=12",
        "--folder=drawn --sizes 640x480 480x640 --seed=3",
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help=f"where images/ and {ANNOTATION_FILE} go", metavar="FOLDER"
    )
    parser.add_argument("--pictures", type=positive, default=200, help="how many [%(default)s]")
    parser.add_argument(
        "--seed", type=whole, default=0, help="the same seed always draws the same pictures [%(default)s]"
    )
    parser.add_argument(
        "--sizes",
        type=parse_size,
        nargs="+",
        default=list(DEFAULT_SIZES),
        metavar="WxH",
        help="sizes that take turns [" + " ".join(f"{width}x{height}" for width, height in DEFAULT_SIZES) + "]",
    )
    parser.add_argument(
        "--first_id", type=positive, default=1, help="id and file name of the first picture [%(default)s]"
    )
    parser.add_argument("--force", action="store_true", help="draw over a data set that is there already")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
