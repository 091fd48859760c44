"""Errors of the platform; each message names the address and the next step."""

from __future__ import annotations

from src.errors import JobError


class CloudError(JobError):
    """The platform rejected a request; the message has its error code and text, `status` the HTTP status or 0."""

    exit_code = 4

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class CloudUnreachable(JobError):
    """The platform could not be reached, or kept failing."""

    exit_code = 5


class JobNotFound(CloudError):
    """The platform has no such job, or the job no such log."""


class NotTrusted(CloudError):
    """The server's certificate is not trusted."""

    exit_code = 5


class NotInstalled(JobError):
    """The platform's SDK, an optional dependency, is not installed."""

    exit_code = 2
