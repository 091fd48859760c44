"""What a command returns, and how it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable

from src.errors import ConfigError

MISTAKES = 2
Echo = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """What a command found: plain values for scripts, text for people, the exit code, and notes beside the result."""

    data: object
    text: str
    exit_code: int = 0
    notes: tuple[str, ...] = field(default=())


def refuse(problems: Sequence[str]) -> None:
    """ConfigError with all problems, one a line; nothing when there are none."""
    if problems:
        raise ConfigError("\n".join(problems))
