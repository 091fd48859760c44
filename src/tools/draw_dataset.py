"""Draws a COCO-format data set of jointed figures: `python -m src.tools.draw_dataset --folder data/drawn`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from src.data.synthetic import DEFAULT_SIZES, draw_dataset
from src.errors import JobError


def parse_size(text: str) -> tuple[int, int]:
    """`640x480` as (640, 480)."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and 32 <= int(width) <= 8192 and 32 <= int(height) <= 8192):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 640x480 (each side 32 ... 8192)")
    return int(width), int(height)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m src.tools.draw_dataset", description=__doc__)
    parser.add_argument("--folder", required=True, help="where images/ and annotations/person_keypoints.json go")
    parser.add_argument("--pictures", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed always draws the same pictures")
    parser.add_argument("--sizes", type=parse_size, nargs="+", default=list(DEFAULT_SIZES), metavar="WxH")
    parser.add_argument("--first_id", type=int, default=1, help="id and file name of the first picture")
    arguments = parser.parse_args(argv)
    try:
        target = draw_dataset(
            arguments.folder, arguments.pictures, arguments.seed, arguments.sizes, first_id=arguments.first_id
        )
    except (JobError, OSError) as error:
        print(error, file=sys.stderr)
        return getattr(error, "exit_code", 1)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
