"""The native OBS request dialect, as its public reference describes it: signatures, header names, storage classes.

Used by the gateway to check what a client signed and to sign anew for the store behind it.
"""

from __future__ import annotations

import base64
import calendar
import email.utils
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional
from urllib.parse import unquote

Args = list[tuple[str, Optional[str]]]

OBS_SUBRESOURCES = frozenset(
    [
        "acl",
        "append",
        "attname",
        "backtosource",
        "cors",
        "customdomain",
        "delete",
        "deletebucket",
        "directcoldaccess",
        "encryption",
        "inventory",
        "length",
        "lifecycle",
        "location",
        "logging",
        "metadata",
        "modify",
        "name",
        "notification",
        "object-lock",
        "orchestration",
        "partnumber",
        "policy",
        "position",
        "quota",
        "rename",
        "replication",
        "requestpayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "retention",
        "select",
        "storageclass",
        "storagepolicy",
        "storageinfo",
        "tagging",
        "torrent",
        "truncate",
        "uploadid",
        "uploads",
        "versionid",
        "versioning",
        "versions",
        "website",
        "x-image-process",
        "x-image-save-bucket",
        "x-image-save-object",
        "x-obs-security-token",
    ]
)
S3_SUBRESOURCES = frozenset(
    [
        "acl",
        "cors",
        "delete",
        "lifecycle",
        "location",
        "logging",
        "notification",
        "partNumber",
        "policy",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    ]
)
MAX_SKEW_S = 900


class Key(NamedTuple):
    """An access key's secret and, for a temporary one, its token and the time (epoch seconds) it ends."""

    secret: str
    token: str = ""
    ends: float = float("inf")


class Refusal(NamedTuple):
    """Why a request is not let in."""

    status: int
    code: str
    message: str


def read_query(query: str) -> Args:
    """Decoded arguments in order; a name without `=` has the value None."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value) if equals else None) for name, equals, value in pairs]


def resource(path: str, args: Iterable[tuple[str, str | None]], signed: frozenset[str], ignore_case: bool) -> str:
    """The last line of the string to sign: the path and the arguments that count."""
    chosen = sorted((n, v) for n, v in args if (n.lower() if ignore_case else n) in signed)
    return path + ("?" + "&".join(n if v is None else f"{n}={v}" for n, v in chosen) if chosen else "")


def signature(secret: str, verb: str, headers: Mapping[str, str], target: str, prefix: str) -> str:
    """The signature of a request; OBS and AWS V2 differ in the prefix of their own headers only."""
    own = sorted((name, value) for name, value in headers.items() if name.startswith(prefix))
    lines = [verb, headers.get("content-md5", ""), headers.get("content-type", "")]
    lines.append("" if f"{prefix}date" in headers else headers.get("date", ""))
    text = "\n".join(lines) + "\n" + "".join(f"{name}:{value.strip()}\n" for name, value in own) + target
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def refusal(
    keys: Mapping[str, Key], verb: str, headers: Mapping[str, str], path: str, args: Args, now: float
) -> Refusal | None:
    """Why this request is refused, or None for one that is signed as it should be."""
    match = re.fullmatch(r"OBS ([^:]+):(\S+)", headers.get("authorization", ""))
    if match is None:
        return Refusal(403, "AccessDenied", "not signed in the OBS dialect")
    if abs(_sent_at(headers) - now) > MAX_SKEW_S:
        return Refusal(403, "RequestTimeTooSkewed", "the clocks differ by more than 15 minutes")
    key = keys.get(match[1])
    if key is None:
        return Refusal(403, "InvalidAccessKeyId", f"no such access key: {match[1]}")
    if headers.get("x-obs-security-token", "") != key.token:
        return Refusal(403, "InvalidToken", "the security token is wrong")
    if now > key.ends:
        return Refusal(403, "ExpiredToken", "the security token has expired")
    expected = signature(key.secret, verb, headers, resource(path, args, OBS_SUBRESOURCES, True), "x-obs-")
    if not hmac.compare_digest(expected, match[2]):
        return Refusal(403, "SignatureDoesNotMatch", "the signature does not match")
    return None


def _sent_at(headers: Mapping[str, str]) -> float:
    text = headers.get("x-obs-date") or headers.get("date", "")
    try:
        if text.endswith("Z"):
            return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return 0.0
