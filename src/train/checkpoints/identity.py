"""The settings and data that determine a training run; resuming requires them unchanged, or resume_changed=True."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from src.files import file_sha256
from src.model_utils.config import Config

#: Settings that change the weights a run arrives at.
DECIDING = (
    "network",
    "stages",
    "seed",
    "insize",
    "batch_size",
    "augment",
    "scale_min",
    "scale_max",
    "person_size_min",
    "person_size_max",
    "rotate_max",
    "center_shift_max",
    "flip_probability",
    "colour_jitter",
    "min_keypoints",
    "min_area",
    "unlabelled_joints",
    "batch_norm",
    "freeze",
    "heatmap_sigma",
    "paf_half_width",
    "lr",
    "lr_type",
    "lr_gamma",
    "warmup_epoch",
    "pretrained_warmup_steps",
    "momentum",
    "vgg_freeze_steps",
    "loss_scale",
    "amp",
    "clip_norm",
)
#: Settings with a value for each data set, or one for all.
DECIDING_BY_SET = ("data_weights", "ignore_unannotated")

#: Settings with a value of its own (name_NP) for several cards.
DECIDING_BY_CARDS = ("lr_steps", "train_type", "optimizer", "group_params")

#: Behaviour of runs from before these were settings; their checkpoints do not record it.
EARLIER = {
    "batch_norm": "batch",
    "freeze": "none",
    "data_weights": 1,
    "unlabelled_joints": "absent",
    "ignore_unannotated": False,
    "pretrained_warmup_steps": 0,
    "amp": "off",
}

#: The consequence of a change, shown to the user.
MEANING = {
    "cards": "every card gets another share of the pictures, and lr and lr_steps scale with the number of cards",
    "batch_size": "an epoch has another number of steps, so lr_steps come at another point",
    "pictures": "the data set has another number of usable pictures",
    "annotations": "the annotation file has changed",
    "data_weights": "an epoch takes other numbers of pictures of the data sets",
}


def run_identity(config: Config, cards: int, annotations: Sequence[Path], pictures: int) -> dict[str, object]:
    """Name and value of everything that decides the run, as plain JSON values; `annotations`: of each data set."""
    settings = config.settings()
    identity = {name: settings[name] for name in DECIDING}
    for name in DECIDING_BY_SET:
        values = cast("list[object]", settings[name])
        identity[name] = values[0] if values == values[:1] * len(values) else values
    for name in DECIDING_BY_CARDS:
        identity[name] = settings[f"{name}_NP" if cards > 1 else name]
    digests = "+".join(file_sha256(file)[:16] for file in annotations)
    return {**identity, "cards": cards, "pictures": pictures, "annotations": digests}


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """One phrase for each thing that changed since the checkpoint, with what it means."""
    changed = []
    for name in sorted({*before, *now}):
        was = before.get(name, EARLIER.get(name))
        if was != now.get(name):
            meaning = f" ({MEANING[name]})" if name in MEANING else ""
            changed.append(f"{name} was {was}, is {now.get(name)}{meaning}")
    return changed
