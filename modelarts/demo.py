"""The product in miniature: draw a data set, train on it, judge unseen pictures, measure how well they were understood.

    python -m modelarts.demo

Everything lives in the local bucket obs://demo/ (folder obs_root/demo); a second run starts from the beginning.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import obs_sync
from src.data.drawn.dataset import draw_dataset
from src.data.drawn.recall import keypoint_recall
from src.infer.output.results import RESULTS_FILE
from src.interrupts import INTERRUPTED

ROOT = Path(__file__).resolve().parents[1]
OBS_ROOT = Path("obs_root")
BUCKET = "obs://demo"
SCRATCH = Path("work/demo")

TRAINING_PICTURES = 1000
UNSEEN_PICTURES = 30
UNSEEN_SIZES = [(320, 240), (240, 320), (400, 300), (300, 420), (512, 384)]
EPOCHS = 7
COMMAND_WIDTH = 110

#: The small network, a small input and figures drawn large in it: what two processor cores learn in minutes.
NETWORK = {"network": "mobilenet_v2", "stages": 2}
STORAGE = {"storage_mode": "local", "obs_local_root": OBS_ROOT, "device_target": "CPU"}
TRAINING = {
    "max_epoch_train": EPOCHS,
    "insize": 128,
    "batch_size": 16,
    "lr": 5e-3,
    "lr_type": "cosine",
    "warmup_epoch": 1,
    "heatmap_sigma": 6,
    "paf_half_width": 6,
    "scale_min": 1.2,
    "scale_max": 2.2,
    "rotate_max": 20,
    "colour_jitter": 0.3,
}
#: Minutes of training leave faint ghosts in the background, and persons made up of pieces of others.
JUDGING = {"infer_insize": TRAINING["insize"], "peak_threshold": 0.2, "min_person_score": 0.12}


def main() -> int:
    try:
        return _demo()
    except KeyboardInterrupt:
        print("demo: interrupted; the same command starts it afresh", file=sys.stderr)
        return INTERRUPTED


def _demo() -> int:
    started = time.monotonic()
    train_url = f"{BUCKET}/output/ep{EPOCHS}_np1"
    obs_sync.configure(storage_mode="local", obs_local_root=str(OBS_ROOT))
    _say("drawing the data set")
    _start_afresh(train_url)
    _draw("dataset", TRAINING_PICTURES, seed=1)
    unseen = _draw("unseen", UNSEEN_PICTURES, seed=2)
    _say("training")
    data = {"data_url": f"{BUCKET}/dataset", "imgpath_train": "images", "jsonpath_train": _ANNOTATIONS}
    _call("train_start.py", {**data, "train_url": train_url, "scratch_path": SCRATCH, **NETWORK, **TRAINING, **STORAGE})
    _say("judging unseen pictures")
    inference = {
        "target_action_type": "climb_up",
        "is_model_arts": True,
        "pic_folder_path_obs": f"{BUCKET}/unseen/images",
        "pic_folder_path_relative": SCRATCH / "pictures",
        "checkpoint_folder_path_obs": f"{train_url}/ckpt_0",
        "checkpoint_folder_path_relative": SCRATCH / "models",
        "checkpoint_filename": _newest_checkpoint(f"{train_url}/ckpt_0"),
        "output_path_root_obs": BUCKET,
        "output_img_path_relative": SCRATCH / "output_img",
        **JUDGING,
    }
    _call("test_tmp.py", {**inference, **STORAGE})
    results = max((OBS_ROOT / "demo" / "output_img").glob("output_img*"))
    recall = keypoint_recall(unseen, _found_persons(results / RESULTS_FILE))
    print(
        f"demo: {recall:.0%} of the visible keypoints in {UNSEEN_PICTURES} unseen pictures were found, "
        "within 10 % of the person's height"
    )
    seconds = time.monotonic() - started
    _print_next_steps(f"{train_url}/ckpt_0", inference["checkpoint_filename"])
    print(f"demo: keypoint_recall={recall:.2f} seconds={seconds:.0f} report={results / 'index.html'}")
    return 0


def _print_next_steps(folder: str, checkpoint: object) -> None:
    """How to judge pictures of one's own with the network that was just trained."""
    settings = {
        **{"target_action_type": "climb_up", "pic_folder_path_relative": "PICTURES"},
        "checkpoint_folder_path_relative": OBS_ROOT / folder.split("://")[1],
        **{"checkpoint_filename": checkpoint, **JUDGING},
    }
    command = command_text("test_tmp.py", [f"--{key}={value}" for key, value in settings.items()])
    print("demo: this network knows drawn figures only; README.md says where weights for photographs are")
    print("demo: to judge a folder PICTURES of your own:")
    if Path(sys.prefix).resolve() == (ROOT / ".venv").resolve():
        print("  source .venv/bin/activate")
    print(f"  {command}")


_ANNOTATIONS = "annotations/person_keypoints.json"


def _start_afresh(train_url: str) -> None:
    """Make the bucket and remove what an earlier demo left behind; its results in output_img stay."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    (OBS_ROOT / "demo").mkdir(parents=True, exist_ok=True)
    storage = obs_sync.filesystem()
    for url in (f"{BUCKET}/dataset", f"{BUCKET}/unseen", train_url):
        if storage.exists(url):
            storage.rm(url, recursive=True)


def _draw(name: str, pictures: int, seed: int) -> Path:
    """Draw a data set and put it into the bucket; returns the local annotation file."""
    folder = SCRATCH / "drawn" / name
    annotations = draw_dataset(folder, pictures, seed, UNSEEN_SIZES)
    obs_sync.copy(f"{folder}/", f"{BUCKET}/{name}/")
    print(f"demo: drew {pictures} pictures to {BUCKET}/{name}/", flush=True)
    return annotations


def _call(boot_file: str, settings: dict[str, object]) -> None:
    """Run a job as the platform does, showing its command; a failure ends the demo with the job's exit code."""
    arguments = [f"--{key}={value}" for key, value in settings.items()]
    print("+ " + command_text(boot_file, arguments), flush=True)
    code = _wait_for([sys.executable, str(ROOT / boot_file), *arguments])
    if code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if code:
        print(f"demo: {boot_file} ended with exit code {code}, see its last lines above", file=sys.stderr)
        raise SystemExit(code)


def command_text(boot_file: str, arguments: Sequence[str]) -> str:
    """A command as one would type it, on lines that fit a terminal."""
    words = [shlex.quote(word) for word in ("python", boot_file, *arguments)]
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < COMMAND_WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return " \\\n".join(lines)


def _wait_for(command: Sequence[str]) -> int:
    """The exit code of a command; a Ctrl-C reaches it as well, and it is left the time to save what it has."""
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def _newest_checkpoint(folder: str) -> str:
    """The name of the checkpoint written last."""
    store = obs_sync.filesystem()
    names = [name for name in obs_sync.list_files(folder) if name.endswith(".ckpt")]
    return max(names, key=lambda name: str(store.modified(obs_sync.join(folder, name))))


def _found_persons(results: Path) -> dict[str, NDArray[np.float64]]:
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return {line["file"]: np.array([person["keypoints"] for person in line["persons"]]) for line in lines}


def _say(what: str) -> None:
    print(f"\ndemo: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
