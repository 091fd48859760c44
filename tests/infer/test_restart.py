"""Batches that are killed and started again, and batches that several cards share, in folders and in OBS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import obs_sync
from modelarts.runtime.results.upload import FinishedBefore, results_folder
from src.actions import find_action
from src.errors import IncompleteError, OutputError
from src.infer.output.journal import journals_in, read_journals
from src.infer.output.output_folder import new_output_folder, run_digest, unfinished_folders
from src.infer.output.shard import Shard
from src.infer.run import infer_folder
from tests.infer.fakes import FakeNetwork

COUNT = 40
ACTION = find_action("climb_up")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pics"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        cv2.imwrite(str(folder / f"图 {i:02d}.jpg"), rng.integers(0, 255, (60 + i, 80, 3), np.uint8))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def start(
    root: Path, pictures: Path, parent: Path, bucket: str, rank: int, size: int, delay_s: float
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.infer.job_with_fake", str(pictures), str(parent), bucket]
    return subprocess.Popen(
        [*command, str(rank), str(size), str(delay_s)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def output_of(process: subprocess.Popen[str], code: int = 0) -> str:
    text = process.communicate(timeout=120)[0]
    assert process.returncode == code, text
    return text


def judged(text: str) -> int:
    return int(next(line for line in text.splitlines() if line.startswith("judged")).split()[1])


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines_below(parent: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for folder in parent.glob("output_img*") for path in journals_in(folder))


def check_complete(folder: Path, pictures: Path) -> list[dict[str, Any]]:
    """Every picture has one line and, if it can be read, its two files; nothing half-written or left over."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    names = sorted(path.name for path in pictures.iterdir())
    assert [line["file"] for line in lines] == names
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert (summary["pictures"], summary["ok"], summary["unreadable"]) == (COUNT + 1, COUNT, 1)
    expected = {"results.jsonl", "results.csv", "index.html", "summary.json", "run.json"}
    for line in lines:
        if line["status"] == "ok":
            assert len(line["persons"]) == 1
            assert (folder / line["file"]).read_bytes() == (pictures / line["file"]).read_bytes()
            assert cv2.imdecode(np.fromfile(folder / line["rendered"], np.uint8), cv2.IMREAD_COLOR) is not None
            expected |= {line["file"], line["rendered"]}
            assert ("thumbnail" in line) == (folder / line.get("thumbnail", "")).is_file()
    assert {path.name for path in folder.iterdir()} - {"thumbnails"} == expected
    return lines


