"""The compile cache of inference: used when it is whole and nobody else's, emptied or left alone when it is not."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from src.net import graph_cache
from src.net.compile_cache import cache_folder
from src.net.graph_cache import NETWORKS, GraphCache, open_graph_cache

pytestmark = pytest.mark.mindspore

FACTS = {"network": "mobilenet_v2", "weights": "digest"}


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder; MindSpore itself is left as it is."""
    monkeypatch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
    monkeypatch.setattr(graph_cache, "use_compile_cache", lambda folder: folder.mkdir(parents=True, exist_ok=True))
    return cache_folder(tmp_path, FACTS, NETWORKS)


def opened(folder: Path, facts: dict[str, str] = FACTS) -> GraphCache:
    cache = open_graph_cache(folder, facts)
    assert cache is not None
    return cache


def test_only_a_whole_cache_is_used(chosen: Path, tmp_path: Path) -> None:
    cache = opened(tmp_path)
    graph = chosen / "rank_0/graph.mindir"
    graph.parent.mkdir()
    graph.write_bytes(b"graph")
    cache.keep()
    del cache
    opened(tmp_path)
    assert graph.read_bytes() == b"graph"
    graph.write_bytes(b"gra")  # as a full disk leaves it
    opened(tmp_path)
    assert not graph.exists()
    graph.parent.mkdir()
    graph.write_bytes(b"graph")  # the process was killed before it could vouch for it
    opened(tmp_path)
    assert not graph.exists()


def test_other_weights_have_another_cache(chosen: Path, tmp_path: Path) -> None:
    opened(tmp_path)
    opened(tmp_path, {**FACTS, "weights": "other"})
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    assert chosen.is_dir()


def test_it_is_left_alone_while_another_process_uses_it(
    chosen: Path, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    holder = "import sys; from pathlib import Path; from src.files import lock_file; "
    holder += "lock = lock_file(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(chosen.with_suffix(".lock"))]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert open_graph_cache(tmp_path, FACTS) is None
        process.communicate()
    assert "in use by another process" in caplog.text
    opened(tmp_path)


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "file").write_text("")
    assert open_graph_cache(tmp_path / "file/folder", FACTS) is None
    assert "compiled graphs are not kept" in caplog.text


def test_without_a_script_there_is_none(chosen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    assert open_graph_cache(tmp_path, FACTS) is None
    assert not chosen.exists()
