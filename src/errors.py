"""The jobs' own errors: each message is one line that names the file or key and the next step."""

from __future__ import annotations


class JobError(Exception):
    """A problem the user can act on; the entry scripts print it as one line and exit with `exit_code`."""

    exit_code = 1


class ConfigError(JobError):
    """A hyperparameter or a declaration is unknown, of the wrong type or contradicts another."""

    exit_code = 2


class DataError(JobError):
    """Pictures, annotations or masks are missing or not what they should be."""

    exit_code = 2


class CheckpointError(JobError):
    """A checkpoint is missing, damaged or belongs to another network."""

    exit_code = 2


class OutputError(JobError):
    """A result cannot be written where it should go."""

    exit_code = 2


class IncompleteError(JobError):
    """The job ran to its end, but part of its result is missing; the message lists what."""

    exit_code = 3


class StoppedError(JobError):
    """The job was told to stop (SIGTERM, SIGINT) and did so in good order."""

    exit_code = 143


class PeerError(JobError):
    """Another card's process of this job has failed, died or hangs."""

    exit_code = 4


def exit_code_of(error: BaseException) -> int:
    """The exit code for an error: its own if it has one, 2 for what the user can correct, else 1."""
    correctable = isinstance(error, (FileNotFoundError, PermissionError, ValueError))
    return int(getattr(error, "exit_code", 2 if correctable else 1))
