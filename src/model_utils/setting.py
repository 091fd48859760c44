"""One setting of `default_config.yaml`: what is said of it, and how text becomes its value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from src.checks import did_you_mean
from src.errors import ConfigError


@dataclass(frozen=True)
class Setting:
    """What `default_config.yaml` says of one key."""

    value: Any
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None

    def describe(self) -> str:
        """Meaning, unit, choices and default in one line, for `--help` and the console's hint."""
        parts = [self.help]
        if not all(choice in self.help for choice in self.choices):
            parts.append("one of " + ", ".join(self.choices))
        if self.unit and self.unit not in self.help:
            parts.append(f"in {self.unit}")
        return "; ".join(parts) + f" [default: {self.value if self.value != '' else 'empty'}]"


def convert(name: str, raw: Any, kind: Any, setting: Setting) -> Any:
    """One value (text from the command line, or typed from YAML) as the field's type, within choices and range."""
    value = _as_type(name, raw, kind)
    if setting.choices and str(value) not in setting.choices:
        hint = did_you_mean(str(value), setting.choices)
        raise ConfigError(f"{name}: '{value}' is not one of {', '.join(setting.choices)}{hint}")
    numbers = value if isinstance(value, tuple) else (value,) if isinstance(value, (int, float)) else ()
    for number in numbers:
        if setting.min is not None and number < setting.min:
            raise ConfigError(f"{name}: {number} is too small, at least {setting.min} is needed")
        if setting.max is not None and number > setting.max:
            raise ConfigError(f"{name}: {number} is too large, at most {setting.max} is possible")
    return value


def _as_type(name: str, raw: Any, kind: Any) -> Any:
    if kind is str:
        return "" if raw is None else _unquoted(str(raw))
    if kind is bool:
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        word = _unquoted(str(raw)).lower()
        if word not in words:
            raise ConfigError(f"{name}: '{raw}' is neither True nor False")
        return words[word]
    if kind is int or kind is float:
        return _as_number(name, raw, kind)
    items = raw if isinstance(raw, (list, tuple)) else [part for part in _unquoted(str(raw)).split(",") if part.strip()]
    return tuple(_as_number(name, item, kind.__args__[0]) for item in items)


def _as_number(name: str, raw: Any, kind: Any) -> Any:
    noun = "a whole number" if kind is int else "a number"
    if isinstance(raw, bool):
        raise ConfigError(f"{name}: '{raw}' is not {noun}")
    text = _unquoted(str(raw))
    try:
        number = int(text) if kind is int and text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise ConfigError(f"{name}: '{raw}' is not {noun}") from None
    if not math.isfinite(number) or (kind is int and number != int(number)):
        raise ConfigError(f"{name}: '{raw}' is not {noun}")
    return kind(number)


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    return text
