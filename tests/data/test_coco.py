from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from src.data.annotations.jsonstream import walk_object
from src.data.annotations.regions import unpack_counts
from src.data.coco import Selection, index_annotations, open_index, to_joints
from src.data.drawn.dataset import PERSON_CATEGORY, draw_dataset
from src.data.masks import ignored_cells, ignored_regions, unpack_crowds, valid_cells
from src.data.pose_index import keep_present, load_index
from src.data.ragged import Ragged, group_rows
from src.errors import DataError
from src.pose.skeleton import JointType as J
from tests.data.selection import SELECTION

FULL = [20.0, 30.0, 2] * 17


def _image(number: int) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "width": 100, "height": 80}


def _person(image: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": 1, "image_id": image, "category_id": 1, "keypoints": FULL, "num_keypoints": 17, "area": 2000.0,
        "bbox": [10, 10, 40, 50], "iscrowd": 0, "segmentation": [[10, 10, 50, 10, 50, 60, 10, 60]],
    }  # fmt: skip
    return {**row, **changes}


def _write(path: Path, images: list[Any], annotations: list[Any], without: str = "") -> Path:
    content = {"images": images, "annotations": annotations, "categories": [PERSON_CATEGORY]}
    path.write_text(json.dumps({k: v for k, v in content.items() if k != without}))
    return path


def test_selects_as_the_reference_does(tmp_path: Path) -> None:
    rows = [
        _person(1),
        _person(1, keypoints=[20.0, 30.0, 2] * 4 + [0, 0, 0] * 13, num_keypoints=4),
        _person(2, area=1024.0),
        _person(3, area=1024.5, keypoints=[20.0, 30.0, 2] * 5 + [0, 0, 0] * 12, num_keypoints=5),
        _person(3, iscrowd=1, num_keypoints=0, segmentation={"size": [80, 100], "counts": [8, 8, 7984]}),
    ]
    index = index_annotations(_write(tmp_path / "a.json", [_image(n) for n in (3, 1, 2, 4)], rows), SELECTION)
    assert index.names.tolist() == ["1.jpg", "3.jpg"]
    assert index.picture_ids.tolist() == [1, 3]
    assert index.sizes.tolist() == [[100, 80], [100, 80]]
    assert index.persons.lengths.tolist() == [1, 1]
    assert index.persons[0].shape == (1, 18, 3)
    assert index.ignored.lengths.tolist() == [5, 0]  # four corners and the end of the outline
    assert np.isnan(index.ignored[0][-1]).all()
    assert index.crowds[1].tolist() == [80, 100, 3, 8, 8, 7984]
    assert index.kept.lengths.tolist() == [0, 5]  # only where there is a crowd
    stricter = index_annotations(tmp_path / "a.json", Selection(min_keypoints=17, min_area=1999))
    assert stricter.names.tolist() == ["1.jpg"]


def test_agrees_with_pycocotools_on_real_annotations(shared: Path) -> None:
    file = shared / "data" / "coco_sample" / "person_keypoints.json"
    index, coco = index_annotations(file, SELECTION), COCO(str(file))
    for row, picture in enumerate(index.picture_ids.tolist()):
        annotations = coco.loadAnns(coco.getAnnIds(picture))
        trained_on = [a for a in annotations if a["num_keypoints"] >= 5 and a["area"] > 1024 and not a["iscrowd"]]
        assert index.persons.lengths[row] == len(trained_on)
        for person, annotation in zip(index.persons[row], trained_on):
            keypoints = np.reshape(annotation["keypoints"], (17, 3))
            assert person[J.Nose].tolist() == keypoints[0].tolist()
            assert person[J.LeftFoot].tolist() == keypoints[15].tolist()
            assert (person[:, 2] > 0).sum() - (person[J.Neck, 2] > 0) == annotation["num_keypoints"]
        others = [a for a in annotations if a not in trained_on]
        width, height = index.sizes[row].tolist()
        expected = np.zeros((height, width), bool)
        for annotation in others:
            expected |= coco.annToMask(annotation).astype(bool)
        mask = ignored_regions(index.ignored[row], index.crowds[row], index.kept[row], (width, height)).astype(bool)
        assert (mask & ~expected).mean() < 0.01  # outlines are drawn with their border
        assert (expected & ~mask).sum() <= 0.03 * expected.sum()


