"""The errors of obs_sync: each says which url, which operation and what to do next."""

from __future__ import annotations


class ObsSyncError(Exception):
    """Something went wrong with the storage; the message is one line for the user.

    `problem` may be the whole message (that is how a pickled error comes back), or be completed by the three
    keyword arguments, which stay readable as attributes. `code` is the store's own word for the error.
    """

    may_pass = False
    code = ""

    def __init__(self, problem: str, *, url: str = "", operation: str = "", next_step: str = "") -> None:
        self.problem, self.url, self.operation, self.next_step = problem, url, operation, next_step
        what = " ".join(part for part in (operation, url) if part)
        message = f"{what}: {problem}" if what else problem
        super().__init__(f"{message} - {next_step}" if next_step else message)


class NotFound(ObsSyncError, FileNotFoundError):
    """The bucket, object or file is not there."""


class AccessDenied(ObsSyncError, PermissionError):
    """The store refuses these credentials, or a write would leave the folder it belongs to."""


class Transient(ObsSyncError, OSError):
    """The store or the network failed in a way that may pass; it was retried until the deadline."""


class Integrity(ObsSyncError, OSError):
    """Bytes arrived damaged, cut or mixed, or an object is not what was sent."""


class MissingDependency(ObsSyncError, ImportError):
    """A mode needs a package that is not installed."""


class Exists(ObsSyncError, FileExistsError):
    """The object was to be created anew and is already there."""


class NotAFile(ObsSyncError, IsADirectoryError):
    """A file was asked for and the url names a bucket or a folder."""


class Refused(ObsSyncError, ValueError):
    """The request makes no sense or is unsafe: a bad url, a key that no disk can hold, a copy onto itself."""


class LocalProblem(ObsSyncError, OSError):
    """The local disk refuses: full, read-only, not a regular file."""


class RequestFailed(ObsSyncError, OSError):
    """The store answered with an error that no retry will cure."""
