"""Files as public reports about neighbouring tools describe them (docs/annotation_files.md lists the outcomes)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.data.coco import index_annotations
from src.data.drawn.dataset import PERSON_CATEGORY
from src.data.names import mask_name
from src.errors import DataError
from src.pose import DecodeSettings
from src.tools.evaluation.ground_truth import read_ground_truth
from src.tools.evaluation.self_test import run_offset_test
from src.tools.labelme2coco import main as labelme2coco
from tests.data.selection import SELECTION

Content = dict[str, Any]
STANDING = (
    (50, 30), (53, 27), (47, 27), (56, 29), (44, 29), (64, 45), (36, 45), (70, 62), (30, 62), (72, 78), (28, 78),
    (59, 82), (41, 82), (60, 100), (40, 100), (60, 118), (40, 118),
)  # fmt: skip


def person(number: int, image: int, **changes: Any) -> Content:
    keypoints = [value for x, y in STANDING for value in (x + 3 * number, y, 2)]
    box = [24 + 3 * number, 18, 52, 106]
    fields = {"id": number, "image_id": image, "category_id": 1, "keypoints": keypoints, "bbox": box, "area": 3000}
    return {**fields, "num_keypoints": 17, "iscrowd": 0, "segmentation": [], **changes}


def content(*people: Content) -> Content:
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 192, "height": 144} for n in (1, 2)]
    return {"images": images, "annotations": list(people), "categories": [dict(PERSON_CATEGORY)]}


def written(folder: Path, value: Any, name: str = "a.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def refusal(folder: Path, value: Any) -> str:
    with pytest.raises(DataError) as caught:
        index_annotations(written(folder, value), SELECTION)
    with pytest.raises(DataError):
        read_ground_truth(written(folder, value))
    return str(caught.value)


def average_precision(path: Path) -> float:
    truth = read_ground_truth(path)
    return float(run_offset_test(truth, sorted(truth.imgs), 368, DecodeSettings()).straight.figures["AP"])


@pytest.mark.parametrize(
    "name",
    [
        "..\\..\\label-studio\\label-studio\\media\\upload\\4\\cb0618f6-a.png",  # HumanSignal/label-studio#7294
        "..\\label\\12.jpg",  # CVHub520/X-AnyLabeling#700
        "/media/kfour/fe5700be/005810.jpg",  # open-mmlab/mmpose#922
    ],
)
def test_names_that_lead_elsewhere_are_refused_by_image(tmp_path: Path, name: str) -> None:
    file = content(person(1, 1), person(2, 2))
    file["images"][1]["file_name"] = name
    assert "image 2: file_name" in refusal(tmp_path, file)


def test_ids_of_zero_everywhere(tmp_path: Path) -> None:
    """cvat-ai/cvat#748, cocodataset/cocoapi#507: annotation, image and category with id 0."""
    file = content(person(0, 0, category_id=0), person(1, 1, category_id=0))
    file["categories"][0]["id"] = 0
    for number, image in enumerate(file["images"]):
        image["id"] = number
    assert average_precision(written(tmp_path, file)) == pytest.approx(1)
    assert len(index_annotations(tmp_path / "a.json", SELECTION).persons.values) == 2


def test_repeated_annotation_ids(tmp_path: Path) -> None:
    """pedropro/TACO#46: one id on different pictures."""
    assert average_precision(written(tmp_path, content(person(7, 1), person(7, 2)))) == pytest.approx(1)


def test_box_and_area_of_zero_come_from_the_joints(tmp_path: Path) -> None:
    """cvat-ai/cvat#8098: `area` 0.0 and a box without width and height beside good joints."""
    index = index_annotations(written(tmp_path, content(person(1, 1, area=0.0, bbox=[53, 30, 0.0, 0.0]))), SELECTION)
    assert len(index.persons.values) == 1
    (truth,) = read_ground_truth(tmp_path / "a.json").anns.values()
    x, y, width, height = truth["bbox"]
    assert truth["area"] == pytest.approx(width * height)
    assert (x < 31, y < 27, x + width > 75, y + height > 118) == (True,) * 4


def test_somebody_of_whom_nothing_is_left_is_counted(tmp_path: Path) -> None:
    """cvat-ai/cvat#7021: tracked people come out with empty joints, box and area."""
    lost = person(2, 1, keypoints=[], bbox=[0, 0, 0, 0], area=0, num_keypoints=0)
    summary = index_annotations(written(tmp_path, content(person(1, 1), lost)), SELECTION).summary
    assert summary is not None
    assert (summary.trained_on, dict(summary.excluded)) == (1, {"nowhere": 1})