def test_neck_is_the_middle_of_both_shoulders() -> None:
    keypoints = np.zeros((2, 17, 3), np.float32)
    keypoints[:, 5], keypoints[:, 6] = [10, 20, 2], [30, 40, 1]
    keypoints[1, 6, 2] = 0
    joints = to_joints(keypoints)
    assert joints[0, J.Neck].tolist() == [20, 30, 1]
    assert joints[1, J.Neck].tolist() == [0, 0, 0]
    assert joints[1, J.RightShoulder].tolist() == [0, 0, 0]  # left-over coordinates of an absent joint go


@pytest.mark.parametrize("seed", range(5))
def test_compressed_counts(seed: int) -> None:
    mask = (np.random.default_rng(seed).random((37, 53)) < 0.5).astype(np.uint8)
    mask[10:30] = 1
    packed = coco_mask.encode(np.asfortranarray(mask))
    counts = unpack_counts(packed["counts"].decode())
    row = np.array([37, 53, len(counts), *counts], np.int32)
    (decoded,) = unpack_crowds(row)
    assert (decoded == mask).all()


def test_crowds_spare_the_trained_on_persons_in_them(tmp_path: Path) -> None:
    crowd = {"size": [80, 100], "counts": [0, 8000]}
    rows = [_person(1), _person(1, iscrowd=1, num_keypoints=0, keypoints=[0] * 51, segmentation=crowd)]
    index = index_annotations(_write(tmp_path / "a.json", [_image(1)], rows), SELECTION)
    mask = ignored_regions(index.ignored[0], index.crowds[0], index.kept[0], (100, 80))
    assert mask[70, 90] == 1
    assert mask[30, 30] == 0
    assert valid_cells(mask).shape == (1, 80, 100)


def test_a_crowd_of_another_size_than_its_picture_stays_inside() -> None:
    crowd = np.array([90, 50, 2, 0, 4500], np.int32)
    mask = ignored_regions(np.zeros((0, 2), np.float32), crowd, np.zeros((0, 2), np.float32), (100, 80))
    assert mask[:, :50].all()
    assert not mask[:, 50:].any()


def test_cells_follow_the_map() -> None:
    regions = np.zeros((80, 80), np.uint8)
    regions[40:61, 40:61] = 1
    matrix = np.array([[0.0, -0.25, 30], [0.25, 0, 2]])  # a quarter turn at a quarter of the size
    cells = ignored_cells(regions, matrix, (32, 32))
    rows, columns = np.nonzero(cells)
    assert (rows.min(), rows.max()) == (12, 17)
    assert (columns.min(), columns.max()) == (15, 20)
    assert cells[12:18, 15:21].all()
    far = matrix + np.array([[0, 0, 1e7], [0, 0, 1e7]])
    assert not ignored_cells(regions, far, (32, 32)).any()
    valid = valid_cells(cells)
    assert valid[0, 11, 15] == 0  # the neighbours of ignored cells are ignored
    assert valid[0, 10, 15] == 1
    assert valid.dtype == np.float32


@pytest.mark.parametrize("scale", [1 / 4, 1 / 16, 1 / 64])
def test_thin_regions_do_not_vanish_and_holes_stay_open(scale: float) -> None:
    matrix = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]])
    for place in ((slice(300, 301), slice(64, 512)), (slice(64, 512), slice(301, 302)), (slice(200, 201),) * 2):
        regions = np.zeros((640, 640), np.uint8)
        regions[place] = 1
        rows, columns = np.nonzero(ignored_cells(regions, matrix, (round(640 * scale), round(640 * scale))))
        y, x = np.nonzero(regions)
        touched = np.unique(np.floor(np.stack([y, x]) * scale).astype(int), axis=1)
        assert np.array_equal(np.stack([rows, columns]), touched)
    ring = np.ones((640, 640), np.uint8)
    ring[64:576, 64:576] = 0
    cells = ignored_cells(ring, matrix, (round(640 * scale), round(640 * scale)))
    hole = round(192 * scale)  # well inside
    assert cells[0].all()
    assert not cells[hole : round(448 * scale), hole : round(448 * scale)].any()


