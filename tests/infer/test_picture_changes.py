"""Pictures that change or vanish while a job runs, and before it is continued."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from src.actions import find_action
from src.infer.network import Maps
from src.infer.output.journal import read_journals
from src.infer.output.output_folder import new_output_folder
from src.infer.run import infer_folder
from tests.infer.fakes import FakeNetwork

NAMES = [f"{number}.bmp" for number in range(4)]
ACTION = find_action("climb_up")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures of one size in bytes, each with other content."""
    folder = tmp_path / "pics"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), 40 * number, np.uint8))
    return folder


class Meddling(FakeNetwork):
    """Does something to the pictures while the network looks at the first one."""

    def __init__(self, meddle: Callable[[], None]) -> None:
        super().__init__()
        self._meddle: Callable[[], None] | None = meddle

    def forward(self, inputs: Sequence[NDArray[np.uint8]]) -> Sequence[Maps]:
        if self._meddle is not None:
            self._meddle()
            self._meddle = None
        return super().forward(inputs)


def judge(pictures: Path, folder: Path, network: FakeNetwork) -> dict[str, Any]:
    infer_folder(network, pictures, NAMES, folder, ACTION, {})
    return dict(read_journals(folder))


def rewrite(picture: Path) -> None:
    """Other content of the same size in bytes."""
    data = bytearray(picture.read_bytes())
    data[-100:] = bytes(255 - value for value in data[-100:])
    picture.write_bytes(data)


@pytest.mark.parametrize("meddle", [Path.unlink, rewrite])
def test_what_was_judged_in_this_start_counts(pictures: Path, tmp_path: Path, meddle: Callable[[Path], None]) -> None:
    folder = new_output_folder(tmp_path / "out", "d").path
    before = {name: (pictures / name).read_bytes() for name in NAMES}
    lines = judge(pictures, folder, Meddling(lambda: [meddle(pictures / name) for name in NAMES] and None))
    assert (folder / "summary.json").is_file()
    assert list(lines) == NAMES
    assert lines[NAMES[0]]["status"] == "ok"
    for name, line in lines.items():
        if line["status"] == "ok":
            written = (folder / name).read_bytes()
            assert hashlib.sha256(written).hexdigest() == line["sha256"], "the bytes that were read are written"
    assert (folder / NAMES[0]).read_bytes() == before[NAMES[0]]


def test_a_picture_of_the_same_size_is_told_from_the_former_one(pictures: Path, tmp_path: Path) -> None:
    folder = new_output_folder(tmp_path / "out", "d").path
    first = judge(pictures, folder, FakeNetwork())
    (folder / "summary.json").unlink()
    rewrite(pictures / NAMES[1])
    (pictures / NAMES[2]).touch()  # newer, but the same
    network = FakeNetwork()
    second = judge(pictures, folder, network)
    assert sum(map(len, network.log)) == 1
    assert {name for name in NAMES if first[name]["judged_at"] != second[name]["judged_at"]} == {NAMES[1]}
