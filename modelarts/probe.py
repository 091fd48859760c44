"""Boot file of the job `probe`: writes what this platform really does to a JSON file, where documents leave it open.

Values that could identify someone or grant access are replaced: of environment variables only those on a list keep
theirs. After the report it waits to be stopped, noting the time, so that the time between SIGTERM and SIGKILL shows.
Needs the standard library only; every other module is looked at if it is there. Below the address `probe_url` it writes
a few bytes, to see how moxing answers about them, and removes them again.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

OUTPUT, ADDRESS = "train_url", "probe_url"
REPORT, HEARTBEAT = "probe.json", "after_sigterm.jsonl"
WAIT_S, SPEED_BYTES = 600.0, 256 << 20
HIDDEN = "<hidden>"
#: Variables whose values say how the job was started and nothing about whose it is.
SHOWN = re.compile(
    r"RANK_(ID|SIZE)|DEVICE_ID|ASCEND_DEVICE_ID|MS_(ROLE|WORKER_NUM|NODE_ID)|OMP_NUM_THREADS|LANG|LC_\w+"
    r"|PYTHON(PATH|HOME|UNBUFFERED|HASHSEED|UTF8|IOENCODING)|MOX_(SILENT_MODE|FILE_\w+)|HCCL_CONNECT_TIMEOUT|WORKSPACE"
    r"|MA_(NUM_GPUS|NUM_HOSTS|TASK_NAME|RUN_METHOD|ENGINE_VERSION|SCHEDULE_CNT|PROC_START_CNT|JOB_KIND|HANG_\w+|DETECT_\w+"
    r"|HOME|MOUNT_PATH|JOB_DIR|LOG_DIR)|VC_(WORKER_NUM|TASK_INDEX)"
)
MODULES = ("mindspore", "numpy", "google.protobuf", "cv2", "yaml", "fsspec", "obs", "moxing", "te", "acl")


def main(argv: Sequence[str]) -> int:
    """Write the report to the folder of --train_url, then wait for SIGTERM; returns 0, or 2 without such a folder."""
    arguments = named(argv)
    output = arguments.get(OUTPUT) or os.environ.get(OUTPUT) or "output"
    if "://" in output:
        sys.stderr.write("probe: train_url must be passed as a folder (pass: folder in probe.yaml)\n")
        return 2
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    watch = Heartbeat(folder / HEARTBEAT)
    signal.signal(signal.SIGTERM, watch.on_signal)
    scratch = Path(arguments.get("scratch_path") or ("/cache" if os.access("/cache", os.W_OK) else "."))
    facts = report(arguments, os.environ, scratch)
    (folder / REPORT).write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    sys.stdout.write(f"probe: wrote {folder / REPORT}; stop the job to measure SIGTERM to SIGKILL, or wait\n")
    sys.stdout.flush()
    watch.wait(float(os.environ.get("PROBE_WAIT_S", WAIT_S)))
    return 0


def named(argv: Sequence[str]) -> dict[str, str]:
    """The arguments `--name=value` by name."""
    return dict(argument[2:].partition("=")[::2] for argument in argv if argument.startswith("--"))


def report(arguments: Mapping[str, str], environment: Mapping[str, str], scratch: Path) -> dict[str, object]:
    """All facts by subject; one that cannot be had is the error's text."""
    subjects: dict[str, Callable[[], object]] = {
        "versions": versions,
        "folders": lambda: {path: folder_facts(Path(path)) for path in ("/cache", "/dev/shm", "/tmp", str(Path.cwd()))},
        "scratch_mb_per_s": lambda: disk_speed(scratch, SPEED_BYTES),
        "moxing": lambda: moxing_facts(arguments.get(ADDRESS, "")),
        "signals": lambda: {"SIGTERM": str(signal.getsignal(signal.SIGTERM)), "pid": os.getpid(), "ppid": os.getppid()},
    }
    return {**start_facts(arguments, environment), **{name: attempt(facts) for name, facts in subjects.items()}}


def start_facts(arguments: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, object]:
    """How this process was started. Costs nothing, so training jobs report it too."""
    subjects: dict[str, Callable[[], object]] = {
        "arguments": lambda: {name: kind_of(value) for name, value in arguments.items()},
        "environment": lambda: shown(environment),
        "rank_table": lambda: rank_table(environment.get("RANK_TABLE_FILE", "")),
        "machine": machine,
    }
    return {name: attempt(facts) for name, facts in subjects.items()}


