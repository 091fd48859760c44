"""Summary of the training data: people, labels, and the share of target cells on which the loss counts."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from src.data.formats import PictureError
from src.data.mixed import MixedSamples
from src.data.sample import SampleMaker
from src.pose.skeleton import LIMBS, JointType
from src.pose.unknown import UNKNOWN

logger = logging.getLogger(__name__)

SAMPLED = 48  # pictures whose targets are made to estimate the share
#: Data with one annotated person in each of so many pictures may leave other visible people unannotated.
ALONE_MIN = 50


class TrainingData(TypedDict, total=False):
    """What training reads, of one data set or of all; `sets` has the same of each of several.

    `excluded`: people by reason; `labels`: per joint; `never_labelled`: joints left out; `counted_share`: of the target
    cells; `per_epoch`: samples. Numbers of several sets are sums, or means over the samples of an epoch.
    """

    folder: str
    pictures: int
    people: int
    per_epoch: int
    excluded: dict[str, int]
    labels: dict[str, int]
    never_labelled: list[str]
    counted_share: float
    unlabelled_joints: str
    ignore_unannotated: bool | list[bool]
    sets: list[TrainingData]


def summarise(samples: MixedSamples) -> TrainingData:
    """The summary of all data sets."""
    sets = [_of_set(maker, uses) for maker, uses in zip(samples.makers, samples.uses)]
    if len(sets) == 1:
        return sets[0]
    shares = sum(one["counted_share"] * one["per_epoch"] for one in sets) / len(samples)
    return {
        "pictures": sum(one["pictures"] for one in sets),
        "people": sum(one["people"] for one in sets),
        "per_epoch": sum(one["per_epoch"] for one in sets),
        "excluded": _sums([one["excluded"] for one in sets]),
        "labels": _sums([one["labels"] for one in sets]),
        "never_labelled": _in_all([one["never_labelled"] for one in sets]),
        "counted_share": round(shares, 4),
        "unlabelled_joints": sets[0]["unlabelled_joints"],
        "ignore_unannotated": [one["ignore_unannotated"] is True for one in sets],
        "sets": sets,
    }


def _sums(counts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(each.get(name, 0) for each in counts) for name in {key: 0 for each in counts for key in each}}


def _in_all(lists: list[list[str]]) -> list[str]:
    return [name for name in lists[0] if all(name in names for names in lists)]


def _of_set(maker: SampleMaker, per_epoch: int) -> TrainingData:
    persons = maker.index.persons.values
    labels = (persons[:, :, 2] > 0).sum(axis=0)
    return {
        "folder": maker.pictures.place(""),
        "pictures": len(maker),
        "people": len(persons),
        "per_epoch": per_epoch,
        "excluded": dict(maker.index.summary.excluded) if maker.index.summary is not None else {},
        "labels": {joint.name: int(labels[joint]) for joint in JointType},
        "never_labelled": [JointType(int(joint)).name for joint in np.flatnonzero(maker.never_labelled)],
        "counted_share": round(counted_share(maker), 4),
        "unlabelled_joints": maker.settings.unlabelled_joints,
        "ignore_unannotated": maker.settings.ignore_unannotated,
    }


def counted_share(maker: SampleMaker) -> float:
    """The share of all target cells on which the loss counts, over the first epoch's views of SAMPLED pictures."""
    shares = list(_counted_shares(maker))
    return float(np.mean(shares)) if shares else 0.0


def _counted_shares(maker: SampleMaker) -> Iterator[float]:
    for row in np.unique(np.linspace(0, len(maker) - 1, SAMPLED).astype(int)).tolist():
        view = maker.view(row, random.Random(row))
        try:
            heatmaps, pafs, valid_mask = maker.targets(row, view)
        except PictureError:  # its mask file is damaged, which training will report
            continue
        known = sum(float(((target != UNKNOWN) * valid_mask).sum()) for target in (heatmaps, pafs))
        yield known / (heatmaps.size + pafs.size)


def log_summary(summary: TrainingData) -> None:
    """Log the summary, with advice where data and settings do not match."""
    sets = summary.get("sets", [])
    for number, one in enumerate(sets, start=1):
        logger.info("data set %d of %d: %s: %d samples per epoch", number, len(sets), one["folder"], one["per_epoch"])
        _log_set(one)
    if not sets:
        _log_set(summary)


def _log_set(summary: TrainingData) -> None:
    logger.info(
        "the loss counts on %.0f %% of the target cells of %d pictures",
        *(100 * summary["counted_share"], summary["pictures"]),
    )
    missing = summary["never_labelled"]
    if missing:
        limbs = sum(any(end.name in missing for end in limb) for limb in LIMBS)
        logger.info(
            "%d joints are labelled on nobody and left out of the loss, with %d limbs and the background: %s",
            *(len(missing), limbs, ", ".join(missing)),
        )
    if summary["people"] == summary["pictures"] >= ALONE_MIN and not summary["ignore_unannotated"]:
        logger.warning(
            "every picture has exactly one annotated person; if others are visible, pass ignore_unannotated=True, "
            "or the network is trained to overlook them"
        )
