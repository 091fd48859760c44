"""The table from the store's answers to the errors of obs_sync: every documented code, and bodies that are none."""

from __future__ import annotations

import pytest

from obs_sync.errors import AccessDenied, AlreadyExists, Integrity, NotFound, RequestFailed, Transient
from obs_sync.retry import may_pass
from obs_sync.stores.sdk.errors import CODES, Failure, error_for, read_failure

DOCUMENTED = {
    400: """
        BadDomainName BadRequest CustomDomainAreadyExist CustomDomainNotExist EntityTooLarge EntityTooSmall
        InvalidBucket IllegalLocationConstraintException IncorrectNumberOfFilesInPostRequest InvalidArgument
        InvalidBucketName InvalidPartOrder InvalidEncryptionAlgorithmError InvalidLocationConstraint
        InvalidPolicyDocument InvalidRedirectLocation InvalidRequest InvalidRequestBody
        InvalidTargetBucketForLogging KeyTooLongError MalformedACLError MalformedError
        MalformedLoggingStatus MalformedPolicy MalformedQuotaError MalformedXML MaxMessageLengthExceeded
        MetadataTooLarge MissingRegion MissingRequestBodyError MissingRequiredHeader MissingSecurityHeader
        TooManyBuckets TooManyCustomDomains UnexpectedContent UserKeyMustBeSpecified
        AmbiguousGrantByEmailAddress CredentialsNotSupported
    """,
    401: "Unauthorized",
    403: """
        AccessDenied AccessForbidden AccountProblem AllAccessDisabled DeregisterUserId FrozenUserId
        InvalidAccessKeyId InArrearOrInsufficientBalance NotSignedUp RequestTimeTooSkewed
        SignatureDoesNotMatch VirtualHostDomainRequired TooManyWrongSignature InvalidSecurity
    """,
    404: """
        NoSuchBucket NoSuchBucketPolicy NoSuchCORSConfiguration NoSuchCustomDomain NoSuchKey
        NoSuchLifecycleConfiguration NoSuchUpload NoSuchVersion NoSuchWebsiteConfiguration
    """,
    405: "MethodNotAllowed FsNotSupport",
    408: "RequestTimeout",
    411: "MissingContentLength",
    412: "PreconditionFailed",
    416: "InvalidRange",
    429: "TooManyRequests",
    500: "InternalError",
    501: "ServiceNotImplemented NotImplemented",
    503: "ServiceUnavailable SlowDown",
}
EXPECTED = {400: RequestFailed, 401: AccessDenied, 403: AccessDenied, 404: NotFound, 405: RequestFailed, 408: Transient}
EXPECTED.update(
    {411: RequestFailed, 412: Integrity, 416: RequestFailed, 429: Transient, 500: Transient, 503: Transient}
)
EXPECTED[501] = RequestFailed
SPECIAL = {
    "BadDigest": (400, Integrity),
    "InvalidDigest": (400, Integrity),
    "InvalidPart": (400, Integrity),
    "IncompleteBody": (400, Transient),
    "RequestTimeout": (400, Transient),
    "BucketAlreadyExists": (409, AlreadyExists),
    "BucketAlreadyOwnedByYou": (409, AlreadyExists),
    "BucketNotEmpty": (409, RequestFailed),
    "InvalidBucketState": (409, RequestFailed),
    "OperationAborted": (409, Transient),
    "ObjectNotAppendable": (409, RequestFailed),
    "InsufficientStorageSpace": (403, RequestFailed),
    "ExpiredToken": (400, AccessDenied),
}
ALL = [(code, status, EXPECTED[status]) for status, codes in DOCUMENTED.items() for code in codes.split()]
ALL += [(code, status, kind) for code, (status, kind) in SPECIAL.items()]


@pytest.mark.parametrize(("code", "status", "kind"), ALL)
def test_every_documented_code(code: str, status: int, kind: type[Exception]) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message><RequestId>r</RequestId></Error>"
    error = error_for(read_failure(status, body.encode()), "obs://b/k", "read")
    assert type(error) is kind
    assert code in str(error)
    assert "obs://b/k" in str(error)
    assert error.next_step


@pytest.mark.parametrize("body", [b"", b"<html>proxy</html>", b"\xff\xfe", b"<Error><Code>"])
def test_unreadable_error_bodies_go_by_status(body: bytes) -> None:
    assert isinstance(error_for(read_failure(502, body), "u", "o"), Transient)
    assert isinstance(error_for(read_failure(403, body), "u", "o"), AccessDenied)
    assert all(issubclass(kind, Exception) and step for kind, step in CODES.values())
    assert error_for(Failure(599), "u", "o").next_step


@pytest.mark.parametrize(
    ("failure", "step"),
    [
        (Failure(403, "InvalidObjectState", "The object is archived"), "restore it in the OBS console"),
        (Failure(403, "AccessDenied", "The KMS key is disabled"), "permission to use its KMS key"),
        (Failure(400, "InvalidRequest", "Server Side Encryption with Customer provided key"), "its KMS key"),
        (Failure(409, "ObjectNotAppendable", ""), "under another name"),
    ],
)
def test_archived_encrypted_and_appendable_objects(failure: Failure, step: str) -> None:
    error = error_for(failure, "obs://b/x", "download")
    assert step in str(error)
    assert not may_pass(error)
