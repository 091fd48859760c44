"""Both networks: the reference's names and sizes, the published network's outputs, and any input shape."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.net.build import build_network, choose_device
from src.net.weights import load_all_weights
from src.tools.import_weights import import_weights

pytestmark = pytest.mark.mindspore

AGREEMENT = 5e-3  # the stored maps are float16


@pytest.fixture(scope="module", autouse=True)
def _device() -> None:
    choose_device("CPU")


def test_vgg19_has_the_references_names_and_size() -> None:
    shapes = {p.name: p.shape for p in build_network("vgg19", 6).get_parameters()}
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 52_311_446
    assert len(shapes) == 2 * (10 + 2 + 10 + 5 * 14)
    for name, shape in {
        "base.vgg_base.layers.0.weight": (64, 3, 3, 3),
        "base.vgg_base.layers.21.bias": (512,),
        "base.conv4_3_CPM.weight": (256, 512, 3, 3),
        "base.conv4_4_CPM.weight": (128, 256, 3, 3),
        "stage_1.conv1_CPM_L1.weight": (128, 128, 3, 3),
        "stage_1.conv5_CPM_L1.weight": (38, 512, 1, 1),
        "stage_1.conv5_CPM_L2.weight": (19, 512, 1, 1),
        "stage_2.conv1_L1.weight": (128, 185, 7, 7),
        "stage_6.conv7_L1.weight": (38, 128, 1, 1),
        "stage_6.conv7_L2.bias": (19,),
    }.items():
        assert shapes[name] == shape


def test_fewer_stages_are_the_first_ones() -> None:
    all_names = {p.name for p in build_network("vgg19", 6).get_parameters()}
    two = {p.name for p in build_network("vgg19", 2).get_parameters()}
    assert two == {name for name in all_names if name.startswith(("base.", "stage_1.", "stage_2."))}


@pytest.mark.parametrize("network", ["vgg19", "mobilenet_v2"])
def test_maps_have_an_eighth_of_the_input(network: str) -> None:
    net = build_network(network, 2).set_train(False)
    pafs, heatmaps = net(ms.Tensor(np.zeros((2, 3, 32, 48), np.uint8)))
    assert [p.shape for p in pafs] == [(2, 38, 4, 6)] * 2
    assert [h.shape for h in heatmaps] == [(2, 19, 4, 6)] * 2


def test_same_seed_same_weights() -> None:
    digests = []
    for seed in (1, 1, 2):
        ms.set_seed(seed)
        network = build_network("mobilenet_v2", 1)
        digests.append(float(sum(np.abs(p.asnumpy()).sum() for p in network.get_parameters())))
    assert digests[0] == digests[1] != digests[2]


def test_published_weights_give_the_golden_maps(shared: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "m.ckpt"
    import_weights(shared / "weights" / "openpose_mobilenet_v2.npz", "mobilenet_v2", 6, checkpoint)
    net = build_network("mobilenet_v2", 6).set_train(False)
    load_all_weights(net, checkpoint, "mobilenet_v2", 6)
    net.set_inputs(ms.Tensor(shape=[None, 3, None, None], dtype=ms.uint8))
    files = sorted((shared / "data" / "golden").glob("*.npz"))
    assert files
    for file in files:
        golden = np.load(file)
        picture = np.ascontiguousarray(golden["rgb"][None, :, :, ::-1].transpose(0, 3, 1, 2))
        pafs, heatmaps = net(ms.Tensor(picture))
        assert np.abs(pafs[-1].asnumpy()[0] - golden["pafs"].astype(np.float32)).max() < AGREEMENT
        assert np.abs(heatmaps[-1].asnumpy()[0] - golden["heatmaps"].astype(np.float32)).max() < AGREEMENT