def test_points_as_categories_are_refused(tmp_path: Path) -> None:
    """ryouchinsa/Rectlabel-support#162: each joint is an annotation of a category of its own."""
    file = content(person(1, 1, category_id=10, segmentation=[[1091, 684]], bbox=[1091, 684, 1, 1], keypoints=None))
    file["categories"] = [{"id": 10, "name": "nose"}, {"id": 9, "name": "left_eye"}]
    assert "none with COCO's 17 keypoints: 'nose' names no 'keypoints'" in refusal(tmp_path, file)


def test_area_left_out(tmp_path: Path) -> None:
    """open-mmlab/mmdetection#804, lightweight-human-pose-estimation.pytorch#194: no `area` in the whole file."""
    one = person(1, 1)
    del one["area"]
    assert len(index_annotations(written(tmp_path, content(one)), SELECTION).persons.values) == 1
    assert average_precision(tmp_path / "a.json") == pytest.approx(1)


def test_a_file_of_nothing_but_crowds_says_so(tmp_path: Path) -> None:
    """feiyuhuahuo/Yolact_minimal#45: a converter sets iscrowd to 1 for everybody."""
    path = written(tmp_path, content(person(1, 1, iscrowd=1), person(2, 2, iscrowd=1)))
    with pytest.raises(DataError, match="2 in crowds"):
        index_annotations(path, SELECTION)


def test_num_keypoints_that_counts_all_joints(tmp_path: Path) -> None:
    """fastlabel/fastlabel-python-sdk#226: the number of the category's joints instead of the labelled ones."""
    few = person(1, 1)
    few["keypoints"][12:] = [0] * 39
    summary = index_annotations(written(tmp_path, content(few, person(2, 2))), SELECTION).summary
    assert summary is not None
    assert (summary.trained_on, dict(summary.excluded)) == (1, {"few_joints": 1})


def test_nearly_equal_people_are_both_kept(tmp_path: Path) -> None:
    """cocodataset/cocoapi#424: one woman annotated twice; two people may stand as close."""
    assert len(index_annotations(written(tmp_path, content(person(1, 1), person(2, 1))), SELECTION).persons.values) == 2


def test_names_with_several_dots_keep_apart() -> None:
    """PaddlePaddle/PaddleDetection#88: 1569478414.73587.jpg."""
    assert mask_name("1569478414.73587.jpg") == "1569478414.73587.png"
    assert mask_name("1569478414.73588.jpg") != mask_name("1569478414.73587.jpg")


def labelled(folder: Path, shapes: list[Content], **changes: Any) -> int:
    Image.fromarray(np.full((392, 392, 3), 90, np.uint8)).save(folder / "20240507_v11.jpg")
    file = {"version": "2.3.5", "flags": {}, "shapes": shapes, "imagePath": "20240507_v11.jpg", "imageData": None}
    written(folder, {**file, "imageHeight": 392, "imageWidth": 392, "text": "", **changes}, "other_name.json")
    return labelme2coco([f"--train_path={folder}", f"--result_path={folder / 'out' / 'a.json'}"])


def shape(label: str, kind: str, *points: tuple[float, float]) -> Content:
    fields = {"mask": None, "label": label, "points": [list(point) for point in points], "group_id": None}
    return {**fields, "description": "", "difficult": False, "shape_type": kind, "flags": {}, "attributes": {}}


def test_rectangles_of_four_corners_and_edges_half_a_pixel_outside(tmp_path: Path) -> None:
    """CVHub520/X-AnyLabeling#448; the file's name is not the picture's (PaddlePaddle/PaddleDetection#6878)."""
    box = shape("person", "rectangle", (-0.4, 0.4), (226.6, 0.4), (226.6, 391.0), (-0.4, 391.0))
    assert labelled(tmp_path, [box, shape("nose", "point", (147.1, -0.3)), shape("left_wrist", "point", (9, 9))]) == 0
    result = json.loads((tmp_path / "out" / "a.json").read_text())
    assert [image["file_name"] for image in result["images"]] == ["20240507_v11.jpg"]
    (found,) = result["annotations"]
    assert found["keypoints"][:3] == [147.1, 0, 2]
    assert found["num_keypoints"] == 2


def test_points_without_a_box(tmp_path: Path) -> None:
    """CVHub520/X-AnyLabeling#5: joints alone; numbers instead of joints' names are listed."""
    nose, eye = shape("nose", "point", (100, 100)), shape("left_eye", "point", (110, 95))
    assert labelled(tmp_path, [nose, eye, shape("1", "point", (9, 9))]) == 3
    (found,) = json.loads((tmp_path / "out" / "a.json").read_text())["annotations"]
    assert found["num_keypoints"] == 2
    assert found["area"] > 0
    assert "not a known joint" in (tmp_path / "out" / "a_errors.csv").read_text("utf-8-sig")


