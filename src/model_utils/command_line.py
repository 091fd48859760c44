"""The boot files' command line: each setting is `--key=value`, grouped in `--help` by the YAML file's headings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from src.actions import hint_text, load_actions
from src.errors import ConfigError
from src.model_utils.setting import Setting
from src.model_utils.unknown import PLATFORM_ARGUMENTS, unknown_setting
from src.version import add_version

#: Short names that the handbook's commands use.
ALIASES = {"-tat": "target_action_type"}
HELP, HELP_ALL = ("-h", "--help"), "--help-all"


def read_arguments(
    argv: Sequence[str],
    settings: Mapping[str, Setting],
    prog: str,
    examples: str = "",
    job: str = "",
    actions_section: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """The settings on the command line as text; prints help and exits when asked to.

    Raises ConfigError for an argument that is neither a setting nor one of the platform's.
    """
    if {*HELP, HELP_ALL} & set(argv):
        own = {name: one for name, one in settings.items() if not job or one.job in ("", job)}
        shown = _with_declared_actions(settings if HELP_ALL in argv else own, argv, actions_section or {})
        _parser(shown, prog, examples, job).print_help()
        sys.exit(0)
    known, unknown = _parser(settings, prog, examples, job).parse_known_args(list(argv))
    _refuse_unknown(unknown, settings, job)
    return dict(vars(known))


class _Parser(argparse.ArgumentParser):
    """Reports what is wrong with the arguments as every other mistake is reported."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"command line: {message}; write it as --key=value")


def _parser(settings: Mapping[str, Setting], prog: str, examples: str, job: str) -> _Parser:
    parser = _Parser(
        prog=prog,
        add_help=False,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Every setting is a hyperparameter --key=value; default_config.yaml holds the defaults.",
        epilog=examples,
        usage=f"{prog} [--key=value ...]",
    )
    aliases = {name: short for short, name in ALIASES.items()}
    groups = {heading: parser.add_argument_group(heading) for heading in _headings(settings, job)}
    for name, setting in settings.items():
        flags = [aliases[name]] if name in aliases else []
        help_text = setting.describe().replace("%", "%%")
        groups[setting.group].add_argument(
            *flags, f"--{name}", metavar="VALUE", default=argparse.SUPPRESS, help=help_text
        )
    other = parser.add_argument_group("help")
    other.add_argument(*HELP, action="store_true", default=argparse.SUPPRESS, help="list the settings of this job")
    other.add_argument(HELP_ALL, action="store_true", default=argparse.SUPPRESS, help="list the settings of all jobs")
    add_version(parser)
    return parser


def _headings(settings: Mapping[str, Setting], job: str) -> list[str]:
    """The headings, those of this job first, then the shared ones, then those of the other job."""
    order = {job: 0, "": 1}
    found = dict.fromkeys((setting.group, setting.job) for setting in settings.values())
    return [group for group, _ in sorted(found, key=lambda one: order.get(one[1], 2))]


def _with_declared_actions(
    settings: Mapping[str, Setting], argv: Sequence[str], actions_section: Mapping[str, object]
) -> Mapping[str, Setting]:
    """The settings with the declared actions, or those of --actions_file, in the help of target_action_type."""
    setting = settings.get("target_action_type")
    if setting is None:
        return settings
    files = [argument.partition("=")[2] for argument in argv if argument.startswith("--actions_file=")]
    declared = hint_text(load_actions((files and files[-1]) or actions_section))
    return {**settings, "target_action_type": replace(setting, help=f"{setting.help}; one of {declared}")}


def _refuse_unknown(arguments: Sequence[str], settings: Mapping[str, Setting], job: str) -> None:
    """ConfigError, naming all of them, for arguments that are not the platform's (`--rank=0` or `--rank 0`)."""
    value_follows = False
    problems: list[str] = []
    for argument in arguments:
        name = argument.split("=", 1)[0]
        if name.startswith("-"):
            value_follows = "=" not in argument
            if not (name.startswith("--") and name[2:] in PLATFORM_ARGUMENTS):
                problems.append(unknown_setting(name.lstrip("-"), settings, job))
        elif value_follows:
            value_follows = False
        else:
            problems.append(f"'{argument}' on the command line is not a setting; write settings as --key=value")
    if problems:
        raise ConfigError("; ".join(problems))
