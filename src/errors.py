"""Errors of the jobs and tools: each message is one line that names the file or key, and the next step."""

from __future__ import annotations

import signal


class JobError(Exception):
    """A problem that the user can act on; commands report it in one line and exit with `exit_code`."""

    exit_code = 1


class ConfigError(JobError):
    """A setting or declaration is unknown, has the wrong type, or contradicts another."""

    exit_code = 2


class DataError(JobError):
    """Pictures, annotations or masks are missing or invalid."""

    exit_code = 2


class CheckpointError(JobError):
    """A checkpoint is missing, damaged, or belongs to another network."""

    exit_code = 2


class OutputError(JobError):
    """A result cannot be written to its destination."""

    exit_code = 2


class IncompleteError(JobError):
    """The job finished with partial results; the message lists what is missing."""

    exit_code = 3


class StoppedError(JobError):
    """The job stopped cleanly on request; its exit code is the shell's for the signal: 130 SIGINT, 143 SIGTERM.

    `since_s`: seconds from the request to this error.
    """

    def __init__(self, message: str, signal_number: int = signal.SIGTERM, since_s: float = 0.0) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        self.since_s = since_s


class PeerError(JobError):
    """The process of another card of this job failed, died or hangs."""

    exit_code = 4


def exit_code_of(error: BaseException) -> int:
    """The exit code for an error: its own if it has one, 2 for what the user can correct, else 1."""
    correctable = isinstance(error, (FileNotFoundError, PermissionError, ValueError))
    return int(getattr(error, "exit_code", 2 if correctable else 1))
