"""Ignore masks: the right pixels, readable by training, nothing drawn twice, nothing mixed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from src.data.coco import Selection, index_annotations
from src.data.drawn.dataset import draw_dataset
from src.data.sample import SampleMaker
from src.tools.gen_ignore_mask import STAMP_FILE, main
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 24, seed=5)
    return folder


LIMIT = "--min_area=300"


def annotate(tmp_path: Path, annotations: list[dict[str, Any]], drawn: Path) -> Path:
    """One 60×40 picture with a person of 400 px² to train on (with `LIMIT`), and the given annotations."""
    categories = json.loads((drawn / "annotations" / "person_keypoints.json").read_text())["categories"]
    person = {"keypoints": [25, 9, 2] * 17, "num_keypoints": 17, "area": 400, "bbox": [20, 0, 10, 40], "iscrowd": 0}
    person["segmentation"] = [[20, 0, 30, 0, 30, 40, 20, 40]]
    people = [person, *annotations]
    content = {
        "images": [{"id": 7, "file_name": "sub/one.jpg", "width": 60, "height": 40}],
        "annotations": [{"id": i, "image_id": 7, "category_id": 1, **each} for i, each in enumerate(people)],
        "categories": categories,
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    return path


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def mask_of(folder: Path, name: str) -> np.ndarray:
    mask = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    return mask


def test_small_person_is_black_and_all_else_white(tmp_path: Path, drawn: Path) -> None:
    small = {"keypoints": [0] * 51, "num_keypoints": 0, "area": 80, "iscrowd": 0, "bbox": [40, 10, 8, 10]}
    small["segmentation"] = [[40, 10, 47, 10, 47, 19, 40, 19]]
    path = annotate(tmp_path, [small], drawn)
    assert run(f"--jsonpath_train={path}", f"--maskpath_train={tmp_path / 'm'}", LIMIT) == 0
    mask = mask_of(tmp_path / "m", "sub/one.png")
    assert mask.shape == (40, 60)
    expected = np.full((40, 60), 255, np.uint8)
    expected[10:20, 40:48] = 0
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("compressed", [False, True])
def test_crowd_equals_pycocotools_but_for_trained_on_persons(tmp_path: Path, drawn: Path, compressed: bool) -> None:
    region = np.zeros((40, 60), np.uint8)
    region[5:30, 10:50] = 1
    region[8:12, 40:60] = 1
    coded = coco_mask.encode(np.asfortranarray(region))
    if compressed:
        segmentation = {"size": [40, 60], "counts": coded["counts"].decode()}
    else:
        runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[2], region.T.reshape(-1), [2]]))))
        counts = runs.tolist() if region[0, 0] else [0, *runs.tolist()][1:]
        segmentation = {"size": [40, 60], "counts": counts}
    crowd = {"keypoints": [0] * 51, "num_keypoints": 0, "area": 900, "iscrowd": 1, "bbox": [10, 5, 50, 25]}
    path = annotate(tmp_path, [{**crowd, "segmentation": segmentation}], drawn)
    assert run(f"--jsonpath_train={path}", f"--maskpath_train={tmp_path / 'm'}", LIMIT) == 0
    ignored = mask_of(tmp_path / "m", "sub/one.png") == 0
    assert not ignored[:, 21:30].any(), "the trained_on person stays"
    outside = np.ones((40, 60), bool)
    outside[:, 19:32] = False
    np.testing.assert_array_equal(ignored[outside], coco_mask.decode(coded)[outside] == 1)


def test_training_sees_the_same_cells_with_files_as_without(tmp_path: Path, drawn: Path) -> None:
    """Bit for bit: a region counts on every cell it touches, whether it was drawn from annotations or read."""
    annotations = drawn / "annotations" / "person_keypoints.json"
    assert run(f"--jsonpath_train={annotations}", f"--maskpath_train={tmp_path}", "--min_area=9000") == 0
    index = index_annotations(annotations, Selection(5, 9000))
    settings = sample_settings(insize=256, seed=3)
    with_files = SampleMaker(index, drawn / "images", settings, tmp_path)
    without = SampleMaker(index, drawn / "images", settings)
    ignored = 0
    for row in range(len(index)):
        for epoch in range(3):
            a, b = with_files.make(row, epoch), without.make(row, epoch)
            for one, other in zip(a, b):
                np.testing.assert_array_equal(one, other)
            ignored += int((b.valid_mask == 0).sum())
    assert ignored > 1000


def test_thin_regions_are_ignored_from_files_too(tmp_path: Path, drawn: Path) -> None:
    """A region one pixel wide lies between the cells' centres; sampled there it would be lost."""
    thin = {"keypoints": [0] * 51, "num_keypoints": 0, "area": 40, "iscrowd": 0, "bbox": [9, 2, 1, 36]}
    thin["segmentation"] = [[9, 2, 9.4, 2, 9.4, 38, 9, 38]]
    path = annotate(tmp_path, [thin], drawn)
    assert run(f"--jsonpath_train={path}", f"--maskpath_train={tmp_path / 'm'}", LIMIT) == 0
    (tmp_path / "sub").mkdir()
    cv2.imwrite(str(tmp_path / "sub" / "one.jpg"), np.full((40, 60, 3), 90, np.uint8))
    settings = sample_settings(insize=64, augment=False)
    index = index_annotations(path, replace(SELECTION, min_area=300))
    from_file = SampleMaker(index, tmp_path, settings, tmp_path / "m").make(0, 0).valid_mask
    assert (from_file == 0).any(axis=1).sum() >= 3, "its column and both neighbours"
    np.testing.assert_array_equal(from_file, SampleMaker(index, tmp_path, settings).make(0, 0).valid_mask)


