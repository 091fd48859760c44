"""The `obs` mode: objects of Huawei OBS, or of any S3-compatible store, through the SDK's dialects."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from obs_sync.atomic import local_errors, replacing
from obs_sync.credentials import Provider
from obs_sync.errors import Exists, Integrity, NotFound, ObsSyncError, RequestFailed, Transient
from obs_sync.settings import Settings
from obs_sync.stores.base import ObjectInfo, OnBytes, Page, Store, Upload, ignore_bytes
from obs_sync.stores.sdk import xml as sdk_xml
from obs_sync.stores.sdk.client import Body, FileSlice, Gate, Reply
from obs_sync.stores.sdk.download import BodyReader, fetch_in_ranges
from obs_sync.stores.sdk.upload import PartsUpload, send_file_in_parts
from obs_sync.transfer.etag_cache import state_folder
from obs_sync.urls import Location

_KEYS_A_REQUEST = 1000
_HEX_MD5 = 32
_MAX_COPY = 5 << 30
_SMALL = 4 << 20


def content_md5(digest: bytes) -> str:
    """A digest as the Content-MD5 header wants it."""
    return base64.b64encode(digest).decode()


def info_from(key: str, reply: Reply) -> ObjectInfo:
    """What the headers of a HEAD or GET say about an object."""
    modified = reply.headers.get("last-modified")
    size = int(reply.headers.get("content-length", 0))
    return ObjectInfo(key, size, reply.etag, parsedate_to_datetime(modified) if modified else None)


class SdkStore(Store):
    """Objects behind one endpoint; safe for threads, one for each process."""

    mode = "obs"

    def __init__(self, settings: Settings, provider: Provider) -> None:
        self.settings = settings
        self.part_size = settings.part_size
        self.state_dir = state_folder(settings.state_dir)
        self.gate = Gate(settings, provider)

    def buckets(self) -> list[str]:
        """Names of the account's buckets."""
        reply = self.gate.request("GET", operation="list buckets")
        return self._understood(lambda: sdk_xml.read_buckets(reply.body), "", "list buckets")

    def check_bucket(self, bucket: str) -> None:
        """Raise NotFound or AccessDenied unless the bucket can be used."""
        self.gate.request("HEAD", bucket, operation="look at bucket")

    def make_bucket(self, bucket: str) -> None:
        """Create a bucket; an own one that exists is fine."""
        try:
            self.gate.request("PUT", bucket, operation="create bucket")
        except Exists as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket."""
        self.gate.request("DELETE", bucket, operation="remove bucket")

    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects in the order of their keys' bytes, 1,000 a request."""
        args: dict[str, Any] = {"encoding-type": "url", "max-keys": limit or _KEYS_A_REQUEST}
        args.update({name: value for name, value in (("prefix", prefix), ("delimiter", delimiter)) if value})
        while True:
            listing = self._list_page(bucket, prefix, args)
            yield Page(listing.objects, listing.folders)
            if not listing.marker or limit:
                return
            args["marker"] = listing.marker

    def _list_page(self, bucket: str, prefix: str, args: dict[str, Any]) -> sdk_xml.Listing:
        found: list[sdk_xml.Listing] = []

        def sink(response: Any) -> None:
            found[:] = [sdk_xml.read_listing(response.read())]  # a ValueError here counts as trouble on the way

        self.gate.request("GET", bucket, args=dict(args), operation=f"list {prefix!r} in", sink=sink)
        return found[0]

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """One object's size and ETag, or NotFound."""
        return info_from(key, self.gate.request("HEAD", bucket, key, operation="look at"))

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = "") -> bytes:
        """Part of an object; the whole of one with a plain MD5 as ETag is checked against it."""
        if end is not None and end <= start:
            return b""
        headers = {"If-Match": etag} if etag else {}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        reader = BodyReader(Location(bucket, key).url, check_digest=not headers.get("Range"))
        weight = end - start if end is not None else 0
        try:
            self.gate.request("GET", bucket, key, headers=headers, operation="read", weight=weight, sink=reader)
        except RequestFailed as error:
            if error.code != "InvalidRange":
                raise
            return b""
        return reader.content()

    def write(self, bucket: str, key: str, data: bytes, exclusive: bool = False) -> ObjectInfo:
        """Store bytes as an object. `exclusive` is a check before the write: the protocol has no better."""
        if exclusive:
            try:
                self.head(bucket, key)
            except NotFound:
                pass
            else:
                raise Exists("the object exists already", url=Location(bucket, key).url, operation="write")
        return self._put(bucket, key, data, hashlib.md5(data).digest(), len(data))

    def _put(self, bucket: str, key: str, body: Body, digest: bytes, size: int) -> ObjectInfo:
        url = Location(bucket, key).url

        def done_already(seconds: float) -> Reply | None:
            try:
                reply = self.gate.request("HEAD", bucket, key, operation="look for", within_s=seconds)
            except ObsSyncError:
                return None
            return reply if reply.etag == digest.hex() else None

        def stored(response: Any) -> None:
            answer = response.read()
            if not response.headers.get("etag"):
                raise Transient(f"success without an ETag: {answer[:200]!r}", url=url, operation="write")

        headers = {"Content-MD5": content_md5(digest)}
        reply = self.gate.request(
            "PUT",
            bucket,
            key,
            headers=headers,
            body=body,
            operation="write",
            weight=size,
            sink=stored,
            done_already=done_already,
        )
        encrypted = any("server-side-encryption" in name for name in reply.headers)
        if len(reply.etag) == _HEX_MD5 and reply.etag != digest.hex() and not encrypted:
            raise Integrity(
                "the store holds other bytes than were sent", url=url, operation="write", next_step="run it again"
            )
        return ObjectInfo(key, size, reply.etag)

    def open_upload(self, bucket: str, key: str) -> Upload:
        """An object sent in parts as they come."""
        return PartsUpload(self.gate, bucket, key)

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> ObjectInfo:
        """Copy an object within the store, without moving its bytes through this machine."""
        url = f"{Location(bucket, key).url} -> {Location(to_bucket, to_key).url}"
        source = self.head(bucket, key)
        if source.size > _MAX_COPY:
            return self._copy_in_parts(bucket, source, to_bucket, to_key)
        headers = {
            f"{self.gate.prefix}copy-source": f"/{bucket}/{key}",
            f"{self.gate.prefix}copy-source-if-match": source.etag,
        }
        reply = self._copy_request(to_bucket, to_key, headers, {}, "CopyObjectResult", url)
        return ObjectInfo(to_key, source.size, reply)

    def _copy_request(
        self, bucket: str, key: str, headers: dict[str, str], args: dict[str, Any], expected: str, url: str
    ) -> str:
        etags: list[str] = []

        def sink(response: Any) -> None:
            # An error may come with status 200: only an answer that names the new ETag is a success.
            etags[:] = [sdk_xml.text(sdk_xml.parse(response.read(), expected), "ETag").strip('"')]

        self.gate.request("PUT", bucket, key, headers=headers, args=args, operation=f"copy {url} to", sink=sink)
        return etags[0]

    def _copy_in_parts(self, bucket: str, source: ObjectInfo, to_bucket: str, to_key: str) -> ObjectInfo:
        upload = PartsUpload(self.gate, to_bucket, to_key)
        prefix = self.gate.prefix
        try:
            for number, start in enumerate(range(0, source.size, _MAX_COPY), 1):
                end = min(start + _MAX_COPY, source.size) - 1
                headers = {
                    f"{prefix}copy-source": f"/{bucket}/{source.key}",
                    f"{prefix}copy-source-if-match": source.etag,
                    f"{prefix}copy-source-range": f"bytes={start}-{end}",
                }
                args = {"partNumber": number, "uploadId": upload.upload_id}
                url = Location(bucket, source.key).url
                upload.etags.append(self._copy_request(to_bucket, to_key, headers, args, "CopyPartResult", url))
            upload.commit()
        except BaseException:
            upload.abort()
            raise
        return self.head(to_bucket, to_key)

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects, 1,000 a request."""
        if len(keys) == 1:
            self.gate.request("DELETE", bucket, keys[0], operation="delete")
            return
        for start in range(0, len(keys), _KEYS_A_REQUEST):
            self._delete_some(bucket, keys[start : start + _KEYS_A_REQUEST])

    def _delete_some(self, bucket: str, keys: Sequence[str]) -> None:
        body = sdk_xml.delete_body(keys)
        failures: list[tuple[str, str, str]] = []

        def sink(response: Any) -> None:
            failures[:] = sdk_xml.read_delete_failures(response.read())

        headers = {"Content-MD5": content_md5(hashlib.md5(body).digest()), "Content-Type": "application/xml"}
        self.gate.request(
            "POST", bucket, args={"delete": None}, headers=headers, body=body, operation="delete", sink=sink
        )
        if failures:
            key, code, message = failures[0]
            problem = f"{len(failures)} objects are not deleted, first {key!r}: {code} {message}"
            raise RequestFailed(problem, url=f"obs://{bucket}/", operation="delete", next_step="check the rights")

    def upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes = ignore_bytes) -> ObjectInfo:
        """Store a local file: in one request with its MD5, or in parts that a later try goes on with."""
        with local_errors(path, "read"):
            return self._upload(path, bucket, key, on_bytes)

    def _upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes) -> ObjectInfo:
        with open(path, "rb") as handle:
            size = handle.seek(0, 2)
            if size >= self.settings.multipart_from:
                return send_file_in_parts(self, path, bucket, key, on_bytes)
            handle.seek(0)
            if size <= _SMALL:
                data = handle.read()
                info = self._put(bucket, key, data, hashlib.md5(data).digest(), len(data))
            else:
                digest = hashlib.md5()
                while block := handle.read(1 << 20):
                    digest.update(block)
                info = self._put(bucket, key, FileSlice(path, 0, size), digest.digest(), size)
        on_bytes(info.size)
        return info

    def download(self, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes = ignore_bytes) -> None:
        """Write an object to a local file: in one request, or in ranges that a later try goes on with."""
        if info.size >= self.settings.multipart_from:
            fetch_in_ranges(self, bucket, info, path, on_bytes)
            return
        headers = {"If-Match": info.etag} if info.etag else {}
        with local_errors(path, "write"), replacing(path) as handle:
            reader = BodyReader(Location(bucket, info.key).url, True, handle, info.size)
            self.gate.request(
                "GET", bucket, info.key, headers=headers, operation="download", weight=info.size, sink=reader
            )
        on_bytes(info.size)

    @staticmethod
    def _understood(read: Any, url: str, operation: str) -> Any:
        try:
            return read()
        except ValueError as error:
            raise Transient(str(error), url=url, operation=operation, next_step="run it again") from None
