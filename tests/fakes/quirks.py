"""The ways in which a real moxing may differ from its documentation, and combinations that cover all pairs of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

# The first value of each is what the documentation, or the usual report, says.
QUIRKS: dict[str, tuple[str, ...]] = {
    "fields": ("documented", "none", "float", "st", "no size", "no kind"),  # of a status: names and types
    "listing_time": ("same", "local", "missing"),  # beside the time that `stat` gives
    "missing_folder": ("nothing", "not exists", "response", "os error"),  # what listing one does
    "own_marker": (
        "no",
        "nameless file",
        "nameless folder",
        "named folder",
        "named file",
    ),  # in the listing of a folder
    "bucket_root": ("exists", "denied"),  # what `exists` says of it
    "seek": ("yes", "no"),  # on an open file
    "entry_stat": ("free", "request"),  # whether the status in a listing is a request of its own
}

Combination = dict[str, str]


def pairwise(factors: Mapping[str, Sequence[str]]) -> list[Combination]:
    """Combinations in which every pair of values of two factors occurs; the first one has all first values."""
    names = sorted(factors, key=lambda name: -len(factors[name]))
    left = {pair for one, two in itertools.combinations(names, 2) for pair in _pairs(factors, one, two)}
    found: list[Combination] = []
    chosen = {name: factors[name][0] for name in names}
    while True:
        found.append(chosen)
        left -= _covered(chosen)
        if not left:
            return found
        chosen = dict(min(left))
        for name in names:
            if name not in chosen:
                chosen = max(
                    ({**chosen, name: value} for value in factors[name]), key=lambda c: len(_covered(c) & left)
                )


def each_value(combinations: Sequence[Combination]) -> list[Combination]:
    """Some of the combinations, in which every value still occurs."""
    left = {fact for combination in combinations for fact in combination.items()}
    found: list[Combination] = []
    while left:
        found.append(max(combinations, key=lambda combination: len(left & set(combination.items()))))
        left -= set(found[-1].items())
    return found


Pair = tuple[tuple[str, str], tuple[str, str]]


def _pairs(factors: Mapping[str, Sequence[str]], one: str, two: str) -> set[Pair]:
    return {_pair((one, first), (two, second)) for first in factors[one] for second in factors[two]}


def _pair(first: tuple[str, str], second: tuple[str, str]) -> Pair:
    return (first, second) if first < second else (second, first)


def _covered(combination: Combination) -> set[Pair]:
    return {_pair(first, second) for first, second in itertools.combinations(combination.items(), 2)}
