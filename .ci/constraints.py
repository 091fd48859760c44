"""Prints the versions installed in .venv as constraints.txt, each limited to the Python versions that it supports."""

from __future__ import annotations

import importlib.metadata
import sys

from packaging.specifiers import SpecifierSet

OLDEST = "3.10"
NOT_PINNED = {"openpose-modelarts", "pip", "setuptools", "wheel"}


def line(found: importlib.metadata.Distribution) -> str:
    """`name==version`, with a marker where the oldest supported Python needs an older version."""
    pin = f"{found.metadata['Name'].lower().replace('_', '-')}=={found.version}"
    fits = f"{OLDEST}.9" in SpecifierSet(found.metadata.get("Requires-Python") or "")
    return pin if fits else f'{pin}; python_version > "{OLDEST}"'


def main() -> None:
    found = importlib.metadata.distributions()
    lines = sorted({line(one) for one in found if one.metadata["Name"].lower() not in NOT_PINNED})
    sys.stdout.write("# The versions that `make test` was last run with; written by `make constraints`.\n")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
