"""`python -m src.tools` lists the tools; each is started as `python -m src.tools.NAME`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def tools() -> dict[str, str]:
    """Each tool's name and what it does, read from its file without importing it."""
    files = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
    return {path.stem: _first_line(path) for path in files}


def main() -> int:
    """Print the list; any argument is an unknown tool."""
    wanted = [argument for argument in sys.argv[1:] if argument not in ("-h", "--help")]
    if wanted:
        print(f"error: run a tool as python -m src.tools.NAME; tools: {', '.join(tools())}", file=sys.stderr)
        return 2
    width = max(map(len, tools()))
    print("usage: python -m src.tools.NAME --help\n")
    for name, line in tools().items():
        print(f"  {name:<{width}}  {line}")
    return 0


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
