"""The command line of `python -m modelarts`: its commands, options and examples."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Callable, NoReturn

from modelarts.cli import commands
from modelarts.cli.answer import Answer
from modelarts.cli.dry_run import dry_run
from modelarts.dryrun.dryrun import FRESH, SAME
from modelarts.dryrun.state import WORK_FOLDER
from obs_sync import ObsSyncError
from obs_sync.formatting import single_line_handler
from obs_sync.settings import MODES
from src.errors import ConfigError, JobError, exit_code_of
from src.interrupts import INTERRUPTED
from src.version import add_version

EPILOG = """examples:
  python -m modelarts jobs
  python -m modelarts show infer --console
  python -m modelarts check train_np4 --set batch_size=16
  python -m modelarts dry-run train_np1 --set network=mobilenet_v2 insize=64 batch_size=2 data_url=./coco
  python -m modelarts upload-code infer --storage_mode obs
  python -m modelarts submit infer --set target_action_type=climb_over_fence
  python -m modelarts submit train_np4 --print
  python -m modelarts rebuild opps_ms15_eval_for_recurrence1_2 --set target_action_type=climb_up
  python -m modelarts logs 4f1c2d77-95f6-4c1b-8d5a-3a8e0f6f2b10 --follow

exit codes:
  0    success
  1    the job or the storage failed
  2    wrong definition, configuration or command line, or a missing input
  4    the platform refused the request
  5    the platform cannot be reached, or its certificate is not trusted
  124  a dry run exceeded --timeout
  130  interrupted
  143  a dry run was stopped
  dry-run ends with the first non-zero exit code of the job's own processes (README.md, exit codes)

