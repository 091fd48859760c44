"""The figures of the training proof: people found in pictures as inference finds them, against annotated people.

Pictures pass through inference with a shorter side of 192 px. PCK@0.2 is the share of labelled joints
(without the neck) that lie within 0.2 of the torso of the same joint of the found person paired with theirs. The torso
is the distance from the left shoulder to the right hip, else from the right to the left; people without either do not
count. Joints of people who are not found at all count as missed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from src.data.coco import Selection, open_index
from src.data.images import decode_picture
from src.data.order import evenly_spread
from src.data.sample import SampleMaker
from src.infer.network import Network
from src.infer.picture import detect
from src.model_utils.config import build_config
from src.train.samples import sample_settings
from src.train.validation.scores import PictureScore, average_precision, score_picture
from src.train.validation.validator import box_areas, lies_outside, square_fit

NETWORK = {"network": "mobilenet_v2", "device_target": "CPU", "insize": 192}
COLUMNS = ("people", "PCK@0.2", "OKS>0.5", "AP")


def measure(checkpoint: Path, labels: Path, pictures: Path, ignore_unannotated: bool, limit: int) -> str:
    """The figures of one checkpoint on at most `limit` pictures, found as inference finds people, as a table line.

    Found people on masked regions, and with `ignore_unannotated` those away from the annotated ones, do not count.
    """
    from src.infer.forward import load_model

    config = build_config({**NETWORK, "ignore_unannotated": ignore_unannotated})
    network = load_model(checkpoint, config.network, config.stages, insize=config.insize, device_target="CPU")
    settings = replace(sample_settings(config), augment=False)
    index = open_index(labels, config.part(Selection))
    maker = SampleMaker(index.take(evenly_spread(len(index), limit)), pictures, settings)
    scores = [_score(maker, row, network) for row in range(len(maker))]
    persons, joints = (sum(getattr(score, name) for score in scores) for name in ("persons", "joints"))
    pck = sum(score.close for score in scores) / joints
    recall = sum(int(score.matched[:, 0].sum()) for score in scores) / persons
    return f"{persons:>9}{pck:>9.3f}{recall:>9.3f}{average_precision(scores):>9.3f}"


def _score(maker: SampleMaker, row: int, network: Network) -> PictureScore:
    name = str(maker.index.names[row])
    poses, scores = detect(decode_picture(maker.pictures.read(name), Path(name)), network)
    in_square = poses.copy()
    in_square[..., :2] = square_fit(maker, row).to_input(poses[..., :2])
    unknown = lies_outside(in_square, maker.exactly(row).valid_mask[0])
    annotated = np.array(maker.index.persons[row], np.float64)
    found = poses.astype(np.float64), scores.astype(np.float64)
    return score_picture(*found, annotated, box_areas(annotated), unknown)
