"""Merges the checkpoints that several cards saved at one step into a single one."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fsspec import AbstractFileSystem

from src.arrays import Array
from src.errors import CheckpointError, ConfigError, OutputError
from src.files import file_sha256
from src.progress import Progress
from src.tools.checkpoints.merging import (
    FLOAT_NOISE,
    Layout,
    Merged,
    check_optimizer_slices,
    merge_replicas,
    merge_slices,
    read_strategy,
    sliced_names,
)
from src.tools.checkpoints.sets import CheckpointSet, complete_sets, list_checkpoints, set_by_template
from src.tools.common.command import make_parser, not_negative, positive, run_command
from src.tools.common.storage import add_storage_arguments, is_local, open_folder
from src.train.checkpoints.manifest import MANIFEST_ENDING, Manifest

logger = logging.getLogger(__name__)

Arrays = dict[str, Array]


class DamagedError(CheckpointError):
    """A checkpoint cannot be read to its end."""


@dataclass(frozen=True)
class MergeSettings:
    """How far ranks may be apart, which parameters stay, and how sliced ones were cut (empty: none is).

    `tolerance` is absolute; None allows the noise of float32 sums (`merging.FLOAT_NOISE`).
    """

    tolerance: float | None = None
    weights_only: bool = False
    strategy: Mapping[str, Layout] | None = None


def merge_set(
    filesystem: AbstractFileSystem, chosen: CheckpointSet, settings: MergeSettings, scratch: Path
) -> tuple[Merged, dict[str, object]]:
    """The merged parameters of a set of checkpoints and rank 0's metadata; CheckpointError says which file is wrong."""
    meta: dict[str, object] = {}
    sliced: dict[str, list[Array]] = {name: [] for name in sliced_names(settings.strategy or {})}

    def read() -> Iterator[tuple[str, Arrays]]:
        with Progress("checkpoints", len(chosen.files)) as progress:
            for rank, path in chosen.files.items():
                arrays, own = _read(filesystem, path, scratch, settings.weights_only)
                _check_meta(path, own, meta if rank else own)
                meta.update(own if rank == 0 else {})
                for name, slices in sliced.items():
                    if name in arrays:
                        slices.append(arrays.pop(name))
                check_optimizer_slices(path, arrays, sliced)
                yield path, arrays
                progress.advance(note=path)

    merged = merge_replicas(read(), settings.tolerance)
    for name, slices in sliced.items():
        if slices:
            merged.arrays[name] = merge_slices(name, slices, settings.strategy or {})
    return merged, meta


def _read(
    filesystem: AbstractFileSystem, path: str, scratch: Path, weights_only: bool
) -> tuple[Arrays, dict[str, object]]:
    """A checkpoint's parameters as arrays and its metadata; fetched first when it is not on this machine."""
    from src.net.weights import OPTIMIZER_ENTRY, read_checkpoint

    local = Path(path)
    if not is_local(filesystem):
        local = scratch / path.rsplit("/", 1)[-1]
        filesystem.get_file(path, str(local))
    try:
        _check_digest(filesystem, path, local)
        parameters, meta = read_checkpoint(local)
    except CheckpointError as error:
        raise DamagedError(str(error)) from None
    finally:
        if local.parent == scratch:
            local.unlink(missing_ok=True)
    kept = [name for name in parameters if not (weights_only and OPTIMIZER_ENTRY.match(name))]
    return {name: np.asarray(parameters[name].asnumpy()) for name in kept}, meta


def _check_digest(filesystem: AbstractFileSystem, path: str, local: Path) -> None:
    """The file must be the one that its manifest, where it has one, was written for."""
    manifest_path = path + MANIFEST_ENDING
    if filesystem.exists(manifest_path):
        manifest = Manifest.from_json(filesystem.cat_file(manifest_path), manifest_path)
        if file_sha256(local) != manifest.sha256:
            raise CheckpointError(f"{path}: damaged: it is not the file its manifest was written for")


def _check_meta(path: str, meta: Mapping[str, object], first: Mapping[str, object]) -> None:
    for key in ("network", "stages", "epoch", "step", "global_step"):
        if meta.get(key) != first.get(key):
            raise CheckpointError(f"{path}: says {key}={meta.get(key)}, rank 0 says {first.get(key)}")


def _write(
    filesystem: AbstractFileSystem, target: str, merged: Merged, meta: Mapping[str, object], scratch: Path
) -> None:
    """Write the checkpoint, read it back, and put it where it belongs."""
    import mindspore as ms

    from src.net.weights import read_checkpoint
    from src.train.checkpoints.checkpoint import write_checkpoint

    local = Path(target) if is_local(filesystem) else scratch / target.rsplit("/", 1)[-1]
    parameters = [ms.Parameter(ms.Tensor(array), name=name) for name, array in merged.arrays.items()]
    write_checkpoint(parameters, local, dict(meta))
    read_checkpoint(local)
    if not is_local(filesystem):
        filesystem.put_file(str(local), target)


