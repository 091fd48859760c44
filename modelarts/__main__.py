"""Command line for the jobs: `python -m modelarts --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    from modelarts.cli.main import run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
