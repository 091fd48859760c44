"""A dry-run against a real object store: code, inputs, outputs and logs go through the OBS SDK, in the job too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import obs_sync
from modelarts.__main__ import main
from tests.fakes.object_store import running_store, variables
from tests.modelarts.conftest import MakeJob

SCRIPT = """
import os, sys
sys.path.insert(0, {root!r})
import obs_sync
values = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
obs_sync.configure(storage_mode=values["storage_mode"])
obs_sync.copy("obs://bucket/models/a.ckpt", "staged.ckpt")
obs_sync.copy(values["data_url"] + "/picture.jpg", values["train_url"] + "/")
obs_sync.copy("staged.ckpt", "obs://bucket/direct/")
print(values["storage_mode"], os.environ["S3_ENDPOINT"].startswith("http://127.0.0.1"))
"""


def test_dry_run_on_an_object_store(
    make_job: MakeJob, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_store() as store:
        if store is None:
            pytest.skip("neither Ceph (bash tests/fakes/install_store.sh) nor moto is installed")
        options = {**store.options(), "endpoint": f"http://127.0.0.1:{store.port}"}  # other processes resolve no names
        for name, value in variables(options, tmp_path / "state").items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        fs = obs_sync.ObsFileSystem(storage_mode="obs")
        fs.mkdir("obs://bucket")
        fs.pipe_file("obs://bucket/coco/picture.jpg", b"picture")
        fs.pipe_file("obs://bucket/models/a.ckpt", b"weights")
        job = str(make_job(SCRIPT.format(root=str(root)), inputs={"data_url": {"url": "obs://bucket/coco/"}}))
        assert main(["upload-code", job, "--storage_mode", "obs"]) == 0
        assert fs.exists("obs://bucket/jobs/small/code/boot.py")
        capsys.readouterr()
        assert main(["dry-run", job, "--storage_mode", "obs", "--no-requirements", "--json"]) == 0
        state = json.loads(capsys.readouterr().out)
        assert fs.cat_file("obs://bucket/jobs/small/output/picture.jpg") == b"picture"
        assert fs.cat_file("obs://bucket/direct/staged.ckpt") == b"weights"
        log = fs.cat_file(f"obs://bucket/jobs/small/log/modelarts-job-{state['id']}-worker-0.log").decode()
        assert "obs True\n" in log
        assert not store.is_real or options["secret_access_key"] not in log
        assert main(["check", job, "--storage_mode", "obs"]) == 0
