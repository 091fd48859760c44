"""The command line: output, one summary line, exit codes, JSON - over all modes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import obs_sync
from obs_sync import ObsFileSystem
from obs_sync.__main__ import main
from tests.obs_sync.conftest import BUCKET


@pytest.fixture
def configured(fs: ObsFileSystem) -> ObsFileSystem:
    """The filesystem that the command line will use."""
    obs_sync.configure(fs._credentials, **fs.settings.__dict__)
    return fs


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The summary line."""
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_copy_list_read_verify_remove(
    configured: ObsFileSystem, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(name.encode())
    source = str(tmp_path / "in")
    assert main(["cp", source, base, "--include", "*.txt", "--dry-run"]) == 0
    assert capsys.readouterr().out == "a.txt\n"
    assert main(["verify", source, base]) == 3
    assert main(["cp", source, base]) == 0
    assert "copied 2 of 2 files (10 bytes)" in last_line(capsys)
    assert main(["cp", source, base]) == 0
    assert "2 skipped" in last_line(capsys)
    assert main(["verify", source, base]) == 0
    capsys.readouterr()
    assert main(["ls", "-r", base]) == 0
    shown = capsys.readouterr()
    assert [line.split()[-1] for line in shown.out.splitlines()] == [f"{base}/a.txt", f"{base}/b.jpg"]
    assert shown.err == "ls: 2 entries, 10 bytes\n"
    assert main(["du", base, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"command": "du", "objects": 2, "bytes": 10, "exit_code": 0}
    assert main(["--json", "stat", f"{base}/a.txt"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 5
    assert main(["rm", f"{base}/a.txt"]) == 0
    assert main(["rm", "-r", base]) == 0
    assert configured.find(base) == []


def test_cat_writes_bytes(configured: ObsFileSystem, base: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    configured.pipe_file(f"{base}/x", b"\x00\xff\n")
    assert main(["cat", f"{base}/x"]) == 0
    assert capfdbinary.readouterr().out == b"\x00\xff\n"


def test_exit_codes(configured: ObsFileSystem, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stat", f"{base}/none"]) == 4
    assert "failed: " in last_line(capsys)
    assert main(["ls", "obs://no-such-bucket-at-all"]) == 4
    assert main(["ls", "obs://Bad_Name"]) == 2
    assert main(["rm", "-r", f"obs://{BUCKET}"]) == 2
    with pytest.raises(SystemExit) as wrong:
        main(["explode"])
    assert wrong.value.code == 2
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good").write_bytes(b"g")
    (tmp_path / "in" / "broken").symlink_to(tmp_path / "nowhere")
    capsys.readouterr()
    assert main(["cp", str(tmp_path / "in"), base, "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["copied"], list(answer["failed"]), answer["exit_code"]) == (["good"], ["broken"], 3)


def test_doctor(configured: ObsFileSystem, base: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", base]) == 0
    shown = capsys.readouterr()
    assert "FAIL" not in shown.out
    assert ", 0 failed" in shown.err
    assert configured.find(base) == []
    assert main(["doctor", "obs://no-such-bucket-at-all"]) == 1
    assert "FAIL bucket" in capsys.readouterr().out


def test_as_a_program(tmp_path: Path, root: Path) -> None:
    command = [sys.executable, "-m", "obs_sync", "--storage_mode", "local", "--obs_local_root", str(tmp_path)]
    assert subprocess.run([*command, "mb", "obs://bucket"], cwd=root, capture_output=True).returncode == 0
    done = subprocess.run([*command, "ls", "obs://bucket/x"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 4
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_is_not_removed_by_accident(
    configured: ObsFileSystem, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configured.pipe_file(f"{base}/folder/x", b"x")
    assert main(["rm", f"{base}/folder"]) == 2
    assert "this is a folder - remove it with everything in it: rm -r (in Python: recursive=True)" in last_line(capsys)
    assert configured.exists(f"{base}/folder/x")
    assert main(["rm", "obs://no-such-bucket-at-all/x"]) == 4
    line = last_line(capsys)
    assert "no-such-bucket-at-all" in line
    assert " - " in line


def test_move(configured: ObsFileSystem, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    (source / "a").write_bytes(b"a" * 1500)
    (source / "deep" / "b").write_bytes(b"b")
    assert main(["mv", str(source), f"{base}/there", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == ["a", "deep/b"]
    assert (source / "a").exists()
    assert main(["mv", str(source), f"{base}/there"]) == 0
    assert "moved 2 of 2 files (1.5 kB)" in last_line(capsys)
    assert list(source.iterdir()) == []
    assert main(["mv", f"{base}/there/deep/b", f"{base}/c"]) == 0
    assert obs_sync.list_files(base, filesystem=configured) == {"c": 1, "there/a": 1500}
    assert main(["mv", f"{base}/there", str(tmp_path / "out")]) == 0
    assert obs_sync.list_files(base, filesystem=configured) == {"c": 1}
    assert (tmp_path / "out" / "a").read_bytes() == b"a" * 1500


def test_move_keeps_what_did_not_arrive(configured: ObsFileSystem, base: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a").write_bytes(b"a")
    (source / "back\\slash").write_bytes(b"b")
    assert main(["mv", str(source), base]) == 3
    assert sorted(path.name for path in source.iterdir()) == ["a", "back\\slash"]


def test_sync(configured: ObsFileSystem, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a").write_bytes(b"a")
    configured.pipe_file(f"{base}/t/old", b"old")
    assert main(["sync", str(source), f"{base}/t"]) == 0
    assert set(obs_sync.list_files(f"{base}/t", filesystem=configured)) == {"a", "old"}
    capsys.readouterr()
    assert main(["sync", str(source), f"{base}/t", "--delete", "--dry-run"]) == 0
    assert capsys.readouterr().out == "remove old\n"
    assert main(["sync", str(source), f"{base}/t", "--delete"]) == 0
    assert "; 1 skipped" in (line := last_line(capsys))
    assert line.endswith("removed 1 file")
    assert set(obs_sync.list_files(f"{base}/t", filesystem=configured)) == {"a"}
    assert main(["sync", str(source), f"obs://{BUCKET}", "--delete"]) == 2
    assert main(["sync", str(source / "a"), f"{base}/t"]) == 2
    (source / "a").unlink()
    assert main(["sync", str(source), f"{base}/t", "--delete"]) == 4  # an empty source never empties the target
    assert set(obs_sync.list_files(f"{base}/t", filesystem=configured)) == {"a"}
