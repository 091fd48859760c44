"""Merging: every rank is there, agreement is proven, means are right, slices become whole, and the result infers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import mindspore as ms
import numpy as np
import pytest
from numpy.typing import NDArray

import obs_sync
from src.files import file_sha256
from src.net.build import build_network
from src.net.weights import read_checkpoint
from src.tools.merge_checkpoints import main
from src.train.checkpoints.checkpoint import network_meta, write_checkpoint
from src.train.checkpoints.manifest import CheckpointName, Manifest, manifest_name
from tests.fakes.object_store import running_store, variables

pytestmark = pytest.mark.usefixtures("on_cpu")

Arrays = Mapping[str, NDArray[Any]]
TEMPLATE = "openpose-train-rank{}-1000_103.ckpt"
MERGED = "openpose-train-rank-1000_103.ckpt"


def save(path: Path, arrays: Arrays, **meta: Any) -> None:
    parameters = [ms.Parameter(ms.Tensor(array), name=name) for name, array in arrays.items()]
    write_checkpoint(parameters, path, {"network": "mobilenet_v2", "stages": 1, **meta})


def load(path: Path) -> dict[str, NDArray[Any]]:
    return {name: value.asnumpy() for name, value in read_checkpoint(path)[0].items()}


def rank_arrays(rank: int, drift: float = 0.0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    return {
        "base.w": rng.normal(size=(4, 3)).astype(np.float32) + np.float32(drift * rank),
        "bn.moving_mean": np.full(5, rank, np.float32),
        "bn.moving_variance": np.full(5, 2 + rank, np.float32),
        "moments.base.w": rng.normal(size=(4, 3)).astype(np.float32),
        "global_step": np.array([103_000], np.int32),
        "learning_rate": np.array(1e-4, np.float32),
    }


def save_ranks(folder: Path, ranks: list[int], drift: float = 0.0, template: str = TEMPLATE, **meta: Any) -> None:
    for rank in ranks:
        save(folder / template.replace("{}", str(rank)), rank_arrays(rank, drift), **meta)


def run(folder: object, *arguments: str, template: str | None = TEMPLATE) -> int:
    named = [f"--checkpoint_filename_template={template}"] if template else []
    return main([f"--checkpoint_root_path={folder}", *named, *arguments])


def test_equal_ranks_merge_bit_for_bit_and_statistics_are_averaged(tmp_path: Path, capsys: Any) -> None:
    save_ranks(tmp_path, [0, 1, 2], epoch=1000, step=103)
    assert run(tmp_path, "--rank_size=3") == 0
    merged = load(tmp_path / MERGED)
    for name in ("base.w", "moments.base.w", "global_step", "learning_rate"):
        np.testing.assert_array_equal(merged[name], rank_arrays(0)[name])
        assert merged[name].dtype == rank_arrays(0)[name].dtype
    np.testing.assert_array_equal(merged["bn.moving_mean"], np.ones(5, np.float32))
    np.testing.assert_array_equal(merged["bn.moving_variance"], np.full(5, 3, np.float32))
    out = capsys.readouterr().out
    assert "trained parameters: all agree" in out
    assert "2 differ, most bn.moving_mean by 2, averaged" in out
    assert read_checkpoint(tmp_path / MERGED)[1]["epoch"] == 1000


@pytest.mark.parametrize(
    ("ranks", "rank_size", "message"),
    [
        ([0, 2, 3], 4, "rank 1 of 4 missing"),
        ([0, 1, 2], 4, "rank 3 of 4 missing"),
        ([0, 1, 2, 4], 4, "rank 3 of 4 missing, rank 4 there although rank_size is 4"),
        ([0, 1, 2], 2, "rank 2 there although rank_size is 2"),
        ([1, 2], None, "rank 0 of 3 missing"),
    ],
)
def test_missing_and_extra_ranks_are_named(
    tmp_path: Path, capsys: Any, ranks: list[int], rank_size: int | None, message: str
) -> None:
    for rank in ranks:
        (tmp_path / TEMPLATE.replace("{}", str(rank))).write_bytes(b"never read")
    assert run(tmp_path, *([f"--rank_size={rank_size}"] if rank_size else [])) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / MERGED).exists()


def test_drift_is_refused_or_merged_to_the_mean_within_a_tolerance(tmp_path: Path, capsys: Any) -> None:
    save_ranks(tmp_path, [0, 1, 2], drift=0.01)
    assert run(tmp_path) == 2
    assert "1 differ, most base.w by 0.02" in capsys.readouterr().err
    assert not (tmp_path / MERGED).exists()
    assert run(tmp_path, "--tolerance=0.021") == 0
    np.testing.assert_allclose(load(tmp_path / MERGED)["base.w"], rank_arrays(1, 0.01)["base.w"], atol=1e-6)
    assert "most base.w by 0.02" in capsys.readouterr().out
    assert read_checkpoint(tmp_path / MERGED)[1]["largest_drift"] == pytest.approx(0.02, abs=1e-6)


@pytest.mark.parametrize(("scale", "noise"), [(1e-3, 9e-6), (1.0, 9e-6), (1000.0, 9e-3)])
def test_float_noise_is_merged_and_reported_as_it_is(tmp_path: Path, capsys: Any, scale: float, noise: float) -> None:
    """With the handbook's call alone; ten times the noise is refused."""
    weights = np.linspace(-scale, scale, 12, dtype=np.float32).reshape(4, 3)
    for factor, code in ((1, 0), (12, 2)):
        for rank in (0, 1):
            arrays = {**rank_arrays(0), "base.w": weights + np.float32(rank * factor * noise)}
            save(tmp_path / TEMPLATE.replace("{}", str(rank)), arrays)
        assert run(tmp_path, "--rank_size=2", "--force") == code
        text = "".join(capsys.readouterr())
        assert "1 differ, most base.w by" in text
    merged = load(tmp_path / MERGED)["base.w"]
    np.testing.assert_allclose(merged, weights + noise / 2, atol=scale * 1e-6)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("base.w", np.full((4, 3), np.nan, np.float32), "no numbers"),
        ("base.w", np.zeros((2, 3), np.float32), "--strategy"),
        ("global_step", np.array([102_999], np.int32), "same step"),
        ("another.w", np.zeros(2, np.float32), "another.w is in one of them only"),
    ],
)
def test_ranks_that_do_not_belong_together(
    tmp_path: Path, capsys: Any, name: str, change: NDArray[Any], message: str
) -> None:
    save_ranks(tmp_path, [0])
    save(tmp_path / TEMPLATE.replace("{}", "1"), {**rank_arrays(1), name: change})
    assert run(tmp_path, "--tolerance=1000") == 2
    assert message in capsys.readouterr().err


