"""The inference job from command line to files, with real weights on real photographs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from modelarts.runtime.entry import inference_job
from src.pose.skeleton import COCO_ORDER
from tests.infer.conftest import copy_photographs

BROKEN = {"truncated.jpg": "truncated", "empty.png": "empty", "words.bmp": "not a picture"}
SUB_FOLDER_NAME = "子 文件夹/滑雪 1.png"

pytestmark = pytest.mark.mindspore


def arguments(pictures: Path, checkpoint: Path, output: Path, **more: Any) -> list[str]:
    settings = {
        "network": "mobilenet_v2",
        "device_target": "CPU",
        "pic_folder_path_relative": pictures,
        "checkpoint_folder_path_relative": checkpoint.parent,
        "checkpoint_filename": checkpoint.name,
        "output_img_path_relative": output,
        **more,
    }
    return [f"--{key}={value}" for key, value in settings.items()]


def output_folder(parent: Path) -> Path:
    (folder,) = parent.glob("output_img*")
    return folder


def read_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(shared: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One run over photographs and files that are none: (folder of pictures, output folder)."""
    root = tmp_path_factory.mktemp("job")
    pictures = copy_photographs(shared, root / "pics")
    photograph = pictures / "000000000785.jpg"
    (pictures / "truncated.jpg").write_bytes(photograph.read_bytes()[:60_000])
    (pictures / "empty.png").touch()
    (pictures / "words.bmp").write_text("no picture", encoding="utf-8")
    (pictures / "notes.txt").write_text("left alone", encoding="utf-8")
    target = pictures / SUB_FOLDER_NAME
    target.parent.mkdir()
    target.write_bytes(cv2.imencode(".png", cv2.imread(str(photograph)))[1].tobytes())
    assert inference_job(arguments(pictures, checkpoint, root / "out")) == 0
    return pictures, output_folder(root / "out")


