"""Every command of the README runs, on drawn data and with small settings added."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.data.drawn.dataset import draw_dataset
from tests.fakes.body_model import random_body_model

SMALL_NETWORK = ["--network=mobilenet_v2", "--stages=1", "--device_target=CPU", "--storage_mode=local"]
SMALL_TRAINING = [
    *SMALL_NETWORK,
    "--insize=64",
    "--batch_size=2",
    "--val_pictures=0",
    "--imgpath_train=images",
    "--jsonpath_train=annotations/person_keypoints.json",
    "--max_epoch_train=1",
    "--max_epoch_train_NP=1",
]
CHECKPOINT = Path("models/np4_ep1000/openpose_train_rank_1000_103.ckpt")


def commands(root: Path) -> list[str]:
    """The commands of all bash blocks, continued lines joined, comments left out."""
    blocks = re.findall(r"```bash\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if shlex.split(line, comments=True)]


@pytest.fixture(scope="module")
def laptop(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a local bucket, drawn data, pictures and a checkpoint where the README's commands look for them."""
    folder = tmp_path_factory.mktemp("laptop")
    draw_dataset(folder / "obs_root/bucket/coco2017", pictures=6, seed=7, sizes=[(200, 160), (160, 200)])
    draw_dataset(folder / "drawn", pictures=2, seed=8, sizes=[(200, 160)])
    shutil.copytree(folder / "drawn/images", folder / "climb_over_fence")
    for place in (CHECKPOINT, Path("obs_root/bucket/models/model.ckpt")):
        (folder / place).parent.mkdir(parents=True)
        shutil.copy(small_checkpoint, folder / place)
    return folder


def run(command: list[str], folder: Path, root: Path) -> str:
    tools = Path(sys.executable).parent
    environment = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", str(folder)),
        "PYTHONPATH": str(root),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def test_the_readme_begins_with_set_up_and_names_the_test_targets(root: Path) -> None:
    assert commands(root)[:2] == ["make demo", "source .venv/bin/activate"]
    targets = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    named = re.findall(r"`make ([a-z-]+)`", (root / "README.md").read_text(encoding="utf-8"))
    assert {"demo", "test", "test-fast"} <= set(named)
    assert all(f"make {target} " in targets for target in named if target != "help")


def test_there_is_a_recipe_for_each_case_of_the_parts_that_run_below(root: Path) -> None:
    """Launcher and settings of the two recipes that do not run are those of the two that do."""
    found = recipes(root)
    assert [recipe[0] for recipe in found] == ["python", "python", "msrun", "msrun"]
    assert [any("load_pretrain" in word for word in recipe) for recipe in found] == [False, True, False, True]
    launchers = [recipe[: recipe.index("train_start.py")] for recipe in found]
    assert (launchers[1], launchers[2]) == (launchers[0], launchers[3])
    one, one_continued, several, several_continued = (set(each[each.index("train_start.py") :]) for each in found)
    assert one < one_continued
    assert several < several_continued
    assert one_continued - one == several_continued - several


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 3], ids=["one card, from scratch", "several cards, continued"])
def test_a_training_recipe_runs(root: Path, laptop: Path, number: int) -> None:
    """The other two combinations, and four cards: see tests/modelarts/jobs and tests/modelarts/dryrun."""
    recipe = recipes(root)[number]
    at = recipe.index("train_start.py")
    cards = int(re.search(r"--local_worker_num=(\d+)|$", " ".join(recipe))[1] or 1)  # type: ignore[index]
    more = [f"--train_url=obs://bucket/output/recipe{number}", *([] if number == 0 else ["--export_format=none"])]
    shown = run([*recipe[:at], str(root / "train_start.py"), *recipe[at + 1 :], *SMALL_TRAINING, *more], laptop, root)
    for rank in range(cards):
        folder = laptop / f"obs_root/bucket/output/recipe{number}/ckpt_{rank}"
        (checkpoint,) = folder.glob("*.ckpt")
        assert checkpoint.with_name(f"{checkpoint.name}.manifest.json").is_file()
    assert ("parameters loaded" in shown) == any("load_pretrain" in argument for argument in recipe)


def recipes(root: Path) -> list[list[str]]:
    return [shlex.split(command) for command in commands(root) if "train_start.py" in command]


def test_the_inference_command_runs(root: Path, laptop: Path) -> None:
    command = handbooks_call(root)
    run([command[0], str(root / command[1]), *command[2:], *SMALL_NETWORK], laptop, root)
    (results,) = (laptop / "output_img").glob("output_img*")
    names = {path.name for path in results.iterdir()}
    assert {"results.jsonl", "summary.json", "index.html", "results.csv", "000000000001_rendered.jpg"} <= names


def handbooks_call(root: Path) -> list[str]:
    (command,) = [shlex.split(command) for command in commands(root) if "--is_batch_pics=True" in command]
    return command


def test_own_photographs_are_judged_with_published_weights(root: Path, laptop: Path) -> None:
    """With a network of one stage and a file that NumPy wrote, which is read in the same way as PyTorch's."""
    shutil.copytree(laptop / "drawn/images", laptop / "my_photographs")
    np.savez(laptop / "body_pose_model.npz", **random_body_model(0.02))
    one_stage = ["--stages=1"]
    (load,) = [shlex.split(command) for command in commands(root) if "import_weights" in command]
    run([*(word.replace(".pth", ".npz") for word in load), *one_stage], laptop, root)
    (judge,) = [shlex.split(command) for command in commands(root) if "my_photographs" in command]
    shown = run([judge[0], str(root / judge[1]), *judge[2:], *one_stage, "--infer_insize=64"], laptop, root)
    folder = re.search(r"output_img/output_img\d+", shown.strip().splitlines()[-1])
    assert folder, "the last line names the results"
    assert (laptop / folder[0] / "index.html").is_file()


def test_all_other_commands_run(root: Path, laptop: Path) -> None:
    ours = ("make ", "source ", "train_start.py", "test_tmp.py", "import_weights")
    others = [command for command in commands(root) if not any(word in command for word in ours)]
    assert len(others) >= 4
    for command in others:
        run(shlex.split(command), laptop, root)


@pytest.mark.slow
def test_the_handbooks_very_call_works(root: Path, on_cpu: None, tmp_path: Path) -> None:
    """The README's inference command as it stands: the full network with all its defaults."""
    from src.net.build import build_network
    from src.train.checkpoints.checkpoint import write_checkpoint

    draw_dataset(tmp_path / "drawn", pictures=1, seed=8, sizes=[(200, 160)])
    shutil.copytree(tmp_path / "drawn/images", tmp_path / "climb_over_fence")
    write_checkpoint(build_network("vgg19", 6), tmp_path / CHECKPOINT, {})
    command = handbooks_call(root)
    run([command[0], str(root / command[1]), *command[2:]], tmp_path, root)
    assert list(tmp_path.glob("output_img/output_img*/000000000001_rendered.jpg"))
