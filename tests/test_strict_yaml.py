"""YAML that says what it looks like, and one line for what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from src.errors import ConfigError
from src.model_utils.config import parse_config
from src.strict_yaml import read_documents, read_yaml_text


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
        "[" * 2000,
        "{a: " * 3000,
        "a: *missing",
        "\ta: 1",
        "9" * 5000,
        "a: [1, 2",
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a0 [1]\n" + "".join(f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(12)),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_file(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_documents(text, "a.yaml")
    assert str(caught.value).startswith("a.yaml: ")
    assert "\n" not in str(caught.value)


def test_aliases_that_stand_for_little_are_fine() -> None:
    assert read_documents("a: &x [1, 2]\nb: *x\nc: {<<: {d: 1}, e: *x}", "a.yaml")[0]["c"]["e"] == [1, 2]


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "device", "latin"])
def test_what_is_no_text_file_is_refused_at_once(tmp_path: Path, what: str) -> None:
    path = Path("/dev/zero") if what == "device" else tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "latin":
        path.write_bytes(b"a: caf\xe9")
    with pytest.raises(ConfigError, match=f"^{path}: "):
        read_yaml_text(path, "configuration file")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train_url: yes", "train_url: True is not text"),
        ("train_url: 010", "put it in quotes"),
        ("train_url: [a]", "a list where a single value"),
        ("train_url: {a: 1}", "a mapping where a single value"),
        ("train_url: !!binary aGk=", "binary data where a single value"),
        ("batch_size: [3]", "a list where a single value"),
        ("lr_steps: [[1], 2]", "lr_steps: a list where a single value"),
        ("on: 1", "unknown hyperparameter 'True'"),
    ],
)
def test_a_value_of_another_kind_is_refused(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(line)
    with pytest.raises(ConfigError) as caught:
        parse_config([f"--config_path={path}"], "test")
    assert said in str(caught.value)
