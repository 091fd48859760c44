"""The XML bodies of the object protocol; strict readers, so that a damaged response is never taken for an empty one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Callable, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from obs_sync.stores.base import ObjectInfo


class Listing(NamedTuple):
    """One page of a listing; `marker` is where the next page starts, empty on the last."""

    objects: list[ObjectInfo]
    folders: list[str]
    marker: str


def parse(body: bytes, expected: str) -> ElementTree.Element:
    """The root element of a body, without namespaces; ValueError unless it has the expected name."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ValueError(f"the answer is not readable: {error}") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != expected:
        raise ValueError(f"the answer is <{root.tag}>, not <{expected}>")
    return root


def etag_in(expected: str) -> Callable[[bytes], str]:
    """A reader of the ETag in a response of that name; only this proves success: an error may have status 200."""
    return lambda body: text(parse(body, expected), "ETag").strip('"')


def text(element: ElementTree.Element, name: str) -> str:
    """The text of a child; ValueError when it is missing."""
    found = element.findtext(name)
    if found is None:
        raise ValueError(f"the answer lacks <{name}>")
    return found


def read_listing(body: bytes) -> Listing:
    """A page of objects; keys may be URL-encoded, times are UTC."""
    root = parse(body, "ListBucketResult")
    encoded = (root.findtext("EncodingType") or "") == "url"

    def plain(value: str) -> str:
        return unquote_plus(value) if encoded else value

    objects = [_object(element, plain(text(element, "Key"))) for element in root.iter("Contents")]
    folders = [plain(text(element, "Prefix")) for element in root.iter("CommonPrefixes")]
    if text(root, "IsTruncated").lower() != "true":
        return Listing(objects, folders, "")
    marker = plain(root.findtext("NextMarker") or "") or max(
        [info.key for info in objects[-1:]] + folders[-1:], key=str.encode, default=""
    )
    if not marker:
        raise ValueError("the listing is truncated but does not say where to continue")
    return Listing(objects, folders, marker)


def _object(element: ElementTree.Element, key: str) -> ObjectInfo:
    return ObjectInfo(
        key, int(text(element, "Size")), text(element, "ETag").strip('"'), _time(text(element, "LastModified"))
    )


def _time(value: str) -> datetime:
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def read_buckets(body: bytes) -> list[str]:
    """The bucket names in the answer to "list all my buckets"."""
    return [text(element, "Name") for element in parse(body, "ListAllMyBucketsResult").iter("Bucket")]


def delete_body(keys: Sequence[str]) -> bytes:
    """The body of a request to delete keys, in quiet mode: only failures are reported."""
    objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f'<?xml version="1.0" encoding="UTF-8"?><Delete><Quiet>true</Quiet>{objects}</Delete>'.encode()


def read_delete_failures(body: bytes) -> list[tuple[str, str, str]]:
    """(key, code, message) of the keys that could not be deleted."""
    root = parse(body, "DeleteResult")
    errors = root.iter("Error")
    return [(e.findtext("Key") or "", e.findtext("Code") or "", e.findtext("Message") or "") for e in errors]


def complete_body(etags: Sequence[str]) -> bytes:
    """The body of a request to assemble parts with these ETags, in order, into one object."""
    parts = "".join(f'<Part><PartNumber>{n}</PartNumber><ETag>"{tag}"</ETag></Part>' for n, tag in enumerate(etags, 1))
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def read_parts(body: bytes) -> tuple[dict[int, tuple[int, str]], int]:
    """Part number -> (size, ETag) of an unfinished upload, and the number to continue after (0: complete)."""
    root = parse(body, "ListPartsResult")
    parts = {
        int(text(part, "PartNumber")): (int(text(part, "Size")), text(part, "ETag").strip('"'))
        for part in root.iter("Part")
    }
    more = text(root, "IsTruncated").lower() == "true"
    return parts, int(root.findtext("NextPartNumberMarker") or 0) if more else 0
