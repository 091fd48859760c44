"""Uploads the inference job's results while it runs, and fetches them back to continue an interrupted job."""

from __future__ import annotations

import contextlib
import logging
import random
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import obs_sync
from modelarts.runtime import storage
from modelarts.runtime.result_sink import ObsResultSink
from modelarts.runtime.storage import filesystem_of, list_with_stamps
from obs_sync import under
from src.errors import IncompleteError
from src.infer.output.output_folder import (
    PREFIX,
    RUN_FILE,
    OutputFolder,
    find_unfinished,
    new_output_folder,
)
from src.infer.output.results import SUMMARY_FILE, write_bytes
from src.infer.output.shard import Shard
from src.infer.output.sink import LocalResultSink, ResultSink
from src.json_text import parse_json_object

logger = logging.getLogger(__name__)

DELIVER_EVERY_S = 30.0
LOOK_EVERY_S = 10.0
TRY_AGAIN_S = (0.5, 2.0)  # when another job wanted the same name
STARTS_APART_S = 600.0  # at most, between the cards of one job
#: How many of the newest folders are searched for an unfinished run.
FOLDERS_LOOKED_AT = 20

SUMMARY_MAX_BYTES = 64 << 20


class FinishedBefore(Exception):
    """Rank 0 found every result of an interrupted run and finished the run before this rank started."""


@contextmanager
def results_folder(parent: Path, root: str, digest: str, shard: Shard) -> Iterator[tuple[Path, str, ResultSink]]:
    """The local output folder, the URL its content is uploaded to, and the sink that uploads it.

    `root` is the OBS folder (or mounted folder) for results; empty when they stay in `parent`. Rank 0 takes the newest
    unfinished folder of this digest, or a new one; the other ranks wait for the same one, or raise FinishedBefore.
    """
    folder = _open_folder(parent, root, digest, shard)
    try:
        if not root:
            yield folder.path, str(folder.path), LocalResultSink(folder.path)
            return
        url = under(root, folder.path.name)
        with ObsResultSink(folder.path, url, shard.journal, DELIVER_EVERY_S, LOOK_EVERY_S) as sink:
            if shard.rank == 0:
                sink.enqueue([RUN_FILE])
                sink.flush()
            yield folder.path, url, sink
    finally:
        folder.close()


def _open_folder(parent: Path, root: str, digest: str, shard: Shard) -> OutputFolder:
    given_up = time.monotonic() + shard.stall_timeout_s
    while True:
        if root:
            _recall(parent, root, digest)
        folder = find_unfinished(parent, digest, shard.rank)
        if folder is None and shard.rank == 0:
            folder = _new_folder(parent, root, digest)
        if folder is not None:
            return folder
        if time.monotonic() > given_up:
            if finished := _just_finished(root or str(parent), digest, shard.stall_timeout_s + STARTS_APART_S):
                raise FinishedBefore(finished)
            raise IncompleteError(
                f"{root or parent}: rank 0 has created no output folder within {shard.stall_timeout_s:.0f} s; "
                "see its log (all ranks must see the same output folder)"
            )
        time.sleep(LOOK_EVERY_S if root else 1.0)


def _new_folder(parent: Path, root: str, digest: str) -> OutputFolder:
    """A new folder whose name is free below `root`, too, even when another job wants the same name just now.

    A store cannot create a name exclusively: each job puts a file of its own there and looks whether it is alone. Of
    jobs that see each other none takes the name, so that at most one does.
    """
    while True:
        folder = new_output_folder(parent, digest)
        if not root:
            return folder
        url = under(root, folder.path.name)
        obs_sync.create_local_buckets([url])
        claim = under(url, f".claim-{uuid.uuid4().hex}")
        storage.write_bytes(claim, b"")
        try:
            if list(list_with_stamps(url)) == [claim.rpartition("/")[2]]:
                storage.write_bytes(under(url, RUN_FILE), (folder.path / RUN_FILE).read_bytes())
                return folder
        finally:
            storage.remove(claim)
        folder.close()
        shutil.rmtree(folder.path, ignore_errors=True)
        time.sleep(random.uniform(*TRY_AGAIN_S))


def _just_finished(url: str, digest: str, within_s: float) -> str:
    """The newest finished folder of this digest whose run started within `within_s`; empty when there is none."""
    fs = filesystem_of(url)
    for name in sorted(_names_in(url), reverse=True)[:FOLDERS_LOOKED_AT]:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            run = parse_json_object(fs.cat_file(under(url, f"{name}/{RUN_FILE}")))
            summary = parse_json_object(fs.cat_file(under(url, f"{name}/{SUMMARY_FILE}")), SUMMARY_MAX_BYTES)
            age = datetime.now().astimezone() - datetime.fromisoformat(summary["started"])
            if run["digest"] == digest and age.total_seconds() < within_s:
                return under(url, name)
    return ""


def _recall(parent: Path, root: str, digest: str) -> None:
    """Create the local folder of the newest unfinished run of this digest in `root`, if there is one.

    A continued job may run in a fresh container without any file of the interrupted one.
    """
    fs = filesystem_of(root)
    for name in sorted(_names_in(root), reverse=True)[:FOLDERS_LOOKED_AT]:
        run_file, summary = under(root, f"{name}/{RUN_FILE}"), under(root, f"{name}/{SUMMARY_FILE}")
        if not name.startswith(PREFIX) or not fs.exists(run_file) or fs.exists(summary):
            continue
        data = fs.cat_file(run_file)
        with contextlib.suppress(ValueError):
            if parse_json_object(data).get("digest") == digest:
                if not (parent / name / RUN_FILE).exists():
                    write_bytes(parent / name / RUN_FILE, data)
                return


def _names_in(url: str) -> list[str]:
    try:
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in filesystem_of(url).ls(url, detail=False)]
    except FileNotFoundError:
        return []
