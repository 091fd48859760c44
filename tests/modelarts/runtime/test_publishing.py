"""Publishing without training: what arrives in the store, in which order, what is told, what goes and what stays."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.runtime.checkpoints import publisher as publishing
from modelarts.runtime.checkpoints.publisher import PUBLISH_ALL, PUBLISH_VERIFY, Publisher
from modelarts.runtime.checkpoints.store import CheckpointStore, resume_source
from obs_sync.transfer import uploader as uploader_module
from src.errors import CheckpointError, OutputError
from src.train.checkpoints.manifest import CheckpointName, Manifest, manifest_name
from src.train.monitoring.record_parts import RecordParts
from tests.fakes.published import complete_moments

URL = "obs://bucket/out"
STEPS_PER_EPOCH = 10


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    """The folder that obs://bucket/out is."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    obs_sync.configure(storage_mode="local")
    return tmp_path / "obs_root" / "bucket" / "out"


def publisher(rank: int = 0, ranks: int = 1, keep: int = 0, publish: str = PUBLISH_ALL) -> Publisher:
    made = Publisher(CheckpointStore(URL, rank, ranks), Path("local") / f"ckpt_{rank}", keep, publish)
    made.start({})
    return made


def writer(name: CheckpointName, ranks: int = 1, weights: str = "same") -> Callable[[Path], Manifest]:
    """Writes a checkpoint of a few bytes, which differ between ranks as batch statistics do."""

    def write(path: Path) -> Manifest:
        content = f"{name} {weights}".encode() * 100
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        where = {"epoch": name.epoch, "step": name.step, "steps_per_epoch": STEPS_PER_EPOCH}
        where["global_step"] = (name.epoch - 1) * STEPS_PER_EPOCH + name.step
        stated = hashlib.sha256(weights.encode()).hexdigest()
        facts = {"file": path.name, "size": len(content), "sha256": digest, "weights_sha256": stated}
        return Manifest(rank=name.rank, rank_size=ranks, **where, **facts, identity={}, versions={})  # type: ignore[arg-type]

    return write


def save(made: Publisher, name: CheckpointName, ranks: int = 1, weights: str = "same") -> None:
    made.save(writer(name, ranks, weights), str(name))


def names(store: Path) -> set[str]:
    return {path.name for path in store.glob("ckpt_*/openpose*")}


def both(name: CheckpointName) -> set[str]:
    return {str(name), manifest_name(name)}


@pytest.mark.parametrize("publish", [PUBLISH_ALL, PUBLISH_VERIFY])
def test_every_rank_states_its_digest_and_only_all_uploads_every_file(store: Path, publish: str) -> None:
    for rank in (0, 1):
        made = publisher(rank, 2, publish=publish)
        save(made, CheckpointName(rank, 1, 5), 2)
        assert made.drain(10) == []
    zero, one = (CheckpointName(rank, 1, 5) for rank in (0, 1))
    wanted = both(zero) | (both(one) if publish == PUBLISH_ALL else {manifest_name(one)})
    assert names(store) == wanted
    assert not list(Path("local").rglob("openpose*"))  # nothing stays behind on the local disk
    (candidate,) = CheckpointStore(URL, 1, 2).candidates(Path("local"))
    fetched = candidate.fetch().read_bytes()
    own = one if publish == PUBLISH_ALL else zero
    assert fetched == f"{own} same".encode() * 100


@pytest.mark.parametrize("publish", [PUBLISH_ALL, PUBLISH_VERIFY])
def test_ranks_that_have_drifted_apart_are_told(caplog: pytest.LogCaptureFixture, publish: str) -> None:
    for rank, weights in enumerate(("this", "this", "that")):
        made = publisher(rank, 3, publish=publish)
        save(made, CheckpointName(rank, 1, 5), 3, weights)
        assert made.drain(10) == []
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told.startswith("the run has diverged: at epoch 1, step 5")
    assert "ranks 0, 1 / ranks 2" in told


def test_a_damaged_file_of_rank_0_is_of_no_use_to_the_others(store: Path) -> None:
    for rank in (0, 1):
        made = publisher(rank, 2, publish=PUBLISH_VERIFY)
        save(made, CheckpointName(rank, 1, 5), 2)
        made.drain(10)
    (store / "ckpt_0" / str(CheckpointName(0, 1, 5))).write_bytes(b"something else")
    (candidate,) = CheckpointStore(URL, 1, 2).candidates(Path("local"))
    with pytest.raises(CheckpointError, match="damaged"):
        candidate.fetch()