def test_other_metadata_is_another_step(tmp_path: Path, capsys: Any) -> None:
    save_ranks(tmp_path, [0], epoch=1000, step=103)
    save_ranks(tmp_path, [1], epoch=999, step=103)
    assert run(tmp_path) == 2
    assert "epoch=999" in capsys.readouterr().err


def test_nothing_is_overwritten_without_force(tmp_path: Path, capsys: Any) -> None:
    save_ranks(tmp_path, [0, 1])
    (tmp_path / MERGED).write_bytes(b"precious")
    assert run(tmp_path) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / MERGED).read_bytes() == b"precious"
    for rank in sorted(tmp_path.glob("*rank0*.ckpt")):
        assert run(tmp_path, "--force", f"--output={rank.name}") == 2
        assert "is merged here and would be replaced" in capsys.readouterr().err
    assert run(tmp_path, "--force") == 0
    assert "base.w" in load(tmp_path / MERGED)
    assert run(tmp_path, "--output=other.ckpt", "--weights_only") == 0
    assert set(load(tmp_path / "other.ckpt")) == {"base.w", "bn.moving_mean", "bn.moving_variance"}


def test_drift_is_what_any_two_ranks_are_apart(tmp_path: Path, capsys: Any) -> None:
    for rank, step in enumerate((0, 1, -1)):
        save(tmp_path / TEMPLATE.replace("{}", str(rank)), rank_arrays(step, 0.01))
    assert run(tmp_path, "--tolerance=0.011") == 2
    assert "1 differ, most base.w by 0.02 (allowed 0.011)" in capsys.readouterr().err
    assert run(tmp_path, "--tolerance=0.021") == 0
    np.testing.assert_allclose(load(tmp_path / MERGED)["base.w"], rank_arrays(0)["base.w"], atol=1e-7)