def test_a_killed_job_goes_on_where_it_was(root: Path, pictures: Path, tmp_path: Path) -> None:
    parent = tmp_path / "out"
    process = start(root, pictures, parent, "", 0, 1, 0.1)
    wait_for(lambda: lines_below(parent) >= 10, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (folder,) = parent.glob("output_img*")
    results = folder / "results.jsonl"
    before = results.read_bytes()
    whole = before.count(b"\n")
    with results.open("ab") as file:
        file.write(before.splitlines()[0][:57])  # what a kill in the middle of a write leaves
    seen = {line["file"]: line for line in map(json.loads, before.decode().splitlines())}
    text = output_of(start(root, pictures, parent, "", 0, 1, 0.0))
    assert f"{sum(line['status'] == 'ok' for line in seen.values())} of {COUNT + 1} pictures are done" in text
    assert judged(text) == COUNT - sum(line["status"] == "ok" for line in seen.values())
    assert list(parent.iterdir()) == [folder]
    lines = check_complete(folder, pictures)
    assert 10 <= whole < COUNT
    for line in lines:
        if line["file"] in seen and line["status"] == "ok":
            assert line == seen[line["file"]], "finished pictures are not done again"


def test_a_finished_job_starts_anew_and_other_settings_too(root: Path, pictures: Path, tmp_path: Path) -> None:
    parent = tmp_path / "out"
    for runs in (1, 2):
        assert judged(output_of(start(root, pictures, parent, "", 0, 1, 0.0))) == COUNT
        assert len(list(parent.iterdir())) == runs
    digest = run_digest({"pictures": str(pictures)})
    assert not list(unfinished_folders(parent, digest))
    (max(parent.iterdir()) / "summary.json").unlink()
    assert not list(unfinished_folders(parent, run_digest({"pictures": "others"})))
    (found,) = unfinished_folders(parent, digest)
    assert not list(unfinished_folders(parent, digest)), "somebody works in it"
    found.close()
    (again,) = unfinished_folders(parent, digest)
    again.close()


def test_the_same_job_started_twice_at_once_does_not_mix(root: Path, pictures: Path, tmp_path: Path) -> None:
    parent = tmp_path / "out"
    both = [start(root, pictures, parent, "", 0, 1, 0.03) for _ in range(2)]
    for process in both:
        assert judged(output_of(process)) == COUNT
    folders = list(parent.iterdir())
    assert len(folders) == 2
    for folder in folders:
        check_complete(folder, pictures)


@pytest.mark.parametrize("bucket", ["", "obs"])
def test_cards_share_the_folder_and_merge_once(root: Path, pictures: Path, tmp_path: Path, bucket: str) -> None:
    obs_root = str(tmp_path / "obs") if bucket else ""
    # In OBS the cards are on different machines: no folder in common but the bucket.
    parents = [tmp_path / f"out{rank}" if bucket else tmp_path / "out" for rank in range(3)]
    cards = [start(root, pictures, parents[rank], obs_root, rank, 3, 0.02) for rank in (2, 1, 0)]
    counts = [judged(output_of(card)) for card in cards]
    assert sum(counts) == COUNT
    assert min(counts) >= COUNT // 3 - 1
    place = tmp_path / "obs/bucket/job/output_img" if bucket else tmp_path / "out"
    (folder,) = place.iterdir()
    check_complete(folder, pictures)


def test_several_cards_killed_and_continued_by_one(root: Path, pictures: Path, tmp_path: Path) -> None:
    parent = tmp_path / "out"
    cards = [start(root, pictures, parent, "", rank, 2, 0.1) for rank in (0, 1)]
    wait_for(lambda: lines_below(parent) >= 12, cards[0])
    for card in cards:
        card.kill()
        card.wait()
    (folder,) = parent.glob("output_img*")
    done = sum(line["status"] == "ok" for line in read_journals(folder).values())
    assert judged(output_of(start(root, pictures, parent, "", 0, 1, 0.0))) == COUNT - done
    check_complete(folder, pictures)


def test_a_job_killed_in_one_container_goes_on_in_another(root: Path, pictures: Path, tmp_path: Path) -> None:
    bucket, place = str(tmp_path / "obs"), tmp_path / "obs/bucket/job/output_img"
    process = start(root, pictures, tmp_path / "first", bucket, 0, 1, 0.1)
    wait_for(lambda: lines_below(place) >= 10, process)
    process.kill()
    process.wait()
    (folder,) = place.iterdir()
    delivered = [line for line in read_journals(folder).values() if line["status"] == "ok"]
    for line in delivered:
        assert (folder / line["rendered"]).is_file(), "a delivered line vouches for its files"
    shutil.rmtree(tmp_path / "first")
    # Killed a second time, soon after: what the first run delivered must not be lost by that.
    process = start(root, pictures, tmp_path / "second", bucket, 0, 1, 0.1)
    wait_for(lambda: lines_below(place) >= len(delivered) + 6, process)
    process.kill()
    process.wait()
    done = sum(line["status"] == "ok" for line in read_journals(folder).values())
    assert done > len(delivered)
    assert judged(output_of(start(root, pictures, tmp_path / "third", bucket, 0, 1, 0.0))) == COUNT - done
    assert list(place.iterdir()) == [folder]
    check_complete(folder, pictures)


def test_local_results_that_were_not_delivered_are_delivered_later(root: Path, pictures: Path, tmp_path: Path) -> None:
    bucket, place = str(tmp_path / "obs"), tmp_path / "obs/bucket/job/output_img"
    process = start(root, pictures, tmp_path / "out", bucket, 0, 1, 0.1)
    wait_for(lambda: lines_below(place) >= 4, process)
    process.kill()
    process.wait()
    (folder,) = place.iterdir()
    for path in folder.iterdir():  # as if the last deliveries had not come through
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "run.json":
            path.unlink()
    output_of(start(root, pictures, tmp_path / "out", bucket, 0, 1, 0.0))
    check_complete(folder, pictures)


def test_a_changed_picture_is_judged_again_and_a_removed_one_forgotten(pictures: Path, tmp_path: Path) -> None:
    folder = new_output_folder(tmp_path / "out", "d").path
    names = sorted(path.name for path in pictures.iterdir())
    infer_folder(FakeNetwork(), pictures, names, folder, ACTION, {})
    (folder / "summary.json").unlink()
    cv2.imwrite(str(pictures / names[3]), np.zeros((50, 50, 3), np.uint8))
    (pictures / names[5]).unlink()
    del names[5]
    network = FakeNetwork()
    summary = infer_folder(network, pictures, names, folder, ACTION, {})
    assert sum(map(len, network.log)) == 1
    assert (summary["pictures"], summary["judged_before"]) == (COUNT, COUNT - 2)
    lines = list(read_journals(folder).values())
    assert [line["file"] for line in lines] == names
    assert next(line for line in lines if line["file"] == names[3])["width"] == 50


def test_a_card_that_never_delivers_is_named_and_nothing_is_lost(pictures: Path, tmp_path: Path) -> None:
    folder = new_output_folder(tmp_path / "out", "d").path
    names = sorted(path.name for path in pictures.iterdir())
    with pytest.raises(IncompleteError, match=r"20 of 41 pictures have no result .*, …\) .* start the same job again"):
        infer_folder(FakeNetwork(), pictures, names, folder, ACTION, {}, shard=Shard(0, 2, stall_timeout_s=1.0))
    assert not (folder / "summary.json").exists()
    network = FakeNetwork()
    assert infer_folder(network, pictures, names, folder, ACTION, {})["pictures"] == 41
    assert sum(map(len, network.log)) == 20


def test_another_cards_old_line_of_a_changed_picture_is_not_taken(pictures: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in pictures.iterdir())
    folder = new_output_folder(tmp_path / "out", "digest").path
    first, second = Shard(0, 2, stall_timeout_s=60), Shard(1, 2)
    infer_folder(FakeNetwork(), pictures, names, folder, ACTION, {}, shard=second)
    changed = second.of(names)[3]
    cv2.imwrite(str(pictures / "new.jpg"), np.full((300, 200, 3), 128, np.uint8))
    (pictures / "new.jpg").replace(pictures / changed)
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(infer_folder, FakeNetwork(), pictures, names, folder, ACTION, {}, shard=first)
        with pytest.raises(FutureTimeout):
            whole.result(3)
        infer_folder(FakeNetwork(), pictures, names, folder, ACTION, {}, shard=second)
        whole.result(60)
    lines = {line["file"]: line for line in check_complete(folder, pictures)}
    assert lines[changed]["bytes"] == (pictures / changed).stat().st_size


@pytest.mark.parametrize("root", ["", "obs://bucket/job/output_img"])
def test_a_card_that_comes_when_all_is_done_ends_well(
    pictures: Path, tmp_path: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelarts.runtime.results.upload.LOOK_EVERY_S", 0.1)
    obs_sync.configure(storage_mode="local", obs_local_root=str(tmp_path / "bucket"))
    names = sorted(path.name for path in pictures.iterdir())
    with results_folder(tmp_path / "a", root, "digest", Shard()) as (folder, place, sink):
        infer_folder(FakeNetwork(), pictures, names, folder, ACTION, {}, sink=sink)
    parent, late = tmp_path / ("b" if root else "a"), Shard(1, 2, stall_timeout_s=0.3)
    with pytest.raises(FinishedBefore, match=place), results_folder(parent, root, "digest", late):
        pass
    with pytest.raises(IncompleteError), results_folder(parent, root, "another", late):
        pass
    monkeypatch.setattr("modelarts.runtime.results.upload.STARTS_APART_S", -10.0)  # as if it had been long ago
    with pytest.raises(IncompleteError), results_folder(parent, root, "digest", late):
        pass


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_files(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_output_folder(tmp_path / "out", "d").path
    names = sorted(path.name for path in pictures.iterdir())
    write_bytes, written = Path.write_bytes, []

    def full(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > 6:
            write_bytes(path, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"\.jpg: cannot be written: No space left on device"):
        infer_folder(FakeNetwork(), pictures, names, folder, ACTION, {})
    monkeypatch.undo()
    assert not list(folder.glob("*.part")), "half a file"
    done = [line for line in read_journals(folder).values() if line["status"] == "ok"]
    network = FakeNetwork()
    infer_folder(network, pictures, names, folder, ACTION, {})
    assert sum(map(len, network.log)) == COUNT - len(done)
