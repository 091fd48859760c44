"""engine=onnxruntime: the exported network gives the checkpoint's maps, and judges pictures without MindSpore."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from src.errors import CheckpointError
from src.infer.forward import load_model
from src.infer.network import Network
from src.tools.export_onnx import main
from src.tools.import_weights import import_weights

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

#: The inference job in a Python that has none of the packages that other jobs and platforms bring.
WITHOUT_MINDSPORE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("mindspore", "onnx", "pycocotools", "matplotlib", "obs", "scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from modelarts.runtime.entry import inference_job
sys.exit(inference_job(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def exported(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "m.onnx"
    assert main([f"--checkpoint={small_checkpoint}", f"--output={path}"]) == 0
    return path


def test_it_gives_the_checkpoints_maps_at_any_size(exported: Path, small_checkpoint: Path) -> None:
    engines: list[Network] = [
        load_model(exported, engine="onnxruntime", insize=64, batch_size=2),
        load_model(small_checkpoint, device_target="CPU", insize=64, batch_size=2),
    ]
    random = np.random.default_rng(3)
    for width, height in ((90, 64), (64, 150)):
        fits = [one.fit(width, height) for one in engines]
        assert fits[0] == fits[1]
        pictures = random.integers(0, 256, (2, fits[0].input_height, fits[0].input_width, 3), np.uint8)
        for given, wanted in zip(*(one.forward(list(pictures)) for one in engines)):
            np.testing.assert_allclose(given.pafs, wanted.pafs, atol=1e-5)
            np.testing.assert_allclose(given.heatmaps, wanted.heatmaps, atol=1e-5)


def test_it_gives_the_golden_maps(shared: Path, tmp_path: Path, on_cpu: None) -> None:
    import_weights(shared / "weights/openpose_mobilenet_v2.npz", "mobilenet_v2", 6, tmp_path / "m.ckpt")
    assert main([f"--checkpoint={tmp_path / 'm.ckpt'}"]) == 0
    network = load_model(tmp_path / "m.onnx", engine="onnxruntime")
    same = load_model(tmp_path / "m.ckpt", device_target="CPU")
    for file in sorted((shared / "data/golden").glob("*.npz")):
        golden = np.load(file)
        picture = np.ascontiguousarray(golden["rgb"][..., ::-1])
        given, wanted = network.forward([picture])[0], same.forward([picture])[0]
        for ours, theirs, stored in (
            (given.pafs, wanted.pafs, golden["pafs"]),
            (given.heatmaps, wanted.heatmaps, golden["heatmaps"]),
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-3)
            np.testing.assert_allclose(ours, stored.astype(np.float32), atol=5e-3)  # stored as float16


def test_pictures_are_judged_without_mindspore(exported: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "pics").mkdir()
    for number, size in enumerate(((80, 120), (120, 80))):
        picture = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"pics/{number}.jpg"), picture)
    arguments = ["--engine=onnxruntime", "--target_action_type=climb_up", "--infer_insize=64"]
    arguments += [f"--checkpoint_folder_path_relative={exported.parent}", f"--checkpoint_filename={exported.name}"]
    arguments += [f"--pic_folder_path_relative={tmp_path / 'pics'}", f"--output_img_path_relative={tmp_path / 'out'}"]
    command = [sys.executable, "-c", WITHOUT_MINDSPORE, *arguments, f"--scratch_path={tmp_path / 'scratch'}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "out").iterdir()
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert (summary["network"], summary["ok"]) == ("mobilenet_v2", 2)


def test_another_file_is_refused_in_one_line(exported: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    damaged, foreign = tmp_path / "damaged.onnx", tmp_path / "foreign.onnx"
    damaged.write_bytes(exported.read_bytes()[:5000])
    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, foreign)
    for path, reason in (
        (small_checkpoint, "export_onnx --checkpoint="),
        (tmp_path / "none.onnx", "no such file"),
        (damaged, "damaged"),
        (foreign, "was not written by"),
    ):
        with pytest.raises(CheckpointError, match=reason) as caught:
            load_model(path, engine="onnxruntime")
        assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="holds network=mobilenet_v2, not vgg19"):
        load_model(exported, "vgg19", engine="onnxruntime")


def test_an_export_replaces_nothing_unasked(exported: Path, small_checkpoint: Path, capsys: Any) -> None:
    before = exported.read_bytes()
    assert main([f"--checkpoint={small_checkpoint}", f"--output={exported}"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main([f"--checkpoint={small_checkpoint}", f"--output={exported.with_suffix('.bin')}"]) != 0
    assert "must end in .onnx" in capsys.readouterr().err
    assert exported.read_bytes() == before
    assert list(exported.parent.iterdir()) == [exported]