def coco_scores(lines: list[dict[str, Any]], annotations: Path) -> tuple[float, float]:
    """(AP, AP50) of results against COCO keypoint annotations; the neck, which COCO does not have, is dropped."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(str(annotations))
    image_ids = {image["file_name"]: image["id"] for image in truth.dataset["images"]}
    detections = [
        {
            "image_id": image_ids[line["file"]],
            "category_id": 1,
            "keypoints": np.asarray(person["keypoints"])[list(COCO_ORDER)].ravel().tolist(),
            "score": person["score"],
        }
        for line in lines
        if line["file"] in image_ids
        for person in line["persons"]
    ]
    evaluation = COCOeval(truth, truth.loadRes(detections), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def test_whole_job_finds_people_as_well_as_the_network_can(finished: tuple[Path, Path], shared: Path) -> None:
    ap, ap50 = coco_scores(read_lines(finished[1]), shared / "data/coco_sample/person_keypoints.json")
    assert ap >= 0.22
    assert ap50 >= 0.65


def test_results_have_a_line_for_every_picture_and_the_promised_fields(finished: tuple[Path, Path]) -> None:
    pictures, output = finished
    lines = {line["file"]: line for line in read_lines(output)}
    photographs = {path.name for path in pictures.glob("0*.jpg")}
    assert set(lines) == photographs | set(BROKEN) | {SUB_FOLDER_NAME}
    for name in photographs | {SUB_FOLDER_NAME}:
        line = lines[name]
        height, width = cv2.imdecode(np.fromfile(pictures / name, np.uint8), cv2.IMREAD_COLOR).shape[:2]
        assert (line["status"], line["width"], line["height"]) == ("ok", width, height)
        assert line["seconds"] > 0
        assert line["persons"]
        for person in line["persons"]:
            assert set(person) == {"keypoints", "score", "occurred", "criteria"}
            keypoints = np.array(person["keypoints"])
            assert keypoints.shape == (18, 3)
            found = keypoints[:, 2] > 0
            assert found.sum() >= 3
            assert (keypoints[found, :2] > -1).all()
            assert (keypoints[found, :2] < (width, height)).all()
            assert (keypoints[~found] == 0).all()
            assert len(set(keypoints[found, 2])) > 1, "confidences are real, not one constant"
            assert person["occurred"] in (True, False, None)
            assert person["criteria"]
            for criterion in person["criteria"].values():
                assert criterion["verdict"] in (1, 0, -1)
                assert "measured" in criterion


def test_same_picture_in_a_sub_folder_gives_the_same_persons(finished: tuple[Path, Path]) -> None:
    lines = {line["file"]: line for line in read_lines(finished[1])}
    assert lines[SUB_FOLDER_NAME]["persons"] == lines["000000000785.jpg"]["persons"]


def test_unreadable_pictures_are_reported_with_a_reason_and_skipped(finished: tuple[Path, Path]) -> None:
    lines = {line["file"]: line for line in read_lines(finished[1])}
    for name, reason in BROKEN.items():
        assert lines[name]["status"] == "unreadable"
        assert reason in lines[name]["error"]
        assert lines[name]["persons"] == []


def test_summary_counts_and_explains_the_run(finished: tuple[Path, Path], checkpoint: Path) -> None:
    output = finished[1]
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    lines = read_lines(output)
    persons = [person for line in lines for person in line["persons"]]
    assert (summary["pictures"], summary["ok"], summary["unreadable"]) == (
        len(lines),
        len(lines) - len(BROKEN),
        len(BROKEN),
    )
    assert summary["persons"] == len(persons)
    for key, verdict in (("occurred", True), ("not_occurred", False), ("undecided", None)):
        assert summary[key] == sum(person["occurred"] is verdict for person in persons)
    assert summary["action"] == "climb_up"
    assert summary["network"] == "mobilenet_v2"
    assert Path(summary["checkpoint"]).name == checkpoint.name
    assert summary["compiles"] == 1
    assert {"read", "fit", "network", "decode", "judge", "render", "write"} <= set(summary["seconds_by_stage"])
    assert summary["seconds"] > 0


def test_originals_and_rendered_pictures_lie_in_the_output_folder(finished: tuple[Path, Path]) -> None:
    pictures, output = finished
    for line in read_lines(output):
        name = line["file"]
        rendered = output / Path(name).with_name(f"{Path(name).stem}_rendered{Path(name).suffix}")
        if line["status"] != "ok":
            assert not (output / name).exists()
            assert not rendered.exists()
            continue
        assert (output / name).read_bytes() == (pictures / name).read_bytes()
        assert line["rendered"] == rendered.relative_to(output).as_posix()
        before = cv2.imdecode(np.fromfile(output / name, np.uint8), cv2.IMREAD_COLOR)
        after = cv2.imdecode(np.fromfile(rendered, np.uint8), cv2.IMREAD_COLOR)
        assert after.shape == before.shape
        strongly_changed = (np.abs(after.astype(int) - before).max(axis=2) > 60).mean()
        assert 0.001 < strongly_changed < 0.5
    assert (output / "index.html").stat().st_size > 1000
    assert (output / "results.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_the_folder_of_pictures_is_left_as_it_was(finished: tuple[Path, Path]) -> None:
    pictures = finished[0]
    names = {path.relative_to(pictures).as_posix() for path in pictures.rglob("*") if path.is_file()}
    assert names == {p.name for p in pictures.glob("0*.jpg")} | set(BROKEN) | {"notes.txt", SUB_FOLDER_NAME}
    assert len(list(pictures.glob("0*.jpg"))) == 4


def test_no_half_written_files_remain(finished: tuple[Path, Path]) -> None:
    assert list(finished[1].rglob(".*")) == []


def test_results_inside_the_folder_of_pictures_are_no_input(photographs: Path, checkpoint: Path) -> None:
    for _ in range(2):
        assert inference_job(arguments(photographs, checkpoint, photographs / "out")) == 0
    for folder in (photographs / "out").glob("output_img*"):
        assert len(read_lines(folder)) == 4


@pytest.mark.parametrize("name", ["../pics/000000000785.jpg", "/etc/hostname", ""])
def test_names_that_lead_out_of_the_folder_are_refused(
    photographs: Path, checkpoint: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = arguments(photographs, checkpoint, tmp_path / "out", is_batch_pics=False, filename_to_infer=name)
    before = {path: path.read_bytes() for path in photographs.iterdir()}
    assert inference_job(given) == 2
    assert before == {path: path.read_bytes() for path in photographs.iterdir()}


def test_a_single_picture_is_judged_alone(photographs: Path, checkpoint: Path, tmp_path: Path) -> None:
    given = arguments(
        photographs, checkpoint, tmp_path / "out", is_batch_pics=False, filename_to_infer="000000000785.jpg"
    )
    assert inference_job(given) == 0
    assert [line["file"] for line in read_lines(output_folder(tmp_path / "out"))] == ["000000000785.jpg"]


def run_and_catch(argv: list[str], caplog: pytest.LogCaptureFixture) -> tuple[int, list[str]]:
    """Exit code and error lines of the job."""
    caplog.clear()
    code = inference_job(argv)
    return code, [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("case", ["empty folder", "no folder", "output is a file", "no checkpoint", "nothing readable"])
def test_bad_input_is_one_clear_line(
    case: str,
    photographs: Path,
    checkpoint: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    output, pictures, named, code = tmp_path / "out", photographs, "", 2
    if case == "empty folder":
        pictures = tmp_path / "nothing here"
        pictures.mkdir()
        named = "nothing here"
    elif case == "no folder":
        pictures = tmp_path / "missing"
        named = "missing"
    elif case == "output is a file":
        output.write_text("mine", encoding="utf-8")
        named = "out"
    elif case == "no checkpoint":
        checkpoint = tmp_path / "none.ckpt"
        named = "none.ckpt"
    else:
        pictures = tmp_path / "broken"
        pictures.mkdir()
        (pictures / "a.jpg").write_bytes(b"\xff\xd8\xffnothing")
        named, code = "1 pictures", 3
    got, errors = run_and_catch(arguments(pictures, checkpoint, output), caplog)
    assert got == code
    assert len(errors) == 1
    assert "\n" not in errors[0]
    assert named in errors[0]
    if case == "output is a file":
        assert output.read_text(encoding="utf-8") == "mine"
    elif case != "nothing readable":
        assert not output.exists() or not list(output.iterdir())


def test_an_output_folder_that_cannot_be_written_is_one_clear_line(
    photographs: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # No permission bits: root, who runs tests in containers, may write everywhere but into /proc.
    code, errors = run_and_catch(arguments(photographs, checkpoint, Path("/proc/results")), caplog)
    assert code == 2
    assert len(errors) == 1
    assert "/proc/results" in errors[0]


def test_boot_file_runs_from_another_folder(photographs: Path, checkpoint: Path, tmp_path: Path, root: Path) -> None:
    given = arguments(
        photographs, checkpoint, tmp_path / "out", is_batch_pics=False, filename_to_infer="000000040083.jpg"
    )
    done = subprocess.run(
        [sys.executable, str(root / "test_tmp.py"), *given], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (output_folder(tmp_path / "out") / "000000040083_rendered.jpg").is_file()
    assert "1/1" in done.stderr


def test_steps_can_be_called_from_python(photographs: Path, checkpoint: Path, tmp_path: Path) -> None:
    from test_tmp import detect, infer_one_pic, load_model

    network = load_model(checkpoint, "mobilenet_v2", device_target="CPU")
    poses, scores = detect(cv2.imread(str(photographs / "000000000785.jpg")), network)
    assert poses.shape == (len(scores), 18, 3)
    assert len(scores) >= 1
    result = infer_one_pic(network, photographs, "000000000785.jpg", tmp_path / "one")
    assert result.status == "ok"
    assert np.allclose([p.keypoints for p in result.persons], poses, atol=1e-3)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "000000000785.jpg",
        "000000000785_rendered.jpg",
    ]


def test_pictures_judged_in_place_keep_their_originals(photographs: Path, checkpoint: Path) -> None:
    from test_tmp import infer_one_pic, load_model

    network = load_model(checkpoint, "mobilenet_v2", device_target="CPU")
    original = photographs / "000000000785.jpg"
    before = (original.read_bytes(), os.stat(original).st_ino)
    infer_one_pic(network, photographs, original.name, photographs)
    assert before == (original.read_bytes(), os.stat(original).st_ino)
    assert (photographs / "000000000785_rendered.jpg").is_file()


def test_in_the_cloud_everything_comes_from_obs_and_goes_there(
    photographs: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bucket = tmp_path / "store/bucket"
    (bucket / "models").mkdir(parents=True)
    (bucket / "models/m.ckpt").write_bytes(checkpoint.read_bytes())
    photographs.rename(bucket / "pics")
    settings = {
        "network": "mobilenet_v2",
        "device_target": "CPU",
        "is_model_arts": True,
        "storage_mode": "local",
        "obs_local_root": tmp_path / "store",
        "pic_folder_path_obs": "obs://bucket/pics",
        "checkpoint_folder_path_obs": "obs://bucket/models",
        "checkpoint_filename": "m.ckpt",
        "output_path_root_obs": "obs://bucket/job",
    }
    assert inference_job([f"--{key}={value}" for key, value in settings.items()]) == 0
    output = output_folder(bucket / "job/output_img")
    assert len(read_lines(output)) == 4
    for line in read_lines(output):
        assert (output / line["rendered"]).is_file()
        assert (output / line["file"]).read_bytes() == (bucket / "pics" / line["file"]).read_bytes()
    assert {"summary.json", "index.html", "results.csv", "run.json"} <= {path.name for path in output.iterdir()}
