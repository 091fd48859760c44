"""The whole inference job with a network that costs nothing: what one bad thing does to the rest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from modelarts.runtime.entry import inference_job
from modelarts.runtime.inference import compile_cache_folder
from tests.infer.fakes import FakeNetwork


@pytest.fixture(autouse=True)
def fake_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("src.infer.forward.load_model_for", lambda *_: FakeNetwork())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.ckpt").write_bytes(b"weights")
    (tmp_path / "pics").mkdir()
    for name in ("a.jpg", "d.jpg"):
        (tmp_path / "pics" / name).write_bytes(jpeg())


def jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((60, 80, 3), 90, np.uint8))[1])


def job(*more: str) -> int:
    return inference_job(
        [
            *("--is_model_arts=True", "--storage_mode=local", "--obs_local_root=store", "--pic_folder_path_obs=pics"),
            *(
                "--output_path_root_obs=obs://bucket/out",
                "--checkpoint_folder_path_obs=models",
                "--scratch_path=scratch",
            ),
            *("--checkpoint_filename=m.ckpt", "--checkpoint_folder_path_relative=ckpt", *more),
        ]
    )


def stored() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("store").rglob("*") if path.is_file()}


def test_a_name_that_the_store_refuses_costs_that_picture_only(caplog: pytest.LogCaptureFixture) -> None:
    Path("pics", "b\\c.jpg").write_bytes(jpeg())
    assert job() == 3
    found = stored()
    assert {"a.jpg", "d.jpg", "results.jsonl", "summary.json", "index.html", "results.csv"} <= set(found)
    assert [json.loads(line)["file"] for line in found["results.jsonl"].splitlines()] == ["a.jpg", "b\\c.jpg", "d.jpg"]
    assert "could not be stored: b\\c.jpg, b\\c_rendered.jpg" in caplog.text


def test_names_that_are_not_utf8_and_forged_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    odd = os.fsdecode("翻越.jpg".encode("gbk"))
    forged = "x\n2026-01-01 00:00:00 INFO training is done\x1b[2J.jpg"
    for name in (odd, forged, "=1+1.jpg", "\u202egpj.jpg", " .jpg"):
        Path("pics", name).write_bytes(jpeg())
    Path("pics", "bad\nname.jpg").write_bytes(b"no picture")
    assert job() in (0, 3)
    lines = [json.loads(line) for line in stored()["results.jsonl"].splitlines()]
    assert {line["file"] for line in lines} >= {"a.jpg", "d.jpg", odd, forged}
    assert [line["file"] for line in lines if line["status"] != "ok"] == ["bad\nname.jpg"]


def test_a_folder_full_of_things_that_are_no_pictures(caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo("pics/pipe.jpg")
    Path("pics/loop.jpg").symlink_to("loop.jpg")
    Path("pics/gone.jpg").symlink_to("/nowhere/x.jpg")
    Path("pics/zero.jpg").symlink_to("/dev/zero")
    Path("pics/folder.jpg").mkdir()
    Path("pics/empty.jpg").touch()
    Path("pics/eps.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    Path("pics/cut.tif").write_bytes(b"II*\0\x08\0\0\0\xff\xff")
    assert job() == 0
    lines = [json.loads(line) for line in stored()["results.jsonl"].splitlines()]
    assert {line["file"] for line in lines if line["status"] == "ok"} == {"a.jpg", "d.jpg"}
    assert all(line.get("error") for line in lines if line["status"] != "ok")


@pytest.mark.parametrize(
    ("told", "folder"),
    [("none", None), ("False", None), ("auto", "s/compiled_inference"), ("True", "s/compiled_inference"), ("c", "c")],
)
def test_graphs_are_kept_where_the_setting_says(told: str, folder: str | None) -> None:
    assert compile_cache_folder(told, Path("s")) == (folder and Path(folder))
