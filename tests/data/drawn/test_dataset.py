from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from src.data.drawn.dataset import draw_dataset, draw_picture
from src.data.drawn.figures import FAMILY_NAMES, body_joints, draw_pose, draw_shape, project
from src.errors import DataError
from src.pose.skeleton import COCO_KEYPOINT_NAMES
from src.pose.skeleton import JointType as J
from src.tools import draw_dataset as command

SIZES = [(160, 120), (120, 160), (200, 200), (240, 150)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 40, seed=5, sizes=SIZES)
    return folder


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def test_same_seed_same_files_other_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        draw_dataset(tmp_path / name, 4, seed=seed, sizes=SIZES)
    assert _digest(tmp_path / "a") == _digest(tmp_path / "b") != _digest(tmp_path / "c")


def test_picture_does_not_depend_on_how_many_are_drawn(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "few", 2, seed=3, sizes=SIZES)
    draw_dataset(tmp_path / "many", 5, seed=3, sizes=SIZES)
    for path in (tmp_path / "few" / "images").iterdir():
        assert path.read_bytes() == (tmp_path / "many" / "images" / path.name).read_bytes()


def test_pycocotools_reads_it_and_the_files_have_the_sizes_told(drawn: Path) -> None:
    coco = COCO(str(drawn / "annotations" / "person_keypoints.json"))
    (category,) = coco.loadCats(coco.getCatIds())
    assert category["keypoints"] == list(COCO_KEYPOINT_NAMES)
    assert len(category["skeleton"]) == 19
    for image in coco.loadImgs(coco.getImgIds()):
        picture = cv2.imread(str(drawn / "images" / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3)
        for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
            mask = coco.annToMask(annotation)
            assert mask.shape == picture.shape[:2]
            assert 0.5 < mask.sum() / annotation["area"] < 2.0  # the polygon runs through pixel centres


def test_flags_boxes_and_counts_are_consistent(drawn: Path) -> None:
    content = json.loads((drawn / "annotations" / "person_keypoints.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    flags_seen = set()
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        keypoints = np.reshape(annotation["keypoints"], (17, 3))
        shown = keypoints[:, 2] > 0
        flags_seen |= set(keypoints[:, 2].tolist())
        assert annotation["num_keypoints"] == shown.sum()
        assert (keypoints[~shown, :2] == 0).all()
        assert (keypoints[shown, :2] > -0.5).all()
        assert (keypoints[shown, :2] < np.array([image["width"], image["height"]]) - 0.5).all()
        x, y, width, height = annotation["bbox"]
        assert x >= 0
        assert y >= 0
        assert x + width <= image["width"]
        assert y + height <= image["height"]
        visible = keypoints[keypoints[:, 2] == 2]
        assert (visible[:, 0] >= x - 1).all()
        assert (visible[:, 0] <= x + width + 1).all()
        assert (visible[:, 1] >= y - 1).all()
        assert (visible[:, 1] <= y + height + 1).all()
    assert flags_seen == {0, 1, 2}
    assert any(annotation["iscrowd"] for annotation in content["annotations"])


def test_persons_are_large_and_several(drawn: Path) -> None:
    content = json.loads((drawn / "annotations" / "person_keypoints.json").read_text())
    persons = [a for a in content["annotations"] if not a["iscrowd"]]
    per_picture = np.bincount([a["image_id"] for a in persons])
    assert (per_picture[1:] >= 1).all()
    assert per_picture.max() >= 3
    visible = [sum(v == 2 for v in a["keypoints"][2::3]) for a in persons]
    assert np.mean(visible) > 10


def test_a_pole_in_front_hides_what_lies_behind_it() -> None:
    """A visible joint's pixel shows its own figure; covering the whole picture hides every joint."""
    from src.data.drawn.dataset import _place_figures
    from src.data.drawn.painting import Canvas, joint_visibility, paint_figure

    rng = np.random.default_rng(0)
    canvas = Canvas(np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200), np.uint16))
    (figure, *_) = _place_figures(200, 200, rng, (0.6, 0.8))
    seen, away = paint_figure(canvas, figure, 0)
    assert (joint_visibility(canvas, 0, seen, away) == 2).sum() >= 6
    part = canvas.new_part(-1, 1.0, frozenset())
    canvas.fill(np.array([[0.0, 0], [199, 0], [199, 199], [0, 199]]), np.zeros(3), part)
    assert set(joint_visibility(canvas, 0, seen, away).tolist()) <= {0, 1}


def test_left_is_on_the_pictures_right_when_facing_the_camera() -> None:
    rng = np.random.default_rng(0)
    for family in FAMILY_NAMES:
        joints, _, _ = body_joints(draw_shape(rng), draw_pose(rng, family))
        front, back = project(joints, 0.0), project(joints, 180.0)
        assert front[J.LeftShoulder, 0] > front[J.RightShoulder, 0]
        assert back[J.LeftShoulder, 0] < back[J.RightShoulder, 0]
        to_the_right = project(joints, 90.0)
        assert to_the_right[J.RightWaist, 2] > to_the_right[J.LeftWaist, 2]  # looking right shows the right side


def test_families_do_what_their_names_say() -> None:
    rng = np.random.default_rng(4)

    def mean_joints(family: str) -> np.ndarray:
        return np.mean([body_joints(draw_shape(rng), draw_pose(rng, family))[0] for _ in range(60)], axis=0)

    climb, stand, vault = mean_joints("climb"), mean_joints("stand"), mean_joints("vault")
    assert climb[J.LeftHand, 1] < climb[J.Nose, 1]  # y points down: hands above the head
    assert climb[J.RightHand, 1] < climb[J.Nose, 1]
    assert stand[J.LeftHand, 1] > stand[J.LeftElbow, 1] > stand[J.LeftShoulder, 1]
    assert vault[J.Neck, 2] > 0.2  # the trunk lies forward
    assert mean_joints("squat")[J.LeftKnee, 2] > 0.1


def test_bones_keep_their_length() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        shape = draw_shape(rng)
        joints, _, _ = body_joints(shape, draw_pose(rng))
        for side in ("Left", "Right"):
            upper = np.linalg.norm(joints[J[side + "Elbow"]] - joints[J[side + "Shoulder"]])
            lower = np.linalg.norm(joints[J[side + "Foot"]] - joints[J[side + "Knee"]])
            assert upper == pytest.approx(shape.arm)
            assert lower == pytest.approx(0.97 * shape.leg)


@pytest.mark.parametrize("size", [(64, 64), (33, 400), (700, 50)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    picture, _ = draw_picture(*size, np.random.default_rng(0))
    assert picture.shape == (size[1], size[0], 3)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--folder", str(tmp_path), "--pictures", "2", "--sizes", "90x80"]) == 0
    target = Path(capsys.readouterr().out.strip())
    assert len(json.loads(target.read_text())["images"]) == 2
    drawn = target.read_bytes()
    for wrong, named in (("--pictures=0", "--pictures"), ("--sizes=big", "big"), ("--seed=1", "--force")):
        assert command.main(["--folder", str(tmp_path), wrong]) == 2
        error = capsys.readouterr().err
        assert named in error
        assert error.count("\n") == 1
    assert target.read_bytes() == drawn
    assert command.main(["--folder", str(tmp_path), "--pictures", "1", "--force"]) == 0


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        draw_dataset(tmp_path, 3, sizes=[])
