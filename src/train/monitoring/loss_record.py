"""The loss record: one JSON line a step, and the same as TensorBoard scalars."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from src.files import write_atomically, writing
from src.train.monitoring.record_view import RecordLine, parse_line, record_view

if TYPE_CHECKING:
    from typing_extensions import Unpack

logger = logging.getLogger(__name__)

SCALARS_FILE = "events.out.tfevents.rank0"
SCALARS_POINTS = 10_000
SCALARS = (
    "loss",
    "loss_share",
    "lr",
    "data_wait_share",
    "step_s",
    "val_loss",
    "val_share",
    "val_ap",
    "val_pck",
    "val_recall",
)


def record_name(rank: int) -> str:
    """The file name of a rank's loss record."""
    return f"loss-rank{rank}.jsonl"


class LossRecord:
    """Appends to `<folder>/loss-rank<rank>.jsonl`; lines after `first_step`, of an interrupted run, are cut off.

    The line of step 0, before training, has only the entries of a validation. Raises OutputError when the folder
    cannot be written; later, lines that do not fit on the disk wait in memory.
    """

    def __init__(self, folder: Path, rank: int, first_step: int) -> None:
        self.path = folder / record_name(rank)
        self._waiting: list[RecordLine] = []
        old = read_record(self.path) if first_step > 0 else []
        kept = _as_lines(line for line in old if line["global_step"] <= first_step)
        self._whole_bytes = len(kept)
        with writing(self.path):
            write_atomically(self.path, kept)

    def add(self, **line: Unpack[RecordLine]) -> None:
        """Take the values of a step; `flush` writes them with the time."""
        self._waiting.append({"time": round(time.time(), 3), **line})

    def flush(self) -> None:
        """Append all pending lines to the file; lines that cannot be written are retried with the next flush."""
        try:
            self._append()
        except OSError as error:
            logger.warning("%s: cannot be written now, will retry: %s", self.path, error.strerror)

    def _append(self) -> None:
        content = _as_lines(self._waiting)
        with self.path.open("r+b") as file:
            file.truncate(self._whole_bytes)  # drop a line truncated by a full disk
            file.seek(self._whole_bytes)
            file.write(content)
        self._whole_bytes += len(content)
        self._waiting.clear()

    def __enter__(self) -> LossRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()


def _as_lines(lines: Iterable[RecordLine]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def read_record(path: Path) -> list[RecordLine]:
    """The lines of a record; an incomplete last line is dropped."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        return [line for raw in file if (line := parse_line(raw)) is not None]


def write_scalars(path: Path, total_steps: int) -> Path | None:
    """Write the record beside itself as scalars for TensorBoard; None where tensorboardX is missing.

    Of a run of `total_steps`, evenly chosen steps; the file of a longer record begins with that of a shorter one, so a
    TensorBoard that looks on while it grows is not confused.
    """
    try:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import RecordWriter
    except ImportError:
        logger.warning("not writing TensorBoard scalars: tensorboardX is not installed")
        return None
    every = max(1, total_steps // SCALARS_POINTS)
    lines = record_view(path, every).lines()
    target = path.with_name(SCALARS_FILE)
    writer = RecordWriter(str(target))
    writer.write(Event(file_version="brain.Event:2").SerializeToString())
    for line in lines:
        event = Event(wall_time=line.get("time", 0.0), step=line["global_step"])
        values = cast("dict[str, float]", line)
        for name in (name for name in SCALARS if name in values):
            event.summary.value.add(tag=name, simple_value=values[name])
        writer.write(event.SerializeToString())
    writer.close()
    return target
