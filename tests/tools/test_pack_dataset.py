"""Shards: the same samples in the same order as the folder, deterministic, resumable, and damage is seen."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import src.tools.pack_dataset
from src.data.coco import index_annotations
from src.data.drawn.dataset import PERSON_CATEGORY, draw_dataset
from src.data.images import PictureError
from src.data.packed import PICTURES, SHARD_INDEX, PackedFiles, open_files
from src.data.pose_index import keep_present
from src.data.sample import SampleMaker
from src.tools import gen_ignore_mask
from src.tools.common.packing import Shard
from src.tools.pack_dataset import main
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """images/, annotations/ and masks/ of 24 drawn pictures."""
    folder = tmp_path_factory.mktemp("drawn")
    annotations = draw_dataset(folder, 24, seed=6)
    assert gen_ignore_mask.main([f"--jsonpath_train={annotations}", f"--maskpath_train={folder / 'masks'}"]) == 0
    return folder


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte is 100 KB, so that there are several shards."""
    monkeypatch.setattr(src.tools.pack_dataset, "_MEGABYTE", 100_000)


def pack(drawn: Path, target: Path, *more: str) -> int:
    annotations = drawn / "annotations" / "person_keypoints.json"
    base = [f"--jsonpath_train={annotations}", f"--imgpath_train={drawn / 'images'}"]
    return main([*base, f"--maskpath_train={drawn / 'masks'}", f"--result_path={target}", "--shard_mb=1", *more])


def shard_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.usefixtures("small_shards")
def test_same_samples_in_the_same_order(drawn: Path, tmp_path: Path) -> None:
    assert pack(drawn, tmp_path) == 0
    assert len(list(tmp_path.glob("shard-*.tar"))) > 3
    settings = sample_settings(insize=64, seed=1)
    makers = []
    for annotated, pictures, masks in (
        (drawn / "annotations" / "person_keypoints.json", drawn / "images", drawn / "masks"),
        (tmp_path / "person_keypoints.json", tmp_path, tmp_path),
    ):
        index = keep_present(index_annotations(annotated, SELECTION), pictures)
        makers.append(SampleMaker(index, pictures, settings, masks))
    folder, packed = makers
    assert folder.index.names.tolist() == packed.index.names.tolist()
    for row in range(len(folder)):
        for a, b in zip(folder.make(row, 1), packed.make(row, 1)):
            np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("small_shards")
