"""The faults of a store, what each must end in, and an operation on which they are tried."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import obs_sync
from obs_sync import AccessDenied, Integrity, NotFound, ObsFileSystem, ObsSyncError, Transient

SMALL = hashlib.sha256(b"small").digest() * 3000  # 96 KB
BIG = b"".join(hashlib.sha256(b"%d" % n).digest() * 1024 for n in range(24))  # 786 KB: three parts
PART = 256 << 10
LIMIT_S = 12.0
OPERATIONS = ("upload", "upload in parts", "download", "download in ranges", "list")
REQUEST = {
    "upload": r"^PUT .*/x$",
    "upload in parts": r"^PUT .*partNumber=2",
    "download": r"^GET .*/x$",
    "download in ranges": r"^GET .*/x$",
    "list": r"^GET .*prefix",
}
SENDING = OPERATIONS[:2]
RECEIVING = OPERATIONS[2:]


@dataclass(frozen=True)
class Fault:
    """A fault, what it is called in the table, and what it must end in."""

    name: str
    kind: str
    times: int | None
    expected: type[ObsSyncError] | None  # None: the right bytes
    operations: tuple[str, ...] = OPERATIONS
    options: dict[str, Any] = field(default_factory=dict)


ERROR_BODY = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>inside a 200</Message></Error>"
FAULTS = [
    Fault("refused", "refused", None, Transient),
    Fault("403", "status", None, AccessDenied, options={"arg": 403}),
    Fault("404", "status", None, NotFound, options={"arg": 404}),
    Fault("429 once", "status", 1, None, options={"arg": 429}),
    Fault("429 for ever", "status", None, Transient, options={"arg": 429}),
    Fault("503 once", "status", 1, None),
    Fault("503 for ever", "status", None, Transient),
    Fault("408 once", "status", 1, None, options={"arg": 408}),
    Fault("reset before commit", "reset_before", 1, None),
    Fault("reset before commit, for ever", "reset_before", None, Transient),
    Fault("reset after commit", "reset_after", 1, None),
    Fault("reset while sending", "reset_send", 1, None, SENDING, {"at": 50_000}),
    Fault("reset while sending, for ever", "reset_send", None, Transient, SENDING, {"at": 50_000}),
    Fault("reset in the answer", "reset_body", 1, None, RECEIVING, {"at": 300}),
    Fault("reset in the answer, for ever", "reset_body", None, Transient, RECEIVING, {"at": 300}),
    Fault("truncated", "truncate", 1, None, RECEIVING, {"at": 300}),
    Fault("truncated for ever", "truncate", None, Transient, RECEIVING, {"at": 300}),
    Fault("shortened consistently", "shorten", 1, None, RECEIVING, {"at": 300}),
    Fault("shortened consistently, for ever", "shorten", None, Integrity, RECEIVING[:2], {"at": 300}),
    Fault("shortened consistently, for ever", "shorten", None, Transient, RECEIVING[2:], {"at": 300}),
    Fault("bit flip down", "corrupt", 1, None, RECEIVING, {"at": 300}),
    Fault("bit flip down, for ever", "corrupt", None, Integrity, RECEIVING[:2], {"at": 300}),
    Fault("bit flip down, for ever", "corrupt", None, Transient, RECEIVING[2:], {"at": 300}),
    Fault("bit flip up", "corrupt_send", 1, None, SENDING, {"at": 300}),
    Fault("bit flip up, for ever", "corrupt_send", None, Integrity, SENDING, {"at": 300}),
    Fault("200 with an error body", "replace", 1, None, options={"arg": ERROR_BODY}),
    Fault("200 with an error body, for ever", "replace", None, Transient, SENDING + RECEIVING[2:], {"arg": ERROR_BODY}),
    Fault("200 with an error body, for ever", "replace", None, Integrity, RECEIVING[:2], {"arg": ERROR_BODY}),
    Fault("200 but absent", "swallow", 1, None, SENDING),
    Fault("200 but absent, for ever", "swallow", None, Integrity, SENDING),
    Fault("stall", "stall", 1, None, RECEIVING, {"at": 300}),
    Fault("stall for ever", "stall", None, Transient, RECEIVING, {"at": 300}),
    Fault("blackhole", "blackhole", 1, None),
    Fault("blackhole for ever", "blackhole", None, Transient),
    Fault("slow drip", "slow", None, Transient, RECEIVING[:2], {"arg": 4000}),
    Fault("not HTTP", "garbage", 1, None),
]
CASES = [(fault, operation) for fault in FAULTS for operation in fault.operations]


def as_markdown(results: dict[tuple[str, str], str]) -> str:
    """The results with a row for each fault and a column for each operation."""
    names = list(dict.fromkeys(fault for fault, _ in results))
    rows = [f"| {name} | " + " | ".join(results.get((name, op), "–") for op in OPERATIONS) + " |" for name in names]
    return "\n".join(["| fault | " + " | ".join(OPERATIONS) + " |", "|---" * (len(OPERATIONS) + 1) + "|", *rows]) + "\n"


class Work:
    """One operation between a local folder and a folder of the store, and the looks at what it left."""

    def __init__(self, operation: str, good: ObsFileSystem, base: str, folder: Path) -> None:
        self.operation, self.good, self.url = operation, good, f"{base}/x"
        self.sending = operation in SENDING
        self.data = BIG if operation in ("upload in parts", "download in ranges") else SMALL
        self.local = folder / "x"
        folder.mkdir()
        if self.sending:
            self.local.write_bytes(self.data)
        else:
            obs_sync.copy(str(self._source(folder)), self.url, filesystem=good)

    def _source(self, folder: Path) -> Path:
        path = folder.parent / "source"
        path.write_bytes(self.data)
        return path

    def run(self, fs: ObsFileSystem) -> None:
        """Do it."""
        if self.operation == "list":
            names = fs.find(self.url.rpartition("/")[0])
            assert names == [self.url[6:]]
        elif self.sending:
            obs_sync.copy(str(self.local), self.url, filesystem=fs)
        else:
            obs_sync.copy(self.url, str(self.local), filesystem=fs)

    def is_right(self) -> bool:
        """Whether the result is there, byte for byte."""
        return self.operation == "list" or self._found() == self.data

    def is_absent_or_right(self) -> bool:
        """Whether there is nothing, or the right thing, under the final name."""
        return self._found() in (None, self.data)

    def _found(self) -> bytes | None:
        if self.sending:
            return self.good.cat_file(self.url) if self.good.exists(self.url) else None
        return self.local.read_bytes() if self.local.exists() else None

    def leftovers(self) -> list[str]:
        """Other files in the folder of the local file."""
        return sorted(path.name for path in self.local.parent.iterdir() if path.name != "x")
