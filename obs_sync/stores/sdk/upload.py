"""Objects uploaded in parts: each with its MD5, completed only when all are there, resumed after a kill.

A part that the store has already counts when its ETag is the MD5 of the file's bytes as they are now.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from obs_sync.errors import Integrity, NotFound, ObsSyncError, Transient
from obs_sync.parallel import for_each
from obs_sync.stores.base import ObjectInfo, OnBytes, Upload
from obs_sync.stores.sdk import xml as sdk_xml
from obs_sync.stores.sdk.client import Body, FileSlice, Gate, Reply
from obs_sync.stores.sdk.part_checksums import NAME as MARK_NAME
from obs_sync.stores.sdk.part_checksums import Mark, mark_of, slice_digest
from obs_sync.transfer.compare import composite
from obs_sync.transfer.etag_cache import stamp
from obs_sync.urls import Location

if TYPE_CHECKING:
    from obs_sync.stores.sdk.store import SdkStore

logger = logging.getLogger(__name__)

MAX_PARTS = 10_000
_MIB = 1 << 20


class PartsUpload(Upload):
    """One multipart upload; parts are sent in order with `write`, or by number with `send`."""

    def __init__(self, gate: Gate, bucket: str, key: str, mark: Mark | None = None, upload_id: str = "") -> None:
        self._gate, self._bucket, self._key = gate, bucket, key
        self.url = Location(bucket, key).url
        self.etags: list[str] = []
        self._mark = mark
        self.upload_id = upload_id or self._begin()

    def _begin(self) -> str:
        found: list[str] = []

        def sink(response: Any) -> None:
            found[:] = [sdk_xml.text(sdk_xml.parse(response.read(), "InitiateMultipartUploadResult"), "UploadId")]

        headers = {f"{self._gate.prefix}meta-{MARK_NAME}": self._mark.text} if self._mark else {}
        self._request("POST", {"uploads": None}, "begin upload of", headers=headers, sink=sink)
        return found[0]

    def _request(self, method: str, args: dict[str, Any], operation: str, **options: Any) -> Reply:
        return self._gate.request(method, self._bucket, self._key, args=args, operation=operation, **options)

    def write(self, data: bytes) -> None:
        """Send the next part."""
        self.etags.append(self.send(len(self.etags) + 1, data, len(data), hashlib.md5(data).digest()))

    def send(self, number: int, data: Body, size: int, digest: bytes) -> str:
        """Send a part by its number, from 1; returns its ETag."""

        def sink(response: Any) -> None:
            answer = response.read()
            if not response.headers.get("etag"):
                raise Transient(f"success without an ETag: {answer[:200]!r}", url=self.url, operation="upload part")

        args = {"partNumber": number, "uploadId": self.upload_id}
        headers = {"Content-MD5": base64.b64encode(digest).decode()}
        reply = self._request(
            "PUT", args, f"upload part {number} of", headers=headers, body=data, weight=size, sink=sink
        )
        encrypted = any("server-side-encryption" in name for name in reply.headers)
        if len(reply.etag) == 32 and reply.etag != digest.hex() and not encrypted:
            raise Integrity(
                "the store holds other bytes than were sent", url=self.url, operation=f"upload part {number}"
            )
        return reply.etag

    def parts(self) -> dict[int, tuple[int, str]]:
        """Number -> (size, ETag) of the parts that the store has."""
        found: dict[int, tuple[int, str]] = {}
        after = 0
        while True:
            page: list[tuple[dict[int, tuple[int, str]], int]] = []

            def sink(response: Any, page: list[Any] = page) -> None:
                page[:] = [sdk_xml.read_parts(response.read())]

            args = {"uploadId": self.upload_id, "part-number-marker": after}
            self._request("GET", args, "list parts of", sink=sink)
            parts, after = page[0]
            found.update(parts)
            if not after:
                return found

    def commit(self) -> None:
        """Make the object visible; an answer that got lost is settled by looking at the object."""
        expected = composite([bytes.fromhex(etag) for etag in self.etags]) if _all_digests(self.etags) else ""
        etags: list[str] = []

        def done_already(seconds: float) -> Reply | None:
            return self._completed(expected, seconds)

        def sink(response: Any) -> None:
            # An error may come with status 200: only an answer that names the ETag is a success.
            root = sdk_xml.parse(response.read(), "CompleteMultipartUploadResult")
            etags[:] = [sdk_xml.text(root, "ETag").strip('"')]

        headers = {"Content-Type": "application/xml"}
        body = sdk_xml.complete_body(self.etags)
        try:
            self._request(
                "POST",
                {"uploadId": self.upload_id},
                "complete upload of",
                headers=headers,
                body=body,
                sink=sink,
                done_already=done_already,
            )
        except NotFound:
            if self._completed(expected) is None:
                raise Transient(
                    "the upload has vanished", url=self.url, operation="upload", next_step="run it again"
                ) from None
        if etags and expected and "-" in etags[0] and etags[0] != expected:
            raise Integrity(
                "the store holds other bytes than were sent", url=self.url, operation="upload", next_step="run it again"
            )

    def _completed(self, expected: str, within_s: float | None = None) -> Reply | None:
        try:
            reply = self._gate.request("HEAD", self._bucket, self._key, operation="look for", within_s=within_s)
        except ObsSyncError:
            return None
        return reply if expected and reply.etag == expected else None

    def abort(self) -> None:
        """Forget the parts, so that they cost nothing."""
        with contextlib.suppress(ObsSyncError):
            self._request("DELETE", {"uploadId": self.upload_id}, "abort upload of")


def _all_digests(etags: list[str]) -> bool:
    return all(len(etag) == 32 and set(etag) <= set("0123456789abcdef") for etag in etags)


def send_file_in_parts(store: SdkStore, path: str, bucket: str, key: str, on_bytes: OnBytes) -> ObjectInfo:
    """Upload a big file by several threads; goes on with what an earlier, interrupted try has sent."""
    before = stamp(path)
    size = os.path.getsize(path)
    part_size = part_size_for(size, store.settings.part_size)
    record = _Record(store, path, bucket, key)
    upload, there = record.resume(mark_of(path, size, part_size, store.settings.part_threads))
    etags: dict[int, str] = {}

    def send(number: int) -> None:
        part = FileSlice(path, (number - 1) * part_size, min(part_size, size - (number - 1) * part_size))
        digest = slice_digest(path, part.offset, part.size, hashlib.md5)
        known = there.get(number) == (part.size, digest.hex())
        etags[number] = digest.hex() if known else upload.send(number, part, part.size, digest)
        on_bytes(part.size)

    def send_all() -> None:
        for_each(range(1, -(-size // part_size) + 1), send, store.settings.part_threads)
        if stamp(path) != before:
            problem = "the file changed while it was read"
            raise Transient(problem, url=path, operation="upload", next_step="run it again")
        upload.etags = [etags[number] for number in sorted(etags)]

    try:
        send_all()
        try:
            upload.commit()
        except Integrity as error:
            if error.code != "InvalidPart":
                raise
            logger.warning("%s lacks a part that it had taken: sent again", upload.url)
            there = upload.parts()
            send_all()
            upload.commit()
    except Transient:
        logger.info("the upload of %s is kept: a later try goes on with it", path)
        raise
    except Exception:
        upload.abort()
        record.forget()
        raise
    record.forget()
    digests = [bytes.fromhex(tag) for tag in upload.etags] if _all_digests(upload.etags) else []
    return ObjectInfo(key, size, composite(digests) if digests else "")


def part_size_for(size: int, wanted: int) -> int:
    """The wanted size of parts, or as many whole MiB as keep a file within the number of parts a store takes."""
    return wanted if size <= wanted * MAX_PARTS else -(-size // (MAX_PARTS * _MIB)) * _MIB


class _Record:
    """The note of an unfinished upload in the state folder."""

    def __init__(self, store: SdkStore, path: str, bucket: str, key: str) -> None:
        self._store, self._bucket, self._key = store, bucket, key
        identity = "|".join((store.settings.endpoint, bucket, key, os.path.realpath(path)))
        name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        self._file = os.path.join(store.state_dir, "uploads", f"{name}.json")

    def resume(self, mark: Mark) -> tuple[PartsUpload, dict[int, tuple[int, str]]]:
        """The upload to go on with and the parts it has, or a new one; one of another content is aborted."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, NotFound):
            with open(self._file, encoding="ascii") as handle:
                note = json.load(handle)
            upload = PartsUpload(self._store.gate, self._bucket, self._key, mark, note["upload_id"])
            if note["mark"] == mark.text:
                return upload, upload.parts()
            upload.abort()
        upload = PartsUpload(self._store.gate, self._bucket, self._key, mark)
        try:
            os.makedirs(os.path.dirname(self._file), mode=0o700, exist_ok=True)
            with open(f"{self._file}.{os.getpid()}", "w", encoding="ascii") as handle:
                json.dump({"upload_id": upload.upload_id, "mark": mark.text}, handle)
            os.replace(f"{self._file}.{os.getpid()}", self._file)
        except OSError as error:
            logger.info("an interrupted upload could not be resumed: %s", error)
        return upload, {}

    def forget(self) -> None:
        """The upload is finished or given up."""
        with contextlib.suppress(OSError):
            os.unlink(self._file)
