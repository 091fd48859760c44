"""Who works in an output folder: one job at a time, wherever its containers are, and all cards on the same pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import obs_sync
from modelarts.runtime import storage
from modelarts.runtime.checkpoints import owner as owner_module
from modelarts.runtime.checkpoints.owner import NOTE_FILE, OwnerNote, new_note
from modelarts.runtime.results import upload as results_upload
from modelarts.runtime.results.owner import FolderClaims, describe_inputs
from modelarts.runtime.results.upload import results_folder
from src.errors import IncompleteError, JobError
from src.infer.output.shard import Shard
from src.infer.output.sink import ResultSink

Open = Callable[..., tuple[Path, str, ResultSink]]
PICTURES = describe_inputs(["a.jpg", "b.jpg"])


@pytest.fixture(params=["obs://bucket/job/output_img", "mounted", ""])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    obs_sync.configure(storage_mode="local")
    for name, value in (("RENEW_S", 0.02), ("POLL_S", 0.02), ("DEAD_AFTER_S", 60.0)):
        monkeypatch.setattr(owner_module, name, value)
    monkeypatch.setattr(results_upload, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("modelarts.runtime.results.upload.time.sleep", lambda _s: None)
    return str(request.param)


@pytest.fixture
def open_folder(root: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a job's output folder; each `container` is a machine with a local disk of its own."""
    with ExitStack() as stack:

        def opened(
            container: str, rank: int = 0, job: str = "", pictures: str = PICTURES
        ) -> tuple[Path, str, ResultSink]:
            for module in ("modelarts.runtime.results.owner", "modelarts.runtime.checkpoints.owner"):
                monkeypatch.setattr(f"{module}.this_machine", lambda: container)
            parent = Path(container if root else "shared")
            shard = Shard(rank, 2, stall_timeout_s=0.5)
            claims = FolderClaims(shard, job, pictures)
            return stack.enter_context(results_folder(parent, root, "digest", shard, claims))

        yield opened


def interrupted(root: str) -> str:
    """The address of a folder that a killed job on the machine container-a has left."""
    with results_folder(Path("killed" if root else "shared"), root, "digest", Shard()) as (folder, url, _):
        note = replace(new_note("run", "job-1", PICTURES), machine="container-a", pid=1)
    storage.write_bytes(f"{url if root else folder}/{NOTE_FILE}", note.to_json())
    return url


def test_an_interrupted_job_is_continued_by_one_of_two(root: str, open_folder: Open) -> None:
    left = interrupted(root)
    _, first, _ = open_folder("container-a")
    _, second, _ = open_folder("container-b")
    assert first == left
    assert second != left, "the first lives: it renews its note"


def test_a_job_that_is_overtaken_stops_and_takes_nothing_away(
    root: str, open_folder: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_module, "RENEW_S", 600.0)
    folder, url, sink = open_folder("container-a")
    (folder / "a.jpg").write_bytes(b"a")
    sink.enqueue(["a.jpg"])
    storage.write_bytes(f"{url}/{NOTE_FILE}", replace(new_note("run", ""), started="2026-01-02").to_json())
    with pytest.raises(obs_sync.InvalidRequest, match=r"2026-01-02.*has taken over this output folder"):
        sink.flush()
    if root:
        with pytest.raises(obs_sync.InvalidRequest):
            sink.enqueue(["b.jpg"])
        assert not storage.filesystem_of(url).exists(f"{url}/a.jpg")


def test_the_note_goes_with_the_job(root: str, open_folder: Open) -> None:
    with results_folder(Path("here"), root, "another", Shard()) as (_, url, _sink):
        assert OwnerNote.from_json(storage.read_bytes(f"{url}/{NOTE_FILE}")).owner
    assert NOTE_FILE not in storage.list_with_stamps(url)


def test_other_cards_join_the_folder_of_their_own_job(root: str, open_folder: Open) -> None:
    left = interrupted(root)
    _, url, _ = open_folder("container-a", job="job-2")
    assert url == left
    _, joined, _ = open_folder("container-b", rank=1, job="job-2")
    assert joined == url
    with pytest.raises(IncompleteError, match="rank 0 created no output folder"):
        open_folder("container-c", rank=1, job="job-3")


@pytest.mark.parametrize("where", ["container-a", "container-b"])
def test_a_card_that_sees_other_pictures_says_so(root: str, open_folder: Open, where: str) -> None:
    open_folder("container-a", job="job-2")
    others = describe_inputs(["a.jpg"])
    with pytest.raises(JobError, match=r"card 1 lists 1 pictures .*, card 0 lists 2 pictures .*start the job again"):
        open_folder(where, rank=1, job="job-2", pictures=others)


def test_the_list_of_pictures_is_told_by_names_and_order() -> None:
    lists = ([], ["a", "b"], ["b", "a"], ["a"], ["a\udcff", "b"], ["ab"], ["a\nb"])
    texts = [describe_inputs(names) for names in lists]
    for one, other in itertools.combinations(texts, 2):
        assert one != other
