"""What callers from Python may have mixed up: each TypeError says what to give instead."""

from __future__ import annotations

import os
from pathlib import PurePath

import numpy as np


def check_picture(img: object, name: str = "img") -> None:
    """TypeError, saying what to give instead, unless the picture is a (H, W, 3) uint8 array."""
    wanted = "a picture of the form (height, width, 3), uint8, BGR, such as src.data.images.read_picture(path) returns"
    if img is None:
        raise TypeError(f"{name} is None (cv2.imread returns that when it cannot read a file); give {wanted}")
    if isinstance(img, (str, bytes, PurePath)):
        raise TypeError(f"{name} is the path {str(img)!r}; give {wanted}, or judge a file with infer_one_pic")
    if not isinstance(img, np.ndarray):
        raise TypeError(f"{name} is a {type(img).__name__}; give {wanted}")
    if img.ndim != 3 or img.shape[2] != 3 or img.dtype != np.uint8 or 0 in img.shape:
        raise TypeError(f"{name} is an array {img.shape} of {img.dtype}; give {wanted}")


def check_network(network: object) -> None:
    """TypeError unless it can be one that `load_model` returns."""
    if not hasattr(network, "forward"):
        given = "a path" if isinstance(network, (str, PurePath)) else f"of type {type(network).__name__}"
        raise TypeError(f"network is {given}; give what load_model(checkpoint) returns")


def check_path(name: str, value: object) -> None:
    """TypeError unless it is a text or a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} is of type {type(value).__name__}; give a path as str or pathlib.Path")
