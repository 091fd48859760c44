"""The `obs` mode: objects of Huawei OBS or of any S3-compatible store, in the dialects of the OBS SDK."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime

from obs_sync.atomic import local_errors, replacing, state_folder
from obs_sync.credentials import Provider
from obs_sync.errors import AlreadyExists, Integrity, ObsSyncError, RequestFailed, Transient, already_exists
from obs_sync.formatting import plural
from obs_sync.settings import Settings
from obs_sync.stores.base import ObjectInfo, OnBytes, Page, Store, Upload, ignore_bytes
from obs_sync.stores.etags import file_digest
from obs_sync.stores.sdk import xml as sdk_xml
from obs_sync.stores.sdk.client import Gate
from obs_sync.stores.sdk.download import BodyReader, download_in_ranges
from obs_sync.stores.sdk.messages import (
    Arguments,
    Body,
    FileSlice,
    Parsed,
    Reply,
    check_stored,
    content_md5,
    requiring_etag,
)
from obs_sync.stores.sdk.upload import PartsUpload, UploadTarget, send_file_in_parts
from obs_sync.urls import Location

_KEYS_PER_REQUEST = 1000
_MAX_COPY = 5 << 30
_SMALL = 4 << 20


def info_from(key: str, reply: Reply) -> ObjectInfo:
    """The object that the headers of a HEAD describe."""
    modified = reply.headers.get("last-modified")
    size = int(reply.headers.get("content-length", 0))
    return ObjectInfo(key, size, reply.etag, parsedate_to_datetime(modified) if modified else None)


class SdkStore(Store):
    """Objects at one endpoint; thread-safe, one instance per process."""

    mode = "obs"

    def __init__(self, settings: Settings, provider: Provider) -> None:
        self.settings = settings
        self.part_size = settings.part_size
        self.state_dir = state_folder(settings.state_dir)
        self.gate = Gate(settings, provider)

    def buckets(self) -> list[str]:
        """Names of the account's buckets."""
        reply = self.gate.request("GET", operation="list buckets")
        try:
            return sdk_xml.read_buckets(reply.body)
        except ValueError as error:
            raise Transient(str(error), operation="list buckets", next_step="run it again") from None

    def check_bucket(self, bucket: str) -> None:
        """Raise NotFound or AccessDenied unless the bucket can be used."""
        self.gate.request("HEAD", bucket, operation="look up bucket")

    def make_bucket(self, bucket: str) -> None:
        """Create a bucket; no error if it exists and is your own."""
        try:
            self.gate.request("PUT", bucket, operation="create bucket")
        except AlreadyExists as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket."""
        self.gate.request("DELETE", bucket, operation="remove bucket")

    def pages(self, bucket: str, prefix: str = "", delimiter: str = "", limit: int = 0) -> Iterator[Page]:
        """Objects in byte order of their keys, 1,000 per request."""
        args: dict[str, str | int | None] = {"encoding-type": "url", "max-keys": limit or _KEYS_PER_REQUEST}
        args.update({name: value for name, value in (("prefix", prefix), ("delimiter", delimiter)) if value})
        while True:
            page = Parsed(sdk_xml.read_listing)
            self.gate.request("GET", bucket, args=args, operation=f"list {prefix!r} in", sink=page)
            listing = page.value
            yield Page(listing.objects, listing.folders)
            if not listing.marker or limit:
                return
            args["marker"] = listing.marker

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """One object's size and ETag, or NotFound."""
        return info_from(key, self.gate.request("HEAD", bucket, key, operation="look up"))

    def read(self, bucket: str, key: str, start: int = 0, end: int | None = None, etag: str = "") -> bytes:
        """Part of an object; a whole object whose ETag is an MD5 is verified against it."""
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
        """Store bytes as an object.

        `exclusive` asks OBS not to overwrite (`x-obs-forbid-overwrite`, for other stores `If-None-Match: *`), so that
        one of several simultaneous writers succeeds. A store that ignores this is detected by reading back; there,
        simultaneous writers may all fail or, rarely, two succeed.
        """
        digest = hashlib.md5(data).digest()
        if not exclusive:
            return self._put(bucket, key, data, digest, len(data))
        if self.exists(bucket, key):
            raise already_exists(Location(bucket, key).url, "create")
        is_obs = self.settings.signature == "obs"
        condition = {f"{self.gate.prefix}forbid-overwrite": "true"} if is_obs else {"If-None-Match": "*"}
        try:
            info = self._put(bucket, key, data, digest, len(data), condition)
        except Integrity as error:
            if error.code != "PreconditionFailed":
                raise
            raise already_exists(Location(bucket, key).url, "create") from None
        if self.read(bucket, key) != data:
            raise already_exists(Location(bucket, key).url, "create")
        return info

    def _put(
        self,
        bucket: str,
        key: str,
        body: Body,
        digest: bytes,
        size: int,
        condition: dict[str, str] | None = None,
    ) -> ObjectInfo:
        url = Location(bucket, key).url

        def done_already(seconds: float) -> Reply | None:
            try:
                reply = self.gate.request("HEAD", bucket, key, operation="look up", within_s=seconds)
            except ObsSyncError:
                return None
            return reply if reply.etag == digest.hex() else None

        headers = {"Content-MD5": content_md5(digest), **(condition or {})}
        reply = self.gate.request(
            "PUT",
            bucket,
            key,
            headers=headers,
            body=body,
            operation="write",
            weight=size,
            sink=requiring_etag(url, "write"),
            done_already=done_already,
        )
        check_stored(reply, digest, url, "write")
        return ObjectInfo(key, size, reply.etag)

    def open_upload(self, bucket: str, key: str) -> Upload:
        """An object whose parts are sent as they are written."""
        return PartsUpload(self.gate, bucket, key)

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> ObjectInfo:
        """Copy an object within the store; its bytes do not pass through this machine."""
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
        self, bucket: str, key: str, headers: dict[str, str], args: Arguments, expected: str, url: str
    ) -> str:
        etag = Parsed(sdk_xml.etag_in(expected))
        self.gate.request("PUT", bucket, key, headers=headers, args=args, operation=f"copy {url} to", sink=etag)
        return etag.value

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
                args: Arguments = {"partNumber": number, "uploadId": upload.upload_id}
                url = Location(bucket, source.key).url
                upload.etags.append(self._copy_request(to_bucket, to_key, headers, args, "CopyPartResult", url))
            upload.commit()
        except BaseException:
            upload.abort()
            raise
        return self.head(to_bucket, to_key)

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects, 1,000 per request."""
        if len(keys) == 1:
            self.gate.request("DELETE", bucket, keys[0], operation="delete")
            return
        for start in range(0, len(keys), _KEYS_PER_REQUEST):
            self._delete_some(bucket, keys[start : start + _KEYS_PER_REQUEST])

    def _delete_some(self, bucket: str, keys: Sequence[str]) -> None:
        body = sdk_xml.delete_body(keys)
        failures = Parsed(sdk_xml.read_delete_failures)
        headers = {"Content-MD5": content_md5(hashlib.md5(body).digest()), "Content-Type": "application/xml"}
        self.gate.request(
            "POST", bucket, args={"delete": None}, headers=headers, body=body, operation="delete", sink=failures
        )
        if failures.value:
            key, code, message = failures.value[0]
            problem = f"{plural(len(failures.value), 'object')} could not be deleted, first {key!r}: {code} {message}"
            step = "check your permissions"
            raise RequestFailed(problem, url=f"obs://{bucket}/", operation="delete", next_step=step)

    def upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes = ignore_bytes) -> ObjectInfo:
        """Store a local file: in one request with its MD5, or in parts that a later attempt resumes."""
        with local_errors(path, "read"):
            return self._upload(path, bucket, key, on_bytes)

    def _upload(self, path: str, bucket: str, key: str, on_bytes: OnBytes) -> ObjectInfo:
        with open(path, "rb") as handle:
            size = handle.seek(0, 2)
            if size >= self.settings.multipart_from:
                target = UploadTarget(self.gate, self.settings, self.state_dir, bucket, key)
                return send_file_in_parts(target, path, on_bytes)
            handle.seek(0)
            if size <= _SMALL:
                data = handle.read()
                info = self._put(bucket, key, data, hashlib.md5(data).digest(), len(data))
            else:
                info = self._put(bucket, key, FileSlice(path, 0, size), file_digest(path, 0, size), size)
        on_bytes(info.size)
        return info

    def download(self, bucket: str, info: ObjectInfo, path: str, on_bytes: OnBytes = ignore_bytes) -> None:
        """Write an object to a local file: in one request, or in ranges that a later attempt resumes."""
        if info.size >= self.settings.multipart_from:
            download_in_ranges(self.gate, self.settings, bucket, info, path, on_bytes)
            return
        headers = {"If-Match": info.etag} if info.etag else {}
        with local_errors(path, "write"), replacing(path) as handle:
            reader = BodyReader(Location(bucket, info.key).url, True, handle, info.size)
            self.gate.request(
                "GET", bucket, info.key, headers=headers, operation="download", weight=info.size, sink=reader
            )
        on_bytes(info.size)
