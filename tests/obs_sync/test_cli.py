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
    assert "2 listed, copied 2" in last_line(capsys)
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
