"""The command line run inside the tests, in a folder of its own and on a training API of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelarts.__main__ import main
from tests.modelarts.cloud.training_api import FLAVOUR, PROJECT, TrainingApi, serving

CHOSEN = ("--flavour", FLAVOUR)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials of this machine, and a folder of our own for obs_root and work."""
    for name in (
        "HUAWEICLOUD_SDK_AK",
        "OBS_ACCESS_KEY_ID",
        "OBS_ENDPOINT",
        "S3_ENDPOINT",
        "HUAWEICLOUD_SDK_PROJECT_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingApi]:
    pytest.importorskip("huaweicloudsdkmodelarts", reason="the cloud SDK is optional")
    api = TrainingApi()
    with serving(api) as address:
        for name, value in {
            "HUAWEICLOUD_SDK_AK": "AK",
            "HUAWEICLOUD_SDK_SK": "SECRET",
            "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT,
            "MODELARTS_ENDPOINT": address,
        }.items():
            monkeypatch.setenv(name, value)
        yield api


def run(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    """What the command printed; the exit code must be the expected one."""
    found = main(argv)
    out, err = capsys.readouterr()
    assert found == code, out + err
    return out if code == 0 else out + err


def run_json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    return json.loads(run(capsys, *argv, "--json"))
