"""A missing checkpoint is reported at once: MindSpore, which takes seconds to import, is not loaded for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from src.data.drawn.dataset import draw_dataset

#: Calls with the checkpoint MISSING; DATA is a folder with annotations and pictures.
CALLS = {
    "evaluate": [
        *("--jsonpath_val=DATA/annotations/person_keypoints.json", "--imgpath_val=DATA/images"),
        "--checkpoint=MISSING",
    ],
    "export": ["--checkpoint=MISSING", "--file_name=DATA/exported"],
    "import_weights": ["--input=MISSING", "--network=vgg19", "--output=DATA/m.ckpt"],
    "merge_checkpoints": ["--checkpoint_root_path=DATA", "--checkpoint_filename_template=MISSING{}"],
    "evaluate_action": [
        *("--target_action_type=climb_up", "--positive=DATA/images", "--negative=DATA/images", "--output=DATA/out"),
        *("--checkpoint_folder_path_relative=DATA", "--checkpoint_filename=MISSING"),
    ],
    "test_tmp": [
        *("--pic_folder_path_relative=DATA/images", "--checkpoint_folder_path_relative=DATA"),
        *("--checkpoint_filename=MISSING", "--scratch_path=DATA/scratch"),
    ],
}

PROGRAM = """
import importlib, sys
sys.modules["mindspore"] = None  # importing it is an error
from modelarts.runtime.entry import inference_job
name, *arguments = sys.argv[1:]
main = inference_job if name == "test_tmp" else importlib.import_module(f"src.tools.{name}").main
sys.exit(main(arguments))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    draw_dataset(folder, 2, seed=3, sizes=[(96, 64)])
    return folder


@pytest.mark.parametrize("name", CALLS)
def test_it_is_one_line_without_mindspore(name: str, data: Path, root: Path) -> None:
    arguments = [text.replace("DATA", str(data)).replace("MISSING", "no-such.ckpt") for text in CALLS[name]]
    command = [sys.executable, "-c", PROGRAM, name, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2, done.stderr
    assert "no-such.ckpt" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
