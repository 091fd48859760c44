"""Two inference jobs that start in the same second never share a folder of results, wherever their containers are."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import obs_sync
from modelarts.runtime import storage
from modelarts.runtime.results import upload as results_upload
from modelarts.runtime.results.upload import results_folder
from src.infer.output.output_folder import RUN_FILE
from src.infer.output.shard import Shard


@pytest.fixture(params=["obs://bucket/job/output_img", "mounted"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(results_upload, "RETRY_PAUSE_S", (0.0, 0.05))
    obs_sync.configure(storage_mode="local")
    return str(request.param)


def start(root: str, container: str, digest: str) -> str:
    with results_folder(Path(container), root, digest, Shard()) as (_, url, _sink):
        return url


def test_jobs_that_start_together_get_folders_of_their_own(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = threading.Barrier(4, timeout=20)
    write, first = storage.write_bytes, threading.local()

    def together(url: str, content: bytes) -> None:
        write(url, content)
        if ".claim-" in url and not hasattr(first, "done"):
            first.done = True
            everybody.wait()  # each has claimed the same name before any of them looks

    monkeypatch.setattr(storage, "write_bytes", together)
    urls: list[str] = []
    jobs = [
        threading.Thread(target=lambda n=n: urls.append(start(root, f"container{n}", f"digest{n}"))) for n in range(4)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    assert len(set(urls)) == 4
    for url in urls:
        assert list(storage.list_with_stamps(url)) == [RUN_FILE]


def test_a_name_that_is_taken_in_the_store_is_not_taken_again(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = results_upload.new_output_folder
    taken = "output_img20260102030405"

    def first_the_taken_one(parent: Path, digest: str) -> object:
        folder = made(parent, digest)
        if not (storage.list_with_stamps(f"{root}/{taken}").keys() - {"theirs.jpg"}) and not hits:
            hits.append(folder.path)
            folder.path.rename(parent / taken)
            folder.path = parent / taken
        return folder

    hits: list[Path] = []
    if obs_sync.is_url(root):
        obs_sync.create_local_buckets([root])
    storage.write_bytes(f"{root}/{taken}/theirs.jpg", b"theirs")
    monkeypatch.setattr(results_upload, "new_output_folder", first_the_taken_one)
    url = start(root, "container", "digest")
    assert hits
    assert not url.endswith(taken)
    assert storage.read_bytes(f"{root}/{taken}/theirs.jpg") == b"theirs"
    assert list(storage.list_with_stamps(f"{root}/{taken}")) == ["theirs.jpg"]