def _candidates(filesystem: AbstractFileSystem, paths: list[str], arguments: argparse.Namespace) -> list[CheckpointSet]:
    rank_size = arguments.rank_size
    if arguments.checkpoint_filename_template:
        return [set_by_template(paths, arguments.checkpoint_filename_template, rank_size)]
    manifests = [path for path in paths if path.endswith(MANIFEST_ENDING)]
    if manifests and not rank_size:
        rank_size = Manifest.from_json(filesystem.cat_file(manifests[-1]), manifests[-1]).rank_size
    return complete_sets(paths, rank_size)


def _merge_newest(
    filesystem: AbstractFileSystem, candidates: list[CheckpointSet], settings: MergeSettings, scratch: Path
) -> tuple[CheckpointSet, Merged, dict[str, object]]:
    """Merge the first set; where that is damaged, say so and take the next older one."""
    for chosen in candidates:
        try:
            return chosen, *merge_set(filesystem, chosen, settings, scratch)
        except DamagedError as error:
            if chosen is candidates[-1]:
                raise
            logger.warning("%s; going back to an older step", error)
    raise CheckpointError("no checkpoints to merge")


def _work(arguments: argparse.Namespace) -> int:
    folder, mode, local_root = arguments.checkpoint_root_path, arguments.storage_mode, arguments.obs_local_root
    with open_folder(folder, mode, local_root) as (filesystem, root):
        return _merge(filesystem, root, arguments)


def _merge(filesystem: AbstractFileSystem, root: str, arguments: argparse.Namespace) -> int:
    candidates = _candidates(filesystem, list_checkpoints(filesystem, root), arguments)
    _target(filesystem, root, candidates[0], arguments)  # what cannot be written is said before anything is read
    strategy = read_strategy(arguments.strategy) if arguments.strategy else None
    settings = MergeSettings(arguments.tolerance, arguments.weights_only, strategy)
    with tempfile.TemporaryDirectory(prefix="merge_") as scratch:
        chosen, merged, meta = _merge_newest(filesystem, candidates, settings, Path(scratch))
        target = _target(filesystem, root, chosen, arguments)
        sources = [path.rsplit("/", 1)[-1] for path in chosen.files.values()]
        facts = {"merged_from": sources, "largest_drift": merged.trained.largest}
        _write(filesystem, target, merged, {**meta, **facts}, Path(scratch))
    print(f"{len(chosen.files)} ranks: {', '.join(sources)}")
    print(f"trained parameters: {merged.trained}")
    print(f"batch-norm statistics: {merged.statistics}{', averaged' if merged.statistics.different else ''}")
    print(f"{_shown(arguments.checkpoint_root_path, target)}: {len(merged.arrays)} parameters")
    return 0


def _target(filesystem: AbstractFileSystem, root: str, chosen: CheckpointSet, arguments: argparse.Namespace) -> str:
    """Where the result goes; ConfigError for a name that cannot be, OutputError for one that is taken."""
    name = arguments.output or chosen.name
    if "/" in name or not name.endswith(".ckpt"):
        raise ConfigError(f"output: '{name}' must be a file name that ends with .ckpt; it goes into {root}")
    target = f"{root.rstrip('/')}/{name}"
    if target in chosen.files.values():
        raise OutputError(f"{target}: is merged here and would be replaced; name another --output")
    if filesystem.exists(target) and not arguments.force:
        raise OutputError(f"{target}: already exists; name another --output or give --force")
    return target


def _shown(given: str, target: str) -> str:
    return f"{given.split('://')[0]}://{target}" if "://" in given else target


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "merge_checkpoints",
        "Merge the checkpoints that several cards saved at one step into a single one that test_tmp.py loads.",
        "--rank_size=4 --checkpoint_root_path=/a/b/c/A "
        "--checkpoint_filename_template=openpose-train-rank{}-1000_103.ckpt",
        "--checkpoint_root_path=obs://bucket/output/ep2_np4",
    )
    parser.add_argument(
        "--checkpoint_root_path", required=True, help="folder (or obs:// address) with the files, or with ckpt_<rank>/"
    )
    parser.add_argument(
        "--checkpoint_filename_template",
        help="file name with {} where the rank stands; left out: the newest complete step",
    )
    parser.add_argument(
        "--rank_size",
        type=positive,
        help="number of cards; left out: what the manifests say, or the highest rank found plus 1",
    )
    parser.add_argument("--output", metavar="NAME", help="file name of the result [the template without {}]")
    parser.add_argument(
        "--tolerance",
        type=not_negative,
        help=f"largest difference allowed between ranks [{FLOAT_NOISE:g}, times the largest value if that exceeds 1]",
    )
    parser.add_argument(
        "--strategy", type=Path, metavar="FILE", help="MindSpore's strategy file, for sliced parameters"
    )
    parser.add_argument("--weights_only", action="store_true", help="leave out the optimizer's state")
    parser.add_argument("--force", action="store_true", help="replace a result that is there already")
    add_storage_arguments(parser)
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