docs/console.md, step 8, describes how to set up access to the platform and to OBS.
"""

EXAMPLES = {
    "jobs": ["jobs --json"],
    "show": ["show train_np4", "show infer --console", "show train_np1 --set lr=1e-3 --json"],
    "check": ["check", "check train_np4 --set batch_size=16", "check infer --storage_mode obs"],
    "dry-run": [
        "dry-run infer --storage_mode local --set infer_insize=64",
        "dry-run train_np1 --set network=mobilenet_v2 insize=64 batch_size=2 data_url=./coco max_epoch_train=1",
        "dry-run train_np4 --nodes 2 --cards 2 --set network=mobilenet_v2 insize=64 data_url=obs://bucket/coco/",
        "dry-run train_np4 --cards 2 --restarts 1 --restart-in same --timeout 600 --set data_url=obs://bucket/coco/",
    ],
    "submit": ["submit infer --set target_action_type=climb_over_fence", "submit train_np4 --print"],
    "rebuild": [
        "rebuild infer --set target_action_type=climb_over_fence",
        "rebuild 4f1c2d77-95f6-4c1b-8d5a-3a8e0f6f2b10 --set max_epoch_train=20 --name longer --print",
        "rebuild a_job_made_in_the_console --set lr=1e-5",
        "rebuild 4f1c --set lr=1e-5",
    ],
    "list": ["list", "list --cloud-only --limit 50 --json"],
    "status": ["status 4f1c2d77-95f6-4c1b-8d5a-3a8e0f6f2b10", "status 4f1c"],
    "logs": ["logs 4f1c2d77-95f6-4c1b-8d5a-3a8e0f6f2b10 --follow", "logs 4f1c"],
    "offers": ["offers", "offers --json"],
    "stop": ["stop 4f1c2d77-95f6-4c1b-8d5a-3a8e0f6f2b10"],
    "upload-code": ["upload-code infer --storage_mode obs", "upload-code train_np1 --only-list"],
}


#: Earlier spellings of options, which still work.
OLD_SPELLINGS = {"--storage": "--storage_mode", "--obs-local-root": "--obs_local_root"}


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    handler = single_line_handler("%(levelname)s: %(message)s")
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    arguments, notes = respelled(sys.argv[1:] if argv is None else argv)
    _print_notes(notes)
    try:
        options = make_parser().parse_args(arguments)
        answer = options.command(options, _print_aside if options.json else _print)
    except (JobError, ObsSyncError) as error:
        print(error, file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    _print_notes(answer.notes)
    _print_answer(answer, options.json)
    return int(answer.exit_code)


def respelled(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments with the current spelling of options, and a note for each earlier spelling."""
    arguments, notes = [], []
    for argument in argv:
        name, equals, value = argument.partition("=")
        if name in OLD_SPELLINGS:
            notes.append(f"{name} is now spelled {OLD_SPELLINGS[name]}")
            name = OLD_SPELLINGS[name]
        arguments.append(name + equals + value)
    return arguments, notes


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _print_answer(answer: Answer, as_json: bool) -> None:
    try:
        if as_json:
            print(json.dumps(answer.data, ensure_ascii=False, indent=2))
        elif answer.text:
            print(answer.text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (`... | head`) has closed; nothing may be written there at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print(text: str) -> None:
    print(text, end="", flush=True)


def _print_aside(text: str) -> None:
    print(text, end="", flush=True, file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Reports invalid arguments in one line, like any other mistake."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see: {self.prog} --help")


def make_parser() -> _Parser:
    """The parser of all commands; `options.command` is the function that runs the chosen one."""
    parser = _Parser(
        prog="python -m modelarts",
        description="Show, check, dry-run, submit and follow the jobs in modelarts/jobs/*.yaml.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(parser)
    where, storage, changes, job = _where(), _storage(), _changes(), _job()
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, help: str, parents: list[_Parser]) -> _Parser:
        examples = "".join(f"  python -m modelarts {line}\n" for line in EXAMPLES[name])
        raw = argparse.RawDescriptionHelpFormatter
        return subparsers.add_parser(
            name, epilog=f"examples:\n{examples}", formatter_class=raw, help=help, parents=parents
        )

    base = _Parser(add_help=False)
    base.add_argument("--json", action="store_true", help="print JSON, for scripts")
    base.add_argument("--work", type=Path, default=WORK_FOLDER, help=f"folder of dry runs (default {WORK_FOLDER})")

    one = add("jobs", help="list the declared jobs", parents=[base, where])
    one.set_defaults(command=commands.jobs)

    one = add("show", help="print a job", parents=[base, where, changes, job])
    one.add_argument("--console", action="store_true", help="print the table to copy into the console's form")
    one.set_defaults(command=commands.show)

    one = add("check", help="report every mistake, one per line", parents=[base, where, changes, storage, _cloud()])
    one.add_argument("job", nargs="*", metavar="JOB", help="jobs to check; default: all")
    one.set_defaults(command=commands.check)

    one = add(
        "dry-run", help="run a job on this machine as the platform would", parents=[base, where, changes, storage, job]
    )
    _add_dry_run(one)

    one = add("submit", help="create the job on the platform", parents=[base, where, changes, storage, _cloud(), job])
    one.add_argument("--print", action="store_true", help="print the request's body instead of sending it")
    one.set_defaults(command=commands.submit)

    one = add(
        "rebuild",
        help="create the same job again with other values",
        parents=[base, where, changes, storage, _cloud()],
    )
    one.add_argument("job", metavar="JOB_OR_ID", help="a declared job, a dry run, or the id or name of a platform job")
    one.add_argument("--print", action="store_true", help="print the request's body instead of sending it")
    one.set_defaults(command=commands.rebuild)

    one = add("list", help="jobs of the platform and dry runs, newest last", parents=[base, _cloud()])
    one.add_argument("--limit", type=int, default=20, help="jobs of the platform to show (default 20)")
    one.add_argument("--cloud-only", action="store_true", help="omit dry runs; fail if the platform cannot be accessed")
    one.set_defaults(command=commands.list_jobs)

    one = add("offers", help="list the platform's engines and flavours", parents=[base, _cloud()])
    one.set_defaults(command=commands.offers)

    _add_followers(add, [base, _cloud()])

    one = add("upload-code", help="copy the code to the jobs' code dirs", parents=[base, where, storage])
    one.add_argument("job", nargs="*", metavar="JOB", help="jobs; default: all")
    one.add_argument("--only-list", action="store_true", help="only list what would be copied")
    one.set_defaults(command=commands.upload)
    return parser


def _add_followers(add: Callable[[str, str, list[_Parser]], _Parser], parents: list[_Parser]) -> None:
    """The commands that take the id of a job that was created."""
    for name, command, help_text in (
        ("status", commands.status, "show the status of a job"),
        ("logs", commands.logs, "print a job's log"),
        ("stop", commands.stop, "stop a job"),
    ):
        one = add(name, help_text, parents)
        one.add_argument(
            "id",
            metavar="ID",
            help="a job's id or name on the platform, or a dry run's id (4 characters are enough) or name",
        )
        one.set_defaults(command=command)
        if name == "logs":
            one.add_argument("--follow", action="store_true", help="follow the log until the job ends")
            one.add_argument("--task", default="", help="which node's log, such as worker-1 (default: the first)")


def _job() -> _Parser:
    part = _Parser(add_help=False)
    part.add_argument("job", metavar="JOB", help="file name in modelarts/jobs, console name, or path of a YAML file")
    return part


def _where() -> _Parser:
    part = _Parser(add_help=False)
    part.add_argument("--bucket", default="", help="bucket to use instead of the one in modelarts/jobs/common.yaml")
    part.add_argument("--prefix", default="", help="prefix to use instead of the one there")
    return part


def _changes() -> _Parser:
    part = _Parser(add_help=False)
    part.add_argument(
        "--set",
        nargs="+",
        action="append",
        metavar="key=value",
        help="hyperparameters and addresses of inputs and outputs to change",
    )
    part.add_argument("--name", default="", help="the job's name instead of the declared one")
    part.add_argument("--cards", type=int, default=0, help="cards per node, instead of the declared number")
    part.add_argument(
        "--nodes", type=int, default=0, help="nodes, instead of the declared number; a dry run simulates them"
    )
    part.add_argument("--flavour", default="", help="specification to run on; `offers` lists them")
    part.add_argument("--pool", default="", help="id of the dedicated resource pool to run in")
    part.add_argument(
        "--pass",
        dest="pass_as",
        choices=["folder", "url"],
        default="",
        help="pass inputs and outputs as folders that the platform syncs, or as obs:// addresses",
    )
    return part


def _storage() -> _Parser:
    part = _Parser(add_help=False)
    part.add_argument("--storage_mode", choices=MODES, default="auto", help="how OBS is accessed here (default auto)")
    part.add_argument(
        "--obs_local_root",
        type=Path,
        default=Path("obs_root"),
        metavar="FOLDER",
        help="folder that stands in for OBS with --storage_mode local (default ./obs_root)",
    )
    return part


def _cloud() -> _Parser:
    part = _Parser(add_help=False)
    part.add_argument("--profile", default="", help="section of ~/.huaweicloud/credentials to use")
    part.add_argument("--workspace", default="", help="id of the workspace, instead of those in modelarts/jobs")
    return part


def _add_dry_run(one: argparse.ArgumentParser) -> None:
    one.add_argument("--restarts", type=int, default=-1, help="automatic restarts (default: as the job declares)")
    one.add_argument(
        "--restart-in",
        choices=[FRESH, SAME],
        default=FRESH,
        help="container for restarts (default fresh)",
    )
    one.add_argument(
        "--sync-every", type=float, default=30.0, metavar="S", help="seconds between copies of the outputs (default 30)"
    )
    one.add_argument("--timeout", type=float, default=None, metavar="S", help="end the job after this many seconds")
    one.add_argument("--no-requirements", action="store_true", help="do not install requirements.txt")
    one.add_argument("--keep", action="store_true", help="keep the container of a completed job")
    one.set_defaults(command=dry_run)
