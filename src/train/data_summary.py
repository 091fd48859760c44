"""What the training data says and does not say: people, labels, and the share of the targets that count."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from src.data.formats import PictureError
from src.data.sample import SampleMaker
from src.pose.skeleton import LIMBS, JointType
from src.pose.unknown import UNKNOWN

logger = logging.getLogger(__name__)

SAMPLED = 48  # pictures whose targets are made to estimate the share
#: Data with one annotated person in each of so many pictures may leave other visible people unannotated.
ALONE_MIN = 50


def summarise(maker: SampleMaker) -> dict[str, Any]:
    """JSON values: pictures, people trained on, labels per joint, joints left out, share of cells that count."""
    persons = maker.index.persons.values
    labels = (persons[:, :, 2] > 0).sum(axis=0)
    return {
        "pictures": len(maker),
        "people": len(persons),
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


def log_summary(summary: dict[str, Any]) -> None:
    """A few lines in the log, with what to do about data that is not what the settings assume."""
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
