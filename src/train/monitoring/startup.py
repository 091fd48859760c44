"""Report on the time before the first step: seconds, files and bytes of each phase, as a table and as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "startup.json"


@dataclass
class Phase:
    """One phase: `size_bytes` is what it moved or made, as `note` says; 0 where there is nothing to count."""

    name: str
    seconds: float = 0.0
    files: int = 0
    size_bytes: int = 0
    note: str = ""


@dataclass
class Startup:
    """The phases of one start in their order; `with startup("indexing") as phase: …` times one."""

    phases: list[Phase] = field(default_factory=list)
    data: Mapping[str, object] = field(default_factory=dict)  # summary of the training data
    platform: Mapping[str, object] = field(default_factory=dict)  # how the platform started this process
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def __call__(self, name: str) -> Iterator[Phase]:
        phase = Phase(name)
        self.phases.append(phase)
        started = time.monotonic()
        try:
            yield phase
        finally:
            phase.seconds = time.monotonic() - started

    def add(self, name: str, seconds: float, size_bytes: int = 0, note: str = "") -> None:
        """Add a phase that was measured elsewhere."""
        self.phases.append(Phase(name, seconds, size_bytes=size_bytes, note=note))

    @property
    def total_s(self) -> float:
        """Seconds from the start to the end of the last phase, including the time between phases."""
        return time.monotonic() - self.began

    def table(self) -> str:
        """The phases in lines of columns."""
        width = max([len(phase.name) for phase in self.phases], default=0)
        lines = [f"{'start-up':{width}} {'seconds':>9} {'files':>8} {'MB':>10}"]
        for phase in self.phases:
            files = f"{phase.files:,}" if phase.files else "-"
            size = f"{phase.size_bytes / 1e6:,.1f}" if phase.size_bytes else "-"
            note = f"  {phase.note}" if phase.note else ""
            lines.append(f"{phase.name:{width}} {phase.seconds:9.2f} {files:>8} {size:>10}{note}")
        lines.append(f"{'to the first step':{width}} {self.total_s:9.2f}")
        return "\n".join(lines)

    def log_table(self, rank: int) -> None:
        """Write the table to the log, once for all ranks."""
        if rank == 0:
            for line in self.table().splitlines():
                logger.info("%s", line)

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {
            "total_s": round(self.total_s, 3),
            "phases": [_rounded(phase) for phase in self.phases],
            "data": self.data,
            "platform": self.platform,
        }

    def write(self, folder: Path) -> Path:
        """Write the report as JSON into a folder; returns the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE_NAME
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        return path


def resident_bytes() -> int:
    """Peak resident memory of this process in bytes; 0 where the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _rounded(phase: Phase) -> dict[str, object]:
    return {**asdict(phase), "seconds": round(phase.seconds, 3)}
