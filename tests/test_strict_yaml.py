"""YAML that says what it looks like, and one line for what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from src.errors import ConfigError
from src.strict_yaml import read_documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-007", -7),
        ("08", 8),
        ("0", 0),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b101", 5),
        ("-0x10", -16),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("1:30.5", "1:30.5"),
        ("2026-11-27", "2026-11-27"),
        ("2026-11-27 10:00:00", "2026-11-27 10:00:00"),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1.0e-4", 1e-4),
        ("1e-4", "1e-4"),
        (".inf", float("inf")),
        ("yes", True),
        ("~", None),
        ("'010'", "010"),
        ("!!int '012'", 12),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("-", [None]),
    ],
)
def test_values_are_what_they_look_like(text: str, value: Any) -> None:
    (found,) = read_documents(text, "a.yaml")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object:os.system x",
        "!own tag",
        "!!timestamp 2026-99-99",
        "!!int abc",
        "a: 1\na: 2",
        "[" * 5000,
        "{a: " * 3000,
        "a: *missing",
        "\ta: 1",
        "9" * 5000,
        "a: [1, 2",
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_file(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_documents(text, "a.yaml")
    assert str(caught.value).startswith("a.yaml: ")
    assert "\n" not in str(caught.value)
