"""Multipart uploads: each part has its MD5; completed only with all parts; resumed after a kill.

A part that the store already has is kept if its ETag is the MD5 of the file's bytes as they are now.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from dataclasses import dataclass

from obs_sync.atomic import replacing, stamp
from obs_sync.errors import Integrity, LocalProblem, NotFound, ObsSyncError, Transient, changed_while_read
from obs_sync.retry import for_each
from obs_sync.settings import Settings
from obs_sync.stores.base import ObjectInfo, OnBytes, Upload
from obs_sync.stores.etags import all_md5, composite, file_digest
from obs_sync.stores.sdk import xml as sdk_xml
from obs_sync.stores.sdk.client import Check, Gate
from obs_sync.stores.sdk.messages import (
    Arguments,
    Body,
    FileSlice,
    Parsed,
    Reply,
    Sink,
    check_stored,
    content_md5,
    requiring_etag,
)
from obs_sync.stores.sdk.part_checksums import METADATA_NAME, PartChecksums, checksums_of
from obs_sync.urls import Location

logger = logging.getLogger(__name__)

MAX_PARTS = 10_000
_MIB = 1 << 20


class PartsUpload(Upload):
    """One multipart upload; parts are sent in order with `write` or by number with `send`."""

    def __init__(
        self, gate: Gate, bucket: str, key: str, checksums: PartChecksums | None = None, upload_id: str = ""
    ) -> None:
        self._gate, self._bucket, self._key = gate, bucket, key
        self.url = Location(bucket, key).url
        self.etags: list[str] = []
        self._checksums = checksums
        self.upload_id = upload_id or self._begin()

    def _begin(self) -> str:
        started = Parsed(lambda body: sdk_xml.text(sdk_xml.parse(body, "InitiateMultipartUploadResult"), "UploadId"))
        name = f"{self._gate.prefix}meta-{METADATA_NAME}"
        headers = {name: self._checksums.text} if self._checksums else {}
        self._request("POST", {"uploads": None}, "start upload of", headers=headers, sink=started)
        return started.value

    def _request(
        self,
        method: str,
        args: Arguments,
        operation: str,
        *,
        headers: dict[str, str] | None = None,
        body: Body = b"",
        weight: int = 0,
        sink: Sink | None = None,
        done_already: Check | None = None,
    ) -> Reply:
        return self._gate.request(
            method,
            self._bucket,
            self._key,
            operation=operation,
            args=args,
            headers=headers,
            body=body,
            weight=weight,
            sink=sink,
            done_already=done_already,
        )

    def write(self, data: bytes) -> None:
        """Send the next part."""
        self.etags.append(self.send(len(self.etags) + 1, data, len(data), hashlib.md5(data).digest()))

    def send(self, number: int, data: Body, size: int, digest: bytes) -> str:
        """Send a part by its number, from 1; returns its ETag."""
        args: Arguments = {"partNumber": number, "uploadId": self.upload_id}
        operation = f"upload part {number}"
        reply = self._request(
            "PUT",
            args,
            f"{operation} of",
            headers={"Content-MD5": content_md5(digest)},
            body=data,
            weight=size,
            sink=requiring_etag(self.url, operation),
        )
        check_stored(reply, digest, self.url, operation)
        return reply.etag

    def parts(self) -> dict[int, tuple[int, str]]:
        """Number -> (size, ETag) of the parts in the store."""
        found: dict[int, tuple[int, str]] = {}
        after = 0
        while True:
            page = Parsed(sdk_xml.read_parts)
            args: Arguments = {"uploadId": self.upload_id, "part-number-marker": after}
            self._request("GET", args, "list parts of", sink=page)
            parts, after = page.value
            found.update(parts)
            if not after:
                return found

    def commit(self) -> None:
        """Make the object visible; if the response is lost, the object is looked up."""
        expected = composite([bytes.fromhex(etag) for etag in self.etags]) if all_md5(self.etags) else ""
        completed = Parsed(sdk_xml.etag_in("CompleteMultipartUploadResult"))
        completed.value = ""  # stays empty if the response is lost
        try:
            self._request(
                "POST",
                {"uploadId": self.upload_id},
                "complete upload of",
                headers={"Content-Type": "application/xml"},
                body=sdk_xml.complete_body(self.etags),
                sink=completed,
                done_already=lambda seconds: self._completed(expected, seconds),
            )
        except NotFound:
            if self._completed(expected) is None:
                raise Transient(
                    "the unfinished upload no longer exists", url=self.url, operation="upload", next_step="run it again"
                ) from None
        if expected and "-" in completed.value and completed.value != expected:
            problem = "the store has different content than was sent"
            raise Integrity(problem, url=self.url, operation="upload", next_step="run it again")

    def _completed(self, expected: str, within_s: float | None = None) -> Reply | None:
        try:
            reply = self._gate.request("HEAD", self._bucket, self._key, operation="look up", within_s=within_s)
        except ObsSyncError:
            return None
        return reply if expected and reply.etag == expected else None

    def abort(self) -> None:
        """Discard the parts, so that they cost nothing."""
        with contextlib.suppress(ObsSyncError):
            self._request("DELETE", {"uploadId": self.upload_id}, "abort upload of")


@dataclass(frozen=True)
class UploadTarget:
    """Where to upload to: the gate, the settings, the folder for resumable state, and the object."""

    gate: Gate
    settings: Settings
    state_dir: str
    bucket: str
    key: str


def send_file_in_parts(target: UploadTarget, path: str, on_bytes: OnBytes) -> ObjectInfo:
    """Upload a big file in several threads; continues an earlier, interrupted upload of the same content."""
    sending = _Sending(target, path, on_bytes)
    try:
        sending.send_missing()
        _commit(sending)
    except Transient:
        logger.info("kept the unfinished upload of %s for resuming", path)
        raise
    except Exception:
        sending.upload.abort()
        sending.record.remove()
        raise
    sending.record.remove()
    etags = sending.upload.etags
    digests = [bytes.fromhex(etag) for etag in etags] if all_md5(etags) else []
    return ObjectInfo(target.key, sending.size, composite(digests) if digests else "")


def _commit(sending: _Sending) -> None:
    try:
        sending.upload.commit()
    except Integrity as error:
        if error.code != "InvalidPart":
            raise
        logger.warning("%s: the store lost a part it had accepted; sending it again", sending.upload.url)
        sending.there = sending.upload.parts()
        sending.send_missing()
        sending.upload.commit()


def part_size_for(size: int, wanted: int) -> int:
    """The wanted part size, or as many whole MiB as keep a file within the number of parts a store accepts."""
    return wanted if size <= wanted * MAX_PARTS else -(-size // (MAX_PARTS * _MIB)) * _MIB


class _Sending:
    """A multipart upload of one file in progress: the upload and the parts already in the store."""

    def __init__(self, target: UploadTarget, path: str, on_bytes: OnBytes) -> None:
        self._path, self._on_bytes = path, on_bytes
        self._before, self.size = stamp(path), os.path.getsize(path)
        self._part_size = part_size_for(self.size, target.settings.part_size)
        self._threads = target.settings.part_threads
        self.record = _ResumeRecord(target, path)
        checksums = checksums_of(path, self.size, self._part_size, self._threads)
        self.upload, self.there = self.record.resume(checksums)
        self._etags: dict[int, str] = {}

    def send_missing(self) -> None:
        """Send the parts that the store does not have; LocalProblem if the file has changed since the start."""
        for_each(range(1, -(-self.size // self._part_size) + 1), self._send, self._threads)
        if stamp(self._path) != self._before:
            raise changed_while_read(LocalProblem, self._path, "upload")
        self.upload.etags = [self._etags[number] for number in sorted(self._etags)]

    def _send(self, number: int) -> None:
        offset = (number - 1) * self._part_size
        part = FileSlice(self._path, offset, min(self._part_size, self.size - offset))
        digest = file_digest(self._path, part.offset, part.size)
        known = self.there.get(number) == (part.size, digest.hex())
        self._etags[number] = digest.hex() if known else self.upload.send(number, part, part.size, digest)
        self._on_bytes(part.size)


class _ResumeRecord:
    """The record of an unfinished upload in the state folder."""

    def __init__(self, target: UploadTarget, path: str) -> None:
        self._target = target
        identity = "|".join((target.settings.endpoint, target.bucket, target.key, os.path.realpath(path)))
        name = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:32]
        self._file = os.path.join(target.state_dir, "uploads", f"{name}.json")

    def resume(self, checksums: PartChecksums) -> tuple[PartsUpload, dict[int, tuple[int, str]]]:
        """The upload to continue and the parts it has, or a new one; an upload of different content is aborted."""
        gate, bucket, key = self._target.gate, self._target.bucket, self._target.key
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError, NotFound):
            with open(self._file, encoding="ascii") as handle:
                record = json.load(handle)
            upload = PartsUpload(gate, bucket, key, checksums, str(record["upload_id"]))
            if record["checksums"] == checksums.text:
                return upload, upload.parts()
            upload.abort()
        upload = PartsUpload(gate, bucket, key, checksums)
        self._write(upload.upload_id, checksums)
        return upload, {}

    def _write(self, upload_id: str, checksums: PartChecksums) -> None:
        try:
            os.makedirs(os.path.dirname(self._file), mode=0o700, exist_ok=True)
            with replacing(self._file) as handle:
                handle.write(json.dumps({"upload_id": upload_id, "checksums": checksums.text}).encode())
        except OSError as error:
            logger.info("if interrupted, this upload cannot be resumed: %s", error)

    def remove(self) -> None:
        """Remove the record: the upload is finished or given up."""
        with contextlib.suppress(OSError):
            os.unlink(self._file)