def test_the_manifest_comes_after_the_checkpoint_and_goes_before_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whenever a kill comes, a manifest has its checkpoint: in the store and on the local disk."""
    sent, gone = [], []
    copy, unlink = uploader_module.copy, Path.unlink

    def noting(source: str, target: str, **options: object) -> object:
        done = copy(source, target, **options)
        sent.append(target.rpartition("/")[2])
        return done

    def noting_unlink(path: Path, **options: bool) -> None:
        if path.name.startswith("openpose") and path.exists():
            gone.append((path.parts[0], path.name))
        unlink(path, **options)

    monkeypatch.setattr(uploader_module, "copy", noting)
    monkeypatch.setattr(Path, "unlink", noting_unlink)
    made = publisher()
    for step in (1, 2):
        save(made, CheckpointName(0, 1, step))
    made.drain(10)
    files = [str(CheckpointName(0, 1, step)) for step in (1, 2)]
    assert sent == [name for file in files for name in (file, manifest_name(file))]
    assert [name for place, name in gone if place == "local"] == [n for f in files for n in (manifest_name(f), f)]


@pytest.mark.parametrize(("keep", "left"), [(1, 2), (3, 3), (0, 6)])
def test_the_newest_stay_and_at_least_two(store: Path, keep: int, left: int) -> None:
    made = publisher(keep=keep)
    for step in range(1, 7):
        save(made, CheckpointName(0, 1, step))
    assert made.drain(10) == []
    assert names(store) == set().union(*(both(CheckpointName(0, 1, step)) for step in range(7 - left, 7)))


def test_nothing_goes_before_all_ranks_have_newer_ones(store: Path) -> None:
    fast, slow = publisher(0, 2, keep=2), publisher(1, 2, keep=2)
    for step in range(1, 7):
        save(fast, CheckpointName(0, 1, step), 2)
    fast.drain(10)
    for step in (1, 2):
        save(slow, CheckpointName(1, 1, step), 2)
    slow.drain(10)
    assert {str(CheckpointName(0, 1, step)) for step in range(1, 7)} <= names(store)
    assert len(complete_moments(names(store), 2)) == 2


def test_a_store_that_is_down_holds_nothing_up_and_gets_the_newest_in_the_end(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    copy, up = uploader_module.copy, threading.Event()

    def sometimes(source: str, target: str, **options: object) -> object:
        if not up.is_set():
            raise obs_sync.Transient("the store does not answer", url=target, operation="upload")
        return copy(source, target, **options)

    monkeypatch.setattr(uploader_module, "copy", sometimes)
    made = publisher()
    count = publishing.MAX_WAITING + 3
    for step in range(1, count + 1):
        save(made, CheckpointName(0, 1, step))
    made.publish_made(lambda: None)
    told = made.drain(0.2)
    assert len(told) == count
    up.set()
    missing = made.drain(10)
    arrived = {name.step for file in names(store) if (name := CheckpointName.parse(file))}
    given_up = [line for line in missing if "given up for newer ones" in line]
    assert len(given_up) == len(missing) == count - len(arrived)
    assert set(range(4, count + 1)) <= arrived
    for line in missing:
        assert Path(line.rpartition("still at ")[2]).is_file()
    assert "the store does not answer" in caplog.text


def test_what_an_earlier_start_wrote_is_published_by_the_next(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(source: str, target: str, **_: object) -> object:
        raise obs_sync.Transient("the store does not answer", url=target, operation="upload")

    with monkeypatch.context() as patch:
        patch.setattr(uploader_module, "copy", never)
        first = publisher()
        save(first, CheckpointName(0, 1, 1))
        assert len(first.drain(0.2)) == 1
        first.close()
    local = Path("local") / "ckpt_0"
    half = local / str(CheckpointName(0, 1, 2))  # killed between the checkpoint and its manifest
    half.write_bytes(b"half")
    (local / f".{half.stem}.77.part.ckpt").write_bytes(b"less than half")
    with monkeypatch.context() as patch:
        patch.setattr(uploader_module, "copy", never)
        publisher().close()  # does not wait for a store that fails: the other ranks would wait too
    publisher().drain(10)
    assert names(store) == both(CheckpointName(0, 1, 1))
    assert not list(local.glob("*openpose*"))


def test_a_full_disk_costs_that_checkpoint_and_is_told(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    def no_room(path: Path) -> Manifest:
        raise OutputError(f"{path}: the checkpoint cannot be written: No space left on device")

    made = publisher()
    made.save(no_room, str(CheckpointName(0, 1, 1)))
    save(made, CheckpointName(0, 1, 2))
    (line,) = made.drain(10)
    assert "1_1.ckpt: not written" in line
    assert "No space left" in line
    assert names(store) == both(CheckpointName(0, 1, 2))


def test_a_page_that_takes_long_is_no_missing_checkpoint(caplog: pytest.LogCaptureFixture) -> None:
    made, go_on = publisher(), threading.Event()
    save(made, CheckpointName(0, 1, 1))
    assert made.drain(10) == []

    def slow() -> None:
        go_on.wait(60)

    made.publish_page(slow)
    assert made.drain(0.2) == []
    assert f"{URL}: training page and plot show an earlier step" in caplog.text
    go_on.set()
    assert made.drain(10) == []


def test_draining_keeps_its_deadline_though_a_checkpoint_is_still_being_written() -> None:
    made, go_on = publisher(), threading.Event()

    def slow(path: Path) -> Manifest:
        go_on.wait(30)
        return writer(CheckpointName(0, 1, 1))(path)

    made.save(slow, str(CheckpointName(0, 1, 1)))
    (line,) = made.drain(0.2)
    assert "the last checkpoint is still being written" in line
    go_on.set()
    assert made.drain(10) == []


def test_a_plot_that_cannot_be_drawn_is_told_and_costs_nothing(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    made, plot = publisher(), Path("local") / "loss.png"

    def broken() -> Path:
        raise RuntimeError("no fonts")

    made.publish_made(broken)
    plot.write_bytes(b"png")
    made.publish_made(lambda: plot)
    assert made.drain(10) == []
    assert (store / "ckpt_0" / "loss.png").read_bytes() == b"png"
    assert "could not create or publish a report file: RuntimeError: no fonts" in caplog.text


def test_the_last_state_of_a_small_file_arrives_though_it_changes_on_its_way(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, record, go_on = publisher(), Path("local") / "loss-rank0.jsonl", threading.Event()
    sent = uploader_module.copy

    def slow(source: str, target: str, **options: Any) -> Any:
        go_on.wait(30)
        return sent(source, target, **options)

    monkeypatch.setattr(uploader_module, "copy", slow)
    for state in (b"1", b"12", b"123"):
        record.write_bytes(state)
        made.publish_made(lambda: record)
        assert made.drain(0.2) != []
    go_on.set()
    assert made.drain(10) == []
    assert (store / "ckpt_0" / record.name).read_bytes() == b"123"
    assert not list(Path("local").glob(".*.sending"))


def test_a_run_or_a_checkpoint_may_be_named(store: Path) -> None:
    made = publisher()
    for step in (1, 2, 3):
        save(made, CheckpointName(0, 1, step))
    made.drain(10)
    shutil.move(str(store), str(store.with_name("first")))
    own = CheckpointStore(URL, 0, 1)
    for resume, wanted in (
        ("obs://bucket/first", [3, 2, 1]),
        (f"obs://bucket/first/ckpt_0/{CheckpointName(0, 1, 2)}", [2]),
    ):
        found = Publisher(own, Path("local"), 0, PUBLISH_ALL, resume_source(resume, own)).candidates()
        assert [candidate.manifest.step for candidate in found] == wanted


def test_more_cards_than_before_start_from_rank_0s_file() -> None:
    made = publisher()
    save(made, CheckpointName(0, 1, 1))
    made.drain(10)
    (candidate,) = CheckpointStore(URL, 3, 4).candidates(Path("local"))
    assert candidate.fetch().read_bytes().startswith(b"openpose-train-rank0-1_1.ckpt")


def test_the_loss_record_is_published_in_parts_and_joined_in_a_fresh_container(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecordParts.__init__, "__defaults__", (3,))
    made, record, sent = publisher(), Path("local") / "ckpt_0" / "loss-rank0.jsonl", []
    copy = uploader_module.copy
    monkeypatch.setattr(
        uploader_module, "copy", lambda source, target, **more: (sent.append(target), copy(source, target, **more))[1]
    )
    for lines in (8, 9, 10):
        record.write_bytes(b"".join(b'{"global_step": %d}\n' % step for step in range(lines)))
        made.publish_record(record)
        assert made.drain(10) == []
    made.close()
    whole = record.read_bytes()
    parts = ["loss-rank0.jsonl", "loss-rank0.1.jsonl", "loss-rank0.2.jsonl", "loss-rank0.3.jsonl"]
    assert b"".join((store / "ckpt_0" / part).read_bytes() for part in parts) == whole
    assert [target.rpartition("/")[2] for target in sent].count("loss-rank0.jsonl") == 1, "a full part is sent once"
    shutil.rmtree("local")
    again = publisher()
    assert record.read_bytes() == whole
    record.write_bytes(whole[:40])  # this start goes on from an earlier step
    again.publish_record(record)
    assert again.drain(10) == []
    assert sorted(path.name for path in (store / "ckpt_0").glob("loss-*")) == ["loss-rank0.jsonl"]
