"""Input format of each network, known without importing MindSpore, so that settings can be checked early."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InputFormat:
    """Sides must be multiples of `multiple`; a pixel value v in 0 … 255 enters as v · scale + offset, as BGR or RGB."""

    multiple: int
    scale: float
    offset: float
    rgb: bool


INPUT_FORMATS = {
    "vgg19": InputFormat(multiple=8, scale=1 / 255, offset=-0.5, rgb=False),
    "mobilenet_v2": InputFormat(multiple=16, scale=1 / 127.5, offset=-1.0, rgb=True),
}
