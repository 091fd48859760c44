"""What a transfer did: every file that was listed is copied, skipped or failed, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from obs_sync.errors import ObsSyncError


@dataclass
class TransferResult:
    """The account of one `copy`; names are relative to the source, sizes in bytes.

    `listed == len(copied) + len(skipped) + len(failed)` always holds. In a dry run `copied` is what would be copied.
    """

    source: str
    target: str
    dry_run: bool = False
    listed: int = 0
    copied: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)  # those of `failed` that were asked for and are not there
    copied_bytes: int = 0
    seconds: float = 0.0

    def summary(self) -> str:
        """One line for people."""
        done = f"copied {len(self.copied)} ({self.copied_bytes:,} bytes)"
        if self.dry_run:
            done = f"would copy {len(self.copied)}"
        speed = f", {self.copied_bytes / 1e6 / self.seconds:.1f} MB/s" if self.seconds > 0 and not self.dry_run else ""
        return (
            f"{self.source} -> {self.target}: {self.listed} listed, {done}, "
            f"{len(self.skipped)} skipped, {len(self.failed)} failed in {self.seconds:.1f} s{speed}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The account as plain values, for JSON."""
        return dict(self.__dict__)


class Incomplete(ObsSyncError, OSError):
    """Some files of a folder could not be copied; `result` has each one's reason."""

    def __init__(self, problem: str, result: TransferResult | None = None, **where: str) -> None:
        super().__init__(problem, **where)
        self.result = result


def incomplete(result: TransferResult) -> Incomplete:
    """The error that a transfer with failures ends in."""
    shown = [f"{name}: {reason}" for name, reason in list(result.failed.items())[:3]]
    more = f" … and {len(result.failed) - 3} more" if len(result.failed) > 3 else ""
    return Incomplete(
        f"{len(result.failed)} of {result.listed} files failed: {'; '.join(shown)}{more}",
        result,
        url=f"{result.source} -> {result.target}",
        operation="copy",
        next_step="cure the reasons and run it again: what is there already is skipped",
    )
