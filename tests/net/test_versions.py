"""Both forms of the calls that later versions of MindSpore remove."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from src.errors import ConfigError
from src.net import build, versions
from src.net.build import choose_device

pytestmark = [pytest.mark.mindspore, pytest.mark.numerical]


def moved(steps: int = 3) -> np.ndarray:
    weight = Parameter(Tensor([1.0, -2.0], ms.float32), name="weight")
    optimizer = versions.momentum_optimizer([weight], 0.1, 0.9)
    for step in range(steps):
        optimizer((Tensor([1.0 + step, 0.5], ms.float32),))
    return np.asarray(weight.asnumpy())


def test_momentum_without_its_class_moves_alike(on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = moved()
    monkeypatch.delattr(nn, "Momentum")
    assert moved() == pytest.approx(usual, rel=1e-6)
    velocity, expected = np.zeros(2), np.array([1.0, -2.0])
    for step in range(3):
        velocity = 0.9 * velocity + np.array([1.0 + step, 0.5])
        expected = expected - 0.1 * velocity
    assert usual == pytest.approx(expected, rel=1e-5)


def test_long_gradients_are_shortened_and_short_ones_left(on_cpu: None) -> None:
    norm = Tensor(5.0, ms.float32)
    assert versions.clip_by_norm(Tensor([6.0, 8.0], ms.float32), norm).asnumpy() == pytest.approx([3, 4])
    assert versions.clip_by_norm(Tensor([0.3, 0.4], ms.float32), norm).asnumpy() == pytest.approx([0.3, 0.4])
    assert versions.clip_by_norm(Tensor([0.0, 0.0], ms.float32), norm).asnumpy() == pytest.approx([0, 0])


def test_ascend_is_chosen_only_where_a_card_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(build, "select_device", lambda target, _card: chosen.append(target))
    (tmp_path / "davinci_manager").touch()
    cards = build.ascend_cards
    assert cards(tmp_path) == []
    monkeypatch.setattr(build, "ascend_cards", list)
    assert choose_device("auto") == "CPU"
    with pytest.raises(ConfigError, match=r"device_target.*use CPU"):
        choose_device("Ascend")
    for number in (0, 5):
        (tmp_path / f"davinci{number}").touch()
    found = cards(tmp_path)
    assert found == ["davinci0", "davinci5"]
    monkeypatch.setattr(build, "ascend_cards", lambda: found)
    assert choose_device("auto", 5) == "Ascend"
    assert chosen == ["CPU", "Ascend"]


def test_the_device_can_be_chosen_again_and_without_set_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("CPU") == choose_device("CPU") == "CPU"
    monkeypatch.delattr(ms, "set_device", raising=False)
    assert choose_device("CPU") == "CPU"
