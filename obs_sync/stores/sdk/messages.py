"""Bodies of requests and what an answer consists of."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from obs_sync.errors import RequestFailed

MAX_ANSWER = 32 << 20  # bytes; a page of 1,000 keys has at most 4 MiB


@dataclass(frozen=True)
class FileSlice:
    """A request body that is part of a file."""

    path: str
    offset: int
    size: int


Body = Union[bytes, FileSlice]


@dataclass(frozen=True)
class Reply:
    """An answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """The ETag without its quotes."""
        return self.headers.get("etag", "").strip('"')


def etag_is_digest(headers: Mapping[str, str]) -> bool:
    """Whether an object's ETag is computed from MD5s of its content; header names in any case.

    It is not for encrypted objects, nor for appendable ones, whose ETag is that of the last piece appended.
    """
    for name, value in headers.items():
        lower = name.lower()
        if "server-side-encryption" in lower or lower.endswith("next-append-position"):
            return False
        if lower.endswith("object-type") and value.lower() == "appendable":
            return False
    return True


def read_bounded(response: Any) -> bytes:
    """The body of an answer that is not an object's content; RequestFailed if it is too large to be one."""
    body: bytes = response.read(MAX_ANSWER + 1)
    if len(body) > MAX_ANSWER:
        problem = f"the answer is larger than {MAX_ANSWER >> 20} MiB"
        raise RequestFailed(problem, operation="read answer", next_step="check that the endpoint is an object store")
    if getattr(response, "length", None):
        raise http.client.IncompleteRead(body, response.length)
    return body