def test_what_exists_is_kept_and_a_torn_file_is_drawn_again(tmp_path: Path, drawn: Path, capsys: Any) -> None:
    arguments = [f"--jsonpath_train={drawn / 'annotations' / 'person_keypoints.json'}", f"--maskpath_train={tmp_path}"]
    assert run(*arguments) == 0
    masks = sorted(tmp_path.glob("*.png"))
    times = [path.stat().st_mtime_ns for path in masks]
    masks[3].write_bytes(b"")
    masks[4].unlink()
    assert run(*arguments) == 0
    assert "2 masks written" in capsys.readouterr().out.splitlines()[-1]
    assert [p.stat().st_mtime_ns for p in masks[:3]] == times[:3]
    assert mask_of(tmp_path, masks[3].name).size > 0
    assert not list(tmp_path.glob("*.part"))
    assert run(*arguments, "--force") == 0
    assert f"{len(masks)} masks written" in capsys.readouterr().out


def test_masks_of_other_limits_are_not_mixed(tmp_path: Path, drawn: Path, capsys: Any) -> None:
    arguments = [f"--jsonpath_train={drawn / 'annotations' / 'person_keypoints.json'}", f"--maskpath_train={tmp_path}"]
    assert run(*arguments) == 0
    assert run(*arguments, "--min_keypoints=9") == 2
    assert "--force" in capsys.readouterr().err
    assert json.loads((tmp_path / STAMP_FILE).read_text())["min_keypoints"] == 5


def test_preview_tints_exactly_the_ignored_pixels(tmp_path: Path, drawn: Path) -> None:
    annotations = drawn / "annotations" / "person_keypoints.json"
    look = tmp_path / "look"
    done = run(
        *(f"--jsonpath_train={annotations}", f"--maskpath_train={tmp_path / 'm'}", "--min_area=5000"),
        *(f"--imgpath_train={drawn / 'images'}", f"--preview={look}", "--preview_pictures=3"),
    )
    assert done == 0
    pictures = sorted(look.glob("*_ignored.jpg"))
    assert 1 <= len(pictures) <= 3
    for path in pictures:
        stem = path.stem[: -len("_ignored")]
        shown = cv2.imread(str(path)).astype(int)
        before = cv2.imread(str(drawn / "images" / f"{stem}.jpg")).astype(int)
        inside = cv2.erode((mask_of(tmp_path / "m", f"{stem}.png") == 0).astype(np.uint8), np.ones((9, 9))) > 0
        far = cv2.dilate((mask_of(tmp_path / "m", f"{stem}.png") == 0).astype(np.uint8), np.ones((33, 33))) == 0
        assert (shown - before)[far].max() < 60
        if inside.any():
            assert (shown[..., 2] - shown[..., 0])[inside].mean() > 60


def test_no_annotations_is_one_line(tmp_path: Path, capsys: Any) -> None:
    assert run(f"--jsonpath_train={tmp_path / 'none.json'}", f"--maskpath_train={tmp_path / 'm'}") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, drawn: Path, capsys: Any) -> None:
    (tmp_path / "m").mkdir(mode=0o500)
    path = drawn / "annotations" / "person_keypoints.json"
    assert run(f"--jsonpath_train={path}", f"--maskpath_train={tmp_path / 'm'}", LIMIT) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_masks_replace_no_picture_even_with_force(tmp_path: Path, drawn: Path, capsys: Any) -> None:
    """PNG pictures have the names of their masks."""
    content = json.loads((drawn / "annotations" / "person_keypoints.json").read_text())
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace(".jpg", ".png")
    (tmp_path / "a.json").write_text(json.dumps(content))
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / content["images"][0]["file_name"]), np.full((9, 9, 3), 80, np.uint8))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for more in ((), ("--force",)):
        assert run(f"--jsonpath_train={tmp_path / 'a.json'}", f"--maskpath_train={folder}", *more) == 2
        assert "not a mask of this tool" in capsys.readouterr().err
    (folder / STAMP_FILE).write_text("{")  # and a folder of masks into which a picture was copied
    assert run(f"--jsonpath_train={tmp_path / 'a.json'}", f"--maskpath_train={folder}", "--force") == 2
    (folder / STAMP_FILE).unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_pictures_that_would_share_a_mask_are_named(tmp_path: Path, drawn: Path, capsys: Any) -> None:
    content = json.loads((drawn / "annotations" / "person_keypoints.json").read_text())
    content["images"][0]["file_name"], content["images"][1]["file_name"] = "sub/1.jpg", "sub/1.png"
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert run(f"--jsonpath_train={tmp_path / 'a.json'}", f"--maskpath_train={tmp_path / 'm'}") == 2
    error = capsys.readouterr().err
    assert "sub/1.jpg" in error
    assert "sub/1.png" in error
    assert not (tmp_path / "m").exists()
