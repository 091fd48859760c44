"""Summary of an annotation file: people trained on, people masked by reason, and fields that were completed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from src.fill import fill
from src.pose.skeleton import COCO_KEYPOINT_NAMES

FEW_JOINTS, SMALL, CROWD, NOWHERE = "few_joints", "small", "crowd", "nowhere"

_REASONS = {
    FEW_JOINTS: "with too few joints",
    SMALL: "too small",
    CROWD: "in crowds",
    NOWHERE: "not masked, without box, outline or joints",
}


@dataclass(frozen=True)
class DataSummary:
    """Counts over a whole annotation file.

    `pictures_used` have somebody to train on; `excluded` counts the other people by reason (`few_joints`, `small` and
    `crowd` are masked; of `nowhere` nothing tells where they are); `joints` are labels of the people trained on, by
    COCO's names and `neck` (given, not derived); `completed` and `left_out` count annotations by what was done.
    """

    pictures: int
    pictures_used: int
    trained_on: int
    excluded: Mapping[str, int] = field(default_factory=Counter)
    joints: Mapping[str, int] = field(default_factory=Counter)
    completed: Mapping[str, int] = field(default_factory=Counter)
    left_out: Mapping[str, int] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """The summary for the log."""
        reasons = [f"{count} {_REASONS[reason]}" for reason, count in self.excluded.items() if count]
        lines = [
            f"{self.pictures} pictures, {self.pictures_used} of them with people to train on; {self.trained_on} people "
            f"trained on, {sum(self.excluded.values())} excluded" + (f" ({', '.join(reasons)})" if reasons else "")
        ]
        if not self.trained_on:
            return lines + notes(self.completed, self.left_out)
        return [*lines, self._labels(), *notes(self.completed, self.left_out)]

    def _labels(self) -> str:
        """The least and the most labelled joint, and those labelled on nobody; all counts are in startup.json."""
        names = [*COCO_KEYPOINT_NAMES, *(["neck"] if self.joints.get("neck") else [])]
        counts = {name: self.joints[name] for name in names if self.joints.get(name)}
        least, most = (choose(counts, key=counts.__getitem__) for choose in (min, max))
        line = f"labels per joint: {counts[least]}"
        if counts[most] > counts[least]:
            line += f" ({least}) to {counts[most]} ({most})"
        else:
            line += " of each"
        none = [name for name in names if name not in counts]
        return f"{line}; none for {', '.join(none)}" if none else line

    def to_json(self) -> dict[str, object]:
        """All counts as JSON values."""
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> DataSummary:
        """The inverse of `to_json`; TypeError where fields are missing or unknown."""
        return fill(cls, content)


def notes(completed: Mapping[str, int], left_out: Mapping[str, int]) -> list[str]:
    """What was completed and left out, as lines for the log; none where nothing was."""
    done = ", ".join(f"{count} {what}" for what, count in completed.items() if count)
    dropped = ", ".join(f"{count} {what}" for what, count in left_out.items() if count)
    return [*([f"completed: {done}"] if done else []), *([f"annotations left out: {dropped}"] if dropped else [])]
