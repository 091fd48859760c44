"""List, copy, compare and remove files in OBS, or in the local folder that stands in for it.

Exit codes: 0 success; 1 failure, explained in the last line; 2 invalid command; 3 some files failed, or `verify` found
differences; 4 not found; 5 access denied. Every command ends with one summary line on stderr (with --json: one JSON
document on stdout).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import obs_sync
from obs_sync.commands import ALL, Summary
from obs_sync.errors import AccessDenied, InvalidRequest, NotAFile, NotFound, ObsSyncError
from obs_sync.formatting import human_size, one_line, plural, single_line_handler
from obs_sync.settings import MODES
from obs_sync.transfer.result import Incomplete

FAILED, USAGE_ERROR, INCOMPLETE, NOT_FOUND, DENIED = 1, 2, 3, 4, 5
_NOUNS = {"entries": "entry", "objects": "object", "checks": "check"}
DISTRIBUTION = "openpose-modelarts"
EPILOG = """examples:
  python -m obs_sync ls -r obs://bucket/run1/
  python -m obs_sync cp ./data obs://bucket/data --include '*.jpg' --dry-run
  python -m obs_sync cp obs://bucket/run1/best.ckpt ./models/
  python -m obs_sync sync ./data obs://bucket/data --delete
  python -m obs_sync verify ./data obs://bucket/data
  python -m obs_sync --storage_mode obs --endpoint https://obs.cn-north-4.myhuaweicloud.com doctor obs://bucket
access keys are read from OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and OBS_SECURITY_TOKEN"""


class _Parser(argparse.ArgumentParser):
    """Reports invalid arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{message}; see: {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = _Parser(
        prog="python -m obs_sync",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action="version", version=_version(), help="show the version and exit")
    _add_common(main)
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for function, add_arguments in ALL:
        command = commands.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        command.set_defaults(run=function)
        add_arguments(command)
        _add_common(command, default=argparse.SUPPRESS)  # accepted before and after the command's name
    return main


def _version() -> str:
    try:
        return f"obs_sync of {DISTRIBUTION} {importlib.metadata.version(DISTRIBUTION)}"
    except importlib.metadata.PackageNotFoundError:
        return "obs_sync, run from a source folder (not installed)"


def _add_common(to: argparse.ArgumentParser, default: str | None = None) -> None:
    help_of_root = "local mode: the folder that stands in for OBS (default: ./obs_root)"
    off = default or False
    to.add_argument(
        "--storage_mode",
        choices=MODES,
        help="how OBS is accessed (default: OBS_STORAGE_MODE, else auto)",
        default=default,
    )
    to.add_argument("--obs_local_root", help=help_of_root, default=default)
    to.add_argument("--endpoint", help="address of the OBS service (default: OBS_ENDPOINT)", default=default)
    to.add_argument("--json", action="store_true", help="print one JSON document instead of text", default=off)
    to.add_argument("--verbose", action="store_true", help="log every retry", default=off)


def exit_code(error: ObsSyncError) -> int:
    """The exit code for an error."""
    if isinstance(error, Incomplete):
        return INCOMPLETE
    if isinstance(error, NotFound):
        return NOT_FOUND
    if isinstance(error, AccessDenied):
        return DENIED
    return USAGE_ERROR if isinstance(error, (InvalidRequest, NotAFile)) else FAILED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # do not fail on names that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    level = logging.INFO if options.verbose else logging.ERROR
    logging.basicConfig(level=level, handlers=[single_line_handler("%(levelname)s %(message)s")])
    summary: Summary = {"command": options.command}
    code = 0
    try:
        settings: dict[str, str | None] = {
            name: getattr(options, name) for name in ("storage_mode", "obs_local_root", "endpoint")
        }
        summary.update(options.run(obs_sync.filesystem(**settings), options))
    except ObsSyncError as error:
        code = exit_code(error)
        result = getattr(error, "result", None)
        summary.update(result.to_dict() if result is not None and options.json else {})
        summary["error"] = str(error)
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        summary["error"] = "interrupted; run it again to continue"
        code = 130
    if options.json:
        print(json.dumps({**summary, "exit_code": code}, ensure_ascii=False))
    else:
        print(one_line(_line(summary)), file=sys.stderr)
    return code


def _line(summary: Summary) -> str:
    if "error" in summary:
        return f"{summary['command']}: failed: {summary['error']}"
    if "text" in summary:
        return f"{summary['command']}: {summary['text']}"
    facts = [_fact(name, value) for name, value in summary.items() if name != "command"]
    return f"{summary['command']}: {', '.join(facts)}"


def _fact(name: str, value: object) -> str:
    if isinstance(value, int) and name == "bytes":
        return human_size(value)
    return plural(value, _NOUNS[name]) if isinstance(value, int) and name in _NOUNS else f"{value} {name}"


if __name__ == "__main__":
    sys.exit(main())
