"""The output folder of an inference job: a new one, or the unfinished one of an interrupted job."""

from __future__ import annotations

import contextlib
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
from modelarts.runtime.checkpoints.owner import RunOwner
from modelarts.runtime.results.owner import FolderClaims
from modelarts.runtime.results.sink import ObsResultSink
from modelarts.runtime.storage import filesystem_of, list_with_stamps, names_in
from obs_sync import under
from src.errors import IncompleteError
from src.infer.output.output_folder import (
    PREFIX,
    RUN_FILE,
    OutputFolder,
    new_output_folder,
    unfinished_folders,
)
from src.infer.output.results import SUMMARY_FILE, write_bytes
from src.infer.output.shard import Shard
from src.infer.output.sink import LocalResultSink, ResultSink
from src.json_text import parse_json_object

DELIVER_EVERY_S = 30.0
LOOK_EVERY_S = 10.0
RETRY_PAUSE_S = (0.5, 2.0)  # when another job wants the same name
STARTS_APART_S = 600.0  # at most, between the ranks of one job
#: How many of the newest folders are searched for an unfinished run.
FOLDERS_SEARCHED = 20

SUMMARY_MAX_BYTES = 64 << 20


class FinishedBefore(Exception):
    """Rank 0 found every result of an interrupted run and finished the run before this rank started."""


@contextmanager
def results_folder(
    parent: Path, root: str, digest: str, shard: Shard, claims: FolderClaims | None = None
) -> Iterator[tuple[Path, str, ResultSink]]:
    """The local output folder, the URL its content is uploaded to, and the sink that uploads it.

    `root` is the OBS folder (or mounted folder) for results; empty when they stay in `parent`. Rank 0 takes the newest
    unfinished folder of this digest that no other job uses, or a new one; the other ranks wait for the same one, or
    raise FinishedBefore.
    """
    folder, owner = _open_folder(parent, root, digest, shard, claims or FolderClaims(shard))
    try:
        if not root:
            yield folder.path, str(folder.path), LocalResultSink(folder.path, shard.journal, owner.confirm)
            return
        url = under(root, folder.path.name)
        with ObsResultSink(folder.path, url, shard.journal, DELIVER_EVERY_S, LOOK_EVERY_S, owner.confirm) as sink:
            if shard.rank == 0:
                sink.enqueue([RUN_FILE])
                sink.flush()
            yield folder.path, url, sink
    finally:
        owner.release(remove_note=True)
        folder.close()


def _open_folder(
    parent: Path, root: str, digest: str, shard: Shard, claims: FolderClaims
) -> tuple[OutputFolder, RunOwner]:
    deadline = time.monotonic() + shard.stall_timeout_s
    while True:
        if root:
            _restore_unfinished(parent, root, digest)
        found = _take_unfinished(parent, root, digest, shard.rank, claims)
        if found is None and shard.rank == 0:
            found = _take_new(parent, root, digest, claims)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            if finished := _just_finished(root or str(parent), digest, shard.stall_timeout_s + STARTS_APART_S):
                raise FinishedBefore(finished)
            raise IncompleteError(
                f"{root or parent}: rank 0 created no output folder within {shard.stall_timeout_s:.0f} s; "
                "see its log (all ranks must see the same output folder)"
            )
        time.sleep(LOOK_EVERY_S if root else 1.0)


def _take_unfinished(
    parent: Path, root: str, digest: str, rank: int, claims: FolderClaims
) -> tuple[OutputFolder, RunOwner] | None:
    """The newest unfinished folder that no other job uses, here or below `root`."""
    for folder in unfinished_folders(parent, digest, rank):
        is_open = not root or not filesystem_of(root).exists(under(root, f"{folder.path.name}/{SUMMARY_FILE}"))
        owner = claims.take(_address(folder, root)) if is_open else None
        if owner is not None:
            return folder, owner
        folder.close()
    return None


def _take_new(parent: Path, root: str, digest: str, claims: FolderClaims) -> tuple[OutputFolder, RunOwner]:
    while True:
        folder = _new_folder(parent, root, digest)
        owner = claims.take(_address(folder, root))
        if owner is not None:
            return folder, owner
        folder.close()  # a job in another container has claimed it first


def _address(folder: OutputFolder, root: str) -> str:
    """The address of the folder's results."""
    return under(root, folder.path.name) if root else str(folder.path)


def _new_folder(parent: Path, root: str, digest: str) -> OutputFolder:
    """A new folder whose name is also free below `root`, even if another job wants it at the same time.

    A store cannot create a name exclusively: each job writes its own file there and checks that there is no other.
    Jobs that see each other's files all choose another name, so that at most one job takes it.
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
        time.sleep(random.uniform(*RETRY_PAUSE_S))


def _just_finished(url: str, digest: str, within_s: float) -> str:
    """The newest finished folder of this digest whose run started within `within_s`; empty when there is none."""
    fs = filesystem_of(url)
    for name in sorted(names_in(url), reverse=True)[:FOLDERS_SEARCHED]:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            run = parse_json_object(fs.cat_file(under(url, f"{name}/{RUN_FILE}")))
            summary = parse_json_object(fs.cat_file(under(url, f"{name}/{SUMMARY_FILE}")), SUMMARY_MAX_BYTES)
            age = datetime.now().astimezone() - datetime.fromisoformat(str(summary["started"]))
            if run["digest"] == digest and age.total_seconds() < within_s:
                return under(url, name)
    return ""


def _restore_unfinished(parent: Path, root: str, digest: str) -> None:
    """Create local folders for the unfinished runs of this digest in `root`.

    A continued job may run in a fresh container without any file of the interrupted one.
    """
    fs = filesystem_of(root)
    for name in sorted(names_in(root), reverse=True)[:FOLDERS_SEARCHED]:
        run_file, summary = under(root, f"{name}/{RUN_FILE}"), under(root, f"{name}/{SUMMARY_FILE}")
        if not name.startswith(PREFIX) or not fs.exists(run_file) or fs.exists(summary):
            continue
        data = fs.cat_file(run_file)
        with contextlib.suppress(ValueError):
            if parse_json_object(data).get("digest") == digest and not (parent / name / RUN_FILE).exists():
                write_bytes(parent / name / RUN_FILE, data)
