"""Every command of the README runs, on drawn data and with small settings added."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import mindspore as ms
import pytest

from src.data.drawn.dataset import draw_dataset
from src.net.build import build_network, choose_device
from src.train.checkpoints.checkpoint import network_meta, write_checkpoint

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
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a local bucket, drawn data, pictures and a checkpoint where the README's commands look for them."""
    folder = tmp_path_factory.mktemp("laptop")
    draw_dataset(folder / "obs_root/bucket/coco2017", pictures=6, seed=7, sizes=[(200, 160), (160, 200)])
    draw_dataset(folder / "drawn", pictures=2, seed=8, sizes=[(200, 160)])
    shutil.copytree(folder / "drawn/images", folder / "climb_over_fence")
    choose_device("CPU")
    ms.set_seed(1)
    write_checkpoint(build_network("mobilenet_v2", 1), folder / CHECKPOINT, network_meta("mobilenet_v2", 1))
    (folder / "obs_root/bucket/models").mkdir()
    shutil.copy(folder / CHECKPOINT, folder / "obs_root/bucket/models/model.ckpt")
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


def test_the_readme_names_the_two_commands(root: Path) -> None:
    found = commands(root)
    assert found[:2] == ["make demo", "make test"]
    targets = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert "demo" in targets
    assert "test" in targets


def test_the_training_recipes_run(root: Path, laptop: Path) -> None:
    recipes = [shlex.split(command) for command in commands(root) if "train_start.py" in command]
    assert [recipe[0] for recipe in recipes] == ["python", "python", "msrun", "msrun"]
    several = recipes[2:]
    assert all({"--worker_num=2", "--local_worker_num=2"} <= set(recipe) for recipe in several)
    four = [[argument.replace("worker_num=2", "worker_num=4") for argument in recipe] for recipe in several]
    for number, (cards, recipe) in enumerate(zip((1, 1, 2, 2, 4, 4), (*recipes, *four))):
        at = recipe.index("train_start.py")
        train_url = f"--train_url=obs://bucket/output/recipe{number}"
        whole = [*recipe[:at], str(root / "train_start.py"), *recipe[at + 1 :], *SMALL_TRAINING, train_url]
        shown = run(whole, laptop, root)
        for rank in range(cards):
            folder = laptop / f"obs_root/bucket/output/recipe{number}/ckpt_{rank}"
            (checkpoint,) = folder.glob("*.ckpt")
            assert checkpoint.with_name(f"{checkpoint.name}.manifest.json").is_file()
        assert ("parameters loaded" in shown) == any("load_pretrain" in argument for argument in recipe)


def test_the_inference_command_runs(root: Path, laptop: Path) -> None:
    (command,) = [shlex.split(command) for command in commands(root) if "test_tmp.py" in command]
    run([command[0], str(root / command[1]), *command[2:], *SMALL_NETWORK], laptop, root)
    (results,) = (laptop / "output_img").glob("output_img*")
    names = {path.name for path in results.iterdir()}
    assert {"results.jsonl", "summary.json", "index.html", "results.csv", "000000000001_rendered.jpg"} <= names


def test_all_other_commands_run(root: Path, laptop: Path) -> None:
    ours = ("make ", "train_start.py", "test_tmp.py")
    others = [command for command in commands(root) if not any(word in command for word in ours)]
    assert len(others) >= 4
    for command in others:
        run(shlex.split(command), laptop, root)


@pytest.mark.slow
def test_the_handbooks_very_call_works(root: Path, tmp_path: Path) -> None:
    """The README's inference command as it stands: the full network with all its defaults."""
    draw_dataset(tmp_path / "drawn", pictures=1, seed=8, sizes=[(200, 160)])
    shutil.copytree(tmp_path / "drawn/images", tmp_path / "climb_over_fence")
    choose_device("CPU")
    write_checkpoint(build_network("vgg19", 6), tmp_path / CHECKPOINT, {})
    (command,) = [shlex.split(command) for command in commands(root) if "test_tmp.py" in command]
    run([command[0], str(root / command[1]), *command[2:]], tmp_path, root)
    assert list(tmp_path.glob("output_img/output_img*/000000000001_rendered.jpg"))
