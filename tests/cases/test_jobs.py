"""Pictures, weights and settings as real programs write them, given to the jobs and tools that run a network."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelarts.runtime.entry import inference_job
from src.data.coco import index_annotations
from src.data.sample import SampleMaker
from src.errors import DataError
from src.model_utils.config import parse_config
from src.tools import evaluate_action, import_weights
from tests.data.sample_settings import sample_settings
from tests.data.selection import SELECTION

pytestmark = pytest.mark.mindspore


def imported(source: Path, target: Path) -> int:
    return import_weights.main([f"--input={source}", "--network=mobilenet_v2", f"--output={target}"])


@pytest.fixture(scope="module")
def models(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shared small weights as m.ckpt."""
    folder = tmp_path_factory.mktemp("models")
    assert imported(shared / "weights" / "openpose_mobilenet_v2.npz", folder / "m.ckpt") == 0
    return folder


def judged(pictures: Path, models: Path, out: Path, *more: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Exit code, results by file name, and summary of an inference job."""
    code = inference_job(
        [
            *(f"--pic_folder_path_relative={pictures}", f"--checkpoint_folder_path_relative={models}"),
            *("--checkpoint_filename=m.ckpt", "--network=mobilenet_v2", "--infer_insize=128"),
            *(f"--output_img_path_relative={out}", f"--scratch_path={out}/scratch", *more),
        ]
    )
    (folder,) = (path.parent for path in out.rglob("summary.json"))
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    return code, {line["file"]: line for line in lines}, json.loads((folder / "summary.json").read_text())


def trained(root: Path, case: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = [
        *(f"--data_url={case}", "--imgpath_train=images", "--jsonpath_train=a.json", f"--train_url={out}/run"),
        *("--network=mobilenet_v2", "--insize=64", "--stages=1", "--batch_size=2", "--export_format=none"),
        *(f"--scratch_path={out}/scratch", *more),
    ]
    command = [sys.executable, "train_start.py", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)


def test_14_nan_keypoint(case: Path, root: Path, tmp_path: Path) -> None:
    done = trained(root, case, tmp_path, "--max_epoch_train=1")
    assert done.returncode == 2, done.stderr
    assert re.search(r"annotation \d+: 'keypoints' has a value that is not a finite number", done.stdout + done.stderr)
    assert "Traceback" not in done.stdout + done.stderr


def test_25_tiff_second_page_damaged(case: Path, models: Path, tmp_path: Path) -> None:
    code, results, _ = judged(case / "pics", models, tmp_path)
    assert code == 0
    assert {name: line["status"] for name, line in results.items()} == {"a.jpg": "ok", "b.tif": "ok", "c.jpg": "ok"}


def test_27_jpeg_stray_bytes(case: Path, models: Path, tmp_path: Path) -> None:
    code, results, _ = judged(case / "pics", models, tmp_path)
    assert code == 0
    assert {line["status"] for line in results.values()} == {"ok"}


def test_28_pictures_passed_over(case: Path, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code, results, summary = judged(case / "pics", models, tmp_path)
    log = caplog.text
    assert code == 0
    assert {name: line["status"] for name, line in results.items()} == {"a.jpg": "ok", "b.jfif": "ok"}
    assert set(summary["not_read"]["reasons"]) == {"c.HEIC", "d.gif"}
    for name in ("c.HEIC", "d.gif"):
        assert name in log


@pytest.mark.parametrize("name", ["best.pth", "model_best.pth.tar", "pytorch_model.bin", "last.ckpt"])
def test_30_tensor_beside_state_dict_and_32_usual_endings(
    case: Path, shared: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shared / "weights" / "openpose_mobilenet_v2.npz"
    subprocess.run([sys.executable, str(case / "setup.py"), str(weights), str(tmp_path / name)], check=True)
    assert imported(tmp_path / name, tmp_path / "m.ckpt") == 0
    assert "555 parameters" in capsys.readouterr().out


@pytest.mark.parametrize("number", [37, 41])
def test_pictures_that_are_judged_wrongly(shared: Path, tmp_path: Path, number: int) -> None:
    """Cases 37 (a picture 3 pixels high) and 41 (a name that is not UTF-8): page and numbers are written."""
    (case,) = (shared / "cases").glob(f"{number}-*")
    output = tmp_path / "evaluation"
    given = ["--target_action_type=climb_up", f"--positive={case / 'yes'}", f"--negative={case / 'no'}"]
    assert evaluate_action.main([*given, f"--output={output}"]) == 0
    assert (output / "evaluation.json").stat().st_size > 0
    pages = list(output.glob("*.html"))
    assert pages
    assert all(page.stat().st_size > 1000 for page in pages)


def test_39_sizes_in_message(case: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Samples are made as training makes them, reduced where that saves time."""
    maker = SampleMaker(index_annotations(case / "a.json", SELECTION), case / "images", sample_settings(insize=64))
    with caplog.at_level(logging.WARNING), contextlib.suppress(DataError):
        for epoch in range(4):
            for row in range(len(maker)):
                maker.make(row, epoch)
    assert "is 192x144 where 144x192 is annotated" in caplog.text


def test_43_yaml_number_with_leading_zero(case: Path) -> None:
    config = parse_config([f"--config_path={case / 'c.yaml'}"], "train_start.py", "")
    assert config.max_epoch_train == 10
