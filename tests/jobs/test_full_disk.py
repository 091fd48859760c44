"""A disk that is really full while a job trains: training goes on, and what is missing in the end is told."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.published import complete_moments
from tests.jobs.conftest import DATA, SMALL, URLS

MOUNT = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
SAVES, EVERY = 4, 30
#: A disk of its own that is full from the first published checkpoint until one could not be saved.
SCRIPT = f"""
mount -t tmpfs -o size=32m tmpfs small
(
    until grep -q "published .*ckpt" log; do sleep 0.05; done
    cat /dev/zero >small/filler 2>/dev/null
    until grep -q "not saved" log; do sleep 0.05; done
    rm small/filler
) &
{{command}} --save_model_path=small --max_epoch_train={SAVES * EVERY // 3} --ckpt_interval={EVERY} >>log 2>&1
code=$?
kill $! 2>/dev/null
exit $code
"""


def can_mount(folder: Path) -> bool:
    try:
        return subprocess.run([*MOUNT, f"mount -t tmpfs tmpfs {folder}"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_training_goes_on_with_a_full_disk_and_tells_what_is_missing(root: Path, bucket: Path, tmp_path: Path) -> None:
    small, log = tmp_path / "small", tmp_path / "log"
    small.mkdir()
    log.touch()
    if not can_mount(small):
        pytest.skip("a disk of its own cannot be mounted here: unshare and user namespaces are needed")
    settings = [*SMALL, *DATA, *URLS, "--ckpt_epoch_interval=0", "--keep_checkpoint_max=0", "--log_interval=1"]
    command = shlex.join([sys.executable, str(root / "tests/fakes/tiny_network.py"), *settings])
    done = subprocess.run([*MOUNT, SCRIPT.format(command=command)], timeout=300)
    told = log.read_text(errors="replace")
    assert done.returncode == 3, told[-3000:]
    assert "Traceback" not in told
    assert f"epoch {SAVES * EVERY // 3}/{SAVES * EVERY // 3} step 3/3" in told
    lost = re.findall(r"not published: (\S+openpose-train-rank0-\d+_\d+.ckpt): not written: .*No space left", told)
    published = complete_moments([path.name for path in (bucket / "out/ckpt_0").iterdir()], 1)
    assert lost
    assert len(published) == SAVES - len(lost)
    lines = [json.loads(line) for line in (bucket / "out/ckpt_0/loss-rank0.jsonl").read_text().splitlines()]
    assert [line["global_step"] for line in lines] == list(range(1, SAVES * EVERY + 1))
