"""Checks of declared values: what they accept, and the one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.checks import check_keys, did_you_mean, nearest_word, number_in, read_yaml_mapping
from src.errors import ConfigError
from src.plural import plural


@pytest.mark.parametrize(("raw", "value"), [(1, 1.0), ("1e-1", 0.1), (0, 0.0)])
def test_numbers_may_be_text(raw: object, value: float) -> None:
    assert number_in(raw, "x", (0, 1)) == value


@pytest.mark.parametrize("raw", [True, "x", None, [1], float("nan"), "inf", 10**400, 1.5, -1])
def test_other_values_are_refused_by_name(raw: object) -> None:
    with pytest.raises(ConfigError, match=r"^here: "):
        number_in(raw, "here", (0, 1))


def test_words_are_compared_regardless_of_case_and_separator() -> None:
    assert nearest_word("Batch-Siez", ["batch_size", "lr"]) == "batch_size"
    assert did_you_mean("batchsize", ["batch_size"]) == ", did you mean 'batch_size'?"
    assert did_you_mean("nothing", ["batch_size"]) == ""


@pytest.mark.parametrize(("raw", "message"), [({"kye": 1}, "did you mean 'key'"), ([1], "must be 'key: value' lines")])
def test_unknown_keys_are_named_with_the_nearest(raw: object, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^here: .*{message}"):
        check_keys(raw, ("key", "other"), "here")


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"- 1", b"", b"a: 1\n---\nb: 2", b"a: [", b"a: 1\na: 2", b"t: !!int x", b"[" * 1000, b"{[]: 1}"],
)
def test_a_file_that_is_no_mapping_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        read_yaml_mapping(path)


def test_a_mapping_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("\ufeffa: 1\n", encoding="utf-8")
    assert read_yaml_mapping(tmp_path / "f.yaml") == {"a": 1}
    with pytest.raises(ConfigError, match="no such mapping file"):
        read_yaml_mapping(tmp_path / "none.yaml", "mapping file")


@pytest.mark.parametrize(("count", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_counts_agree_with_their_noun(count: int, text: str) -> None:
    assert plural(count, "file") == text
    assert plural(count, "person", "people").endswith("person" if count == 1 else "people")
