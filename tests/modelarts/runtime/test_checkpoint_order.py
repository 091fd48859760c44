"""One order of "newest": what a start publishes is never removed for, or resumed behind, something older."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

import obs_sync
from modelarts.runtime.checkpoints.publisher import PUBLISH_ALL, Publisher
from modelarts.runtime.checkpoints.store import CheckpointStore, resume_source
from src.train.checkpoints.manifest import CheckpointName, Manifest, Moment, manifest_name
from tests.modelarts.runtime.test_publishing import URL, both, names, publisher, save, store, writer

__all__ = ["store"]  # the fixture


def started(resume: str = "auto", url: str = URL, keep: int = 2) -> tuple[Publisher, list[Moment]]:
    """A start of the job, and the moments that it would go on from, in order."""
    own = CheckpointStore(url, 0, 1)
    made = Publisher(own, Path("local") / url.rpartition("/")[2], keep, PUBLISH_ALL, resume_source(resume, own))
    made.start({})
    return made, [candidate.manifest.name.moment for candidate in made.candidates()]


def publish(made: Publisher, *moments: tuple[int, int]) -> None:
    for moment in moments:
        save(made, CheckpointName(0, *moment))
    assert made.drain(10) == []
    made.close()


def choose(made: Publisher, number: int = 0, exactly: bool = True) -> None:
    made.candidates()[number].chosen(exactly)


def test_going_on_exactly_from_the_newest_stays_in_its_generation(store: Path) -> None:
    made, found = started()
    assert found == []
    publish(made, (1, 5), (1, 9))
    made, found = started()
    assert found == [Moment(1, 9), Moment(1, 5)]
    choose(made)
    publish(made, (2, 5))
    assert names(store) == both(CheckpointName(0, 1, 9)) | both(CheckpointName(0, 2, 5))
    generations = {json.loads(path.read_text())["generation"] for path in store.rglob("*.manifest.json")}
    assert generations == {1}


def test_a_changed_run_publishes_lower_steps_that_stay_and_are_resumed(store: Path) -> None:
    made, _ = started()
    publish(made, (8, 9), (9, 9))
    made, _ = started()
    choose(made, exactly=False)  # a larger batch: epochs have fewer steps
    publish(made, (9, 2), (9, 4))
    assert names(store) == both(CheckpointName(0, 9, 2)) | both(CheckpointName(0, 9, 4))
    _, found = started()
    assert found == [Moment(9, 4), Moment(9, 2)]


def test_what_follows_an_older_checkpoint_is_newer_than_what_was_skipped(store: Path) -> None:
    made, _ = started(keep=3)
    publish(made, (1, 5), (2, 5), (3, 5))
    made, _ = started(keep=3)
    choose(made, number=2)  # the newer two were damaged
    publish(made, (1, 7))
    _, found = started()
    assert found == [Moment(1, 7), Moment(3, 5), Moment(2, 5)]


def test_starting_from_the_beginning_is_newer_as_well(store: Path) -> None:
    made, _ = started(keep=5)
    publish(made, (3, 5))
    made, _ = started(keep=5)  # goes on from none of them
    publish(made, (1, 1))
    assert started()[1] == [Moment(1, 1), Moment(3, 5)]


def test_another_run_is_resumed_once_and_its_successor_from_then_on(store: Path) -> None:
    first, _ = started(url="obs://bucket/first")
    publish(first, (8, 9), (9, 9))
    made, found = started("obs://bucket/first")
    assert found == [Moment(9, 9), Moment(8, 9)]
    choose(made, exactly=False)
    publish(made, (1, 5))
    made, found = started("obs://bucket/first/")
    assert found[0] == Moment(1, 5)
    choose(made)
    publish(made, (1, 7))
    assert started("obs://bucket/first")[1][:2] == [Moment(1, 7), Moment(1, 5)]


def test_a_run_that_is_named_anew_comes_before_what_is_there(store: Path) -> None:
    for name, moment in (("first", (2, 2)), ("other", (1, 2))):
        publish(started(url=f"obs://bucket/{name}")[0], moment)
    made, _ = started("obs://bucket/first")
    choose(made)
    publish(made, (2, 5))
    made, found = started("obs://bucket/other")
    assert found[0] == Moment(1, 2)
    choose(made)
    publish(made, (1, 3))
    assert started("obs://bucket/other")[1][0] == Moment(1, 3)


def test_naming_the_own_train_url_changes_nothing(store: Path) -> None:
    publish(started()[0], (1, 5))
    assert started(f"{URL}/")[1] == [Moment(1, 5)]


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"format": 1}', "rank_size"])
def test_a_broken_manifest_is_skipped_with_the_reason(
    store: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    publish(started()[0], (1, 5), (1, 7))
    path = store / "ckpt_0" / manifest_name(CheckpointName(0, 1, 7))
    document = {**json.loads(path.read_text()), "rank_size": 200_000_000}
    path.write_text(json.dumps(document) if content == "rank_size" else content)
    made, found = started()
    assert found == [Moment(1, 5)]
    assert f"skipping checkpoint: {URL}/ckpt_0/{path.name}: not a valid checkpoint manifest" in caplog.text
    publish(made, (1, 8), (1, 9), (2, 1))
    assert path.exists()  # whatever it is, it is not this job's to remove


def test_a_manifest_under_another_name_is_skipped(store: Path) -> None:
    publish(started()[0], (1, 5))
    path = store / "ckpt_0" / manifest_name(CheckpointName(0, 1, 5))
    (store / "ckpt_0" / manifest_name(CheckpointName(0, 9, 5))).write_bytes(path.read_bytes())
    assert started()[1] == [Moment(1, 5)]


def test_ranks_of_different_starts_make_no_checkpoint(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    for rank in (0, 1):
        made = publisher(rank, 2)
        save(made, CheckpointName(rank, 1, 5), 2)
        made.drain(10)
    path = store / "ckpt_1" / manifest_name(CheckpointName(1, 1, 5))
    found = Manifest.from_json(path.read_bytes(), "")
    path.write_text(replace(found, generation=7).to_json())
    assert CheckpointStore(URL, 0, 2).candidates(Path("local")) == []
    assert "rank 1 is of another start of the run" in caplog.text


def test_a_rank_removes_old_files_of_ranks_that_are_no_more(store: Path) -> None:
    for rank in (0, 1):
        made = publisher(rank, 2)
        save(made, CheckpointName(rank, 1, 5), 2)
        made.drain(10)
    made, _ = started()
    choose(made, exactly=False)
    publish(made, (1, 6), (1, 7), (1, 8))
    assert names(store) == both(CheckpointName(0, 1, 7)) | both(CheckpointName(0, 1, 8))


def test_a_checkpoint_that_will_never_have_a_manifest_goes_when_there_are_enough(store: Path) -> None:
    stray = store / "ckpt_0" / str(CheckpointName(0, 7, 7))
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half a checkpoint of a killed start")
    made, _ = started()
    publish(made, (1, 1))
    assert stray.exists()
    made, _ = started()
    choose(made)
    publish(made, (1, 2))
    assert not stray.exists()


@pytest.mark.parametrize("content", ["{}", "[" * 100_000, '{"checkpoint": "../../x"}', "checkpoint"])
def test_the_best_checkpoint_stays(store: Path, content: str) -> None:
    made, _ = started()
    publish(made, (1, 1), (1, 2))
    best = CheckpointName(0, 1, 1)
    text = json.dumps({"checkpoint": str(best)}) if content == "checkpoint" else content
    (store / "ckpt_0" / "best.json").write_text(text)
    made, _ = started()
    choose(made)
    publish(made, (1, 3), (1, 4))
    kept = both(best) if content == "checkpoint" else set()
    assert names(store) == kept | both(CheckpointName(0, 1, 3)) | both(CheckpointName(0, 1, 4))


def test_manifests_are_read_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = CheckpointStore.read_manifest

    def noting(self: CheckpointStore, rank: int, file_name: str) -> Manifest:
        reads.append(file_name)
        return read(self, rank, file_name)

    monkeypatch.setattr(CheckpointStore, "read_manifest", noting)
    made, _ = started(keep=30)
    for epoch in range(1, 6):
        for step in range(1, 9):
            save(made, CheckpointName(0, epoch, step))
        assert made.drain(10) == []
    assert len(reads) == len(set(reads)) == 40


class Odd(Exception):
    """Something that nobody thought of."""


@pytest.mark.parametrize("error", [MemoryError(), Odd("odd"), RecursionError("deep"), OSError(5, "Input/output error")])
def test_whatever_goes_wrong_with_the_last_checkpoint_is_listed(
    store: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(_path: Path) -> Manifest:
        raise error

    made, _ = started()
    made.save(fail, str(CheckpointName(0, 1, 9)))
    (line,) = made.drain(10)
    assert "1_9.ckpt: not written: " in line
    assert type(error).__name__ in line or "error" in line
    assert "not saved: " in caplog.text


def test_a_file_that_cannot_be_deleted_costs_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = Path.unlink

    def refused(path: Path, **options: bool) -> None:
        if path.name.endswith(".ckpt") and "local" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refused)
    made, _ = started()
    publish(made, (1, 1), (1, 2))
    assert names(store) == both(CheckpointName(0, 1, 1)) | both(CheckpointName(0, 1, 2))


def test_a_local_file_that_vanished_is_missing_at_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = started()
    submit = made._submit

    def vanish_first(*pairs: tuple[str, str], on_done: object) -> None:
        os.unlink(pairs[0][0])
        submit(*pairs, on_done=on_done)  # type: ignore[arg-type]

    monkeypatch.setattr(made, "_submit", vanish_first)
    save(made, CheckpointName(0, 1, 1))
    (line,) = made.drain(60)
    assert "1_1.ckpt" in line


def test_state_of_another_run_is_set_aside_and_named(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    def never(*_: object) -> None:
        raise obs_sync.Transient("down", url=URL, operation="upload")

    first = Publisher(CheckpointStore(URL, 0, 1), Path("local"), 0, PUBLISH_ALL)
    first.start({}, run_id="aaa")
    first._submit = lambda *_pairs, on_done: None  # type: ignore[method-assign,assignment]
    save(first, CheckpointName(0, 5, 5))
    first.drain(10)
    first.close()
    second = Publisher(CheckpointStore(URL, 0, 1), Path("local"), 0, PUBLISH_ALL)
    caplog.set_level(logging.WARNING)
    second.start({}, run_id="bbb")
    assert second.candidates() == []
    aside = Path("local") / "of-another-run" / "aaa"
    assert both(CheckpointName(0, 5, 5)) <= {path.name for path in aside.iterdir()}
    assert f"moved to {aside}: {CheckpointName(0, 5, 5)}" in caplog.text
    publish(second, (1, 1))
    assert names(store) == both(CheckpointName(0, 1, 1))


def test_a_norm_that_explodes_is_told(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    made, _ = started()
    for step, norm in ((1, 2.0), (2, 19.0), (3, 1900.0)):
        name = CheckpointName(0, 1, step)
        made.save(lambda path, n=name, w=norm: replace(writer(n)(path), weights_norm=w), str(name))  # type: ignore[misc]
        assert made.drain(10) == []
    (line,) = [text for record in caplog.records if "norm" in (text := record.getMessage())]
    assert "rose from 19 to 1.9e+03 by epoch 1, step 3" in line
