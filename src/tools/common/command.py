"""What the tools' command lines share: one line and an exit code for what goes wrong, and shared argument types."""

from __future__ import annotations

import argparse
import functools
import io
import logging
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from src.checks import nearest_word
from src.errors import ConfigError, JobError, OutputError
from src.interrupts import INTERRUPTED, leave_half_imported
from src.model_utils.config import read_settings, setting_types
from src.model_utils.setting import Value, convert
from src.tools.common.one_line import OneLineFormatter, one_line
from src.version import add_version

#: Anything a tool did not foresee in a file it was given.
FAILED = 1


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        unknown = message.rpartition("unrecognized arguments: ")[2].split("=")[0]
        near = nearest_word(unknown, self._option_string_actions)
        hint = f"; did you mean {near}?" if near else ""
        raise ConfigError(f"{message}{hint}; --help lists the arguments")


def make_parser(tool: str, description: str, *examples: str) -> argparse.ArgumentParser:
    """The parser of `python -m src.tools.<tool>`; `examples` are the arguments of calls that work."""
    lines = "\n".join(f"  python -m src.tools.{tool} {example}" for example in examples)
    parser = _Parser(
        prog=f"python -m src.tools.{tool}",
        description=description,
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    return parser


_SAID_BY_CHECKPOINT = ("network", "stages")


def add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """Arguments that are settings of the jobs: name, type, range, help and default as in default_config.yaml.

    `network` and `stages` are None unless given: a checkpoint says them itself.
    """
    settings, _ = read_settings()
    types = setting_types()
    for name in names:
        setting, kind = settings[name], types[name]
        parse = functools.partial(convert, name, kind=kind, setting=setting)
        help_text = setting.describe().replace("%", "%%")
        default: Value | None = parse(setting.value)
        if name in _SAID_BY_CHECKPOINT:
            default, help_text = None, f"{setting.help} [default: what the checkpoint says]".replace("%", "%%")
        parser.add_argument(f"--{name}", type=parse, default=default, metavar="VALUE", help=help_text)


def run_command(
    work: Callable[[argparse.Namespace], int], parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> int:
    """Parse, work, and turn every expected error into one line on stderr; returns the exit code.

    0 done, 1 storage or system, 2 wrong arguments or input, 3 done but incomplete, 130 interrupted.
    """
    os.environ.setdefault("GLOG_v", "3")  # MindSpore's own warnings; must precede its import
    handler = logging.StreamHandler()
    handler.setFormatter(OneLineFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs that it builds its font cache
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be Unicode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return work(parser.parse_args(argv))
    except JobError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # the storage's errors are kinds of it
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        leave_half_imported(INTERRUPTED)
        return INTERRUPTED


def positive(text: str) -> int:
    """A whole number of at least 1, as an argument's type."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def whole(text: str) -> int:
    """A whole number of at least 0, as an argument's type."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 0")
    return int(text)


def not_negative(text: str) -> float:
    """A number of at least 0, as an argument's type."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least 0")
    return number


def refuse_existing(path: Path, force: bool, option: str, inputs: Iterable[Path] = ()) -> None:
    """OutputError where a result is there already and may not be replaced; `option` is the argument that names it.

    One of the `inputs` is never replaced.
    """
    if path.resolve() in {each.resolve() for each in inputs}:
        raise OutputError(f"{path}: is read here and would be replaced; name another --{option}")
    if path.exists() and not force:
        raise OutputError(f"{path}: already exists; name another --{option} or give --force")
