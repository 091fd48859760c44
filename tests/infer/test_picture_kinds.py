"""Pictures as they come: orientations, modes, formats, names, huge ones, broken ones; and memory that stays flat."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from src.actions import find_action
from src.data.images import read_picture
from src.infer.output.journal import read_journals
from src.infer.output.names import rendered_name, rendered_names
from src.infer.output.results import ResultLine
from src.infer.output.shard import Shard
from src.infer.output.sink import LocalResultSink
from src.infer.picture import infer_one_pic
from src.infer.reading import SHOWN_SIDE_MAX
from src.infer.run import infer_folder
from tests.infer.fakes import FakeNetwork

ACTION = find_action("climb_up")
SCENE = np.zeros((120, 200, 3), np.uint8)
SCENE[:, :100] = (200, 80, 40)


def saved(folder: Path, name: str, image: Image.Image, **options: object) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return name


def every_kind(folder: Path) -> list[str]:
    scene = Image.fromarray(SCENE)
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        saved(folder, "grey.png", scene.convert("L")),
        saved(folder, "rgba.png", scene.convert("RGBA")),
        saved(folder, "palette.png", scene.convert("P")),
        saved(folder, "16 bit.png", Image.fromarray(np.full((120, 200), 40_000, np.uint16))),
        saved(folder, "cmyk.jpg", scene.convert("CMYK")),
        saved(folder, "turned.JPG", scene, exif=exif),
        saved(folder, "grey.jpeg", scene.convert("L")),
        saved(folder, "w.webp", scene, lossless=True),
        saved(folder, "b.bmp", scene),
        saved(folder, "t.tif", scene),
        saved(folder, "1 bit.tiff", scene.convert("1")),
        saved(folder, "翻越 护栏/深 层/图片 1.jpg", scene),
        saved(folder, "a b & 'c' #1%20.jpg", scene),
        saved(folder, "one pixel.png", Image.fromarray(SCENE[:1, :1])),
        saved(folder, "line.png", Image.fromarray(np.zeros((2, 900, 3), np.uint8))),
    ]


def broken(folder: Path) -> dict[str, str]:
    frames = [Image.fromarray(SCENE), Image.fromarray(255 - SCENE)]
    saved(folder, "animated.webp", frames[0], save_all=True, append_images=frames[1:])
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG")
    (folder / "cut.png").write_bytes(buffer.getvalue()[:-40])
    (folder / "html.jpg").write_text("<html>404</html>", encoding="utf-8")
    (folder / "bomb.png").write_bytes(_png_header(100_000, 100_000))
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    return {
        "animated.webp": "animated",
        "cut.png": "truncated or damaged",
        "html.jpg": "not a picture",
        "bomb.png": "too large",
        "dangling.jpg": "no such file",
    }


def _png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\x09IDAT"


def named_like_results(folder: Path) -> dict[str, str]:
    names = ("results.jsonl", "Summary.json", "index.html/1.jpg", f"thumbnails/{5:020x}.jpg")
    picture = Image.fromarray(SCENE)
    return {saved(folder, name, picture, format="JPEG"): "has the name of a file of the results" for name in names}


@pytest.mark.parametrize("batch_size", [1, 4])
def test_every_kind_of_picture_is_judged_or_reported(tmp_path: Path, batch_size: int) -> None:
    folder, output = tmp_path / "pics", tmp_path / "out"
    good = every_kind(folder)
    bad = {**broken(folder), **named_like_results(folder)}
    summary = infer_folder(FakeNetwork(batch_size=batch_size), folder, [*good, *bad], output, ACTION, {})
    assert (summary["ok"], summary["unreadable"]) == (len(good), len(bad))
    lines = {line["file"]: line for line in map(json.loads, (output / "results.jsonl").read_text("utf-8").splitlines())}
    for name in good:
        upright = read_picture(folder / name)
        assert (lines[name]["height"], lines[name]["width"]) == upright.shape[:2], name
        assert read_picture(output / lines[name]["rendered"]).shape == upright.shape, name
        assert (output / name).read_bytes() == (folder / name).read_bytes(), name
    for name, reason in bad.items():
        assert lines[name]["status"] == "unreadable"
        assert reason in lines[name]["error"]
    assert (lines["turned.JPG"]["width"], lines["turned.JPG"]["height"]) == (120, 200)


def test_rendered_names() -> None:
    assert rendered_name("a/b.c.jpg") == "a/b.c_rendered.jpg"
    assert rendered_name("B.JPG") == "B_rendered.JPG"
    assert rendered_name("x.gif") == "x_rendered.jpg"


def test_rendered_names_are_those_of_no_other_file() -> None:
    names = ["a.gif", "a.jpg", "a.png", "a_rendered.jpg", "a_rendered_2.jpg", "b/a.jpg", "图" * 80 + "1.jpg"]
    names.append("图" * 80 + "2.jpg")
    given = rendered_names(names)
    assert list(given) == names
    assert len({*given.values(), *names}) == 2 * len(names)
    assert (given["a.png"], given["b/a.jpg"]) == ("a_rendered.png", "b/a_rendered.jpg")
    assert given["a.gif"] == "a_rendered_3.jpg"
    assert all(len(name.rpartition("/")[2].encode()) <= 255 for name in given.values())


CLASHING = ("a.jpg", "a.png", "a.JPG", "a_rendered.jpg", "a_rendered_2.jpg", "a_rendered_rendered.jpg", "sub/a.jpg")
LONG = ("人" * 83 + ".jpg", "x" * 251 + ".jpg", "x" * 250 + "y.jpg")


def clashing_pictures(folder: Path) -> list[str]:
    """Pictures, each of a size of its own, whose results would be written over one another by simpler names."""
    for number, name in enumerate((*CLASHING, *LONG)):
        saved(folder, name, Image.fromarray(SCENE).resize((60 + 8 * number, 50)))
    return sorted((*CLASHING, *LONG))


def check_each_has_its_own(folder: Path, output: Path, lines: list[dict[str, Any]]) -> None:
    rendered = [line["rendered"] for line in lines]
    assert len({*rendered, *(line["file"] for line in lines)}) == 2 * len(lines)
    for line in lines:
        assert (output / line["file"]).read_bytes() == (folder / line["file"]).read_bytes()
        assert read_picture(output / line["rendered"]).shape == read_picture(folder / line["file"]).shape
        assert (output / line["rendered"]).read_bytes() != (folder / line["file"]).read_bytes()


@pytest.mark.parametrize("cards", [1, 3])
def test_no_picture_is_written_over_another(tmp_path: Path, cards: int) -> None:
    folder, output = tmp_path / "pics", tmp_path / "out"
    names = clashing_pictures(folder)
    for rank in reversed(range(cards)):
        infer_folder(FakeNetwork(), folder, names, output, ACTION, {}, shard=Shard(rank, cards))
    lines = list(map(json.loads, (output / "results.jsonl").read_text("utf-8").splitlines()))
    assert [line["file"] for line in lines] == names
    check_each_has_its_own(folder, output, lines)
    assert next(line["rendered"] for line in lines if line["file"] == "sub/a.jpg") == "sub/a_rendered.jpg"


def test_a_picture_that_comes_later_takes_its_name_from_an_earlier_result(tmp_path: Path) -> None:
    folder, output = tmp_path / "pics", tmp_path / "out"
    names = clashing_pictures(folder)
    few = ["a.jpg", "sub/a.jpg"]
    infer_folder(FakeNetwork(), folder, few, output, ACTION, {})
    assert (output / "a_rendered.jpg").read_bytes() != (folder / "a_rendered.jpg").read_bytes()
    (output / "summary.json").unlink()
    network = FakeNetwork()
    infer_folder(network, folder, names, output, ACTION, {})
    assert sum(map(len, network.log)) == len(names) - 1, "only sub/a.jpg keeps its result"
    check_each_has_its_own(folder, output, list(read_journals(output).values()))


def test_one_by_one_no_picture_is_written_over_another(tmp_path: Path) -> None:
    folder, output = tmp_path / "pics", tmp_path / "out"
    names = clashing_pictures(folder)
    for _ in range(2):
        lines = [infer_one_pic(FakeNetwork(), folder, name, output).to_json() for name in names]
        check_each_has_its_own(folder, output, lines)


@pytest.mark.parametrize("size", [(9000, 6700), (6700, 9000), (4500, 40)])
def test_huge_pictures_have_results_in_their_own_coordinates(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    scene = np.full((height, width, 3), 120, np.uint8)
    cv2.imwrite(str(tmp_path / "huge.jpg"), scene, [cv2.IMWRITE_JPEG_QUALITY, 40])
    small = cv2.resize(scene, (max(1, width // 10), max(1, height // 10)))
    cv2.imwrite(str(tmp_path / "small.jpg"), small)
    network = FakeNetwork(insize=96)
    huge = infer_one_pic(network, tmp_path, "huge.jpg", tmp_path / "out")
    like = infer_one_pic(network, tmp_path, "small.jpg", tmp_path / "out")
    assert (huge.width, huge.height) == size
    assert len(huge.persons) == len(like.persons)
    for one, other in zip(huge.persons, like.persons):
        found = one.keypoints[:, 2] > 0
        assert (one.keypoints[~found] == 0).all()
        expected = (other.keypoints[found, :2] + 0.5) * (width / small.shape[1], height / small.shape[0]) - 0.5
        assert np.abs(one.keypoints[found, :2] - expected).max() < 0.02 * max(size)
    drawn = read_picture(tmp_path / "out/huge_rendered.jpg")
    assert max(drawn.shape) <= SHOWN_SIDE_MAX
    assert abs(drawn.shape[1] / drawn.shape[0] / (width / height) - 1) < 0.03


PEAK = """
import sys
from pathlib import Path
from src.actions import find_action
from src.infer.run import infer_folder
from tests.infer.fakes import FakeNetwork
folder, output = Path(sys.argv[1]), Path(sys.argv[2])
names = sorted(path.name for path in folder.iterdir())
def peak_kb():  # of this program alone; getrusage would count what its parent needed before it
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak_kb()
infer_folder(FakeNetwork(), folder, names, output, find_action("climb_up"), {})
sys.stdout.write(str((peak_kb() - before) // 1024))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.slow
def test_60_megapixels_stay_within_memory(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "pics"
    folder.mkdir()
    scene = cv2.resize(SCENE, (9000, 6700))
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.jpg"), scene, [cv2.IMWRITE_JPEG_QUALITY, 50])
    saved(folder, "cmyk.jpg", Image.fromarray(scene).convert("CMYK"), quality=50)
    saved(folder, "whole.png", Image.fromarray(scene), compress_level=1)
    command = [sys.executable, "-c", PEAK, str(folder), str(tmp_path / "out")]
    grown_mb = int(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=300).stdout)
    # Six such pictures are 1085 MB as pixels, several times that while they are converted. Only the PNG must be decoded
    # whole, 181 MB, and once more as an array; of the others, 45 MB each, a handful is in the pipeline.
    assert grown_mb < 800


class Watch(LocalResultSink):
    """Notes how much memory is in use when a picture is handed over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "results.jsonl")
        self.in_use: list[int] = []

    def enqueue(self, names: Sequence[str], line: ResultLine | None = None) -> None:
        if line is not None:
            self.in_use.append(tracemalloc.get_traced_memory()[0])


@pytest.mark.slow
def test_memory_stays_flat_over_many_pictures(tmp_path: Path) -> None:
    folder, output = tmp_path / "pics", tmp_path / "out"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.jpg"), cv2.resize(SCENE, (300, 200)))
    names = ["0.jpg"]
    for i in range(1, 300):
        os.link(folder / "0.jpg", folder / f"{i}.jpg")
        names.append(f"{i}.jpg")
    watch = Watch(output)
    action = find_action("climb_over_fence")  # of which a result is 28 kB in memory
    infer_folder(FakeNetwork(insize=48), folder, names[:1], tmp_path / "first", action, {})
    tracemalloc.start()
    try:
        infer_folder(FakeNetwork(insize=48), folder, names, output, action, {}, sink=watch)
        at_end, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    early, late = watch.in_use[60], watch.in_use[-1]
    assert len(watch.in_use) == 300
    assert late - early < 240 * 1000, "far less than a result for each of 240"
    assert peak - early < 5_000_000, "not even the report needs all results at once"
    assert at_end - early < 240 * 1000
