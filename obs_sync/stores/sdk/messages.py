"""Request bodies, responses, and the check of the response to a write."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar, Union

from obs_sync.errors import Integrity, RequestFailed, Transient
from obs_sync.stores.etags import all_md5

T = TypeVar("T")
Arguments = Mapping[str, Union[str, int, None]]  # query parameters of a URL

MAX_ANSWER = 32 << 20  # bytes; a page of 1,000 keys has at most 4 MiB


@dataclass(frozen=True)
class FileSlice:
    """A request body that is part of a file."""

    path: str
    offset: int
    size: int


Body = Union[bytes, FileSlice]
Sink = Callable[[http.client.HTTPResponse], None]


@dataclass(frozen=True)
class Reply:
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """The ETag without its quotes."""
        return self.headers.get("etag", "").strip('"')


def etag_is_digest(headers: Mapping[str, str]) -> bool:
    """Whether an object's ETag is computed from MD5s of its content; header names in any case.

    False for encrypted objects, and for appendable ones, whose ETag is that of the last piece appended.
    """
    for name, value in headers.items():
        lower = name.lower()
        if "server-side-encryption" in lower or lower.endswith("next-append-position"):
            return False
        if lower.endswith("object-type") and value.lower() == "appendable":
            return False
    return True


def read_bounded(response: http.client.HTTPResponse) -> bytes:
    """The body of a response that is not an object's content; RequestFailed if it is too large."""
    body = response.read(MAX_ANSWER + 1)
    if len(body) > MAX_ANSWER:
        problem = f"the answer is larger than {MAX_ANSWER >> 20} MiB"
        raise RequestFailed(problem, operation="read answer", next_step="check that the endpoint is an object store")
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    return body


class Parsed(Generic[T]):
    """A sink for a response that is not an object's content; `value` is then the result of `parse` on its body.

    A ValueError of `parse` counts as damage in transit: the request is retried.
    """

    value: T

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        self._parse = parse

    def __call__(self, response: http.client.HTTPResponse) -> None:
        self.value = self._parse(read_bounded(response))


def content_md5(digest: bytes) -> str:
    """A digest in the form of the Content-MD5 header."""
    return base64.b64encode(digest).decode()


def requiring_etag(url: str, operation: str) -> Sink:
    """A sink that raises Transient for a success without an ETag, which some gateways send for damaged uploads."""

    def sink(response: http.client.HTTPResponse) -> None:
        answer = read_bounded(response)
        if not response.headers.get("etag"):
            problem = f"successful response without ETag: {answer[:200]!r}"
            raise Transient(problem, url=url, operation=operation, next_step="run it again")

    return sink


def check_stored(reply: Reply, digest: bytes, url: str, operation: str) -> None:
    """Raise Integrity when the store's ETag is an MD5 other than that of the bytes that were sent."""
    if all_md5([reply.etag]) and reply.etag != digest.hex() and etag_is_digest(reply.headers):
        problem = "the store has different content than was sent"
        raise Integrity(problem, url=url, operation=operation, next_step="run it again")
