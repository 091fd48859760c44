from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from src.data import images
from src.data.formats import PictureError
from src.data.images import read_picture, read_reduced_picture
from src.data.jpeg import exif_orientation
from src.data.listing import list_folder
from src.errors import DataError

_HELD_BY = {"jpg": {"L", "CMYK"}, "png": {"L", "P", "1"}, "tiff": {"L", "P", "CMYK", "1"}}
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def _quadrants(width: int = 64, height: int = 48) -> Image.Image:
    """RGB: red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return Image.fromarray(pixels)


def _corners(picture: np.ndarray) -> list[tuple[int, ...]]:
    """RGB near the four corners, rounded to 0 or 255."""
    rows = (picture[4, 4], picture[4, -5], picture[-5, 4], picture[-5, -5])
    return [tuple(int(v > 127) * 255 for v in row[::-1]) for row in rows]


@pytest.mark.parametrize("name", ["a.jpg", "a b (1).png", "围栏.webp", "ü.bmp", "t.tiff", "p.jpeg"])
def test_formats_and_names(tmp_path: Path, name: str) -> None:
    _quadrants().save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert _corners(picture) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(s, m) for s in ("jpg", "png", "tiff") for m in ("L", "P", "CMYK", "1") if m in _HELD_BY[s]],
)
def test_modes(tmp_path: Path, mode: str, suffix: str) -> None:
    image = _quadrants().convert(mode)
    path = tmp_path / f"m.{suffix}"
    image.save(path)
    picture = read_picture(path)
    expected = np.asarray(image.convert("RGB"))[:, :, ::-1].astype(int)
    assert np.abs(picture.astype(int) - expected)[:20, :28].max() <= 8
    if mode in ("L", "1"):
        assert (picture == picture[:, :, :1]).all()


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    for name, colour in (("a.png", (0, 0, 0, 0)), ("b.png", (255, 0, 0, 128))):
        Image.new("RGBA", (8, 8), colour).save(tmp_path / name)
    assert (read_picture(tmp_path / "a.png") == 255).all()
    assert read_picture(tmp_path / "b.png")[0, 0].tolist() == pytest.approx([127, 127, 255], abs=1)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30] * 256)
    palette.save(tmp_path / "c.png", transparency=0)
    assert (read_picture(tmp_path / "c.png") == 255).all()


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "g.png")
    cv2.imwrite(str(tmp_path / "c.png"), np.repeat(grey[:, :, None], 3, axis=2))
    for name in ("g.png", "c.png"):
        picture = read_picture(tmp_path / name)
        assert np.abs(picture[:, :, 1].astype(int) - (grey >> 8)).max() <= 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    turns = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what must be undone, as Pillow's transposes
    stored = _quadrants()
    turn = turns[orientation]
    if turn is not None:
        stored = stored.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"e.{suffix}"
    stored.save(path, exif=exif)
    picture = read_picture(path)
    assert picture.shape == (48, 64, 3)
    assert _corners(picture) == [RED, GREEN, BLUE, WHITE]
    data = path.read_bytes()
    assert images.picture_size(data, path) == (64, 48)
    if suffix == "jpg":
        assert exif_orientation(data) == orientation


def _bytes(path: Path, **options: object) -> bytes:
    _noise().save(path, **options)
    return path.read_bytes()


def _noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
def test_truncated_files_are_errors(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"broken.{suffix}"
    whole = _bytes(path)
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, DataError)


def test_jpeg_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    for options in ({}, {"progressive": True}):
        whole = _bytes(path, **options)
        for length in [*range(3, 700, 61), *range(700, len(whole), 997), len(whole) - 2, len(whole) - 1]:
            with pytest.raises(PictureError):
                images.decode_picture(whole[:length], path)
        assert images.decode_picture(whole, path).shape == (60, 80, 3)
        assert images.decode_picture(whole + b"trailing bytes of a camera", path).shape == (60, 80, 3)


def test_a_preview_in_the_header_is_not_the_pictures_end(tmp_path: Path) -> None:
    """The EXIF preview is a whole JPEG with its own end marker."""
    preview = _bytes(tmp_path / "preview.jpg")
    path = tmp_path / "with_preview.jpg"
    _noise().resize((400, 300)).save(path)
    plain = path.read_bytes()
    payload = b"Exif\0\0" + preview
    data = plain[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + plain[2:]
    assert images.decode_picture(data, path).shape == (300, 400, 3)
    with pytest.raises(PictureError, match="truncated"):
        images.decode_picture(data[:-5000], path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"hello, I am text" * 50, "not a picture"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x00" * 999, "not"),
    ],
)
def test_what_is_not_a_picture(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=reason) as caught:
        read_picture(path)
    assert caught.value.path == str(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such file"):
        read_picture(tmp_path / "none.jpg")
    with pytest.raises(PictureError, match="cannot be read"):
        read_picture(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        list_folder(tmp_path / "none")


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_animations_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"moving.{suffix}"
    _quadrants().save(path, save_all=True, append_images=[_noise().resize((64, 48))], duration=50)
    with pytest.raises(PictureError, match="GIF pictures are not read" if suffix == "gif" else "animated"):
        read_picture(path)


def test_first_page_of_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "pages.tiff"
    _quadrants().save(path, save_all=True, append_images=[_noise()])
    assert _corners(read_picture(path)) == [RED, GREEN, BLUE, WHITE]


def test_huge_pictures_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (20000, 20000)).save(path)
    with pytest.raises(PictureError, match="too large"):
        read_picture(path)


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(67, 83), (640, 480), (5, 300)])
def test_reduced_cmyk_is_the_picture_made_smaller(tmp_path: Path, reduction: int, size: tuple[int, int]) -> None:
    ramp = np.linspace(40, 200, size[0], dtype=np.uint8)[None, :, None].repeat(size[1], 0).repeat(3, 2)
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(ramp).convert("CMYK").save(path, quality=95)
    small = images.decode_picture(path.read_bytes(), path, reduction)
    assert small.shape == (-(-size[1] // reduction), -(-size[0] // reduction), 3)
    whole = images.decode_picture(path.read_bytes(), path)[: size[1] // reduction * reduction]
    blocks = whole[:, : size[0] // reduction * reduction].astype(float)
    blocks = blocks.reshape(size[1] // reduction, reduction, size[0] // reduction, reduction, 3).mean(axis=(1, 3))
    assert np.abs(small[: len(blocks), : blocks.shape[1]] - blocks).max(initial=0) <= 3


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_reduced_pixels_cover_whole_blocks(tmp_path: Path, reduction: int) -> None:
    """A lit block of the full picture is one lit pixel of the reduced one, for odd sizes too."""
    pixels = np.zeros((67, 83, 3), np.uint8)
    pixels[2 * reduction : 3 * reduction, 3 * reduction : 4 * reduction] = 255
    for name in ("a.jpg", "a.png"):
        path = tmp_path / name
        Image.fromarray(pixels).save(path, **({"quality": 100, "subsampling": 0} if name == "a.jpg" else {}))
        small = images.decode_picture(path.read_bytes(), path, reduction)
        assert small.shape[:2] == (-(-67 // reduction), -(-83 // reduction))
        assert np.unravel_index(small[:, :, 0].argmax(), small.shape[:2]) == (2, 3)
        assert small[2, 3, 0] > 200


def test_max_side(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    _quadrants(1600, 900).save(path)
    picture = read_reduced_picture(path, 500)
    assert (picture.width_px, picture.height_px) == (1600, 900)
    assert picture.pixels.shape == (281, 500, 3)
    assert _corners(picture.pixels) == [RED, GREEN, BLUE, WHITE]
    assert read_reduced_picture(path, 5000).pixels.shape == (900, 1600, 3)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_sixty_megapixels_stay_small_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "giant.jpg"
    Image.new("RGB", (9600, 6400), (90, 120, 40)).save(path)
    program = (
        "import sys; from src.data.images import read_reduced_picture as read;"
        # Not getrusage, which begins with what the parent needed at most.
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]);"
        "before = peak(); p = read(sys.argv[1], 1600); print(p.width_px, p.pixels.shape[1], peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    width, shown, grown_kib = map(int, done.stdout.split())
    assert (width, shown) == (9600, 1600)
    assert grown_kib < 60_000  # at full size it would be 180 MB


def test_photographs(shared: Path) -> None:
    for name in list_folder(shared / "data", recursive=True).names:
        assert (read_picture(shared / "data" / name) == cv2.imread(str(shared / "data" / name))).all()
