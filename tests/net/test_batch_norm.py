"""Batch normalisation on stored and on batch statistics."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor, nn

from src.net.batch_norm import BATCH, STORED, batch_norms, missing_statistics, use_statistics
from src.net.build import build_network

pytestmark = pytest.mark.mindspore


def values(count: int) -> Tensor:
    return Tensor(np.random.default_rng(1).normal(2, 3, (count, 4, 5, 5)).astype(np.float32))


def statistics(network: nn.Cell) -> np.ndarray:
    return np.concatenate([layer.moving_mean.asnumpy() for layer in batch_norms(network)])


@pytest.fixture
def network(on_cpu: None) -> nn.Cell:
    """Two layers: enough to see which statistics are used, and quick to compile."""
    return nn.SequentialCell(nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3))


def maps(network: nn.Cell, count: int) -> np.ndarray:
    return np.asarray(network(values(count)).asnumpy()[:1])


def test_stored_statistics_make_training_compute_what_inference_does(network: nn.Cell) -> None:
    evaluated = maps(network.set_train(False), 3)
    assert use_statistics(network, STORED) == 2
    before = statistics(network)
    network.set_train(True)
    assert np.allclose(maps(network, 3), evaluated, atol=1e-6)
    assert np.allclose(maps(network, 1), evaluated, atol=1e-5)  # whatever else is in the batch
    assert np.array_equal(statistics(network), before)


def test_batch_statistics_are_measured_and_stored(network: nn.Cell) -> None:
    evaluated = maps(network.set_train(False), 3)
    use_statistics(network, BATCH)
    before = statistics(network)
    assert not np.allclose(maps(network.set_train(True), 3), evaluated, atol=1e-3)
    assert not np.array_equal(statistics(network), before)


@pytest.mark.parametrize(("name", "layers"), [("vgg19", 0), ("mobilenet_v2", 49)])
def test_all_layers_of_every_network_are_found(on_cpu: None, name: str, layers: int) -> None:
    assert use_statistics(build_network(name, 1), STORED) == layers


def test_weights_that_lack_statistics_are_noticed(on_cpu: None) -> None:
    network = build_network("mobilenet_v2", 1)
    names = [parameter.name for parameter in network.get_parameters()]
    assert missing_statistics(network, names) == []
    assert missing_statistics(network, [n for n in names if n != "base.conv.bn.moving_mean"]) == [
        "base.conv.bn.moving_mean"
    ]
