"""The inference line for a folder: read → fit → forward → decode → judge → render → write → gather → report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from src.actions import Action
from src.errors import DataError, IncompleteError
from src.infer.journal import Journal, as_bytes, by_file, journals_in, read_journal, read_journals
from src.infer.outbox import LocalOutbox, Outbox
from src.infer.picture import Fitted, Maps, Network, finish_picture, read_and_fit
from src.infer.pipeline import Refused, Room, room_for, run_pipeline
from src.infer.report import REPORT_FILE, TABLE_FILE, write_report
from src.infer.results import (
    RESULTS_FILE,
    SUMMARY_FILE,
    PictureResult,
    count_results,
    write_bytes,
    write_json,
)
from src.infer.share import Share, gather
from src.progress import Progress, StageTimes

logger = logging.getLogger(__name__)

Line = Mapping[str, Any]

LEFT_BY_KILLED_PROCESSES = (".*.part", ".rank*.lock", ".results*.snapshot")


def infer_folder(
    network: Network,
    folder: Path,
    filenames: Sequence[str],
    output_dir: Path,
    action: Action,
    facts: Mapping[str, Any],
    *,
    share: Share | None = None,
    outbox: Outbox | None = None,
) -> dict[str, Any]:
    """Judge all named pictures and write results.jsonl, summary.json, index.html and results.csv into `output_dir`.

    Pictures that `output_dir` (or the outbox) already has a result of are not judged again. With a `share`, this
    process judges its part only, and the first one gathers all and writes the files. `facts` (checkpoint, settings, …)
    go into the summary, which is returned; other processes return the counts of their part.
    """
    if not filenames:
        raise DataError(f"{folder}: holds no pictures")
    share, outbox = share or Share(), outbox or LocalOutbox(output_dir)
    times = StageTimes()
    started = datetime.now().astimezone()
    mine = share.of(filenames)
    done = _finished_before(folder, mine, output_dir, outbox)
    results = judge_pictures(network, folder, [name for name in mine if name not in done], output_dir, action, times)
    own = _record(results, done, len(mine), output_dir / share.journal, network, outbox)
    with times("deliver"):
        outbox.deliver()
    if share.rank > 0:
        return count_results(own.values())
    with times("gather"):
        everything = gather(filenames, lambda: {**outbox.collect(), **own}, share, outbox.look_every_s)
    lines = [everything[name] for name in filenames]
    summary = {
        "action": action.name,
        "action_display": dict(action.display),
        "network": network.name,
        **facts,
        **count_results(lines),
        "cards": share.rank_size,
        "judged_before": len(done),
        "compiles": network.compiles,
        "seconds_by_stage": times.rounded(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now().astimezone() - started).total_seconds(), 3),
    }
    _publish(output_dir, lines, summary, outbox)
    return summary


def judge_pictures(
    network: Network,
    folder: Path,
    filenames: Sequence[str],
    output_dir: Path,
    action: Action,
    times: StageTimes,
    room: Room | None = None,
) -> Iterator[PictureResult]:
    """Results of the pictures as they come, their files written; reading, network and drawing overlap."""

    def read(filename: str) -> Fitted | Refused[PictureResult]:
        fitted = read_and_fit(network, folder, filename, times)
        return Refused(fitted) if isinstance(fitted, PictureResult) else fitted

    def forward(batch: Sequence[Fitted]) -> list[tuple[Maps, float]]:
        begin = time.perf_counter()
        maps = network.forward([fitted.pixels_in for fitted in batch])
        seconds = time.perf_counter() - begin
        times.add("network", seconds)
        return [(one, seconds / len(batch)) for one in maps]

    def finish(fitted: Fitted, made: tuple[Maps, float]) -> PictureResult:
        maps, seconds = made
        return finish_picture(fitted, maps, action, output_dir, network.decode_settings, times, seconds)

    room = room or room_for(network.batch_size)
    return run_pipeline(filenames, read, lambda fitted: fitted.pixels_in.shape, forward, finish, room)


def check_any_readable(summary: Mapping[str, Any]) -> None:
    """IncompleteError when every single picture was unreadable: a job that judged nothing must not look done.

    What one card of several returns tells nothing of the whole.
    """
    if "cards" in summary and summary["ok"] == 0:
        raise IncompleteError(f"none of the {summary['pictures']} pictures could be read; see {RESULTS_FILE}")


def _finished_before(folder: Path, names: Sequence[str], output_dir: Path, outbox: Outbox) -> dict[str, Line]:
    """Lines of an interrupted run that hold still; its local files that may not have been delivered are handed over."""
    delivered = outbox.earlier()
    here = read_journals(output_dir)
    known: dict[str, Line] = {**delivered, **here}
    done = {name: known[name] for name in names if name in known and _holds(known[name], folder / name)}
    for name in done:
        if name in here and name not in delivered:
            outbox.hand_over(_files_of(done[name]))
    if done:
        logger.info("continuing %s: %d of %d pictures are done already", output_dir.name, len(done), len(names))
    return done


def _holds(line: Line, path: Path) -> bool:
    """Whether a line is of the picture as it is now; an unreadable one is looked at again."""
    return line["status"] == "ok" and path.is_file() and path.stat().st_size == line.get("bytes")


def _record(
    results: Iterator[PictureResult], done: Mapping[str, Line], count: int, path: Path, network: Network, outbox: Outbox
) -> dict[str, Line]:
    """Write each result's line as it comes and tell the progress; returns all lines of this process by picture."""
    lines = dict(done)
    unreadable = 0
    with Journal(path) as journal, Progress("pictures", count - len(done)) as progress:
        known = by_file(read_journal(path))
        for name in done:
            if name not in known:
                journal.append(done[name])
        outbox.begin()
        for result in results:
            line = result.to_json()
            outbox.hand_over(_files_of(line))  # first: a line that is delivered vouches for its files
            journal.append(line)
            lines[result.file] = line
            unreadable += result.status != "ok"
            progress.advance(note=f"{network.compiles} compiles, {unreadable} unreadable")
    return lines


def _files_of(line: Line) -> list[str]:
    return [line["file"], line["rendered"]] if line["status"] == "ok" else []


def _publish(output_dir: Path, lines: Sequence[Line], summary: Mapping[str, Any], outbox: Outbox) -> None:
    """The files about the whole run; summary.json, which says that it is finished, comes last."""
    write_bytes(output_dir / RESULTS_FILE, b"".join(as_bytes(line) for line in lines))
    write_report(output_dir, lines, summary)
    parts = [path.name for path in journals_in(output_dir) if path.name != RESULTS_FILE]
    outbox.hand_over([RESULTS_FILE, REPORT_FILE, TABLE_FILE])
    outbox.deliver()
    write_json(output_dir / SUMMARY_FILE, summary)
    outbox.hand_over([SUMMARY_FILE])
    outbox.deliver()
    outbox.discard(parts)
    for pattern in LEFT_BY_KILLED_PROCESSES:
        for path in output_dir.rglob(pattern):
            path.unlink(missing_ok=True)
