"""No value, however extreme, passes its limits or ends in anything but one clear line."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import ConfigError
from src.model_utils.config import read_settings, setting_types
from src.model_utils.setting import convert

SETTINGS, _ = read_settings()
TYPES = setting_types()
NUMERIC = [name for name, kind in TYPES.items() if kind not in (str, bool, tuple[bool, ...])]

EXTREMES: list[Any] = [
    *("1e10", "1e30", "-1e30", "1e308", "1e400", "4294967296", "-1", "-0.0", "0", "1e-320", "0.0000001", "nan", "inf"),
    *("-Infinity", "9" * 400, "9" * 5000, "1_000", "٣", "²", "0x10", "1e", "--1", "+1", "", " ", "\0", "1\n2", "None"),
    *("1," * 3000, ",", "1;2", "[1, 2]", "x" * 100_000, "\ud800", "'", '"1"', "True", "True False"),
    *(2**64, -(2**64), 1e300, math.nan, math.inf, True, None, [], [1] * 50, [[1]], {"a": 1}, b"1"),
]


def accepted_or_refused(name: str, raw: Any) -> Any:
    """The converted value, None where it was refused; the refusal is one readable line that names the setting."""
    try:
        return convert(name, raw, TYPES[name], SETTINGS[name])
    except ConfigError as error:
        message = str(error)
        assert message.startswith(f"{name}: ")
        assert message.isprintable()
        assert len(message) < 300
        return None


def within_limits(name: str, value: Any) -> bool:
    setting = SETTINGS[name]
    numbers = value if isinstance(value, tuple) else (value,)
    return all(math.isfinite(one) and setting.min <= one <= setting.max for one in numbers)  # type: ignore[operator]


@pytest.mark.parametrize("name", NUMERIC)
def test_every_number_has_limits_and_a_default_within(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.min is not None, "give it a min in default_config.yaml"
    assert setting.max is not None, "give it a max in default_config.yaml"
    for raw in (setting.value, str(setting.min), str(setting.max)):
        assert within_limits(name, convert(name, raw, TYPES[name], setting))


@pytest.mark.parametrize("name", NUMERIC)
def test_beyond_a_limit_the_limit_is_named(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.max is not None
    for raw in (setting.max * 2 + 1, "1e30", str(10**30)):
        with pytest.raises(ConfigError) as caught:
            convert(name, raw, TYPES[name], setting)
        assert str(caught.value).endswith(f" is too large; the maximum is {setting.max}")


@pytest.mark.parametrize("name", TYPES)
def test_extreme_values(name: str) -> None:
    for raw in EXTREMES:
        value = accepted_or_refused(name, raw)
        if value is not None and name in NUMERIC:
            assert within_limits(name, value), raw
        assert not (isinstance(value, str) and {"\0", "\n"} & set(value))


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(list(TYPES)), raw=st.one_of(st.text(), st.integers(), st.floats(), st.booleans()))
def test_any_text_or_number(name: str, raw: Any) -> None:
    value = accepted_or_refused(name, raw)
    if value is not None and name in NUMERIC:
        assert within_limits(name, value)


@pytest.mark.parametrize("name", TYPES)
def test_every_setting_has_a_chinese_text(name: str) -> None:
    assert any("\u4e00" <= letter <= "\u9fff" for letter in SETTINGS[name].help_zh), "give it a help_zh"
