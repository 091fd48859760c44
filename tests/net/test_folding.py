"""Folded batch normalisation computes what it did, in a graph of fewer operations; the ONNX graph computes the same."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from src.net.batch_norm import batch_norms
from src.net.build import PictureNet, build_network
from src.net.folding import fold_batch_norms

pytestmark = [pytest.mark.mindspore, pytest.mark.usefixtures("on_cpu")]

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 3, 48, 64), np.uint8)


def trained(name: str, stages: int) -> PictureNet:
    """A network whose stored statistics, scales and offsets are as different as training makes them."""
    ms.set_seed(3)
    network = build_network(name, stages).set_train(False)
    random = np.random.default_rng(1)
    for norm in batch_norms(network):
        for parameter, low in (
            (norm.gamma, 0.5),
            (norm.beta, -0.3),
            (norm.moving_mean, -0.3),
            (norm.moving_variance, 0.5),
        ):
            values = random.uniform(low, low + 1, parameter.shape)
            parameter.set_data(ms.Tensor(values.astype(np.float32)))
    return network


def last_maps(network: PictureNet) -> list[np.ndarray]:
    return [maps[-1].asnumpy() for maps in network(ms.Tensor(PICTURES))]


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg19"])
def test_outputs_stay_the_same(name: str) -> None:
    network, folded = trained(name, 2), trained(name, 2)
    layers = len(list(batch_norms(folded)))
    assert (layers > 0) == (name == "mobilenet_v2")
    assert fold_batch_norms(folded) == layers
    assert fold_batch_norms(folded) == 0
    assert not list(batch_norms(folded))
    for after, wanted in zip(last_maps(folded), last_maps(network)):
        np.testing.assert_allclose(after, wanted, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg19"])
def test_the_onnx_graph_gives_the_same(name: str) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from src.net.onnx_graph import onnx_model

    network = trained(name, 2)
    wanted = last_maps(network)
    session = runtime.InferenceSession(onnx_model(network, name, 2).SerializeToString())
    for given, maps in zip(session.run(["pafs", "heatmaps"], {"pictures": PICTURES}), wanted):
        np.testing.assert_allclose(given, maps, atol=1e-5 * max(1.0, float(np.abs(maps).max())))
