"""The handbook's five jobs as the platform would run them: train, continue, judge pictures, one after another.

train_np4 runs in test_four_cards.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from modelarts.__main__ import main
from modelarts.jobs.definition import Changes
from modelarts.jobs.loading import load_job
from src.data.drawn.dataset import draw_dataset

pytestmark = pytest.mark.mindspore

SMALL = ["network=mobilenet_v2", "stages=1"]
SMALL_TRAINING = [
    *SMALL,
    *("insize=64", "batch_size=2", "data_url=obs://mine/coco/", "workers=1", "val_pictures=0"),
    *("imgpath_train=images", "jsonpath_train=annotations/person_keypoints.json"),
]


class Desk:
    """A laptop: a folder for OBS with drawn data in it, and a folder for dry-runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bucket = folder / "obs" / "mine"
        draw_dataset(self.bucket / "coco", 6, sizes=((96, 128), (128, 96)))

    def dry_run(self, job: str, *values: str, options: tuple[str, ...] = ()) -> str:
        """The log of the job, which must have completed."""
        command = ["dry-run", job, "--storage_mode", "local", "--obs_local_root", str(self.folder / "obs")]
        command += ["--work", str(self.folder / "work"), "--bucket", "mine", "--prefix", "jobs"]
        command += ["--restarts", "0", "--timeout", "400"]
        assert main([*command, *options, "--set", *values]) == 0
        logs = sorted(self.path(load_job(job, self.changes).log_path).glob("*worker-0.log"))
        return logs[-1].read_text(encoding="utf-8")

    changes = Changes({}, bucket="mine", prefix="jobs")

    def path(self, url: str) -> Path:
        return self.folder / "obs" / url.split("://")[1]

    def checkpoints(self, job: str, rank: int = 0) -> list[Path]:
        """The checkpoints of a rank in the job's output, newest last."""
        output = self.path(load_job(job, self.changes).outputs[0].url)
        return sorted(
            (output / f"ckpt_{rank}").glob(f"openpose-train-rank{rank}-*.ckpt"), key=lambda p: p.stat().st_mtime
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def trained(desk: Desk) -> Path:
    """The checkpoint that train_np1 left in its output."""
    desk.dry_run("train_np1", *SMALL_TRAINING, "max_epoch_train=1")
    return desk.checkpoints("train_np1")[-1]


def test_train_np1_through_the_platforms_folders(desk: Desk, trained: Path) -> None:
    folder = desk.bucket / "jobs" / "openpose_multi_save2obs_for_recurrence"
    assert trained.parent == folder / "output" / "ep2_np1" / "ckpt_0"
    assert re.fullmatch(r"openpose-train-rank0-1_\d+\.ckpt", trained.name)
    assert len(list((folder / "log" / "ep2_np1").glob("*-proc-rank-0-device-0.txt"))) == 1


def test_continue_np1_starts_from_the_trained_weights(desk: Desk, trained: Path) -> None:
    folder = f"obs://{trained.parent.relative_to(desk.folder / 'obs').as_posix()}"
    values = [f"pretrained_model_folder_path_obs={folder}", f"pretrained_model_filename={trained.name}"]
    log = desk.dry_run("continue_np1", *SMALL_TRAINING, *values, "max_epoch_train=1", options=("--pass", "url"))
    assert "pretrained" in log
    assert desk.checkpoints("continue_np1")


def test_infer_judges_the_pictures_of_its_action(desk: Desk, trained: Path) -> None:
    job_dir = desk.bucket / "jobs" / "openpose_ms15_test_for_recurrence1"
    models = job_dir / "models" / "np4_ep1000"
    models.mkdir(parents=True)
    (models / "openpose_train_rank_1000_103.ckpt").write_bytes(trained.read_bytes())
    pictures = job_dir / "climb_over_fence"
    pictures.mkdir()
    for picture in list((desk.bucket / "coco" / "images").iterdir())[:2]:
        (pictures / picture.name).write_bytes(picture.read_bytes())
    desk.dry_run("infer", *SMALL, "infer_insize=64", "target_action_type=climb_over_fence")
    (results,) = (job_dir / "output_img").iterdir()
    assert results.name.startswith("output_img")
    assert len(list(results.glob("*_rendered.jpg"))) == 2
    assert json.loads((results / "summary.json").read_text(encoding="utf-8"))["action"] == "climb_over_fence"


@pytest.mark.slow
def test_continue_np4_starts_from_the_trained_weights(desk: Desk, trained: Path) -> None:
    folder = f"obs://{trained.parent.relative_to(desk.folder / 'obs').as_posix()}"
    values = [f"pretrained_model_folder_path_obs={folder}", f"pretrained_model_filename={trained.name}"]
    log = desk.dry_run("continue_np4", *SMALL_TRAINING, *values, "batch_size=1", "max_epoch_train_NP=1")
    assert "parameters loaded" in log
    for rank in range(4):
        assert desk.checkpoints("continue_np4", rank), f"rank {rank} saved nothing"
