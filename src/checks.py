"""Checks of declared values: known keys, numbers in range, the nearest known word, one mapping per YAML file."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from src.errors import ConfigError
from src.strict_yaml import read_documents, read_yaml_text


def check_keys(raw: object, allowed: Iterable[str], where: str) -> Mapping[str, object]:
    """`raw` as a mapping; ConfigError when it is not one or has an unknown key, naming the nearest known one."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: must be 'key: value' lines with {', '.join(allowed)}, not {raw!r}")
    for key in raw:
        if key not in allowed:
            hint = nearest_or_all(key, allowed) + boolean_hint(key)
            raise ConfigError(f"{where}: {key!r} is not a setting here; {hint}")
    return raw


def number_in(raw: object, where: str, limits: tuple[float, float], unit: str = "") -> float:
    """A number within inclusive limits, also one that YAML left as text (1e-4, "0.2"); else ConfigError."""
    try:
        value = float(raw) if isinstance(raw, (str, int, float)) and not isinstance(raw, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{where}: {raw!r} is not a number{boolean_hint(raw)}")
    low, high = limits
    if not low <= value <= high:
        raise ConfigError(f"{where}: {value:g} is outside {low:g} to {high:g}{f' ({unit})' if unit else ''}")
    return value


def nearest_word(word: object, known: Iterable[object], cutoff: float = 0.6) -> str:
    """The known word most similar to `word`, regardless of case and of - or _; empty when none reaches `cutoff`."""
    by_folded = {_fold(name): str(name) for name in known}
    close = difflib.get_close_matches(_fold(word), list(by_folded), n=1, cutoff=cutoff)
    return by_folded[close[0]] if close else ""


def did_you_mean(word: object, known: Iterable[object], cutoff: float = 0.75) -> str:
    """`, did you mean '…'?` with the nearest known word; empty when there is none."""
    nearest = nearest_word(word, known, cutoff)
    return f", did you mean '{nearest}'?" if nearest else ""


def nearest_or_all(word: object, known: Iterable[str]) -> str:
    """`did you mean '…'?`, or all known words when none is similar."""
    words = list(known)
    nearest = nearest_word(word, words, cutoff=0.5)
    return f"did you mean {nearest!r}?" if nearest else f"choose from {', '.join(words)}"


def boolean_hint(raw: object) -> str:
    """Why a word may have arrived as True or False; empty for anything else."""
    return " (YAML reads yes, no, on and off as true and false: put it in quotes)" if isinstance(raw, bool) else ""


def read_yaml_mapping(path: Path, what: str = "file") -> dict[str, object]:
    """The single mapping that a YAML file holds; ConfigError naming the file when it is missing, unreadable or other.

    `what` is the word for the file in messages, such as "configuration file".
    """
    documents = read_documents(read_yaml_text(path, what), str(path))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ConfigError(f"{path}: must hold 'key: value' lines")
    return documents[0]


def _fold(word: object) -> str:
    return str(word).lower().replace("-", "_")
