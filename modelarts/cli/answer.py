"""The result of a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable

from src.errors import ConfigError

MISTAKES = 2
Echo = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """The result of a command: plain values for scripts, text for people, exit code, and notes."""

    data: object
    text: str
    exit_code: int = 0
    notes: tuple[str, ...] = field(default=())


def fail_on(problems: Sequence[str]) -> None:
    """Raise ConfigError with all problems, one per line; do nothing if there are none."""
    if problems:
        raise ConfigError("\n".join(problems))
