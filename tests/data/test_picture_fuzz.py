"""Damaged and hostile files of every format are read or unreadable: nothing else comes out of the picture reader."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.data import images
from src.data.formats import READ_FORMATS, PictureError
from src.data.images import decode_picture, decode_reduced, picture_size, read_bytes
from src.data.jpeg import exif_orientation

NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (14, 18, 3), dtype=np.uint8))


def encoded(kind: str, image: Image.Image = NOISE, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6
    return tags


PAGES = [NOISE.rotate(90 * turn) for turn in (1, 2)]
SEEDS: dict[str, bytes] = {
    "jpeg": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True, exif=exif()),
    "cmyk": encoded("JPEG", NOISE.convert("CMYK")),
    "png": encoded("PNG"),
    "palette": encoded("PNG", NOISE.convert("P"), transparency=0),
    "animated png": encoded("PNG", save_all=True, append_images=PAGES),
    "bmp": encoded("BMP"),
    "webp": encoded("WEBP"),
    "lossless webp": encoded("WEBP", lossless=True, exif=exif()),
    "tiff": encoded("TIFF", exif=exif()),
    "pages": encoded("TIFF", save_all=True, append_images=PAGES),
    "deflated": encoded("TIFF", compression="tiff_deflate", save_all=True, append_images=PAGES),
    "gif": encoded("GIF", save_all=True, append_images=PAGES),
}


def is_read(data: bytes) -> bool:
    """Whether the bytes are read; every other outcome than "read" and "unreadable" is raised."""
    try:
        pixels = decode_picture(data, "x.jpg")
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
    except PictureError:
        read = False
    else:
        read = True
    for look in (picture_size, lambda data, path: decode_reduced(data, path, 4)):
        try:
            look(data, "x.jpg")
        except PictureError:
            continue
    exif_orientation(data)
    return read


@pytest.mark.parametrize("seed", SEEDS)
def test_cut_anywhere(seed: str) -> None:
    whole = SEEDS[seed]
    assert is_read(whole) == (seed not in ("gif", "animated png"))
    step = max(1, len(whole) // 150)
    for length in (*range(40), *range(40, len(whole), step)):
        is_read(whole[:length])


@pytest.mark.parametrize("seed", SEEDS)
def test_changed_anywhere(seed: str) -> None:
    rng = random.Random(seed)
    whole = SEEDS[seed]
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 4, 20))):
            at = rng.randrange(min(len(data), rng.choice((60, 400, 10**6))))
            data[at] = rng.choice((0, 255, rng.randrange(256)))
        if rng.random() < 0.2:
            at = rng.randrange(len(data))
            del data[at : at + rng.randrange(1, 30)]
        is_read(bytes(data))


def test_bytes_between_segments_are_skipped() -> None:
    """As libjpeg does: any bytes before the next marker, fill bytes, and markers without a payload."""
    whole = SEEDS["jpeg"]
    first = 4 + int.from_bytes(whole[4:6], "big")  # behind the first segment
    for stray in (b"\0\0\0", b"abc\xff\0", b"\xff\xff\xff", b"\xff\x01", b"\xff\xd0"):
        data = whole[:first] + stray + whole[first:]
        assert picture_size(data, "a.jpg") == (18, 14)
        assert (decode_picture(data, "a.jpg") == decode_picture(whole, "a.jpg")).all()


def test_many_scans_are_refused_before_they_cost_anything() -> None:
    whole = SEEDS["progressive"]
    scan = whole.rindex(b"\xff\xda")
    data = whole[:scan] + (whole[scan:-2] * 400) + whole[-2:]
    with pytest.raises(PictureError, match="scans"):
        decode_picture(data, "a.jpg")


@pytest.mark.parametrize("padding", [b"\xff\xfe\0\2" * 50_000, b"\xff\xd0" * 50_000])
def test_a_header_of_countless_segments_is_refused(padding: bytes) -> None:
    whole = SEEDS["jpeg"]
    with pytest.raises(PictureError, match="after 10000 segments"):
        decode_picture(whole[:2] + padding + whole[2:], "a.jpg")
    assert exif_orientation(whole[:2] + padding + whole[2:]) == 1


@pytest.mark.parametrize("padding", [b"\xff" * 500_000, b"\xff\0" * 100_000])
def test_fill_bytes_cost_nothing(padding: bytes) -> None:
    whole = SEEDS["jpeg"]
    assert picture_size(whole[:2] + padding + whole[2:], "a.jpg") == (18, 14)


def test_pages_of_a_tiff_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting takes time that grows with their square; the second directory here is damaged, too."""
    data = bytearray(SEEDS["pages"])
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * entries)
    data[second : second + 14] = b"\xff" * 14
    assert (decode_picture(bytes(data), "a.tif") == np.asarray(NOISE)[:, :, ::-1]).all()


@pytest.mark.parametrize("head", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"%PDF-1.4", b"8BPS", b"GIF89a", b"P6\n9 9\n255\n"])
def test_other_formats_are_never_opened(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("Pillow was asked"))
    with pytest.raises(PictureError, match=r"not read|not a picture"):
        decode_picture(head + bytes(99), "a.jpg")


def test_only_the_documented_formats_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: (asked.append(k.get("formats")), real(*a, **k))[1])
    for data in SEEDS.values():
        is_read(data)
    assert asked
    assert all(len(formats) == 1 and formats[0] in READ_FORMATS for formats in asked)


def test_pipes_devices_and_huge_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="not a regular file"):
        read_bytes(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="not a regular file"):
        read_bytes("/dev/zero")
    with pytest.raises(PictureError, match="cannot be read"):
        read_bytes("a\0.jpg")
    sparse = tmp_path / "sparse.jpg"
    sparse.write_bytes(SEEDS["jpeg"])
    os.truncate(sparse, images.MAX_FILE_BYTES + 1)
    with pytest.raises(PictureError, match="too large"):
        read_bytes(sparse)
    (tmp_path / "zeros.jpg").touch()
    os.truncate(tmp_path / "zeros.jpg", 1 << 40)
    with pytest.raises(PictureError, match="not a picture"):
        read_bytes(tmp_path / "zeros.jpg")


def test_a_decoder_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: the decoder's thread stays behind."""
    program = (
        "import sys, threading; from src.data import images; images.DECODE_SECONDS_MAX = 0.05\n"
        "images._decode_other = lambda *_: threading.Event().wait()\n"
        "try: images.decode_picture(sys.stdin.buffer.read(), 'slow.png')\n"
        "except images.PictureError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=SEEDS["png"], capture_output=True, timeout=60)
    assert done.stdout.decode().strip() == "slow.png: not decoded within 0.05 s", done.stderr


def test_errors_of_any_kind_are_unreadable_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for problem in (MemoryError(), RecursionError("deep"), KeyError("x"), AssertionError(), OSError("multi\nline")):

        def failing(*_: Any, problem: Exception = problem) -> Any:
            raise problem

        monkeypatch.setattr(images, "_as_bgr", failing)
        with pytest.raises(PictureError) as caught:
            decode_picture(SEEDS["png"], "a.png")
        assert "\n" not in str(caught.value)
