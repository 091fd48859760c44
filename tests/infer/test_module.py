"""`test_tmp` as a module: five functions, importable without MindSpore, that say what they want instead of nonsense."""

from __future__ import annotations

import pydoc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import test_tmp
from tests.infer.fakes import FakeNetwork

STEPS = ["detect", "draw_person_pose", "infer_one_pic", "load_model", "val"]


def test_the_module_offers_its_five_steps_and_nothing_else() -> None:
    assert sorted(test_tmp.__all__) == dir(test_tmp) == STEPS
    text = pydoc.render_doc(test_tmp, renderer=pydoc.plaintext)
    functions = text[text.index("FUNCTIONS") :]
    for name in STEPS:
        assert f"    {name}(" in functions
    assert "importlib" not in text
    with pytest.raises(AttributeError, match="it offers detect"):
        getattr(test_tmp, "infer_folder")  # noqa: B009 - to see what asking for it says


def test_the_module_can_be_imported_and_documented_without_mindspore(root: Path) -> None:
    code = "import sys; sys.modules['mindspore'] = None; import test_tmp; test_tmp.load_model; test_tmp.detect"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "None .*imread"),
        ("a.jpg", "path 'a.jpg'"),
        (Path("a.jpg"), "path 'a.jpg'"),
        ([[1, 2, 3]], "list"),
        (np.zeros((8, 8), np.uint8), r"\(8, 8\)"),
        (np.zeros((8, 8, 3)), "float64"),
        (np.zeros((0, 8, 3), np.uint8), r"\(0, 8, 3\)"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_to_give_instead(given: object, said: str) -> None:
    with pytest.raises(TypeError, match=f"{said}.*give a picture of the form"):
        test_tmp.detect(given, FakeNetwork())


def test_mixed_up_arguments_are_told_what_to_give_instead(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(TypeError, match=r"orig_img is the path 'a\.jpg'; give a picture"):
        test_tmp.draw_person_pose("a.jpg", [], [], [])
    with pytest.raises(ValueError, match="occur_list has 1 entries for 2 poses"):
        test_tmp.draw_person_pose(picture, np.zeros((2, 18, 3)), [True], [None, None])
    with pytest.raises(TypeError, match=r"network is a path; give what load_model\(checkpoint\) returns"):
        test_tmp.detect(picture, "model.ckpt")
    with pytest.raises(TypeError, match="network is of type NoneType"):
        test_tmp.infer_one_pic(None, tmp_path, "a.jpg", tmp_path)
    with pytest.raises(TypeError, match="output_img_path is of type NoneType; give a path"):
        test_tmp.infer_one_pic(FakeNetwork(), tmp_path, "a.jpg", None)
    with pytest.raises(TypeError, match="checkpoint is of type NoneType"):
        test_tmp.load_model(None)
