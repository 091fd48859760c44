"""Finding values that are no numbers, also beside values so large that their squares overflow."""

from __future__ import annotations

import numpy as np
import pytest

from src.net.finite import is_finite, norm_if_finite, not_finite


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 7, 99])
def test_one_bad_value_is_found_wherever_it_is(dtype: type, value: float, at: int) -> None:
    array = np.ones((10, 10), dtype)
    assert is_finite(array)
    array.reshape(-1)[at] = value
    assert not is_finite(array)
    assert not_finite({"good": np.ones(3, dtype), "bad": array}) == "bad"


def test_large_values_are_finite_and_have_a_norm() -> None:
    huge = np.full(4, 1e30, np.float32)  # the squares do not fit into 32 bits
    assert is_finite(huge)
    assert norm_if_finite({"huge": huge}, bool) == (pytest.approx(2e30), "")
    arrays = {"a": np.full(9, 2.0, np.float32), "steps": np.array([7]), "moment": huge}
    assert norm_if_finite(arrays, lambda name: name != "moment") == (pytest.approx(6.0), "")
    huge[3] = np.inf
    norm, wrong = norm_if_finite(arrays, lambda name: name != "moment")
    assert (np.isnan(norm), wrong) == (True, "moment")


def test_shapes_and_kinds_do_not_matter() -> None:
    assert is_finite(np.array(3.0))
    assert is_finite(np.zeros((0, 3)))
    assert is_finite(np.array([1, 2]))
    assert is_finite(np.ones((4, 6), np.float32).T[::2])
