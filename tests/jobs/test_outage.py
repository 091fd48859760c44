"""A real store that goes down while a job trains: training goes on, and everything is published in the end.

OUTAGE_S is how long the store is down (3 seconds by default, 120 for the real thing; training lasts accordingly).
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import obs_sync
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.object_store import running_store
from tests.fakes.published import complete_moments
from tests.fakes.tiny_network import tiny_network
from tests.jobs.conftest import DATA, SMALL, run_training
from tests.jobs.test_training_job import errors

OUTAGE_S = float(os.environ.get("OUTAGE_S", "3"))
STEP_S = 0.04  # about what a step takes here
SAVES = 6


class Outage(threading.Thread):
    """Takes the store away once a checkpoint has arrived there, for `seconds` at least.

    It comes back when somebody has tried to use it and training has gone on, or a minute later.
    """

    def __init__(self, proxy: FaultProxy, seconds: float, records: list[logging.LogRecord]) -> None:
        super().__init__(daemon=True)
        self._proxy, self._seconds, self._records = proxy, seconds, records
        self.began = self.ended = 0.0

    def run(self) -> None:
        while not any(line.startswith("PUT") and "manifest.json" in line for line in list(self._proxy.log)):
            time.sleep(0.05)
        refusal = self._proxy.add("reset_before", times=None)
        self.began = time.time()
        while time.time() < self.began + self._seconds + 60:
            enough = refusal.hits and len(self.logged("epoch ")) >= 5
            if enough and time.time() > self.began + self._seconds:
                break
            time.sleep(0.05)
        self._proxy.rules.clear()
        self.ended = time.time()

    def logged(self, start: str) -> list[logging.LogRecord]:
        """What has been logged since it began, until it ended."""
        until = self.ended or time.time()
        return [r for r in list(self._records) if self.began < r.created < until and r.getMessage().startswith(start)]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultProxy]:
    """The way to a real store, which jobs find through their environment."""
    with running_store() as store:
        if store is None:
            pytest.skip("neither Ceph (bash tests/fakes/install_store.sh) nor moto is installed")
        with FaultProxy(store.port) as between:
            options = store.options()
            for name, value in {
                "OBS_ENDPOINT": f"http://127.0.0.1:{between.port}",
                "OBS_ACCESS_KEY_ID": options["access_key_id"],
                "OBS_SECRET_ACCESS_KEY": options["secret_access_key"],
                "OBS_SIGNATURE": options["signature"],
                "OBS_REGION": options.get("region", "region"),
                "OBS_PATH_STYLE": "true",
                "OBS_STATE_DIR": str(tmp_path / "state"),
            }.items():
                monkeypatch.setenv(name, value)
            yield between


def test_training_goes_on_without_the_store_and_all_is_published_in_the_end(
    proxy: FaultProxy, bucket: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fs = obs_sync.ObsFileSystem(storage_mode="obs")
    fs.mkdir("obs://outage")
    epochs = int(1.5 * OUTAGE_S / STEP_S / 3) + 10
    every = epochs * 3 // SAVES
    settings = [f"--data_url={bucket / 'data'}", "--train_url=obs://outage/out", "--storage_mode=obs"]
    settings += [f"--max_epoch_train={epochs}", f"--ckpt_interval={every}", "--ckpt_epoch_interval=0"]
    outage = Outage(proxy, OUTAGE_S, caplog.records)
    outage.start()
    with tiny_network():
        assert run_training(*SMALL, *DATA, *settings, "--keep_checkpoint_max=0", "--log_interval=1") == 0
    outage.join(OUTAGE_S + 10)
    assert outage.ended
    assert len(outage.logged("epoch ")) >= 5
    assert [r for r in outage.logged("") if r.levelno == logging.WARNING and "Connection" in r.getMessage()]
    assert errors(caplog) == []
    names = [Path(path).name for path in fs.find("obs://outage/out")]
    made = [step for step in range(1, epochs * 3 + 1) if step % every == 0 or step == epochs * 3]
    assert len(complete_moments(names, 1)) == len(made)
    lines = fs.cat_file("obs://outage/out/ckpt_0/loss-rank0.jsonl").splitlines()
    assert [json.loads(line)["global_step"] for line in lines] == list(range(1, epochs * 3 + 1))
