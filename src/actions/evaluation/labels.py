"""Labels on persons: which person in which picture does what, and what the words mean for an action."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from src.checks import nearest_word
from src.errors import DataError

Box = tuple[float, float, float, float]  # left, top, width, height in picture pixels

#: Words for "the action does not occur" and "leave this person out", understood without being told.
NEGATIVE_WORDS = frozenset(("none", "neither", "no", "negative", "other", "person"))
IGNORED_WORDS = frozenset(("unclear", "ambiguous", "ignore"))


@dataclass(frozen=True)
class LabelledPerson:
    """One person of a labels file.

    `keypoints`: 18 x [x_px, y_px, confidence] where joints were annotated. `group`: persons of one group (a scene, a
    source) look alike and stay on one side of a split.
    """

    label: str
    box: Box | None = None
    keypoints: ArrayLike | None = None
    group: str = ""


@dataclass(frozen=True)
class LabelledPicture:
    """A picture with its labelled persons; width and height are 0 where the file does not say."""

    file: str
    persons: tuple[LabelledPerson, ...]
    width: int = 0
    height: int = 0


def common_area(one: Box, other: Box) -> float:
    """The area of the boxes' intersection, in square pixels."""
    sides = [min(one[k] + one[k + 2], other[k] + other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
    return max(sides[0], 0.0) * max(sides[1], 0.0)


def overlap(one: Box, other: Box) -> float:
    """The boxes' intersection over their union, 0 to 1; one of them must have an area."""
    common = common_area(one, other)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


@dataclass(frozen=True)
class LabelWords:
    """What labels mean for one action."""

    positive: frozenset[str]
    negative: frozenset[str]
    ignored: frozenset[str]

    def truth(self, label: str) -> bool | None:
        """Whether the action occurs; None for a person to leave out. KeyError for an unknown label."""
        if label in self.positive:
            return True
        if label in self.negative:
            return False
        if label in self.ignored:
            return None
        raise KeyError(label)


def label_words(
    action: str,
    positive: Iterable[str] = (),
    negative: Iterable[str] = (),
    ignored: Iterable[str] = (),
) -> LabelWords:
    """The given words, or the action's name for "occurs"; the usual words for the two others are always understood.

    DataError for a word with two meanings.
    """
    given = frozenset(positive) or frozenset((action,))
    chosen = (given, frozenset(negative), frozenset(ignored))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        if both := chosen[one] & chosen[other]:
            raise DataError(f"label {min(both)!r} is given two meanings; give each label once")
    named = frozenset().union(*chosen)
    return LabelWords(given, chosen[1] | (NEGATIVE_WORDS - named), chosen[2] | (IGNORED_WORDS - named))


def check_labels(pictures: Sequence[LabelledPicture], words: LabelWords, path: object) -> None:
    """DataError, naming picture and label, for a label without a meaning and for a file without both kinds."""
    for picture in pictures:
        for person in picture.persons:
            try:
                words.truth(person.label)
            except KeyError:
                raise DataError(f"{path}, {picture.file}: {_unknown(person.label, words)}") from None
    truths = {words.truth(person.label) for picture in pictures for person in picture.persons}
    if True not in truths:
        shown = ", ".join(sorted(words.positive))
        raise DataError(f"{path}: no person is labelled {shown}; name the label with --positive_labels")


def _unknown(label: str, words: LabelWords) -> str:
    known = sorted(words.positive | words.negative | words.ignored)
    nearest = nearest_word(label, known)
    hint = f"did you mean {nearest!r}? Otherwise give it" if nearest else "give it"
    return f"unknown label {label!r}; {hint} with --positive_labels, --negative_labels or --ignored_labels"
