"""Shared file helpers: whole or absent, digests, locks that end with their process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from src.errors import OutputError
from src.files import LEFTOVERS, atomic_path, file_sha256, lock_file, write_atomically, writing

HOLDER = """
import sys, time
from pathlib import Path
from src.files import lock_file
lock = lock_file(Path(sys.argv[1]))
assert lock is not None
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("content", ["text ü", b"bytes", [b"by", b"tes"]])
def test_writes_replace_the_file_and_leave_nothing_beside_it(
    tmp_path: Path, content: str | bytes | list[bytes], durable: bool
) -> None:
    path = tmp_path / "new" / ("n" * 250)  # as long as names may be
    for _ in range(2):
        write_atomically(path, content, durable=durable)
    expected = (
        content.encode() if isinstance(content, str) else b"".join(content) if isinstance(content, list) else content
    )
    assert path.read_bytes() == expected
    assert file_sha256(path) == hashlib.sha256(expected).hexdigest()
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def half() -> object:
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=f"{path}: cannot be written: No space left"), writing(path):
        write_atomically(path, half())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_leaves_behind_is_recognized(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "f", suffix=".ckpt") as temporary:
        temporary.write_text("half")
        assert list(tmp_path.glob(LEFTOVERS)) == [temporary]
        assert temporary.suffix == ".ckpt"


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert lock_file(path) is None
    finally:
        holder.kill()
        holder.communicate()
    lock = lock_file(path)
    assert lock is not None
    lock.release()
    again = lock_file(path)
    assert again is not None


def test_a_lock_where_nothing_can_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        lock_file(tmp_path / "file" / "lock")
