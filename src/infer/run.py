"""The inference line for a folder: read → fit → forward → decode → judge → render → write → gather → report."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from src.actions import Action, declaration_of
from src.errors import DataError, IncompleteError
from src.infer.output.journal import Journal, Line, Lines, as_bytes, journals_in, read_journals
from src.infer.output.names import rendered_names
from src.infer.output.results import (
    RESULTS_FILE,
    SUMMARY_FILE,
    PictureResult,
    count_results,
    write_json,
    write_pieces,
)
from src.infer.output.shard import Shard, gather
from src.infer.output.sink import LocalResultSink, ResultSink
from src.infer.picture import Fitted, Maps, Network, finish_picture, read_and_fit
from src.infer.pipeline import PipelineLimits, Skip, limits_for, run_pipeline
from src.infer.report.page import REPORT_FILE, TABLE_FILE, write_report
from src.plural import plural
from src.progress import Progress, StageTimes

logger = logging.getLogger(__name__)

LEFT_BY_KILLED_PROCESSES = (".*.part", ".rank*.lock", ".results*.snapshot", ".results*.collected")


def infer_folder(
    network: Network,
    folder: Path,
    filenames: Sequence[str],
    output_dir: Path,
    action: Action,
    facts: Mapping[str, Any],
    *,
    shard: Shard | None = None,
    sink: ResultSink | None = None,
) -> dict[str, Any]:
    """Judge all named pictures and write results.jsonl, summary.json, index.html and results.csv into `output_dir`.

    Pictures that `output_dir` (or the sink) already has a result of are not judged again. With a `shard`, this
    process judges its part only, and the first one gathers all and writes the files. `facts` (checkpoint, settings, …)
    go into the summary, which is returned; other processes return the counts of their part.
    """
    if not filenames:
        raise DataError(f"{folder}: holds no pictures")
    shard, sink = shard or Shard(), sink or LocalResultSink(output_dir)
    times = StageTimes()
    started = datetime.now().astimezone()
    mine, rendered = shard.of(filenames), rendered_names(filenames)
    done = _finished_before(folder, mine, rendered, output_dir, sink)
    to_do = [name for name in mine if name not in done]
    results = judge_pictures(network, folder, to_do, output_dir, action, times, rendered=rendered)
    counts = _record(results, done, len(mine), output_dir / shard.journal, network, sink)
    with times("deliver"):
        sink.flush()
    if shard.rank > 0:
        return counts
    with times("gather"):
        own = Lines([output_dir / shard.journal]).only(mine)

        def collect() -> Lines:
            lines = own.before(sink.collect())
            if any(name not in lines for name in filenames):
                return lines  # it is too early to look into each
            return lines.only([name for name in filenames if fits(name, lines[name])])

        def fits(name: str, line: Line) -> bool:
            return line["status"] != "ok" or _holds(line, folder / name, rendered[name])

        everything = gather(filenames, collect, shard, sink.look_every_s)
    lines = _put_in_order(output_dir, everything, filenames)
    summary = {
        "action": action.name,
        "action_display": dict(action.display),
        "declaration": declaration_of(action),
        "network": network.name,
        **facts,
        **count_results(lines.values()),
        "cards": shard.rank_size,
        "judged_before": len(done),
        "compiles": network.compiles,
        "seconds_by_stage": times.rounded(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now().astimezone() - started).total_seconds(), 3),
    }
    _publish(output_dir, lines, summary, action, sink)
    return summary


def judge_pictures(
    network: Network,
    folder: Path,
    filenames: Sequence[str],
    output_dir: Path,
    action: Action,
    times: StageTimes,
    limits: PipelineLimits | None = None,
    rendered: Mapping[str, str] | None = None,
) -> Iterator[PictureResult]:
    """Results of the pictures as they come, their files written; reading, network and drawing overlap.

    `rendered`: names of the rendered pictures, where these are not all pictures that the names have to differ from.
    """
    names = rendered_names(filenames) if rendered is None else rendered

    def read(filename: str) -> Fitted | Skip[PictureResult]:
        fitted = read_and_fit(network, folder, filename, times)
        return Skip(fitted) if isinstance(fitted, PictureResult) else fitted

    def forward(batch: Sequence[Fitted]) -> list[tuple[Maps, float]]:
        begin = time.perf_counter()
        maps = network.forward([fitted.pixels_in for fitted in batch])
        seconds = time.perf_counter() - begin
        times.add("network", seconds)
        return [(one, seconds / len(batch)) for one in maps]

    def finish(fitted: Fitted, made: tuple[Maps, float]) -> PictureResult:
        maps, seconds = made
        drawn = names[fitted.filename]
        return finish_picture(fitted, maps, action, output_dir, drawn, network.decode_settings, times, seconds)

    limits = limits or limits_for(network.batch_size)
    return run_pipeline(filenames, read, lambda fitted: fitted.pixels_in.shape, forward, finish, limits)


def check_any_readable(summary: Mapping[str, Any]) -> None:
    """IncompleteError when every single picture was unreadable: a job that judged nothing must not look done.

    What one card of several returns tells nothing of the whole.
    """
    if "cards" in summary and summary["ok"] == 0:
        raise IncompleteError(f"none of the {summary['pictures']} pictures could be read; see {RESULTS_FILE}")


def _finished_before(
    folder: Path, names: Sequence[str], rendered: Mapping[str, str], output_dir: Path, sink: ResultSink
) -> Lines:
    """Lines of an interrupted run that hold still; its local files that may not have been delivered are handed over."""
    delivered, here = sink.previous_lines(), read_journals(output_dir)
    known = here.before(delivered)
    holding = [name for name in names if name in known and _holds(known[name], folder / name, rendered[name])]
    done = known.only(holding)
    for name in done:
        if name in here and name not in delivered:
            sink.enqueue(_files_of(done[name]))
    if done:
        logger.info("continuing %s: %d of %d pictures are done already", output_dir.name, len(done), len(names))
    return done


def _holds(line: Line, path: Path, rendered: str) -> bool:
    """Whether a line is of the picture as it is now; an unreadable one is looked at again.

    A picture that came later may have taken the name of a rendered one.
    """
    current = line["status"] == "ok" and path.is_file() and path.stat().st_size == line.get("bytes")
    return current and line.get("rendered") == rendered


def _record(
    results: Iterator[PictureResult], done: Lines, count: int, path: Path, network: Network, sink: ResultSink
) -> dict[str, int]:
    """Write each result's line as it comes and tell the progress; returns what all lines of this process count."""
    counts = Counter(count_results(done.values()))
    with Journal(path) as journal, Progress("pictures", count - len(done)) as progress:
        known = Lines([path])
        for name in done:
            if name not in known:
                journal.append(done[name])
        sink.start()
        for result in results:
            line = result.to_json()
            sink.enqueue(_files_of(line))  # first: a line that is delivered vouches for its files
            journal.append(line)
            counts.update(count_results([line]))
            progress.advance(note=f"{plural(network.compiles, 'compile')}, {counts['unreadable']} unreadable")
    return dict(counts)


def _files_of(line: Line) -> list[str]:
    return [line["file"], line["rendered"]] if line["status"] == "ok" else []


def _put_in_order(output_dir: Path, lines: Lines, filenames: Sequence[str]) -> Lines:
    """Write results.jsonl anew, each picture's line once and in the order of the names."""
    write_pieces(output_dir / RESULTS_FILE, (as_bytes(lines[name]) for name in filenames))
    return Lines([output_dir / RESULTS_FILE])


def _publish(output_dir: Path, lines: Lines, summary: Mapping[str, Any], action: Action, sink: ResultSink) -> None:
    """The files about the whole run; summary.json, which says that it is finished, comes last."""
    write_report(output_dir, lines.values(), summary, action)
    parts = [path.name for path in journals_in(output_dir) if path.name != RESULTS_FILE]
    sink.enqueue([RESULTS_FILE, REPORT_FILE, TABLE_FILE])
    sink.flush()
    write_json(output_dir / SUMMARY_FILE, summary)
    sink.enqueue([SUMMARY_FILE])
    sink.flush()
    sink.remove(parts)
    for pattern in LEFT_BY_KILLED_PROCESSES:
        for path in output_dir.rglob(pattern):
            path.unlink(missing_ok=True)
