"""Merges the parameters of several ranks: equal ones to their mean, sliced ones to the whole they are slices of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol, cast

import numpy as np

from src.arrays import Array, Reals
from src.errors import CheckpointError

Arrays = Mapping[str, Array]

#: Every rank gathers these from its own pictures, so that they differ.
STATISTICS = (".moving_mean", ".moving_variance")


#: How far float32 sums in another order may take ranks apart that train together: this, times the parameter's largest
#: value where that is above 1. Ranks of different runs are a hundred times farther apart after a few steps.
FLOAT_NOISE = 1e-5


@dataclass(frozen=True)
class Drift:
    """How far ranks are apart: the number of parameters that differ, and the one that differs most."""

    different: int = 0
    name: str = ""
    largest: float = 0.0

    def __str__(self) -> str:
        return f"{self.different} differ, most {self.name} by {self.largest:.3g}" if self.different else "all agree"


@dataclass(frozen=True)
class Merged:
    """The merged parameters, and how far the ranks' trained parameters and batch-norm statistics were apart."""

    arrays: dict[str, Array]
    trained: Drift
    statistics: Drift


def merge_replicas(ranks: Iterable[tuple[str, Arrays]], tolerance: float | None = None) -> Merged:
    """The mean of the ranks' parameters; `ranks` gives each one's file and parameters and is read one at a time.

    `tolerance` is absolute; None is FLOAT_NOISE.

    Raises CheckpointError when names, shapes or types differ, a value is not finite, whole numbers differ, or trained
    parameters are apart by more than `tolerance`. Batch-norm statistics may differ.
    """
    first: dict[str, Array] = {}
    apart: dict[str, _Range] = {}  # only the parameters that differ: equal ones cost neither memory nor time
    count = 0
    for file, arrays in ranks:
        count += 1
        _check_finite(file, arrays)
        if count == 1:
            first = dict(arrays)
            continue
        _check_alike(file, arrays, first)
        for name, array in arrays.items():
            if not np.array_equal(array, first[name]):
                apart.setdefault(name, _Range(cast(Reals, first[name]))).add(cast(Reals, array))
    widths = {name: each.width() for name, each in apart.items()}
    trained = _drift({name: width for name, width in widths.items() if not name.endswith(STATISTICS)})
    _check_counts([name for name in apart if first[name].dtype.kind != "f"])
    for name in (one for one in widths if not one.endswith(STATISTICS)):
        allowed = FLOAT_NOISE * max(1.0, apart[name].scale()) if tolerance is None else tolerance
        if widths[name] > allowed:
            _refuse(trained if tolerance is not None else Drift(trained.different, name, widths[name]), allowed)
    statistics = _drift({name: width for name, width in widths.items() if name.endswith(STATISTICS)})
    merged = {name: apart[name].mean(count) if name in apart else array for name, array in first.items()}
    return Merged(merged, trained, statistics)


class _Axes(Protocol):
    dim: Sequence[int]


class Layout(Protocol):
    """How MindSpore cut a parameter: ranks along each axis of their grid, and the axis that cuts each dimension."""

    dev_matrix: Sequence[_Axes]
    tensor_map: Sequence[_Axes]


class _Range:
    """A parameter's smallest and largest values among the ranks, and what they add to rank 0's."""

    def __init__(self, first: Reals) -> None:
        self.first = self.low = self.high = first
        self.added = np.zeros(first.shape, np.float64)

    def add(self, array: Reals) -> None:
        self.low, self.high = np.minimum(self.low, array), np.maximum(self.high, array)
        self.added += array.astype(np.float64) - self.first

    def width(self) -> float:
        """The largest difference between any two ranks."""
        return float((self.high.astype(np.float64) - self.low).max())

    def scale(self) -> float:
        """The largest absolute value that any rank holds."""
        return float(max(np.abs(self.low).max(), np.abs(self.high).max()))

    def mean(self, count: int) -> Array:
        """The mean of `count` ranks; those that were not added hold rank 0's values."""
        return np.asarray(self.first + self.added / count, self.first.dtype)


