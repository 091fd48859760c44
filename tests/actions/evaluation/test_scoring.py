"""Shares and their intervals, against values from elsewhere."""

from __future__ import annotations

import math

import pytest

from src.actions.evaluation.scoring import Confusion, any_person, count, report, wilson


@pytest.mark.parametrize(("hits", "total"), [(0, 5), (5, 5), (3, 7), (90, 100), (1, 1000)])
def test_wilson_is_scipys(hits: int, total: int) -> None:
    from scipy.stats import binomtest  # takes seconds to import

    expected = binomtest(hits, total).proportion_ci(method="wilson")
    share = wilson(hits, total)
    assert share.value == hits / total
    assert (share.low, share.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_counted_is_not_a_number() -> None:
    empty = Confusion(0, 0, 0, 0)
    assert math.isnan(empty.precision.value)
    assert math.isnan(empty.f1.low)
    assert "n/a" in report(empty)
    assert empty.f_beta(1) == 0


def test_f1_is_the_harmonic_mean_inside_its_interval() -> None:
    one = Confusion(true_yes=80, false_yes=10, missed=20, true_no=500)
    precision, recall = 80 / 90, 0.8
    assert one.f1.value == pytest.approx(2 * precision * recall / (precision + recall))
    assert one.f1.low < one.f1.value < one.f1.high
    assert one.f_beta(1) == pytest.approx(one.f1.value)
    assert one.f_beta(2) == pytest.approx(5 * precision * recall / (4 * precision + recall))


def test_undecided_raises_no_alarm_but_is_counted() -> None:
    outcomes = [(True, True), (True, None), (True, False), (False, None), (False, True), (False, False)]
    assert count(outcomes) == Confusion(1, 1, 2, 2, undecided_positive=1, undecided_negative=1)


def test_verdict_on_a_picture() -> None:
    assert any_person([False, None, True]) is True
    assert any_person([False, None]) is None
    assert any_person([False]) is False
    assert any_person([]) is False
