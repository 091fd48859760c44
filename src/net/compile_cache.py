"""MindSpore's compile cache, kept for the next start of the same run in the same container.

MindSpore reuses a cached graph for any network with the same code: it does not compare constants that are compiled in
(learning rates, scales, step counts), so a run with other settings would silently train with the old ones. The cache is
therefore off by default, and separate for every combination of settings.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import mindspore as ms

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).resolve().parents[1]


def cache_folder(folder: Path, facts: Mapping[str, object], code: Path = SOURCES) -> Path:
    """The folder below `folder` for exactly these facts.

    `facts` (JSON values) are the settings and sizes of the run; MindSpore's version and the code below `code` are
    added.
    """
    key = json.dumps({"mindspore": ms.__version__, "code": source_digest(code), **facts}, sort_keys=True)
    return folder / hashlib.sha256(key.encode()).hexdigest()[:16]


def use_compile_cache(chosen: Path) -> Path:
    """Have MindSpore store and reuse compiled graphs in `chosen`, one of `cache_folder`.

    Call it before the first graph is compiled: MindSpore reads the path once. The settings are environment variables,
    as in every supported version; those of `set_context` are deprecated.
    """
    chosen.mkdir(parents=True, exist_ok=True)
    os.environ.update(MS_COMPILER_CACHE_ENABLE="1", MS_COMPILER_CACHE_PATH=str(chosen))
    logger.info("compile cache: %s (%s)", chosen, "in use" if any(chosen.iterdir()) else "empty")
    return chosen


def source_digest(folder: Path) -> str:
    """A digest of all Python sources below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
