"""The version of this project, given here only."""

from __future__ import annotations

import argparse

NAME = "openpose-modelarts"
VERSION = "0.2.0"


def add_version(parser: argparse.ArgumentParser) -> None:
    """`--version` prints name and version, and exits."""
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}", help="show the version and exit")
