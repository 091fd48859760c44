"""Walks a large JSON object element by element, so that no more than one annotation lives as Python objects."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def walk_object(text: str, streamed: frozenset[str]) -> Iterator[tuple[str, object]]:
    """Yield (key, value) of the object that `text` holds; for a `streamed` key with a list, once for each element.

    Memory stays at the text plus one element. Raises json.JSONDecodeError where the text is not one JSON object, or has
    a key twice: programs differ in which one they take.
    """
    keys: set[str] = set()
    position = _expect(text, _skip(text, 0), "{")
    if text[position : position + 1] == "}":
        position += 1
    else:
        while True:
            key, position = _value(text, position)
            if not isinstance(key, str):
                raise json.JSONDecodeError("a key must be text", text, position)
            if key in keys:
                raise json.JSONDecodeError(f"the key {key!r} is there twice; keep one of them", text, position)
            keys.add(key)
            position = _expect(text, _skip(text, position), ":")
            if key in streamed and text[position : position + 1] == "[":
                position = yield from _walk_list(text, key, position)
            else:
                value, position = _value(text, position)
                yield key, value
            position = _skip(text, position)
            if text[position : position + 1] == "}":
                position += 1
                break
            position = _expect(text, position, ",")
    if _skip(text, position) != len(text):
        raise json.JSONDecodeError("something follows the object", text, position)


def _walk_list(text: str, key: str, position: int) -> Generator[tuple[str, object], None, int]:
    """Yield (key, element) for the list that begins at `position`; return where it ends."""
    position = _skip(text, position + 1)
    if text[position : position + 1] == "]":
        return position + 1
    while True:
        element, position = _value(text, position)
        yield key, element
        position = _skip(text, position)
        if text[position : position + 1] == "]":
            return position + 1
        position = _expect(text, position, ",")


def _value(text: str, position: int) -> tuple[object, int]:
    return _DECODER.raw_decode(text, position)


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] and text[position] in _SPACE:
        position += 1
    return position


def _expect(text: str, position: int, sign: str) -> int:
    """Step over `sign` and the space behind it."""
    if text[position : position + 1] != sign:
        raise json.JSONDecodeError(f"{sign!r} expected", text, position)
    return _skip(text, position + 1)
