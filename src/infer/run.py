"""The inference line for a folder: read → fit → forward → decode → judge → render → write → gather → report."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from src.actions import Action, declaration_of
from src.errors import DataError, IncompleteError
from src.infer.finishing import finish_picture
from src.infer.network import Maps, Network
from src.infer.options import DEFAULTS, InferenceOptions
from src.infer.output.journal import (
    Journal,
    Lines,
    OnLine,
    as_bytes,
    ignore_line,
    journals_in,
    read_journals,
)
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
from src.infer.report.builder import ReportBuilder
from src.infer.report.page import REPORT_FILE, TABLE_FILE
from src.infer.report.pieces import PIECES_FILE
from src.plural import plural
from src.progress import Progress, StageTimes

logger = logging.getLogger(__name__)

LEFT_BY_KILLED_PROCESSES = (".*.part", ".rank*.lock", ".results*.snapshot", ".results*.collected", PIECES_FILE)


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
    shard = shard or Shard()
    sink = sink or LocalResultSink(output_dir, shard.journal)
    times = StageTimes()
    started = datetime.now().astimezone()
    mine, rendered = shard.of(filenames), rendered_names(filenames)
    here, delivered = read_journals(output_dir), sink.previous_lines()
    known = here.before(delivered)
    outdated = _outdated(known, folder, filenames if shard.rank == 0 else mine, rendered)
    holding = known.only([name for name in filenames if name in known and name not in outdated])
    done = holding.only([name for name in mine if name in holding])
    _enqueue_undelivered(done, here, delivered, sink)
    if done:
        logger.info("continuing %s: %d of %d pictures are done already", output_dir.name, len(done), len(mine))
    to_do = [name for name in mine if name not in done]
    results = judge_pictures(network, folder, to_do, output_dir, action, times, rendered=rendered, options=options)
    with Journal(output_dir / shard.journal) as journal:
        own = _carry_over(done, journal)
        if shard.rank > 0:
            counts = _record(results, own, len(mine), journal, network, sink)
            with times("deliver"):
                sink.flush()
            return counts
        collect = sink.collect if shard.rank_size > 1 else None
        with ReportBuilder(output_dir, action, own.before(holding), collect) as report:
            _record(results, own, len(mine), journal, network, sink, report.add)
            with times("deliver"):
                sink.flush()
            with times("gather"):
                report.finish()
                lines = _gather(filenames, own, outdated, shard, sink, report)
            with times("report"):
                counts = report.complete(lines)
            summary = {
                "action": action.name,
                "action_display": dict(action.display),
                "declaration": declaration_of(action),
                "network": network.name,
                **facts,
                **counts,
                "cards": shard.rank_size,
                "judged_before": len(done),
                "compiles": network.compiles,
                "seconds_by_stage": times.rounded(),
                "started": started.isoformat(timespec="seconds"),
                "seconds": round((datetime.now().astimezone() - started).total_seconds(), 3),
            }
            _publish(output_dir, lines, summary, report, sink)
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


def _carry_over(done: Lines, journal: Journal) -> Lines:
    """The lines of an interrupted run, all of them in this process's journal now."""
    own = Lines().before(done)
    elsewhere = [name for name in done if done.place_of(name)[0] != journal.path]
    for name, raw in zip(elsewhere, done.raw(elsewhere)):
        own.put(name, journal.append(raw))
    return own


def _record(
    results: Iterator[PictureResult],
    own: Lines,
    count: int,
    journal: Journal,
    network: Network,
    sink: ResultSink,
    on_line: OnLine = ignore_line,
) -> dict[str, int]:
    """Write each result's line as it comes, into `own`, too, and tell the progress.

    Returns what all lines of this process count.
    """
    counts, compiled = Counter(count_results(own.values())), network.compiles
    with Progress("pictures", count - len(own)) as progress:
        for result in results:
            line = result.to_json()
            place = journal.append(as_bytes(line))
            own.put(result.file, place)
            sink.enqueue(_files_of(line), line)
            on_line(line, place)
            counts.update(count_results([line]))
            note = f"{plural(network.compiles, 'compile')}, {counts['unreadable']} unreadable"
            progress.advance(note=note, after_compiling=network.compiles > compiled)
            compiled = network.compiles
    return dict(counts)


def _gather(
    filenames: Sequence[str],
    own: Lines,
    outdated: Mapping[str, str],
    shard: Shard,
    sink: ResultSink,
    report: ReportBuilder,
) -> Lines:
    """The lines of all pictures, in the order of the names, as soon as the other processes have delivered theirs."""

    def collect() -> Lines:
        lines = own.before(sink.collect(report.add_now))
        return lines.only([name for name in filenames if name in lines and not is_outdated(name, lines)])

    def is_outdated(name: str, lines: Lines) -> bool:
        return name in outdated and lines[name].get("judged_at") == outdated[name]

    return gather(filenames, collect, shard, sink.look_every_s)


def _files_of(line: ResultLine) -> list[str]:
    if line["status"] != "ok":
        return []
    return [line["file"], line["rendered"], *([line["thumbnail"]] if "thumbnail" in line else [])]


def _publish(
    output_dir: Path, lines: Lines, summary: Mapping[str, object], report: ReportBuilder, sink: ResultSink
) -> None:
    """The files about the whole run, in the order of `lines`; summary.json, which says that it is finished, is last."""
    report.write(output_dir, lines, summary)
    write_pieces(output_dir / RESULTS_FILE, lines.raw(lines))
    parts = [path.name for path in journals_in(output_dir) if path.name != RESULTS_FILE]
    sink.enqueue([RESULTS_FILE, REPORT_FILE, TABLE_FILE])
    sink.flush()
    write_json(output_dir / SUMMARY_FILE, summary)
    sink.enqueue([SUMMARY_FILE])
    sink.flush()
    sink.remove(parts)
    _remove_leftovers(output_dir)


def _remove_leftovers(output_dir: Path) -> None:
    """Remove what killed processes have left in the folder."""
    for folder, _, names in os.walk(output_dir):
        for name in names:
            if name.startswith(".") and any(fnmatchcase(name, pattern) for pattern in LEFT_BY_KILLED_PROCESSES):
                Path(folder, name).unlink(missing_ok=True)
