"""One setting of `default_config.yaml`: what is said about it, and how text becomes its value."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Union, get_args

from src.checks import boolean_hint, did_you_mean
from src.errors import ConfigError

TRAINING, INFERENCE = "training", "inference"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: How a number's text may be written; Python alone would also take 1_000, Arabic digits and the like.
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_KINDS = {dict: "a mapping", bytes: "binary data", set: "a set"}
Scalar = Union[str, float, bool]
Value = Union[Scalar, tuple[Scalar, ...]]
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
TRUTH_WORDS = (*_TRUE, *_FALSE)


@dataclass(frozen=True)
class Setting:
    """What `default_config.yaml` says about one key; `group` is the heading above it."""

    value: object  # as YAML gives it
    help: str
    help_zh: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    group: str = ""

    @property
    def job(self) -> str:
        """The job that reads the setting, "training" or "inference"; empty: both."""
        return next((job for job in (TRAINING, INFERENCE) if self.group.startswith(job)), "")

    def meaning(self) -> str:
        """What the setting does, its unit and its choices, in one line."""
        parts = [self.help]
        if not all(choice in self.help for choice in self.choices):
            parts.append("one of " + ", ".join(self.choices))
        if self.unit and self.unit not in self.help:
            parts.append(f"in {self.unit}")
        return "; ".join(parts)

    def describe(self) -> str:
        """The meaning with the default, for `--help`."""
        return f"{self.meaning()} [default: {self.value if self.value != '' else 'empty'}]"


def convert(name: str, raw: object, kind: object, setting: Setting) -> Value:
    """One value (text from the command line, or typed from YAML) as the field's type, within choices and range."""
    value = _as_type(name, raw, kind)
    if setting.choices and str(value) not in setting.choices:
        hint = did_you_mean(_short(value), setting.choices)
        raise ConfigError(f"{name}: '{_short(value)}' is not one of {', '.join(setting.choices)}{hint}")
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, str):
            continue
        if setting.min is not None and number < setting.min:
            raise ConfigError(f"{name}: {_short(number)} is too small; the minimum is {setting.min}")
        if setting.max is not None and number > setting.max:
            raise ConfigError(f"{name}: {_short(number)} is too large; the maximum is {setting.max}")
    return value


def _as_type(name: str, raw: object, kind: object) -> Value:
    if kind in (str, bool, int, float):
        return _as_scalar(name, raw, kind)
    if isinstance(raw, (list, tuple)):
        items = list(raw)
    else:
        items = [part for part in _unquoted(str(_single(name, raw))).split(",") if part.strip()]
    return tuple(_as_scalar(name, item, get_args(kind)[0]) for item in items)


def _single(name: str, raw: object) -> object:
    if isinstance(raw, (list, tuple, set, dict, bytes)):
        raise ConfigError(f"{name}: {_KINDS.get(type(raw), 'a list')} where a single value is needed")
    return raw


def _as_scalar(name: str, raw: object, kind: object) -> Scalar:
    _single(name, raw)
    if kind is str:
        return _as_text(name, raw)
    if kind is bool:
        word = _unquoted(str(raw)).lower()
        if word not in TRUTH_WORDS:
            raise ConfigError(f"{name}: '{_short(raw)}' is neither True nor False")
        return word in _TRUE
    return _as_number(name, raw, kind)


def _as_text(name: str, raw: object) -> str:
    if isinstance(raw, (bool, int, float)):
        raise ConfigError(f"{name}: {raw!r} is not text{boolean_hint(raw) or '; put it in quotes'}")
    text = "" if raw is None else _unquoted(str(raw))
    if _CONTROL.search(text):
        raise ConfigError(f"{name}: {_short(repr(text))} contains a control character")
    return text


def _as_number(name: str, raw: object, kind: object) -> float:
    """A finite number; a whole one may also be written 3.0 or 1e3."""
    noun = "a whole number" if kind is int else "a number"
    text = _unquoted(str(raw))
    try:
        if isinstance(raw, bool) or not text.isascii() or "_" in text:
            raise ValueError
        number = int(text) if kind is int and _INTEGER.fullmatch(text) else float(text)
    except ValueError:
        raise ConfigError(f"{name}: '{_short(raw)}' is not {noun}") from None
    if (isinstance(number, float) and not math.isfinite(number)) or (kind is int and number != int(number)):
        raise ConfigError(f"{name}: '{_short(raw)}' is not {noun}")
    try:
        return int(number) if kind is int else float(number)
    except OverflowError:
        raise ConfigError(f"{name}: '{_short(raw)}' is not {noun}") from None


def _short(value: object) -> str:
    """A value as it appears in a message: one printable line of at most 80 characters."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value)[:81])
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    return text
