"""The outcome of a transfer: every listed file is copied, skipped or failed, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from obs_sync.errors import ObsSyncError
from obs_sync.formatting import human_size, one_line, plural

IDENTICAL = "identical"
_SHOWN = 3


@dataclass
class TransferResult:
    """The outcome of one `copy`; names are relative to the source, sizes in bytes.

    `listed == len(copied) + len(skipped) + len(failed)` always holds. In a dry run `copied` is what would be copied.
    Of the `failed` files, `missing` were requested but do not exist, `rejected` have names the target cannot hold: a
    retry helps neither, and neither indicates a problem of the storage.
    """

    source: str
    target: str
    dry_run: bool = False
    listed: int = 0
    copied: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    copied_bytes: int = 0
    seconds: float = 0.0

    def summary(self, moved: bool = False) -> str:
        """One line for people: `obs://b/data -> /cache/…: copied 3 of 4 files (1.2 MB) in 0.5 s; 1 skipped`.

        `moved`: the source files were removed after the copy.
        """
        files = f"{len(self.copied):,} of {plural(self.listed, 'file')}"
        rate = f", {self.copied_bytes / 1e6 / self.seconds:.1f} MB/s" if self.copied and self.seconds > 0 else ""
        done = (
            f"{'moved' if moved else 'copied'} {files} ({human_size(self.copied_bytes)}) in {self.seconds:.1f} s{rate}"
        )
        if self.dry_run:
            done = f"would {'move' if moved else 'copy'} {files}"
        counts = {"skipped": len(self.skipped), "failed": len(self.failed)}
        others = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        return one_line(
            f"{self.source} -> {self._target_shown()}: {done}{f'; {others}' if others else ''}{self._not_copied()}"
        )

    def _target_shown(self) -> str:
        """The target, without a part that repeats the source's address."""
        repeated = self.source.partition("://")[2].rstrip("/")
        target = self.target.rstrip("/")
        return f"{target[: -len(repeated)]}…" if repeated and target.endswith(f"/{repeated}") else self.target

    def _not_copied(self) -> str:
        """The skipped files that the target does not have."""
        names = {name: why for name, why in self.skipped.items() if why not in (IDENTICAL, "folder marker")}
        return f"; not copied: {_shown(names)}" if names else ""

    def to_dict(self) -> dict[str, object]:
        """The outcome as plain values, for JSON."""
        return dict(self.__dict__)


def _shown(reasons: dict[str, str]) -> str:
    listed = [f"{name}: {reason}" for name, reason in list(reasons.items())[:_SHOWN]]
    more = f" … and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return "; ".join(listed) + more


class Incomplete(ObsSyncError, OSError):
    """Some files of a folder could not be copied; `result` holds the reason for each."""

    def __init__(self, problem: str, result: TransferResult | None = None, **where: str) -> None:
        super().__init__(problem, **where)
        self.result = result


def incomplete(result: TransferResult) -> Incomplete:
    """The error that ends a transfer with failures."""
    return Incomplete(
        f"{len(result.failed)} of {plural(result.listed, 'file')} failed: {_shown(result.failed)}",
        result,
        url=f"{result.source} -> {result.target}",
        operation="copy",
        next_step="fix the causes and run it again; files that are already there are skipped",
    )
