"""Every command of docs/tools.md runs, one after the other, and every tool has its section."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from src.train.checkpoints.manifest import CheckpointName

TOOLS = (
    "merge_checkpoints labelme2coco coco2labelme gen_ignore_mask evaluate export export_onnx import_weights "
    "pack_dataset draw_dataset"
)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "tools.md").read_text(encoding="utf-8")


def commands(page: str) -> list[list[str]]:
    """The commands of all bash blocks, continued lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    return [shlex.split(line) for line in "\n".join(blocks).replace("\\\n", " ").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def desk(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the commands find what the page speaks of: weights of one stage, checkpoints of several cards."""
    folder = tmp_path_factory.mktemp("desk")
    publish_weights(folder)
    for rank in range(4):
        name = CheckpointName(rank, 1000, 103)
        for target in (folder / "A", folder / "obs_root/bucket/output/ep2_np4" / f"ckpt_{rank}"):
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(small_checkpoint, target / str(name))
    return folder


@pytest.mark.parametrize("tool", TOOLS.split())
def test_every_tool_has_a_section_and_help_with_examples_that_parse(
    page: str, tool: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tool in page
    module = importlib.import_module(f"src.tools.{tool}")
    with pytest.raises(SystemExit) as stopped:
        module.main(["--help"])
    assert stopped.value.code == 0
    _, _, examples = capsys.readouterr().out.partition("examples:\n")
    assert examples
    monkeypatch.setattr(module, "run_command", lambda _, parser, __: parser)
    for line in examples.splitlines():
        command = shlex.split(line)
        assert command[:3] == ["python", "-m", f"src.tools.{tool}"]
        module.main([]).parse_args(command[3:])


def test_commands_run_in_their_order(page: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    seen = []
    for command in commands(page):
        assert command[:2] == ["python", "-m"], command
        tool = command[2].rsplit(".", 1)[-1]
        seen.append(tool)
        arguments = command[3:]
        if "--network=mobilenet_v2" in arguments:
            arguments.append("--stages=1")
        assert importlib.import_module(f"src.tools.{tool}").main(arguments) == 0, command
    assert set(TOOLS.split()) <= set(seen)
    for name in (
        *("A/openpose-train-rank-1000_103.ckpt", "obs_root/bucket/output/ep2_np4/openpose-train-rank-1000_103.ckpt"),
        *("corrected.json", "look", "models/m.ckpt", "evaluation/precision_recall.png", "models/any_size.mindir"),
        *("models/small.onnx", "packed/shards.json"),
    ):
        assert (desk / name).exists(), name


def publish_weights(folder: Path) -> None:
    """The small network's weights as they are published, but random, and its golden outputs for a small picture."""
    import mindspore as ms

    from src.net.build import build_network
    from src.tools.weights.name_mapping import small_network_key

    network = build_network("mobilenet_v2", 1).set_train(False)
    rgb = np.random.default_rng(2).integers(0, 256, (48, 64, 3), np.uint8)
    pafs, heatmaps = (
        stages[-1].asnumpy()[0]
        for stages in network(ms.Tensor(np.ascontiguousarray(rgb[:, :, ::-1].transpose(2, 0, 1)[None])))
    )
    (folder / "golden").mkdir()
    np.savez(folder / "golden" / "picture.npz", rgb=rgb, pafs=pafs, heatmaps=heatmaps)
    arrays = {}
    for parameter in network.get_parameters():
        array = parameter.asnumpy()
        if array.ndim == 4:
            array = array.transpose(2, 3, 0, 1) if "depthwise" in parameter.name else array.transpose(2, 3, 1, 0)
        arrays[small_network_key(parameter.name)] = array
    np.savez(folder / "openpose_mobilenet_v2.npz", **arrays)
