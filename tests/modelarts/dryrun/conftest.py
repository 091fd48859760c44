"""A local OBS and small jobs on it whose boot files tell what they see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.dryrun.container import Storage
from modelarts.dryrun.dryrun import DryRun, DryRunOptions
from modelarts.jobs.loading import load_job
from tests.modelarts.conftest import MakeJob

TELL = """
import json, os, pathlib, sys
import yaml  # a package of this laptop
facts = {"argv": sys.argv[1:], "environment": dict(os.environ), "cwd": os.getcwd(), "file": __file__}
values = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
out = pathlib.Path(values["train_url"])
(out / f"facts{os.environ['RANK_ID']}.json").write_text(json.dumps(facts))
print("rank", os.environ["RANK_ID"], "was here")
"""
INPUT = {"data_url": {"url": "obs://bucket/coco/", "pass": "folder"}}


class Bench:
    """Runs small jobs on a local OBS of their own."""

    def __init__(self, folder: Path, make_job: MakeJob) -> None:
        self.folder, self._make_job = folder, make_job
        self.store = obs_sync.ObsFileSystem(storage_mode="local", obs_local_root=str(folder / "obs"))
        (folder / "obs" / "bucket").mkdir(parents=True)
        self.lines: list[str] = []

    def prepare(self, script: str, options: dict[str, Any] | None = None, **job: Any) -> DryRun:
        given = {"sync_period_s": 0.2, "install_requirements": False, "restarts": 0, "keep": True, **(options or {})}
        chosen = DryRunOptions(
            Storage("local", str(self.folder / "obs")), work=self.folder / "work", echo=self.lines.append, **given
        )
        return DryRun(load_job(str(self._make_job(script, **job))), chosen)

    def output(self, name: str) -> bytes:
        return bytes(self.store.cat_file(f"obs://bucket/jobs/small/output/{name}"))

    def facts(self, rank: int = 0) -> dict[str, Any]:
        return dict(json.loads(self.output(f"facts{rank}.json")))

    def logs(self) -> dict[str, str]:
        names = obs_sync.list_files("obs://bucket/jobs/small/log/", filesystem=self.store)
        return {name: self.store.cat_file(f"obs://bucket/jobs/small/log/{name}").decode() for name in names}


@pytest.fixture
def bench(tmp_path: Path, make_job: MakeJob) -> Bench:
    return Bench(tmp_path, make_job)
