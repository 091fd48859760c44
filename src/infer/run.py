"""The inference line for a folder: read → fit → forward → decode → judge → render → write → gather → report."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from src.actions import Action, declaration_of
from src.errors import DataError, IncompleteError
from src.infer.finishing import finish_picture
from src.infer.network import Maps, Network
from src.infer.options import DEFAULTS, InferenceOptions
from src.infer.output.journal import Journal, Lines, as_bytes, journals_in, read_journals
from src.infer.output.names import rendered_names, thumbnail_name
from src.infer.output.results import (
    RESULTS_FILE,
    SUMMARY_FILE,
    PictureResult,
    ResultLine,
    count_results,
    identity_of,
    write_json,
    write_pieces,
)
from src.infer.output.shard import Shard, gather
from src.infer.output.sink import LocalResultSink, ResultSink
from src.infer.pipeline import PipelineLimits, Skip, limits_for, run_pipeline
from src.infer.reading import Fitted, read_and_fit
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
    facts: Mapping[str, object],
    *,
    shard: Shard | None = None,
    sink: ResultSink | None = None,
    options: InferenceOptions = DEFAULTS,
) -> Mapping[str, object]:
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
    here, delivered = read_journals(output_dir), sink.previous_lines()
    known = here.before(delivered)
    outdated = _outdated(known, folder, filenames if shard.rank == 0 else mine, rendered)
    done = known.only([name for name in mine if name in known and name not in outdated])
    _enqueue_undelivered(done, here, delivered, sink)
    if done:
        logger.info("continuing %s: %d of %d pictures are done already", output_dir.name, len(done), len(mine))
    to_do = [name for name in mine if name not in done]
    results = judge_pictures(network, folder, to_do, output_dir, action, times, rendered=rendered, options=options)
    counts = _record(results, done, len(mine), output_dir / shard.journal, network, sink)
    with times("deliver"):
        sink.flush()
    if shard.rank > 0:
        return counts
    with times("gather"):
        own = Lines([output_dir / shard.journal]).only(mine)

        def collect() -> Lines:
            lines = own.before(sink.collect())
            fresh = [name for name in filenames if name in lines and not is_outdated(name, lines)]
            return lines.only(fresh)

        def is_outdated(name: str, lines: Lines) -> bool:
            return name in outdated and lines[name].get("judged_at") == outdated[name]

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
    options: InferenceOptions = DEFAULTS,
) -> Iterator[PictureResult]:
    """Results of the pictures as they come, their files written; reading, network and drawing overlap.

    `rendered`: names of the rendered pictures, where these are not all pictures that the names have to differ from.
    """
    names = rendered_names(filenames) if rendered is None else rendered

    def read(filename: str) -> Fitted | Skip[PictureResult]:
        fitted = read_and_fit(network, folder, filename, times, options)
        return Skip(fitted) if isinstance(fitted, PictureResult) else fitted

    def forward(batch: Sequence[Fitted]) -> list[tuple[list[Maps], float]]:
        begin = time.perf_counter()
        by_view = [network.forward(inputs) for inputs in zip(*(fitted.views.inputs for fitted in batch))]
        seconds = time.perf_counter() - begin
        times.add("network", seconds)
        return [(list(maps), seconds / len(batch)) for maps in zip(*by_view)]

    def finish(fitted: Fitted, made: tuple[list[Maps], float]) -> PictureResult:
        maps, seconds = made
        name, settings = fitted.filename, network.decode_settings
        return finish_picture(
            fitted, maps, action, output_dir, names[name], settings, times, seconds, options, thumbnail_name(name)
        )

    limits = limits or limits_for(network.batch_size)
    return run_pipeline(filenames, read, lambda fitted: fitted.views.shapes, forward, finish, limits)


def check_any_readable(summary: Mapping[str, object]) -> None:
    """IncompleteError when every single picture was unreadable: a job that judged nothing must not look done.

    What one card of several returns tells nothing of the whole.
    """
    if "cards" in summary and summary["ok"] == 0:
        raise IncompleteError(f"none of the {summary['pictures']} pictures could be read; see {RESULTS_FILE}")


def _outdated(lines: Lines, folder: Path, names: Sequence[str], rendered: Mapping[str, str]) -> dict[str, str]:
    """Lines of an interrupted run that do not hold any more, by name: when they were made. These pictures are judged
    again; what is judged in this start counts, whatever becomes of the picture afterwards.
    """
    known = ((name, lines[name]) for name in names if name in lines)
    return {name: line.get("judged_at", "") for name, line in known if not _holds(line, folder / name, rendered[name])}


def _enqueue_undelivered(done: Lines, here: Lines, delivered: Lines, sink: ResultSink) -> None:
    """Hand the files of an interrupted run to the sink that may not have been delivered."""
    for name in done:
        if name in here and name not in delivered:
            line = done[name]
            sink.enqueue(_files_of(line), line)


def _holds(line: ResultLine, path: Path, rendered: str) -> bool:
    """Whether a line is of the picture as it is now; an unreadable one is looked at again.

    A picture that came later may have taken the name of a rendered one.
    """
    return line["status"] == "ok" and line.get("rendered") == rendered and identity_of(line).is_of(path)


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
        for result in results:
            line = result.to_json()
            journal.append(line)
            sink.enqueue(_files_of(line), line)
            counts.update(count_results([line]))
            progress.advance(note=f"{plural(network.compiles, 'compile')}, {counts['unreadable']} unreadable")
    return dict(counts)


def _files_of(line: ResultLine) -> list[str]:
    if line["status"] != "ok":
        return []
    return [line["file"], line["rendered"], *([line["thumbnail"]] if "thumbnail" in line else [])]


def _put_in_order(output_dir: Path, lines: Lines, filenames: Sequence[str]) -> Lines:
    """Write results.jsonl anew, each picture's line once and in the order of the names."""
    write_pieces(output_dir / RESULTS_FILE, (as_bytes(lines[name]) for name in filenames))
    return Lines([output_dir / RESULTS_FILE])


def _publish(output_dir: Path, lines: Lines, summary: Mapping[str, object], action: Action, sink: ResultSink) -> None:
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