_ONE = '[{"id": 1, "file_name": "1.jpg", "width": 9, "height": 9}]'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1, 2]", "holds a list"),
        ('{"info": [1,]}', "not JSON"),
        ('{"a": 1} x', "not JSON"),
        ('{"annotations": [], "images": [], "annotations": []}', "the key 'annotations' is there twice"),
        ("{}", "categories"),
        ('{"info": 3}', "categories"),
        ('{"categories": [{"id": 1, "name": "person"}]}', "images"),
        (f'{{"images": {_ONE}, "categories": [{{"id": 1, "name": "person"}}]}}', "'person' names no 'keypoints'"),
        (f'{{"images": {_ONE}, "categories": [{{"id": 1, "keypoints": ["nose"]}}]}}', "lacks left_eye"),
        ('{"categories": [{"id": 1, "keypoints": ["nose"]}]}', "images"),
        ('{"images": [{"id": 1}]}', "width"),
        ('{"images": [3]}', "element 1 of 'images'"),
        ('{"images": 3}', "images"),
    ],
)
def test_what_is_not_coco_keypoints(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "person.json"
    path.write_text(text)
    with pytest.raises(DataError, match=named) as caught:
        index_annotations(path, SELECTION)
    assert "person.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_missing_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    with pytest.raises(DataError, match="no such annotation file"):
        index_annotations(tmp_path / "none.json", SELECTION)
    with pytest.raises(DataError, match="cannot be read"):
        index_annotations(tmp_path, SELECTION)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not JSON"):
        index_annotations(path, SELECTION)
    path.write_bytes(b"\x81\x81\xff{")
    with pytest.raises(DataError, match="neither UTF-8"):
        index_annotations(path, SELECTION)
    for part in ("images", "annotations", "categories"):
        with pytest.raises(DataError, match=part):
            index_annotations(_write(path, [_image(1)], [_person(1)], without=part), SELECTION)
    with pytest.raises(DataError, match="image_id"):
        index_annotations(_write(path, [_image(1)], [{"id": 9, "category_id": 1}]), SELECTION)
    with pytest.raises(DataError, match="50 numbers"):
        index_annotations(_write(path, [_image(1)], [_person(1, keypoints=FULL[1:])]), SELECTION)
    with pytest.raises(DataError, match="same id twice"):
        index_annotations(_write(path, [_image(1), {**_image(2), "id": 1}], [_person(1)]), SELECTION)
    with pytest.raises(DataError, match="no person with at least 5"):
        index_annotations(_write(path, [_image(1)], [_person(1, keypoints=[0] * 51)]), SELECTION)
    with pytest.raises(DataError, match="annotation 1: 'keypoints' must be a list of numbers"):
        index_annotations(_write(path, [_image(1)], [_person(1, keypoints=["a"] * 51)]), SELECTION)


def test_order_of_the_files_parts_does_not_matter(tmp_path: Path) -> None:
    parts = {"annotations": [_person(2), _person(1)], "categories": [PERSON_CATEGORY], "images": [_image(2), _image(1)]}
    (tmp_path / "a.json").write_text(json.dumps(parts, indent=3))
    index = index_annotations(tmp_path / "a.json", SELECTION)
    assert index.names.tolist() == ["1.jpg", "2.jpg"]


def test_annotations_of_unknown_pictures_are_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    index = index_annotations(_write(tmp_path / "a.json", [_image(1)], [_person(1), _person(7), _person(0)]), SELECTION)
    assert index.persons.lengths.tolist() == [1]
    assert "annotations left out: 2 of pictures that are not in 'images'" in caplog.text


def _present(folder: Path, numbers: range) -> Path:
    (folder / "img").mkdir()
    for number in numbers:
        (folder / "img" / f"{number}.jpg").touch()
    return folder / "img"


def test_few_missing_pictures_are_listed_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = _write(tmp_path / "a.json", [_image(n) for n in range(40)], [_person(n) for n in range(40)])
    index = index_annotations(file, SELECTION)
    folder = _present(tmp_path, range(2, 40))
    with caplog.at_level(logging.WARNING):
        kept = keep_present(index, folder)
    assert len(kept) == 38
    assert kept.names[0] == "2.jpg"
    assert "2 of 40" in caplog.text
    assert "0.jpg, 1.jpg" in caplog.text
    assert keep_present(kept, folder) is kept


def test_many_missing_or_all_missing_stops(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.json", [_image(n) for n in range(40)], [_person(n) for n in range(40)])
    index = index_annotations(file, SELECTION)
    with pytest.raises(DataError, match="no such folder"):
        keep_present(index, tmp_path / "img")
    folder = _present(tmp_path, range(30))
    with pytest.raises(DataError, match=r"10 of 40.*allowed share of 0\.05"):
        keep_present(index, folder)
    assert len(keep_present(index, folder, 0.25)) == 30
    with pytest.raises(DataError, match="none is left"):
        keep_present(index.take(np.arange(30, 40)), folder, 1.0)


def test_names_in_subfolders(tmp_path: Path) -> None:
    images = [{**_image(n), "file_name": f"part{n % 2}/{n}.jpg"} for n in range(4)]
    index = index_annotations(_write(tmp_path / "a.json", images, [_person(n) for n in range(4)]), SELECTION)
    (tmp_path / "part0").mkdir()
    for number in (0, 2):
        (tmp_path / "part0" / f"{number}.jpg").touch()
    assert keep_present(index, tmp_path, 0.5).names.tolist() == ["part0/0.jpg", "part0/2.jpg"]


def test_saved_index_is_the_same_and_mapped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = draw_dataset(tmp_path / "drawn", 12, seed=4, sizes=[(200, 160)])
    plain = index_annotations(file, SELECTION)
    saved = open_index(file, SELECTION, cache=tmp_path / "cache" / "index")
    mapped = open_index(file, SELECTION, cache=tmp_path / "cache" / "index", wait_s=5)
    for other in (saved, mapped):
        assert isinstance(other.persons.values, np.memmap)
        assert (other.names == plain.names).all()
        for name in ("persons", "ignored", "crowds", "kept"):
            mine, theirs = getattr(plain, name), getattr(other, name)
            assert (mine.start == theirs.start).all()
            assert np.array_equal(mine.values, theirs.values, equal_nan=name in ("ignored", "kept"))
    assert list((tmp_path / "cache").iterdir()) == [tmp_path / "cache" / "index"]
    os.utime(file, (1, 1))  # another file now
    with caplog.at_level(logging.WARNING):
        again = open_index(file, SELECTION, cache=tmp_path / "cache" / "index", wait_s=0.3)
    assert "no index appeared" in caplog.text
    assert len(again) == len(plain)
    assert isinstance(open_index(file, SELECTION, cache=tmp_path / "cache" / "index").names, np.memmap)
    other_selection = open_index(file, replace(SELECTION, min_keypoints=15), tmp_path / "cache" / "index")
    assert len(other_selection) <= len(plain)
    assert (other_selection.persons.values[:, :, 2] > 0).sum(axis=1).min() >= 15


def test_a_damaged_cache_is_rebuilt(tmp_path: Path) -> None:
    file = draw_dataset(tmp_path / "drawn", 3, seed=4, sizes=[(200, 160)])
    cache = tmp_path / "index"
    size = len(open_index(file, SELECTION, cache=cache))
    (cache / "names.npy").write_bytes(b"")
    assert load_index(cache, {}) is None
    assert len(open_index(file, SELECTION, cache=cache)) == size
    for name in list(cache.iterdir())[:3]:
        name.unlink()
    assert len(open_index(file, SELECTION, cache=cache)) == size


def test_ragged_rows() -> None:
    table = group_rows(np.arange(10), np.array([3, 0, 2, 5]), np.array([2, 0, 0, 2]), 4)
    assert [table[row].tolist() for row in range(4)] == [[3, 4], [], [0, 1, 2, 5, 6, 7, 8, 9], []]
    taken = table.take(np.array([2, 3, 0]))
    assert [taken[row].tolist() for row in range(3)] == [[0, 1, 2, 5, 6, 7, 8, 9], [], [3, 4]]
    empty = Ragged(np.zeros(0), np.zeros(1, np.int64)).take(np.zeros(0, np.int64))
    assert len(empty) == 0


@pytest.mark.parametrize("indent", [None, 1, "\t"])
def test_json_walk_equals_json(indent: Any) -> None:
    content = {"a": [1, {"b": [2, "]},"]}], "s": 'x"y', "empty": [], "o": {}, "n": None, "ü": [[]], "a2": {"a": [1]}}
    text = json.dumps(content, indent=indent)
    walked: dict[str, Any] = {"a": [], "ü": []}
    for key, value in walk_object(text, frozenset({"a", "empty", "ü"})):
        if key in ("a", "ü"):
            walked[key].append(value)
        else:
            walked[key] = value
    assert walked == {k: v for k, v in content.items() if k != "empty"}
    assert list(walk_object("{}", frozenset())) == []
    for end in range(1, len(text)):
        with pytest.raises(ValueError):
            list(walk_object(text[:end], frozenset({"a"})))
