"""The table that maps the store's statuses and error codes to the errors of this package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from obs_sync.errors import AccessDenied, AlreadyExists, Integrity, NotFound, ObsSyncError, RequestFailed, Transient

_CLOCK = "set this machine's clock; it differs from the store's by more than 15 minutes"
_KEYS = "check OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY and, for temporary ones, OBS_SECURITY_TOKEN"
_RIGHTS = "ask the bucket's owner for permission, and check that bucket and endpoint are in the same region"
_AGAIN = "run it again later; files that are already there are skipped"
_ACCOUNT = "ask the cloud provider about the state of the account"
_NAME = "check the name"

# code: (error, next step); for other codes the HTTP status decides
CODES: dict[str, tuple[type[ObsSyncError], str]] = {
    "NoSuchKey": (NotFound, _NAME),
    "NoSuchBucket": (NotFound, "check the bucket's name and the endpoint's region"),
    "NoSuchUpload": (NotFound, _AGAIN),
    "NoSuchVersion": (NotFound, _NAME),
    "AccessDenied": (AccessDenied, _RIGHTS),
    "AccessForbidden": (AccessDenied, _RIGHTS),
    "AllAccessDisabled": (AccessDenied, _RIGHTS),
    "Unauthorized": (AccessDenied, _KEYS),
    "SignatureDoesNotMatch": (AccessDenied, f"{_KEYS}; for an S3-compatible store set signature to v2 or v4"),
    "InvalidAccessKeyId": (AccessDenied, _KEYS),
    "InvalidSecurity": (AccessDenied, _KEYS),
    "InvalidToken": (AccessDenied, "renew the temporary credentials"),
    "InvalidSecurityToken": (AccessDenied, "renew the temporary credentials"),
    "ExpiredToken": (AccessDenied, "renew the temporary credentials"),
    "TokenExpired": (AccessDenied, "renew the temporary credentials"),
    "RequestTimeTooSkewed": (AccessDenied, _CLOCK),
    "RequestExpired": (AccessDenied, _CLOCK),
    "TooManyWrongSignature": (AccessDenied, _KEYS),
    "VirtualHostDomainRequired": (AccessDenied, "set path_style to false"),
    "AccountProblem": (AccessDenied, _ACCOUNT),
    "DeregisterUserId": (AccessDenied, _ACCOUNT),
    "FrozenUserId": (AccessDenied, _ACCOUNT),
    "InArrearOrInsufficientBalance": (AccessDenied, _ACCOUNT),
    "NotSignedUp": (AccessDenied, _ACCOUNT),
    "InsufficientStorageSpace": (RequestFailed, "the bucket's quota is exhausted: free space or raise it"),
    "TooManyBuckets": (RequestFailed, "remove a bucket or raise the account's limit"),
    "BucketAlreadyExists": (AlreadyExists, "bucket names are shared by all users; choose another"),
    "BucketAlreadyOwnedByYou": (AlreadyExists, "use the existing bucket"),
    "BucketNotEmpty": (RequestFailed, "remove its objects first"),
    "BadDigest": (Integrity, "the data was damaged in transit; run it again"),
    "InvalidDigest": (Integrity, "the data was damaged in transit; run it again"),
    "InvalidCRC": (Integrity, "the data was damaged in transit; run it again"),
    "XAmzContentSHA256Mismatch": (Integrity, "the data was damaged in transit; run it again"),
    "IncompleteBody": (Transient, _AGAIN),
    "RequestTimeout": (Transient, _AGAIN),
    "OperationAborted": (Transient, _AGAIN),
    "InternalError": (Transient, _AGAIN),
    "ServiceUnavailable": (Transient, _AGAIN),
    "ConditionalRequestConflict": (Transient, _AGAIN),
    "SlowDown": (Transient, f"{_AGAIN}, or with fewer threads"),
    "TooManyRequests": (Transient, f"{_AGAIN}, or with fewer threads"),
    "PreconditionFailed": (Integrity, "the object was replaced during the operation; run it again"),
    "InvalidPart": (Integrity, _AGAIN),
    "EntityTooLarge": (RequestFailed, "one request takes at most 5 GB; lower multipart_from"),
    "EntityTooSmall": (RequestFailed, "raise part_size"),
    "NotImplemented": (RequestFailed, "the store does not support this operation"),
    "ServiceNotImplemented": (RequestFailed, "the store does not support this operation"),
    "InvalidObjectState": (
        RequestFailed,
        "the object is archived: restore it in the OBS console (minutes to hours), then run it again",
    ),
    "ObjectNotAppendable": (RequestFailed, "upload it under another name"),
    "ObjectAlreadyExists": (AlreadyExists, "choose another name"),
    "FileAlreadyExists": (AlreadyExists, "choose another name"),
    "MethodNotAllowed": (RequestFailed, "the store does not allow this operation here"),
}
RENEW = frozenset({"ExpiredToken", "TokenExpired", "InvalidToken", "InvalidSecurityToken", "InvalidAccessKeyId"})
_DAMAGED_IN_TRANSIT = frozenset({"BadDigest", "InvalidDigest", "InvalidCRC", "XAmzContentSHA256Mismatch"})
_NOT_RETRIED_5XX = frozenset({501, 505})
_ENCRYPTION = re.compile("kms|encrypt|sse-c", re.IGNORECASE)
_KEY_STEP = (
    "the object is encrypted: ask for permission to use its KMS key (objects with customer keys are not supported)"
)
_STATUSES: dict[int, tuple[type[ObsSyncError], str]] = {
    401: (AccessDenied, _KEYS),
    403: (AccessDenied, f"{_KEYS}; then {_RIGHTS}"),
    404: (NotFound, _NAME),
    408: (Transient, _AGAIN),
    412: (Integrity, "the object was replaced during the operation; run it again"),
    429: (Transient, f"{_AGAIN}, or with fewer threads"),
}


@dataclass(frozen=True)
class Failure:
    """A failed request as the store describes it."""

    status: int
    code: str = ""
    message: str = ""
    request_id: str = ""


def read_failure(status: int, body: bytes, request_id: str = "") -> Failure:
    """Code and message from the body of an error; both empty unless it is the documented XML."""
    try:
        root = ElementTree.fromstring(body.decode())
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError):
        return Failure(status, request_id=request_id)
    texts = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root}
    return Failure(status, texts.get("Code", ""), texts.get("Message", ""), request_id or texts.get("RequestId", ""))


def error_for(failure: Failure, url: str, operation: str) -> ObsSyncError:
    """The error to raise for a failed request."""
    kind, step = CODES.get(failure.code) or _by_status(failure.status)
    answer = " ".join(part for part in (f"HTTP {failure.status}", failure.code, failure.message) if part)
    problem = f"{answer} (request {failure.request_id})" if failure.request_id else answer
    if issubclass(kind, (AccessDenied, RequestFailed)) and _ENCRYPTION.search(f"{failure.code} {failure.message}"):
        step = _KEY_STEP
    error = kind(problem, url=url, operation=operation, next_step=step)
    error.may_pass = failure.code in _DAMAGED_IN_TRANSIT
    error.code = failure.code or ("PreconditionFailed" if failure.status == 412 else "")
    return error


def _by_status(status: int) -> tuple[type[ObsSyncError], str]:
    if status >= 500 and status not in _NOT_RETRIED_5XX:
        return Transient, _AGAIN
    return _STATUSES.get(status, (RequestFailed, "look up the code in the OBS error code list"))