def merge_slices(name: str, slices: list[Array], strategy: Mapping[str, Layout]) -> Array:
    """The whole parameter from its slices in order of rank, by MindSpore's own merging.

    Ranks that hold the same slice must agree. Raises CheckpointError.
    """
    import mindspore as ms

    from src.net.weights import first_line

    _check_copies(name, slices, strategy[name])
    parameters = [ms.Parameter(ms.Tensor(each), name=name) for each in slices]
    try:
        return ms.merge_sliced_parameter(parameters, dict(strategy)).asnumpy()
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise CheckpointError(f"{name}: its slices do not fit the strategy ({first_line(error)})") from None


def read_strategy(path: Path) -> dict[str, Layout]:
    """A strategy file's layouts by parameter; CheckpointError when it is none, or asks for more than can be merged."""
    import mindspore as ms

    from src.net.weights import first_line

    if not path.is_file():
        raise CheckpointError(f"{path}: no such strategy file")
    try:
        strategy = dict(ms.build_searched_strategy(str(path)))
    except (ValueError, TypeError, AttributeError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not a strategy file ({first_line(error)})") from None
    if not strategy:
        raise CheckpointError(f"{path}: the strategy file holds no parameter")
    sharded = [name for name, layout in strategy.items() if layout.opt_weight_shard_size]
    if sharded:
        raise CheckpointError(
            f"{path}: {sharded[0]} is sharded by the parallel optimizer too; convert the checkpoints with "
            "mindspore.transform_checkpoints first"
        )
    return strategy


def check_optimizer_slices(path: str, arrays: Arrays, sliced: Iterable[str]) -> None:
    """CheckpointError for optimizer state of a sliced parameter that the strategy passes over: it is sliced too."""
    endings = tuple(f".{name}" for name in sliced)
    for name in arrays:
        if endings and name.endswith(endings):
            raise CheckpointError(
                f"{path}: {name} belongs to a sliced parameter, but the strategy does not say how it was cut; "
                "--weights_only leaves it out"
            )


def sliced_names(strategy: Mapping[str, Layout]) -> set[str]:
    """The parameters of which a rank holds a part only."""
    return {name for name, layout in strategy.items() if any(axis >= 0 for axis in layout.tensor_map[0].dim)}


def _check_copies(name: str, slices: list[Array], layout: Layout) -> None:
    """Ranks at the same place along every axis that the parameter is cut along must hold the same slice."""
    devices = list(layout.dev_matrix[0].dim)
    if len(slices) != int(np.prod(devices)):
        raise CheckpointError(f"{name}: the strategy is for {int(np.prod(devices))} ranks, not for {len(slices)}")
    axes = sorted({len(devices) - 1 - axis for axis in layout.tensor_map[0].dim if axis >= 0})
    holder: dict[tuple[int, ...], int] = {}
    for rank, array in enumerate(slices):
        place = np.unravel_index(rank, devices)
        other = holder.setdefault(tuple(int(place[axis]) for axis in axes), rank)
        if not np.array_equal(slices[other], array):
            raise CheckpointError(f"{name}: rank {rank} and rank {other} hold different copies of the same slice")


def _check_alike(file: str, arrays: Arrays, first: Arrays) -> None:
    odd = sorted(set(arrays) ^ set(first))
    if odd:
        raise CheckpointError(f"{file}: its parameters are not rank 0's: {', '.join(odd[:3])} is in one of them only")
    for name, array in arrays.items():
        if array.shape != first[name].shape or array.dtype != first[name].dtype:
            raise CheckpointError(
                f"{file}: {name} is {array.dtype} {array.shape}, in rank 0 {first[name].dtype} {first[name].shape}; "
                "for sliced parameters give --strategy"
            )


def _check_finite(file: str, arrays: Arrays) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(
                f"{file}: {name} holds values that are no numbers; training diverged before this step"
            )


def _check_counts(unequal: Sequence[str]) -> None:
    if unequal:
        raise CheckpointError(f"{unequal[0]} differs between the ranks: they were not saved at the same step")


def _refuse(drift: Drift, allowed: float) -> NoReturn:
    raise CheckpointError(
        f"the ranks disagree: {drift} (allowed {allowed:g}); they are of different runs, or did not train together; "
        "--tolerance merges them all the same"
    )


def _drift(widths: Mapping[str, float]) -> Drift:
    name = max(widths, key=widths.__getitem__, default="")
    return Drift(len(widths), name, widths.get(name, 0.0))
