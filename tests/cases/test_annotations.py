"""Small annotation files that real programs wrote: each gives the outcome that its README expects."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from src.data.coco import index_annotations
from src.tools import coco2labelme, evaluate, gen_ignore_mask, labelme2coco, pack_dataset
from tests.cases.conftest import tree_of
from tests.data.selection import SELECTION


def masks(annotations: Path, folder: Path, *more: str) -> int:
    return gen_ignore_mask.main([f"--jsonpath_train={annotations}", f"--maskpath_train={folder}", *more])


def read_masks(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: cv2.imread(str(path), 0) for path in sorted(folder.glob("*.png"))}


def self_test_ap(annotations: Path, capsys: Any) -> float:
    assert evaluate.main([f"--jsonpath_val={annotations}", "--self_test"]) == 0
    found = re.search(r"as annotated +AP (\S+)", capsys.readouterr().out)
    assert found
    return float(found[1])


def test_01_absolute_name_png(case: Path, tmp_path: Path, capsys: Any) -> None:
    subprocess.run(["sh", str(case / "setup.sh"), str(tmp_path)], check=True)
    before = tree_of(tmp_path)
    assert masks(tmp_path / "a.json", tmp_path / "masks", "--force") == 2
    assert "file_name" in capsys.readouterr().err
    assert tree_of(tmp_path) == before


def test_03_backslash_name(case: Path, tmp_path: Path) -> None:
    arguments = [f"--jsonpath_train={case / 'a.json'}", f"--imgpath_train={case}", f"--result_path={tmp_path / 'p'}"]
    assert pack_dataset.main(arguments) == 0
    assert masks(case / "a.json", tmp_path / "masks") == 0
    assert coco2labelme.main([f"--json_path={case / 'a.json'}", f"--result_path={tmp_path / 'labels'}"]) == 0
    assert not [name for name in tree_of(tmp_path) if "\\" in name]
    assert (tmp_path / "masks" / "images" / "1.png").is_file()


def test_05_same_stem_masks(case: Path, tmp_path: Path, capsys: Any) -> None:
    assert masks(case / "a.json", tmp_path / "masks") == 2
    error = capsys.readouterr().err
    assert "1.jpg" in error
    assert "1.png" in error
    assert not tree_of(tmp_path)


@pytest.mark.parametrize("more", [(), ("--force",)])
def test_07_masks_among_png_pictures(case: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    shutil.copytree(case / "images", tmp_path / "images")
    before = tree_of(tmp_path)
    assert masks(case / "a.json", tmp_path / "images", *more) == 2
    assert tree_of(tmp_path) == before


def test_08_categories_after_annotations(case: Path, tmp_path: Path) -> None:
    assert masks(case / "a.json", tmp_path / "last") == masks(case / "first.json", tmp_path / "first") == 0
    last, first = read_masks(tmp_path / "last"), read_masks(tmp_path / "first")
    assert list(last) == list(first) != []
    for name, mask in last.items():
        np.testing.assert_array_equal(mask, first[name])
        assert mask.all(), "the bicycle is not a person to be masked"


def test_10_person_not_first_category(case: Path, tmp_path: Path) -> None:
    assert masks(case / "a.json", tmp_path / "masks") == 0
    assert len(index_annotations(case / "a.json", SELECTION).persons.values) > 0


def test_11_iscrowd_as_text(case: Path, tmp_path: Path) -> None:
    assert masks(case / "a.json", tmp_path / "masks") == 0
    people = json.loads((case / "a.json").read_text())["annotations"]
    assert len(index_annotations(case / "a.json", SELECTION).persons.values) == len(people)


def test_12_two_person_categories(case: Path, tmp_path: Path, capsys: Any) -> None:
    people = json.loads((case / "a.json").read_text())["annotations"]
    assert len(index_annotations(case / "a.json", SELECTION).persons.values) == len(people)
    assert self_test_ap(case / "a.json", capsys) == 1.0


def test_16_crowd_run_lengths_damaged(case: Path, tmp_path: Path, capsys: Any) -> None:
    assert masks(case / "a.json", tmp_path / "masks") == 2
    assert re.search(r"annotation \d+: damaged run lengths", capsys.readouterr().err)


def test_17_annotation_ids_from_0(case: Path, tmp_path: Path, capsys: Any) -> None:
    assert self_test_ap(case / "a.json", capsys) == self_test_ap(case / "one.json", capsys) == 1.0


def test_19_area_not_filled_in(case: Path, tmp_path: Path) -> None:
    people = json.loads((case / "a.json").read_text())["annotations"]
    index = index_annotations(case / "a.json", SELECTION)
    assert len(index.persons.values) == len(people)
    assert index.summary is not None
    assert index.summary.completed["areas taken from outline or box"] == 4


def test_21_outline_without_area(case: Path, tmp_path: Path) -> None:
    assert masks(case / "a.json", tmp_path / "masks") == 0
    content = json.loads((case / "a.json").read_text())
    names = {image["id"]: Path(image["file_name"]).stem for image in content["images"]}
    without = [each for each in content["annotations"] if not any(each.get("keypoints") or [])]
    assert without
    for each in without:
        x, y, w, h = (int(value) for value in each["bbox"])
        mask = read_masks(tmp_path / "masks")[f"{names[each['image_id']]}.png"]
        assert not mask[y + 1 : y + h - 1, x + 1 : x + w - 1].any()


@pytest.mark.parametrize("name", ["a.json", "flat.json"])
def test_22_bbox_null_or_outline_flat(case: Path, tmp_path: Path, name: str) -> None:
    assert masks(case / name, tmp_path / "masks") == 0
    people = json.loads((case / name).read_text())["annotations"]
    assert len(index_annotations(case / name, replace(SELECTION, min_area=0)).persons.values) == len(people)


def test_23_byte_order_mark(case: Path, tmp_path: Path, capsys: Any) -> None:
    assert self_test_ap(case / "a.json", capsys) == 1.0
    assert masks(case / "a.json", tmp_path / "masks") == 0


def test_33_joints_in_another_order(case: Path, tmp_path: Path, capsys: Any) -> None:
    given = [f"--json_path={case / 'a.json'}", f"--imgpath={case / 'images'}", f"--result_path={tmp_path / 'labels'}"]
    assert coco2labelme.main(given) == 2
    assert "pelvis" in capsys.readouterr().err
    assert not tree_of(tmp_path)


def test_35_ids_text_on_one_side(case: Path, tmp_path: Path, capsys: Any) -> None:
    given = [f"--json_path={case / 'a.json'}", f"--imgpath={case / 'images'}", f"--result_path={tmp_path / 'labels'}"]
    assert coco2labelme.main(given) == 2
    assert re.search(r"annotation \d+: 'image_id' is '", capsys.readouterr().err)
    assert not tree_of(tmp_path)


def test_36_formula_in_error_list(case: Path, tmp_path: Path) -> None:
    assert labelme2coco.main([f"--train_path={case / 'labelled'}", f"--result_path={tmp_path / 'a.json'}"]) == 3
    with open(tmp_path / "a_errors.csv", encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any("=1+1" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith("=")]


def test_38_difficult_means_occluded(case: Path, tmp_path: Path) -> None:
    assert labelme2coco.main([f"--train_path={case / 'labelled'}", f"--result_path={tmp_path / 'a.json'}"]) == 0
    (labelled,) = (case / "labelled").glob("*.json")
    difficult = [bool(each.get("difficult")) for each in json.loads(labelled.read_text())["shapes"]]
    (person,) = json.loads((tmp_path / "a.json").read_text())["annotations"]
    visibility = person["keypoints"][2::3]
    assert visibility.count(1) == sum(difficult) > 0
    assert visibility.count(2) == len(difficult) - sum(difficult)