@pytest.mark.parametrize(
    "argument",
    ["--tolerance=nan", "--tolerance=-1", "--output=../x.ckpt", "--output=x", "--rank_size=0", "--rank_sizes=2"],
)
def test_arguments_are_checked_before_anything_is_read(tmp_path: Path, capsys: Any, argument: str) -> None:
    for rank in (0, 1):
        (tmp_path / TEMPLATE.replace("{}", str(rank))).write_bytes(b"never read")
    assert run(tmp_path, argument) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert argument[2:].split("=")[0] in error
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("template", ["no_place.ckpt", "two{}places{}.ckpt", "absent{}.ckpt"])
def test_templates_that_cannot_be(tmp_path: Path, capsys: Any, template: str) -> None:
    save_ranks(tmp_path, [0])
    assert run(tmp_path, template=template) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_template_signs_are_taken_literally(tmp_path: Path) -> None:
    save_ranks(tmp_path, [0, 1], template="a+b(rank{}).x.ckpt")
    (tmp_path / "aab(rank2)yx.ckpt").write_bytes(b"another's")
    assert run(tmp_path, template="a+b(rank{}).x.ckpt") == 0
    assert (tmp_path / "a+b(rank).x.ckpt").is_file()


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A local folder that stands in for OBS: the newest step lacks a rank, the next is damaged, then two good ones."""
    run_folder = tmp_path / "bucket" / "run"
    for epoch, step in ((1, 9), (2, 9), (3, 9), (10, 4)):
        for rank in (0, 1):
            if (epoch, rank) != (10, 1):
                save(run_folder / f"ckpt_{rank}" / str(CheckpointName(rank, epoch, step)), rank_arrays(rank))
    damaged = run_folder / "ckpt_1" / str(CheckpointName(1, 3, 9))
    damaged.write_bytes(damaged.read_bytes()[:-40])
    return tmp_path


def test_newest_complete_step_in_obs_is_found_and_published(store: Path, capsys: Any) -> None:
    arguments = ["--storage_mode=local", f"--obs_local_root={store}"]
    assert run("obs://bucket/run", *arguments, template=None) == 0
    captured = capsys.readouterr()
    assert "obs://bucket/run/openpose-train-rank-2_9.ckpt: 6 parameters" in captured.out
    assert set(load(store / "bucket" / "run" / "openpose-train-rank-2_9.ckpt")) == set(rank_arrays(0))
    assert run("obs://bucket/run", *arguments, "--rank_size=3", template=None) == 2
    assert "rank 1, 2 of 3 missing" in capsys.readouterr().err
    assert run("obs://bucket/none", *arguments, template=None) == 2
    assert "no such folder" in capsys.readouterr().err
    assert run("obs://Not A Bucket/none", *arguments, template=None) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1
    assert run("obs://bucket/none", "--storage_mode=obs", template=None) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1


def state(checkpoint: Path, rank: int, rank_size: int, sha256: str = "") -> None:
    """Write the manifest that a rank publishes beside its checkpoint."""
    digest = sha256 or file_sha256(checkpoint)
    name = CheckpointName.parse(checkpoint.name)
    assert name is not None
    epoch, step = name.moment.epoch, name.moment.step
    counts = {"epoch": epoch, "step": step, "steps_per_epoch": 9, "size": checkpoint.stat().st_size}
    counts["global_step"] = (epoch - 1) * 9 + step
    manifest = Manifest(
        rank,
        rank_size,
        **counts,
        file=checkpoint.name,
        sha256=digest,
        weights_sha256="0" * 64,
        identity={},
        versions={},
    )
    checkpoint.with_name(manifest_name(checkpoint.name)).write_text(manifest.to_json())


def test_only_what_manifests_state_counts(tmp_path: Path, capsys: Any) -> None:
    for epoch in (1, 2, 3):
        for rank in (0, 1):
            path = tmp_path / f"ckpt_{rank}" / str(CheckpointName(rank, epoch, 9))
            save(path, rank_arrays(rank))
            if (epoch, rank) != (3, 1):
                state(path, rank, 2, sha256="0" * 64 if (epoch, rank) == (2, 1) else "")
    assert run(tmp_path, template=None) == 0
    captured = capsys.readouterr()
    assert "openpose-train-rank-1_9.ckpt: 6 parameters" in captured.out, "3_9 lacks a manifest, 2_9 is another file"
    for rank in (0, 1):
        state(tmp_path / f"ckpt_{rank}" / str(CheckpointName(rank, 3, 9)), rank, 4)
    assert run(tmp_path, "--output=x.ckpt", template=None) == 2
    assert "rank 2, 3 of 4 missing" in capsys.readouterr().err, "the manifests say that four cards trained"


def test_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Through the SDK: ranks are fetched, the result is uploaded, and nothing is replaced unasked."""
    with running_store() as running:
        if running is None:
            pytest.skip("neither Ceph (bash tests/fakes/install_store.sh) nor moto is installed")
        options = {**running.options(), "endpoint": f"http://127.0.0.1:{running.port}"}
        for name, value in variables(options, tmp_path / "state").items():
            monkeypatch.setenv(name, value)
        fs = obs_sync.ObsFileSystem(storage_mode="obs")
        fs.mkdir("obs://bucket")
        for epoch in (1, 2):
            for rank in (0, 1):
                path = tmp_path / f"ckpt_{rank}" / str(CheckpointName(rank, epoch, 9))
                save(path, rank_arrays(rank))
                state(path, rank, 2)
                for file in (path, path.with_name(manifest_name(path.name))):
                    if (epoch, rank) != (2, 1):
                        fs.put_file(str(file), f"obs://bucket/run/ckpt_{rank}/{file.name}")
        arguments = ["--storage_mode=obs", "--weights_only"]
        assert run("obs://bucket/run", *arguments, template=None) == 0
        assert "obs://bucket/run/openpose-train-rank-1_9.ckpt: 3 parameters" in capsys.readouterr().out
        fs.get_file("obs://bucket/run/openpose-train-rank-1_9.ckpt", str(tmp_path / "merged.ckpt"))
        assert set(load(tmp_path / "merged.ckpt")) == {"base.w", "bn.moving_mean", "bn.moving_variance"}
        assert run("obs://bucket/run", *arguments, template=None) == 2
        assert "already exists" in capsys.readouterr().err
        assert run("obs://bucket/run", *arguments, "--force", template=None) == 0


