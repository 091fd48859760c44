"""Checkpoints of a model that was sliced over the cards: the slices become whole, or are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tools.test_merge_checkpoints import MERGED, TEMPLATE, load, run, save

pytestmark = pytest.mark.usefixtures("on_cpu")


def strategy_file(path: Path, layouts: Mapping[str, tuple[list[int], list[int]]], shard: int = 0) -> Path:
    """A strategy in one of MindSpore's two forms: device matrix and tensor map of each parameter."""
    if path.suffix == ".ckpt":
        return binary_strategy(path, layouts)
    items = {
        name: {
            "field": 0,
            "opt_weight_shard_size": shard,
            "opt_weight_shard_step": shard,
            "dev_matrix": m,
            "tensor_map": t,
        }
        for name, (m, t) in layouts.items()
    }
    path.write_text(json.dumps({"parallel_layout_item": items, "parallel_strategy_item": {"x": {"stage": 0}}}))
    return path


def binary_strategy(path: Path, layouts: Mapping[str, tuple[list[int], list[int]]]) -> Path:
    """The same as training writes it: a message of MindSpore's own protocol."""
    from mindspore.train.node_strategy_pb2 import ParallelStrategyMap

    message = ParallelStrategyMap()
    message.current_stage = 1
    for name, (matrix, tensor_map) in layouts.items():
        item = message.parallel_layout_item.add()
        item.param_name = name
        item.parallel_layouts.field = 0
        item.parallel_layouts.opt_weight_shard_step = item.parallel_layouts.opt_weight_shard_size = 0
        item.parallel_layouts.dev_matrix.add().dim.extend(matrix)
        item.parallel_layouts.tensor_map.add().dim.extend(tensor_map)
        item.parallel_layouts.param_split_shape.add()
        item.parallel_layouts.indices_offset.add()
    strategy = message.parallel_strategy_item.add()
    strategy.node_name = "MatMul"
    strategy.parallel_strategys.stage = 0
    path.write_bytes(message.SerializeToString())
    return path


def save_sliced(folder: Path, whole: NDArray[np.float32]) -> None:
    """Four ranks as 2×2: rows are cut along the second device axis, the first axis holds copies."""
    for rank in range(4):
        half = whole[: len(whole) // 2] if rank % 2 == 0 else whole[len(whole) // 2 :]
        save(folder / TEMPLATE.replace("{}", str(rank)), {"cut.w": half, "bias": np.ones(3, np.float32)})


@pytest.mark.parametrize("form", ["s.json", "s.ckpt"])
def test_slices_become_whole(tmp_path: Path, form: str) -> None:
    whole = np.arange(48, dtype=np.float32).reshape(8, 6)
    save_sliced(tmp_path, whole)
    strategy = strategy_file(tmp_path / form, {"cut.w": ([2, 2], [0, -1]), "bias": ([2, 2], [-1])})
    assert run(tmp_path, f"--strategy={strategy}") == 0
    merged = load(tmp_path / MERGED)
    np.testing.assert_array_equal(merged["cut.w"], whole)
    np.testing.assert_array_equal(merged["bias"], np.ones(3))


def test_optimizer_state_of_slices_is_merged_or_refused_like_them(tmp_path: Path, capsys: Any) -> None:
    """Moments of zeros have equal slices: taken for copies they would pass, in half their shape."""
    whole = np.arange(48, dtype=np.float32).reshape(8, 6)
    for rank in range(4):
        half = whole[:4] if rank % 2 == 0 else whole[4:]
        arrays = {"cut.w": half, "moments.cut.w": np.zeros_like(half), "global_step": np.array([9], np.int32)}
        save(tmp_path / TEMPLATE.replace("{}", str(rank)), arrays)
    layout = ([2, 2], [0, -1])
    strategy = strategy_file(tmp_path / "s.json", {"cut.w": layout})
    assert run(tmp_path, f"--strategy={strategy}") == 2
    assert "moments.cut.w belongs to a sliced parameter" in capsys.readouterr().err
    assert run(tmp_path, f"--strategy={strategy}", "--weights_only", "--output=w.ckpt") == 0
    assert set(load(tmp_path / "w.ckpt")) == {"cut.w"}
    both = strategy_file(tmp_path / "both.json", {"cut.w": layout, "moments.cut.w": layout})
    assert run(tmp_path, f"--strategy={both}") == 0
    np.testing.assert_array_equal(load(tmp_path / MERGED)["moments.cut.w"], np.zeros((8, 6)))


def test_slices_that_do_not_fit_are_refused(tmp_path: Path, capsys: Any) -> None:
    whole = np.arange(48, dtype=np.float32).reshape(8, 6)
    save_sliced(tmp_path, whole)
    for_two = strategy_file(tmp_path / "two.json", {"cut.w": ([2], [0, -1])})
    assert run(tmp_path, f"--strategy={for_two}") == 2
    assert "for 2 ranks, not for 4" in capsys.readouterr().err
    sharded = strategy_file(tmp_path / "sharded.json", {"cut.w": ([2, 2], [0, -1])}, shard=2)
    assert run(tmp_path, f"--strategy={sharded}") == 2
    assert "parallel optimizer" in capsys.readouterr().err
    save(tmp_path / TEMPLATE.replace("{}", "2"), {"cut.w": whole[4:], "bias": np.ones(3, np.float32)})
    fitting = strategy_file(tmp_path / "s.json", {"cut.w": ([2, 2], [0, -1])})
    assert run(tmp_path, f"--strategy={fitting}") == 2
    assert "rank 2 and rank 0 hold different copies" in capsys.readouterr().err
    (tmp_path / "no.ckpt").write_bytes(b"\xff\x00nonsense")
    assert run(tmp_path, f"--strategy={tmp_path / 'no.ckpt'}") == 2
    assert "strategy file" in capsys.readouterr().err
