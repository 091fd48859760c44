"""Settings of the stand-in for moxing with which it answers as a platform did, from the probe's report of it.

To run the storage contract over your own platform's answers:
PROBE_JSON=probe.json python -m pytest tests/obs_sync/stores -k "contract or replay"
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: The report that is replayed: yours, else one that a stand-in with awkward answers gave.
RECORDED = Path(os.environ.get("PROBE_JSON") or Path(__file__).parent / "probe.json")


def read_report(path: Path) -> dict[str, Any]:
    """A probe.json."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def quirks_of(report: Mapping[str, Any]) -> dict[str, str]:
    """The quirks (tests/fakes/quirks.py) for a probe.json; ValueError for an answer that the stand-in cannot give."""
    told = report["moxing"]
    if not isinstance(told, Mapping) or not isinstance(told.get("obs"), Mapping):
        raise ValueError(f"the probe could not ask moxing about OBS: {told}")
    obs = told["obs"]
    listing = obs["listing"]
    return {
        "fields": _fields(obs["stat"]),
        "listing_time": _listing_time(listing),
        "missing_folder": _missing_folder(obs["missing_folder"]),
        "own_marker": _own_marker(listing["own_marker"]),
        "bucket_root": "exists" if obs["exists_bucket_root"] is True else "denied",
        "seek": "yes" if obs["seek"] is True else "no",
        "entry_stat": "request" if listing["entry_stat_ms"] > listing["stat_ms"] / 2 else "free",
    }


def _fields(types: Mapping[str, str]) -> str:
    if "st_size" in types and "length" not in types:
        return "st"
    known = {"int": "documented", "NoneType": "none", "float": "float"}
    kind = types.get("mtime_nsec", "absent")
    if "length" not in types or kind not in known:
        raise ValueError(f"stat answers with fields that the stand-in does not know: {dict(types)}")
    if types["length"] == "NoneType":
        return "no size"
    return known[kind] if "is_directory" in types else "no kind"


def _listing_time(listing: Mapping[str, Any]) -> str:
    if listing["time"].startswith("differs"):
        return "local"
    is_there = {"mtime_nsec", "st_mtime"} & set(listing["fields"])
    return "same" if is_there else "missing"


def _missing_folder(answer: Any) -> str:
    if answer == 0:
        return "nothing"
    raised = answer.get("raises", ()) if isinstance(answer, Mapping) else ()
    for name, kind in (("OSError", "os error"), ("MoxFileNotExistsException", "not exists")):
        if name in raised:
            return kind
    if isinstance(answer, Mapping) and answer.get("status") == 404:
        return "response"
    raise ValueError(f"listing a missing folder has an answer that the stand-in does not know: {answer}")


def _own_marker(markers: list[Mapping[str, bool]]) -> str:
    if not markers:
        return "no"
    kinds = {
        (False, False): "nameless file",
        (False, True): "nameless folder",
        (True, True): "named folder",
        (True, False): "named file",
    }
    if len(markers) > 1:
        raise ValueError(f"a folder lists itself in a way that the stand-in does not know: {markers}")
    return kinds[(markers[0]["named"], markers[0]["is_dir"])]
