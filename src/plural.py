"""Counts in sentences: `1 epoch`, `2 epochs`."""

from __future__ import annotations


def plural(count: int, noun: str, nouns: str = "") -> str:
    """The count and its noun in the right number; `nouns` is the plural where it is not the noun with an s."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