def test_a_skeleton_that_names_no_joints_is_not_used(tmp_path: Path) -> None:
    """jsbroks/coco-annotator#304: edges up to 33 for 17 joints; the program's own fields are passed over."""
    file = content(person(1, 1, isbbox=False, color="#1f", metadata={}, keypoint_colors=[]), person(2, 2))
    file["categories"][0]["skeleton"] = [[4, 3], [32, 33], [21, 20], [0, 0]]
    for image in file["images"]:
        image.update(path="/datasets/df/1.jpg", dataset_id=5, category_ids=[], annotated=False)
    assert average_precision(written(tmp_path, file)) == pytest.approx(1)


def test_people_without_joints_beside_good_ones(tmp_path: Path) -> None:
    """jsbroks/coco-annotator#209: empty `keypoints` where nothing was outlined, and no `num_keypoints`."""
    empty = person(2, 1, keypoints=[], segmentation=[], bbox=[100, 10, 40, 80])
    del empty["num_keypoints"]
    summary = index_annotations(written(tmp_path, content(person(1, 1), empty)), SELECTION).summary
    assert summary is not None
    assert (summary.trained_on, dict(summary.excluded)) == (1, {"few_joints": 1})


def test_category_ids_anywhere(tmp_path: Path) -> None:
    """jsbroks/coco-annotator#484: the only category has an id far from 1."""
    file = content(person(1, 1, category_id=4711))
    file["categories"][0]["id"] = 4711
    assert average_precision(written(tmp_path, file)) == pytest.approx(1)


@pytest.mark.parametrize("root", [{"name": "people", "supercategory": "none"}, {"name": "Background", "keypoints": []}])
def test_a_root_category_that_owns_nothing(tmp_path: Path, root: Content) -> None:
    """roboflow/rf-detr#1303, roboflow/rf-detr#413: category 0 is the group of the others, or the background."""
    file = content(person(1, 1), person(2, 2))
    file["categories"] = [{"id": 0, **root}, {**file["categories"][0], "supercategory": root["name"]}]
    path = written(tmp_path, file)
    assert len(index_annotations(path, SELECTION).persons.values) == 2
    assert average_precision(path) == pytest.approx(1)


def test_a_category_without_supercategory(tmp_path: Path) -> None:
    """HumanSignal/label-studio-converter#48."""
    file = content(person(1, 1))
    file["categories"][0].pop("supercategory", None)
    file["categories"][0].pop("skeleton", None)
    assert average_precision(written(tmp_path, file)) == pytest.approx(1)


def test_joints_without_a_place_are_refused_by_annotation(tmp_path: Path) -> None:
    """HumanSignal/label-studio-sdk#480: points that were set only as a prompt have no x."""
    file = content(person(1, 1), person(7, 2))
    file["annotations"][1]["keypoints"][3] = None
    assert "annotation 7: 'keypoints' must be a list of numbers" in refusal(tmp_path, file)


def test_fewer_joints_than_the_category_has_are_refused(tmp_path: Path) -> None:
    """cvat-ai/datumaro#114: joints that are not there are left out of the list, so that the others move up."""
    short = person(3, 1)
    short["keypoints"] = short["keypoints"][:39]
    assert "annotation 3: has 39 numbers in 'keypoints', not 51" in refusal(tmp_path, content(short))


def test_a_missing_category_is_refused_where_there_are_several(tmp_path: Path) -> None:
    """zylo117/Yet-Another-EfficientDet-Pytorch#579: an annotation without `category_id`."""
    file = content(person(1, 1), person(2, 2))
    del file["annotations"][1]["category_id"]
    assert len(index_annotations(written(tmp_path, file), SELECTION).persons.values) == 2, "there is only one it can be"
    file["categories"].append({"id": 2, "name": "rope"})
    assert "annotation 2: lacks 'category_id'" in refusal(tmp_path, file)


def test_a_file_without_annotations_says_so(tmp_path: Path) -> None:
    """cvat-ai/cvat#5831, cvat-ai/cvat#7161: points that belong to no skeleton are not exported."""
    with pytest.raises(DataError, match="no person with at least 5 keypoints"):
        index_annotations(written(tmp_path, content()), SELECTION)


def test_masks_as_text_and_no_keypoints_at_all(tmp_path: Path) -> None:
    """ryouchinsa/Rectlabel-support#50: compressed run lengths and nothing else; such a person is masked."""
    runs = {"size": [144, 192], "counts": "P\\a0d2l1"}
    masked = {"id": 2, "image_id": 1, "category_id": 1, "segmentation": runs, "area": 60, "iscrowd": 0}
    index = index_annotations(written(tmp_path, content(person(1, 1), masked)), SELECTION)
    assert index.summary is not None
    assert dict(index.summary.excluded) == {"few_joints": 1}
    assert len(index.ignored[0]) > 0
