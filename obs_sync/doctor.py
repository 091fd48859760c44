"""Checks whether the storage can be used, one aspect at a time, each with the next step if it fails."""

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
from obs_sync.formatting import plural
from obs_sync.stores.local import LocalStore

MAX_SKEW_S = 300.0


@dataclass(frozen=True)
class Finding:
    """One check: its subject, whether it passed, and the result or the next step."""

    check: str
    good: bool
    detail: str


@dataclass(frozen=True)
class DoctorReport:
    """All findings, for JSON."""

    findings: list[Finding]

    @property
    def failed(self) -> list[Finding]:
        """The findings that did not pass."""
        return [finding for finding in self.findings if not finding.good]

    def to_dict(self) -> dict[str, object]:
        """The report as plain values, for JSON."""
        found = [{"check": each.check, "good": each.good, "detail": each.detail} for each in self.findings]
        return {"checks": len(found), "failed": len(self.failed), "findings": found}


class ChecksFailed(ObsSyncError):
    """Some checks failed; `result` is the report."""

    def __init__(self, result: DoctorReport) -> None:
        done = f"{len(result.failed)} of {plural(len(result.findings), 'check')} failed"
        super().__init__(f"{done}, first {result.failed[0].check}", operation="doctor")
        self.result = result


def examine(fs: ObsFileSystem, url: str) -> Iterator[Finding]:
    """Check mode, endpoint, credentials and clock, then write, read, list and delete a probe object below the URL."""
    yield from _configuration(fs)
    try:
        store = fs.store
        bucket, prefix = urls.split(url)
    except ObsSyncError as error:
        yield Finding("settings", False, str(error))
        return
    if store.mode == "moxing":
        from obs_sync.stores.moxing.probe import observe

        yield from (Finding("moxing", True, f"{name}: {value}") for name, value in observe(f"obs://{bucket}").items())
    checks: list[tuple[str, Callable[[], str]]] = [("bucket", lambda: _bucket(fs, bucket))]
    if store.mode == "obs":
        checks.append(("clock", lambda: _clock(fs, bucket)))
    key = "/".join(part for part in (prefix.strip("/"), f".obs_sync-probe-{uuid.uuid4().hex[:12]}") if part)
    content = os.urandom(1024)
    checks.append(("write", lambda: f"{store.write(bucket, key, content).size} bytes to {key}"))
    checks.append(("read", lambda: _read(fs, bucket, key, content)))
    checks.append(("list", lambda: _listed(fs, bucket, key)))
    checks.append(("delete", lambda: _delete(fs, bucket, key)))
    yield from _run(checks)


def _run(checks: list[tuple[str, Callable[[], str]]]) -> Iterator[Finding]:
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
    plain = "plain HTTP: requests are signed, but data can be read in transit"
    yield Finding("transport", True, "TLS with certificate verification" if secure else plain)
    found = credentials.from_environment()
    if found is None:
        kind = "provided by the caller"
    else:
        kind = "temporary (with a token)" if found.security_token else "permanent"
    yield Finding("credentials", True, kind)


def _bucket(fs: ObsFileSystem, bucket: str) -> str:
    fs.store.check_bucket(bucket)
    return f"{bucket} is accessible"


def _clock(fs: ObsFileSystem, bucket: str) -> str:
    from obs_sync.stores.sdk.store import SdkStore

    assert isinstance(fs.store, SdkStore)
    date = fs.store.gate.request("HEAD", bucket, operation="look up bucket").headers.get("date")
    if date is None:
        return "the store does not report its time"
    skew = time.time() - parsedate_to_datetime(date).timestamp()
    if abs(skew) > MAX_SKEW_S:
        step = "set this machine's clock; beyond 15 minutes every request is rejected"
        raise ObsSyncError(f"the clock differs from the store's by {skew:.0f} s", operation="clock", next_step=step)
    return f"differs from the store's by {skew:+.0f} s"


def _read(fs: ObsFileSystem, bucket: str, key: str, content: bytes) -> str:
    if fs.store.read(bucket, key) != content:
        problem = "the data read differs from the data written"
        raise ObsSyncError(problem, operation="read", next_step="check the network path")
    return "same content"


def _listed(fs: ObsFileSystem, bucket: str, key: str) -> str:
    if not any(info.key == key for page in fs.store.pages(bucket, key) for info in page.objects):
        step = "check the permission to list"
        raise ObsSyncError("the probe object is not listed", operation="list", next_step=step)
    return "probe object is listed"


def _delete(fs: ObsFileSystem, bucket: str, key: str) -> str:
    fs.store.delete(bucket, [key])
    return "probe object removed"
