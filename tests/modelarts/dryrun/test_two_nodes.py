"""Two nodes of two cards on a real store, whose log shows what they fetch; a card is killed, and all start again.

The cards are started by rank table, as the job on the platform would be, and really train together.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.__main__ import main
from modelarts.dryrun.state import STATE_FILE
from src.data.coco import index_annotations
from src.data.drawn.dataset import draw_dataset
from tests.data.selection import SELECTION
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.object_store import running_store, variables

pytestmark = [pytest.mark.mindspore, pytest.mark.slow]

PICTURES = 8
SETTINGS = [
    *("network=mobilenet_v2", "stages=1", "insize=64", "batch_size=1", "max_epoch_train_NP=1"),
    "val_pictures=0",
    *("data_url=obs://mine/coco/", "imgpath_train=images", "jsonpath_train=annotations/person_keypoints.json"),
]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultProxy]:
    """What the jobs of this test take for the store: it sees every request."""
    with running_store() as store:
        if store is None:
            pytest.skip("neither Ceph (bash tests/fakes/install_store.sh) nor moto is installed")
        with FaultProxy(store.upstream) as proxy:
            for name, value in variables(store.s3_options(proxy.port), tmp_path / "state").items():
                monkeypatch.setenv(name, value)
            yield proxy


def test_each_node_fetches_each_object_once_and_after_a_restart_none(proxy: FaultProxy, tmp_path: Path) -> None:
    fs = obs_sync.ObsFileSystem(storage_mode="obs")
    fs.mkdir("obs://mine")
    draw_dataset(tmp_path / "coco", PICTURES, sizes=((96, 128), (128, 96)))
    obs_sync.copy(f"{tmp_path / 'coco'}/", "obs://mine/coco/", filesystem=fs)
    assert main(["upload-code", "train_np4", "--storage_mode", "obs", "--bucket", "mine", "--prefix", "jobs"]) == 0
    proxy.log.clear()
    before: list[Counter[str]] = []
    killer = threading.Thread(target=kill_a_card, args=(tmp_path / "work", proxy, before))
    killer.start()
    command = ["dry-run", "train_np4", "--storage_mode", "obs", "--bucket", "mine", "--prefix", "jobs"]
    command += ["--nodes", "2", "--cards", "2", "--restarts", "1", "--restart-in", "same", "--no-requirements"]
    command += ["--work", str(tmp_path / "work")]
    assert main([*command, "--timeout", "400", "--set", *SETTINGS]) == 0
    killer.join()
    annotations = "annotations/person_keypoints.json"
    learnt = [f"images/{name}" for name in index_annotations(tmp_path / "coco" / annotations, SELECTION).names]
    assert before == [Counter({f"coco/{name}": 2 for name in [*learnt, annotations]})]
    assert fetched(proxy) == before[0], "the second start fetched something again"
    (state,) = [json.loads(path.read_text()) for path in (tmp_path / "work").glob(f"*/{STATE_FILE}")]
    assert state["starts"] == 2
    found = fs.find("obs://mine/jobs")
    names = [name.rpartition("/")[2] for name in found]
    (report,) = [fs.cat_file(name).decode() for name in found if name.endswith("/ckpt_2/startup.json")]
    platform = json.loads(report)["platform"]
    assert {"MA_NUM_HOSTS": "2", "VC_TASK_INDEX": "1"}.items() <= platform["environment"].items()
    assert len(platform["rank_table"]["server_list"]) == 2
    assert os.environ["OBS_SECRET_ACCESS_KEY"] not in report
    _assert_the_logs_are_readable(Path(state["log_file"]).parent, state["id"])
    for rank in range(4):
        name = f"openpose-train-rank{rank}-1_{-(-len(learnt) // 4)}.ckpt"
        assert {name, f"{name}.manifest.json"} <= set(names)


def _assert_the_logs_are_readable(folder: Path, job_id: str) -> None:
    """Each node's log tells of its own cards alone, in lines that begin with time, level and rank."""
    for node in range(2):
        log = (folder / f"modelarts-job-{job_id}-worker-{node}.log").read_text(encoding="utf-8")
        assert len(re.findall(r"joined 4 cards as rank", log)) == 2 * 2, "two cards, two starts"
        # The platform's lines and the arguments below them; what MindSpore prints at its end.
        platform = ("[ModelArts Service Log]", "    --", "[INFO] DISTRIBUTED")
        own = [line for line in log.splitlines() if not line.startswith(platform)]
        ranks = [re.match(r"[\d-]+ [\d:]+ [A-Z]+ rank (\d): ", line) for line in own]
        assert {found[1] for found in ranks if found} == {str(2 * node), str(2 * node + 1)}
        assert [line for line, found in zip(own, ranks) if not found] == []


def kill_a_card(work: Path, proxy: FaultProxy, before: list[Counter[str]]) -> None:
    """SIGKILL rank 2 of the first start when all cards have what they need; notes what had been fetched then."""
    for _ in range(1200):
        said = [read_json(path) for path in work.glob("**/ranks/rank_*.json")]
        if len(said) == 4 and all(each.get("phase") == "compiling the network" for each in said):
            break
        time.sleep(0.1)
    before.append(fetched(proxy))
    os.kill(next(each["pid"] for each in said if each["rank"] == 2), signal.SIGKILL)


def read_json(path: Path) -> dict[str, Any]:
    return {"rank": int(path.stem.rpartition("_")[2]), **json.loads(path.read_text(encoding="utf-8"))}


def fetched(proxy: FaultProxy) -> Counter[str]:
    """How often each object of the data set was fetched; listings are no objects."""
    keys = (re.match(r"GET /mine/(coco/[^?]+)", line) for line in proxy.log)
    return Counter(key[1] for key in keys if key)
