"""URLs, buckets, keys and relative names: parsing, joining and validation."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from obs_sync.errors import InvalidName, InvalidRequest

SCHEMES = ("obs://", "s3://")
MAX_KEY_BYTES = 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Location(NamedTuple):
    """A bucket and a key in it; an empty key means the bucket itself."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The location as an obs:// URL."""
        return f"obs://{self.bucket}/{self.key}"


def is_url(path: object) -> bool:
    """Whether a path is a URL of the store (`obs://` or its synonym `s3://`)."""
    return isinstance(path, str) and path.startswith(SCHEMES)


def without_scheme(path: str) -> str:
    """`bucket/key` of a URL; a path without a scheme is returned unchanged."""
    for scheme in SCHEMES:
        if path.startswith(scheme):
            return path[len(scheme) :]
    return path


def split(url: str) -> Location:
    """Bucket and key of a URL or of `bucket/key`; the key may be empty.

    Raises InvalidRequest for a bucket name, and InvalidName for a key, that no store accepts.
    """
    bucket, _, key = without_scheme(url).partition("/")
    check_bucket(bucket, url)
    if key:
        check_key(key, url)
    return Location(bucket, key)


def join(path: str, *parts: str) -> str:
    """Append relative parts to a URL or a local path, separated by exactly one slash."""
    if not is_url(path):
        return os.path.join(path, *parts)
    for part in parts:
        path = path.rstrip("/") + "/" + part.lstrip("/") if path.rstrip("/") not in ("obs:", "s3:") else path + part
    return path


def under(base: str, path: str) -> str:
    """`path` below the folder or URL `base`, unless it is a URL, absolute, or there is no base; "." is the base."""
    if not base or is_url(path) or PurePosixPath(path).is_absolute():
        return path
    if path in (".", "./"):
        return base
    return join(base, path) if is_url(base) else str(Path(base) / path)


def check_bucket(bucket: str, url: str = "") -> None:
    """Raise InvalidRequest unless the name follows the naming rules for buckets."""
    if not bucket:
        raise InvalidRequest("the bucket is missing", url=url, next_step="write obs://bucket/key")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or ".-" in bucket or "-." in bucket:
        raise InvalidRequest(
            f"{bucket!r} is not a bucket name",
            url=url,
            next_step="bucket names have 3-63 characters of a-z, 0-9, '-' and '.'; write obs://bucket/key",
        )


def check_key(key: str, url: str = "") -> None:
    """Raise InvalidName for a key that is empty, too long, not valid UTF-8, or contains control characters."""
    reason = key_problem(key)
    if reason:
        raise InvalidName(reason, url=url or repr(key), next_step="choose another key")


def key_problem(key: str) -> str:
    """Why the store cannot hold this key, or an empty string."""
    if not key:
        return "the key is empty, which would address the bucket itself"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "the name is not valid UTF-8"
    if size > MAX_KEY_BYTES:
        return f"the key has {size} bytes; the limit is {MAX_KEY_BYTES}"
    if _CONTROL.search(key):
        return "the key contains control characters"
    return ""


def name_problem(name: str) -> str:
    """Why a relative name is not usable as a file name on every file system, or an empty string."""
    if name.startswith("/"):
        return "the name is absolute"
    if "\\" in name:
        return "the name contains a backslash, which some systems treat as a folder separator"
    parts = name.split("/")
    if "" in parts:
        return "the name has an empty component (`//` or a trailing slash)"
    if ".." in parts or "." in parts:
        return "the name has a `.` or `..` component"
    if len(name) > 63 and any(len(part.encode(errors="replace")) > 255 for part in parts):  # 4 bytes a character
        return "a component of the name is longer than 255 bytes"
    return key_problem(name)
