"""State files of dry runs: written by the running one, read by `list`, `status`, `logs` and `stop`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from src.errors import JobError
from src.files import write_atomically
from src.fill import fill
from src.processes import is_running

WORK_FOLDER = Path("work") / "dryrun"
STATE_FILE, STOP_FILE = "state.json", "stop"
SHORTEST_ID = 4
_RUNNING_PHASES = ("Creating", "Running")


@dataclass(frozen=True)
class DryRunState:
    """One dry run, in the terms of the platform's API; times are local, "2026-11-27 18:30:00".

    `values`: the boot file's arguments. `changes` and `options` are those of the command line, for a rebuild.
    `pid_started` distinguishes the process from a later one with the same number. `log_file` is the first node's log,
    `log_files` has all nodes'. `started_s`, in seconds since 1970, orders those that start within one second.
    """

    id: str
    name: str
    job: str
    phase: str
    pid: int
    outputs: tuple[str, ...]
    log_path: str
    log_file: str
    started: str
    starts: int = 0
    exit_code: int | None = None
    message: str = ""
    local_root: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    ended: str = ""
    pid_started: float = 0.0
    changes: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    log_files: tuple[str, ...] = ()
    started_s: float = 0.0

    @property
    def is_running(self) -> bool:
        """Whether it runs and its process is alive."""
        return self.phase in _RUNNING_PHASES and is_running(self.pid, self.pid_started)

    @property
    def changed(self) -> dict[str, str]:
        """The values that the command line changed."""
        values = self.changes.get("values")
        return {str(k): str(v) for k, v in values.items()} if isinstance(values, Mapping) else {}

    @property
    def given_name(self) -> str:
        """The name that the command line gave; empty when it is the definition's."""
        return str(self.changes.get("name") or "")

    def logs(self) -> dict[str, Path]:
        """The nodes' logs by the node's name (worker-0, worker-1, …); they may not exist yet."""
        return {f"worker-{node}": Path(name) for node, name in enumerate(self.log_files or [self.log_file])}

    def seconds(self, now: datetime | None = None) -> float:
        """How long it ran, or has been running until `now`."""
        end = datetime.fromisoformat(self.ended) if self.ended else now or datetime.now()
        return max((end - datetime.fromisoformat(self.started)).total_seconds(), 0.0)


def write_state(state: DryRunState, folder: Path) -> None:
    """Replace the state in the dry run's folder."""
    write_atomically(folder / STATE_FILE, json.dumps(asdict(state), ensure_ascii=False, indent=1, default=str))


def dry_runs(work: Path = WORK_FOLDER) -> list[DryRunState]:
    """All dry runs with a readable state, oldest first; one whose process is gone is Abnormal."""
    found = []
    for path in work.glob(f"*/{STATE_FILE}"):
        with contextlib.suppress(ValueError, TypeError, OSError, AttributeError, KeyError):
            state = _from_json(json.loads(path.read_text(encoding="utf-8")))
            gone = state.phase in _RUNNING_PHASES and not state.is_running
            found.append(replace(state, phase="Abnormal", message="its process has ended") if gone else state)
    return sorted(found, key=lambda state: (state.started, state.started_s))


def find_dry_run(word: str, work: Path = WORK_FOLDER) -> DryRunState | None:
    """The dry run with this id or a unique prefix of it (4 characters or more), else the newest of this name."""
    states = dry_runs(work)
    exact = [state for state in states if state.id == word]
    by_start = [state for state in states if len(word) >= SHORTEST_ID and state.id.startswith(word)]
    by_name = [state for state in states if word and state.given_name == word][-1:]
    return next((found[0] for found in (exact, by_start, by_name) if len(found) == 1), None)


def ask_to_stop(state: DryRunState, work: Path = WORK_FOLDER) -> None:
    """Have a dry run send SIGTERM to its processes and SIGKILL 15 seconds later; JobError if it is not running."""
    if not state.is_running:
        raise JobError(f"dry run {state.id} is not running: it is {state.phase}")
    (work / state.id / STOP_FILE).touch()


def _from_json(raw: Mapping[str, object]) -> DryRunState:
    """A state from its JSON; unknown keys, of later versions, are ignored."""
    known = {one.name for one in fields(DryRunState)}
    given = {"outputs": raw["outputs"], "log_files": raw.get("log_files", [])}
    lists = {name: tuple(map(str, cast("list[object]", each))) for name, each in given.items()}
    state = fill(DryRunState, {**{key: value for key, value in raw.items() if key in known}, **lists})
    datetime.fromisoformat(state.started)
    return state
