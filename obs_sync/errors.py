"""Error tree of obs_sync: every message names the URL or path, the operation and the next step."""

from __future__ import annotations

from obs_sync.formatting import one_line


class ObsSyncError(Exception):
    """A storage operation failed; the message is one line for the user.

    `problem` may be the whole message (as when an error is restored from a pickle), or `url`, `operation` and
    `next_step` complete it; they are also kept as attributes. `code` is the store's own error code, `may_pass` says
    whether a retry can help.
    """

    may_pass = False
    code = ""

    def __init__(self, problem: str, *, url: str = "", operation: str = "", next_step: str = "") -> None:
        self.problem, self.url, self.operation, self.next_step = problem, url, operation, next_step
        what = " ".join(part for part in (operation, url) if part)
        message = f"{what}: {problem}" if what else problem
        super().__init__(one_line(f"{message} - {next_step}" if next_step else message))


class NotFound(ObsSyncError, FileNotFoundError):
    """The bucket, object or file does not exist."""


class AccessDenied(ObsSyncError, PermissionError):
    """The store rejects these credentials, or a write would leave the target folder."""


class Transient(ObsSyncError, OSError):
    """The store or the network failed temporarily; retried until the deadline."""


class Integrity(ObsSyncError, OSError):
    """Data arrived damaged, truncated or mixed, or an object differs from what was sent."""


class MissingDependency(ObsSyncError, ImportError):
    """A storage mode needs a package that is not installed."""


class AlreadyExists(ObsSyncError, FileExistsError):
    """The object was to be created but already exists."""


class NotAFile(ObsSyncError, IsADirectoryError):
    """A file is required, but the URL names a bucket or a folder."""


class InvalidRequest(ObsSyncError, ValueError):
    """The request is invalid or unsafe: a bad URL, a name that cannot be stored, a copy onto itself."""


class InvalidName(InvalidRequest):
    """The store cannot hold an object of this name; only this object is affected."""


class LocalProblem(ObsSyncError, OSError):
    """The local disk rejects the operation: full, read-only, not a regular file."""


class RequestFailed(ObsSyncError, OSError):
    """The store answered with an error that a retry cannot fix."""


def already_exists(url: str, operation: str) -> AlreadyExists:
    """The error for an object that was to be created but already exists."""
    step = "choose another key, or remove the object first"
    return AlreadyExists("the object already exists", url=url, operation=operation, next_step=step)


def changed_while_read(kind: type[ObsSyncError], url: str, operation: str) -> ObsSyncError:
    """The error for a file that changed while it was being transferred."""
    return kind("the file changed while it was read", url=url, operation=operation, next_step="run it again")