def attempt(facts: Callable[[], object]) -> object:
    """What the function returns, or the kind of its error: no fact may cost the others."""
    try:
        return facts()
    except Exception as error:  # noqa: BLE001 - whatever a platform's module raises
        return f"{type(error).__name__}"


def shown(environment: Mapping[str, str]) -> dict[str, str]:
    """Every variable's name; its value only if it is on the list."""
    return {name: value if SHOWN.fullmatch(name) else HIDDEN for name, value in sorted(environment.items())}


def kind_of(value: str) -> str:
    """What an argument is, without saying it."""
    if "://" in value:
        return f"{value.partition('://')[0]}:// address"
    return "folder" if value.startswith(("/", "./")) else f"text of {len(value)} characters"


def rank_table(path: str) -> object:
    """The form of the rank table, with every value replaced by its type; numbers of servers and devices stay."""
    if not path:
        return None
    return form_of(json.loads(Path(path).read_text(encoding="utf-8")))


def form_of(value: object) -> object:
    """A JSON value with its leaves replaced by their types."""
    if isinstance(value, dict):
        return {key: form_of(item) for key, item in value.items()}
    return [form_of(item) for item in value] if isinstance(value, list) else type(value).__name__


def versions() -> dict[str, str]:
    """Python, and each module that is there."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.platform()}
    for name in MODULES:
        module = attempt(lambda name=name: importlib.import_module(name))  # type: ignore[misc]
        found[name] = module if isinstance(module, str) else str(getattr(module, "__version__", "present"))
    return found


def machine() -> dict[str, object]:
    """Processors and cards."""
    cards = sorted(path.name for path in Path("/dev").glob("davinci[0-9]*"))
    return {"processors": os.cpu_count(), "usable": len(os.sched_getaffinity(0)), "cards": cards, "uid": os.getuid()}


def folder_facts(path: Path) -> dict[str, object]:
    """Whether a folder is there and writable, and its space in GB."""
    if not path.is_dir():
        return {"exists": False}
    usage = shutil.disk_usage(path)
    return {"exists": True, "writable": os.access(path, os.W_OK), "total": gb(usage.total), "free": gb(usage.free)}


def gb(size: int) -> float:
    """Bytes in gigabytes, one digit."""
    return round(size / 1e9, 1)


def disk_speed(folder: Path, size: int) -> dict[str, float]:
    """Megabytes a second to write `size` bytes to the disk, and to read them again."""
    path, block = folder / ".probe_speed", os.urandom(1 << 20)
    try:
        started = time.monotonic()
        with path.open("wb") as file:
            for _ in range(size >> 20):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        written = time.monotonic()
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
        read = time.monotonic()
    finally:
        path.unlink(missing_ok=True)
    return {"write": round(size / 1e6 / (written - started), 1), "read": round(size / 1e6 / (read - written), 1)}


def moxing_facts(url: str) -> dict[str, object]:
    """What `mox.file` offers, and how it answers about OBS (below `url`) and about a local file: names and types."""
    file = importlib.import_module("moxing").file
    here = str(Path(__file__).parent)
    return {
        "functions": sorted(name for name in dir(file) if not name.startswith("_")),
        "local_stat": attempt(lambda: types_of(file.stat(__file__))),
        "local_scan_dir": attempt(lambda: types_of(next(iter(file.scan_dir(here))))),
        "obs": attempt(lambda: observe_obs(file, url)),
    }


def observe_obs(file: object, url: str) -> dict[str, object]:
    """The answers of moxing's file module about objects below `url`; the code of obs_sync lies beside this folder."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    observed = importlib.import_module("obs_sync.stores.moxing.observed")
    return dict(observed.observe_folder(file, url))


def types_of(value: object) -> dict[str, str]:
    """The public attributes of an object and the types of their values."""
    names = (name for name in dir(value) if not name.startswith("__"))
    return {name: str(attempt(lambda name=name: type(getattr(value, name)).__name__)) for name in names}  # type: ignore[misc]


class Heartbeat:
    """After SIGTERM writes the seconds since then to a file and to the log, every 0.2 s until it is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._since: float | None = None

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Note the time of the first SIGTERM."""
        self._since = self._since or time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait for SIGTERM that long; once it has come, note the time until SIGKILL, for two minutes at most."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._since is not None:
                end = self._since + 120
                self._tell(round(time.monotonic() - self._since, 1))
            time.sleep(0.2)

    def _tell(self, seconds: float) -> None:
        """In the log as well: whether outputs are still uploaded after SIGTERM is not documented."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"seconds_since_sigterm": seconds}) + "\n")
        sys.stdout.write(f"probe: {seconds:.1f} s since SIGTERM\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