def test_equal_sources_make_equal_bytes_and_a_tar_anybody_reads(drawn: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(drawn, copy)  # other times and inodes
    assert pack(drawn, tmp_path / "a") == 0
    assert pack(copy, tmp_path / "b") == 0
    assert shard_bytes(tmp_path / "a") == shard_bytes(tmp_path / "b")
    members = []
    for path in sorted((tmp_path / "a").glob("shard-*.tar")):
        with tarfile.open(path) as archive:
            members += archive.getnames()
    assert members[:2] == ["pictures/000000000001.jpg", "masks/000000000001.png"]
    assert sum(name.startswith("pictures/") for name in members) == 24


@pytest.mark.usefixtures("small_shards")
def test_a_killed_run_goes_on_where_it_was(
    drawn: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = src.tools.pack_dataset.write_shard, []

    def stops_at_the_third(shard: Shard, folder: Path) -> None:
        if len(written) == 2:
            (folder / f".{77:032x}.part").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(shard.name)
        real(shard, folder)

    monkeypatch.setattr(src.tools.pack_dataset, "write_shard", stops_at_the_third)
    assert pack(drawn, tmp_path) == 130
    assert not (tmp_path / SHARD_INDEX).exists(), "half a data set is none"
    monkeypatch.setattr(src.tools.pack_dataset, "write_shard", real)
    assert pack(drawn, tmp_path) == 0
    assert "2 were there already" in capsys.readouterr().out
    assert not list(tmp_path.glob(".*.part"))


def test_killed_without_warning_it_ends_as_if_nothing_had_happened(tmp_path: Path, root: Path) -> None:
    """kill -9 of the real process between two shards; the second run's bytes are those of an undisturbed one."""
    names = [f"{number:012d}.jpg" for number in range(60)]
    (tmp_path / "images").mkdir()
    for number, name in enumerate(names):
        (tmp_path / "images" / name).write_bytes(np.random.default_rng(number).bytes(1_000_000))
    content = {
        "images": [{"id": number, "file_name": name, "width": 1, "height": 1} for number, name in enumerate(names)],
        "annotations": [],
        "categories": [PERSON_CATEGORY],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    arguments = [f"--jsonpath_train={tmp_path / 'a.json'}", f"--imgpath_train={tmp_path / 'images'}", "--shard_mb=1"]
    command = [sys.executable, "-m", "src.tools.pack_dataset", *arguments, f"--result_path={tmp_path / 'killed'}"]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "shard-00003.tar").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    written = {path.name: path.stat().st_ino for path in (tmp_path / "killed").glob("shard-?????.tar")}
    assert 3 <= len(written) < 60
    assert not (tmp_path / "killed" / SHARD_INDEX).exists()
    assert main([*arguments, f"--result_path={tmp_path / 'killed'}"]) == 0
    assert main([*arguments, f"--result_path={tmp_path / 'whole'}"]) == 0
    assert shard_bytes(tmp_path / "killed") == shard_bytes(tmp_path / "whole")
    after = {name: (tmp_path / "killed" / name).stat().st_ino for name in written}
    assert after == written, "what was whole stays"


def test_another_data_set_and_others_files_are_not_touched(drawn: Path, tmp_path: Path, capsys: Any) -> None:
    mine = tmp_path / "person_keypoints.json"
    mine.write_text("mine")
    assert pack(drawn, tmp_path) == 2
    assert f"{mine}: already exists" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    mine.unlink()
    assert pack(drawn, tmp_path) == 0
    packed = shard_bytes(tmp_path)
    other = tmp_path.parent / "other.json"
    shutil.copyfile(drawn / "annotations" / "person_keypoints.json", other)
    arguments = [f"--jsonpath_train={other}", f"--imgpath_train={drawn / 'images'}", f"--result_path={tmp_path}"]
    assert main(arguments) == 2
    assert "holds another data set, of person_keypoints.json" in capsys.readouterr().err
    assert shard_bytes(tmp_path) == packed
    (tmp_path / "shard-notes.txt").write_text("mine")
    (tmp_path / "shard-00009.tar").write_bytes(b"of a larger data set")
    (tmp_path / f".{77:032x}.part").write_bytes(b"half")
    assert main([*arguments, "--force"]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"shard-00000.tar", "shards.json", "other.json", "person_keypoints.json", "shard-notes.txt"}


@pytest.mark.usefixtures("small_shards")
def test_changed_sources_and_damaged_shards_are_packed_again(drawn: Path, tmp_path: Path, capsys: Any) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(drawn, copy)
    target = tmp_path / "packed"
    assert pack(copy, target) == 0
    total = len(list(target.glob("shard-*.tar")))
    picture = copy / "images" / "000000000002.jpg"
    picture.write_bytes(picture.read_bytes()[:-2] + b"\xff\xd8")
    damaged = target / f"shard-{total - 1:05d}.tar"
    damaged.write_bytes(damaged.read_bytes()[:-2000].ljust(damaged.stat().st_size, b"\x01"))
    assert main(["--verify", f"--result_path={target}"]) == 2
    capsys.readouterr()
    assert pack(copy, target) == 0
    assert f"({total - 2} were there already)" in capsys.readouterr().out
    assert main(["--verify", f"--result_path={target}"]) == 0
    assert open_files(target, PICTURES).read("000000000002.jpg") == picture.read_bytes()


@pytest.mark.usefixtures("small_shards")
def test_damage_is_said_by_name(drawn: Path, tmp_path: Path, capsys: Any) -> None:
    assert pack(drawn, tmp_path) == 0
    shard = tmp_path / "shard-00001.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:4000] + bytes([whole[4000] ^ 1]) + whole[4001:])
    assert main(["--verify", f"--result_path={tmp_path}"]) == 2
    assert "shard-00001.tar: missing or damaged" in capsys.readouterr().err
    shard.write_bytes(whole[:-1])
    with pytest.raises(Exception, match=r"shard-00001\.tar: the shard has"):
        PackedFiles(tmp_path, PICTURES)
    shard.unlink()
    with pytest.raises(Exception, match=r"shard-00001\.tar: the shard is missing"):
        PackedFiles(tmp_path, PICTURES)
    (tmp_path / SHARD_INDEX).write_text('{"format": 1, "shards": [{}]}')
    with pytest.raises(Exception, match="not an index of shards"):
        PackedFiles(tmp_path, PICTURES)


@pytest.mark.usefixtures("small_shards")
def test_packed_files_serve_threads_copies_and_say_what_is_missing(drawn: Path, tmp_path: Path) -> None:
    assert pack(drawn, tmp_path) == 0
    files = pickle.loads(pickle.dumps(PackedFiles(tmp_path, PICTURES)))
    names = sorted(path.name for path in (drawn / "images").iterdir())
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(files.read, names * 10))
    assert read == [(drawn / "images" / name).read_bytes() for name in names] * 10
    assert not files.has("none.jpg")
    with pytest.raises(PictureError, match="not among the packed pictures"):
        files.read("none.jpg")


def test_missing_pictures_stop_it_unless_allowed(drawn: Path, tmp_path: Path, capsys: Any) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(drawn, copy)
    (copy / "images" / "000000000003.jpg").unlink()
    assert pack(copy, tmp_path / "p") == 2
    assert "1 annotated pictures are not there, like 000000000003.jpg" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
    assert pack(copy, tmp_path / "p", "--allow_missing") == 0
    assert json.loads((tmp_path / "p" / SHARD_INDEX).read_text())["missing"] == ["000000000003.jpg"]
    index = keep_present(index_annotations(tmp_path / "p" / "person_keypoints.json", SELECTION), tmp_path / "p", 0.1)
    assert "000000000003.jpg" not in index.names.tolist()
    assert len(list((tmp_path / "p").glob("shard-*"))) == 1
    assert pack(copy, copy / "images", "--allow_missing") == 2
    assert "is the folder of the pictures" in capsys.readouterr().err


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)])
def test_what_is_no_regular_file_is_missing(drawn: Path, tmp_path: Path, capsys: Any, make: Any) -> None:
    images = tmp_path / "images"
    shutil.copytree(drawn / "images", images)
    first = min(images.iterdir())
    first.unlink()
    make(first)
    annotations = next((drawn / "annotations").glob("*.json"))
    given = [f"--jsonpath_train={annotations}", f"--imgpath_train={images}", f"--result_path={tmp_path / 'packed'}"]
    assert main(given) == 2
    assert f"1 annotated pictures are not there, like {first.name}" in capsys.readouterr().err


def test_only_what_training_uses(drawn: Path, tmp_path: Path) -> None:
    assert pack(drawn, tmp_path, "--used_only", "--min_area=12000") == 0
    content = json.loads((tmp_path / SHARD_INDEX).read_text())
    assert 0 < len(content["pictures"]) < 24


def test_without_what_it_needs(tmp_path: Path, capsys: Any) -> None:
    assert main([f"--result_path={tmp_path}"]) == 2
    assert "--jsonpath_train" in capsys.readouterr().err
    assert main(["--verify", f"--result_path={tmp_path}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
