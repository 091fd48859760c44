"""The first half of a picture's way: read → fit. The bytes that were read are kept, to be written as they are."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from src.data.formats import PictureError
from src.data.images import ReducedPicture, decode_reduced, picture_size, read_bytes
from src.data.listing import inside
from src.infer.multiscale import Views, make_views
from src.infer.network import Network
from src.infer.options import DEFAULTS, InferenceOptions
from src.infer.output.names import is_results_name
from src.infer.output.results import PictureResult, SourceIdentity
from src.progress import StageTimes
from src.translations import say

logger = logging.getLogger(__name__)

#: Longest side, in pixels, at which a picture is looked at and drawn on. Larger ones are reduced while they are read,
#: so that a few of them stay within some hundred megabytes. Results are in the original's coordinates all the same.
SHOWN_SIDE_MAX = 4096

#: Pictures above this many pixels are decoded one at a time: some formats need the whole picture several times over.
LARGE_PIXELS = 20_000_000
_one_large_picture = threading.Lock()


@dataclass(frozen=True)
class Source:
    """A file's bytes as they were read, and what tells them from other contents of the same name."""

    data: bytes
    identity: SourceIdentity


@dataclass(frozen=True)
class Fitted:
    """A picture that was read from `source`, and the network's inputs made of it in `seconds`."""

    filename: str
    path: Path
    picture: ReducedPicture
    views: Views
    source: Source
    seconds: float


def read_and_fit(
    network: Network, folder: Path, filename: str, times: StageTimes, options: InferenceOptions = DEFAULTS
) -> Fitted | PictureResult:
    """The picture fitted to the network's input, or the result that says why it cannot be read."""
    started = time.perf_counter()
    path = inside(folder, filename)
    try:
        if is_results_name(filename):
            raise PictureError(path, say("picture_name_taken"))
        with times("read"):
            source = read_source(path)
            picture = _decode(source.data, path)
    except PictureError as error:
        logger.warning("skipped: %s", error)
        return PictureResult(filename, "unreadable", seconds=time.perf_counter() - started, error=error.message)
    with times("fit"):
        views = make_views(picture.pixels, network, options.scales, options.flip)
    return Fitted(filename, path, picture, views, source, time.perf_counter() - started)


def read_source(path: Path) -> Source:
    """The file's content; PictureError when it cannot be read."""
    try:
        modified_ns = os.stat(path).st_mtime_ns  # of what is read now, or of something older: never of something newer
    except OSError:
        modified_ns = 0
    data = read_bytes(path)
    return Source(data, SourceIdentity(len(data), modified_ns, hashlib.sha256(data).hexdigest()))


def _decode(data: bytes, path: Path) -> ReducedPicture:
    width, height = picture_size(data, path)
    alone: AbstractContextManager[object] = _one_large_picture if width * height > LARGE_PIXELS else nullcontext()
    with alone:
        return decode_reduced(data, path, SHOWN_SIDE_MAX)
