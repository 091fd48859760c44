"""Is the storage usable? Checks one after the other, each with what to do when it fails."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Callable

from obs_sync import credentials, urls
from obs_sync.errors import ObsSyncError
from obs_sync.filesystem import ObsFileSystem
from obs_sync.stores.local import LocalStore

MAX_SKEW_S = 300.0


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is well, and what was seen or is to be done."""

    check: str
    good: bool
    detail: str


def examine(fs: ObsFileSystem, url: str) -> Iterator[Finding]:
    """Check mode, endpoint, credentials, clock, and writing, reading and deleting a probe object below the url."""
    yield from _configuration(fs)
    try:
        store = fs.store
        bucket, prefix = urls.split(url)
    except ObsSyncError as error:
        yield Finding("settings", False, str(error))
        return
    checks: list[tuple[str, Callable[[], str]]] = [("bucket", lambda: _bucket(fs, bucket))]
    if store.mode == "obs":
        checks.append(("clock", lambda: _clock(fs, bucket)))
    key = "/".join(part for part in (prefix.strip("/"), f".obs_sync-probe-{uuid.uuid4().hex[:12]}") if part)
    content = os.urandom(1024)
    checks.append(("write", lambda: f"{store.write(bucket, key, content).size} bytes to {key}"))
    checks.append(("read", lambda: _read(fs, bucket, key, content)))
    checks.append(("list", lambda: _listed(fs, bucket, key)))
    checks.append(("delete", lambda: _delete(fs, bucket, key)))
    for name, check in checks:
        begin = time.monotonic()
        try:
            detail = check()
        except ObsSyncError as error:
            yield Finding(name, False, str(error))
            if name in ("bucket", "write"):
                return
        else:
            yield Finding(name, True, f"{detail} ({(time.monotonic() - begin) * 1000:.0f} ms)")


def _configuration(fs: ObsFileSystem) -> Iterator[Finding]:
    try:
        mode = fs.storage_mode
    except ObsSyncError as error:
        yield Finding("storage mode", False, str(error))
        return
    where = fs.settings.endpoint if mode == "obs" else ""
    if isinstance(fs.store, LocalStore):
        where = fs.store.root
    yield Finding("storage mode", True, f"{mode} {where}".rstrip())
    if mode != "obs":
        return
    secure = not fs.settings.endpoint.startswith("http://")
    detail = "TLS, certificates verified" if secure else "plain http: keys are signed, but data can be read on the way"
    yield Finding("transport", True, detail)
    found = credentials.from_environment()
    kind = (
        "temporary (with a token)"
        if found and found.security_token
        else "permanent"
        if found
        else "given by the caller"
    )
    yield Finding("credentials", True, kind)


def _bucket(fs: ObsFileSystem, bucket: str) -> str:
    fs.store.check_bucket(bucket)
    return f"{bucket} can be used"


def _clock(fs: ObsFileSystem, bucket: str) -> str:
    from obs_sync.stores.sdk.store import SdkStore

    assert isinstance(fs.store, SdkStore)
    date = fs.store.gate.request("HEAD", bucket, operation="look at bucket").headers.get("date")
    if date is None:
        return "the store does not tell its time"
    skew = time.time() - parsedate_to_datetime(date).timestamp()
    if abs(skew) > MAX_SKEW_S:
        step = "set this machine's clock; beyond 15 minutes every request is refused"
        raise ObsSyncError(f"this clock differs by {skew:.0f} s from the store's", operation="clock", next_step=step)
    return f"{skew:+.0f} s from the store's"


def _read(fs: ObsFileSystem, bucket: str, key: str, content: bytes) -> str:
    if fs.store.read(bucket, key) != content:
        problem = "other bytes came back than were written"
        raise ObsSyncError(problem, operation="read", next_step="check the network path")
    return "the same bytes"


def _listed(fs: ObsFileSystem, bucket: str, key: str) -> str:
    if not any(info.key == key for page in fs.store.pages(bucket, key) for info in page.objects):
        raise ObsSyncError("the probe object is not listed", operation="list", next_step="check the right to list")
    return "the probe object is listed"


def _delete(fs: ObsFileSystem, bucket: str, key: str) -> str:
    fs.store.delete(bucket, [key])
    return "the probe object is gone"
