"""What can go wrong with the platform; each message names the address and the next step."""

from __future__ import annotations

from src.errors import JobError


class CloudError(JobError):
    """The platform refused: the message has its code and words; `status` is that of HTTP, 0 without one."""

    exit_code = 4

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class CloudUnreachable(JobError):
    """The platform could not be reached, or failed again and again."""

    exit_code = 5


class NotThere(CloudError):
    """The platform knows no such job."""


class NotTrusted(CloudError):
    """Whoever answered cannot prove to be the platform."""

    exit_code = 5


class NotInstalled(JobError):
    """The platform's SDK is an extra."""

    exit_code = 2
