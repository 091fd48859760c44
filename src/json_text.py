"""Reading JSON from elsewhere: one kind of error for everything that can be wrong with it."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, NoReturn, TypeVar, get_type_hints

from src.fill import fill

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

#: State files of this package are a few kilobytes; anything far larger is not one of them.
STATE_FILE_MAX_BYTES = 4 << 20


def parse_json(text: str | bytes, max_bytes: int = STATE_FILE_MAX_BYTES) -> object:
    """The value of a JSON text; ValueError for anything else, for nesting too deep and for more than `max_bytes`.

    NaN and Infinity, which JSON does not have, are rejected as well.
    """
    if len(text) > max_bytes:
        raise ValueError(f"{len(text):,} bytes, more than the {max_bytes:,} that such a file may have")
    try:
        return json.loads(text, parse_constant=_reject)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_json_object(text: str | bytes, max_bytes: int = STATE_FILE_MAX_BYTES) -> dict[str, object]:
    """The same for a text that must be a JSON object."""
    value = parse_json(text, max_bytes)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def parse_dataclass(cls: type[T], text: str | bytes, max_bytes: int = STATE_FILE_MAX_BYTES) -> T:
    """A dataclass of plain fields (str, int, float, bool) from a JSON object; unknown keys are ignored.

    Raises ValueError when a value is missing or of another type.
    """
    document = parse_json_object(text, max_bytes)
    kinds = get_type_hints(cls)
    values = {}
    for field in fields(cls):
        if field.name in document:
            values[field.name] = _of_type(field.name, document[field.name], kinds[field.name])
        elif field.default is MISSING:
            raise ValueError(f"{field.name} is missing")
    return fill(cls, values)


def _of_type(name: str, value: object, kind: type) -> object:
    if kind is float and isinstance(value, int) and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{name} is too large") from None
    if type(value) is not kind:
        raise ValueError(f"{name} is {str(value)[:80]!r}")
    return value


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")