@pytest.mark.mindspore
def test_the_inference_job_runs_on_what_was_merged(tmp_path: Path, root: Path) -> None:
    network = build_network("mobilenet_v2", 1)
    for rank in (0, 1):
        for parameter in network.get_parameters():
            if parameter.name.endswith(".moving_mean"):
                parameter.set_data(ms.Tensor(np.full(parameter.shape, rank, np.float32)))
        write_checkpoint(network, tmp_path / TEMPLATE.replace("{}", str(rank)), network_meta("mobilenet_v2", 1))
    assert run(tmp_path) == 0
    merged = load(tmp_path / MERGED)
    assert all((array == 0.5).all() for name, array in merged.items() if name.endswith(".moving_mean"))
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "grey.png"), np.full((64, 64, 3), 90, np.uint8))
    arguments = {
        **{"target_action_type": "climb_up", "is_model_arts": False, "is_batch_pics": True, "infer_insize": 64},
        **{"pic_folder_path_relative": "pictures", "checkpoint_folder_path_relative": tmp_path},
        **{"checkpoint_filename": MERGED, "network": "mobilenet_v2", "stages": 1, "device_target": "CPU"},
    }
    command = [sys.executable, str(root / "test_tmp.py"), *(f"--{k}={v}" for k, v in arguments.items())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    (results,) = tmp_path.glob("output_img/*/results.jsonl")
    assert json.loads(results.read_text())["status"] == "ok"
