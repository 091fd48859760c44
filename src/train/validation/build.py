"""Which pictures a run is validated on: a fixed part of a validation set, else of the training set."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from src.data.coco import Selection, open_index
from src.data.mixed import MixedSamples
from src.data.order import evenly_spread
from src.data.pose_index import PoseIndex, keep_present
from src.data.sample import SampleMaker
from src.model_utils.config import Config
from src.pose import DecodeSettings
from src.train.distributed import Communicator
from src.train.inputs import TrainingInputs
from src.train.samples import sample_settings
from src.train.step import TrainStep
from src.train.validation.validator import EvaluationNet, Validator

logger = logging.getLogger(__name__)

VALIDATION_SET, TRAINING_SET = "validation pictures", "training pictures"

#: The samples, and what they are called.
ValidationPictures = tuple[SampleMaker, str]


def build_validator(
    config: Config, chosen: ValidationPictures | None, step: TrainStep, communicator: Communicator
) -> Validator | None:
    """The validator of the network in a training step; None without pictures to validate on."""
    if chosen is None:
        return None
    maker, name = chosen
    decoding = DecodeSettings(peak_threshold=config.peak_threshold)
    batch_size = min(config.batch_size, len(maker))
    return Validator(maker, EvaluationNet(step.loss.network), step, communicator, batch_size, decoding, name)


def validation_samples(config: Config, inputs: TrainingInputs, training: MixedSamples) -> ValidationPictures | None:
    """The samples to validate on, without augmentation, and what they are; None with val_pictures=0.

    Without a validation set it is a part of the first training set, whose `ignore_unannotated` applies to either.
    DataError where the validation set has nobody with enough keypoints, or too many of its pictures are missing.
    """
    if config.val_pictures == 0:
        return None
    settings = replace(sample_settings(config), augment=False)
    first, maker = inputs.sets[0], training.makers[0]
    if inputs.val_annotations is None or inputs.val_pictures is None:
        part = maker.index.take(evenly_spread(len(maker), config.val_pictures))
        logger.info(
            "no validation set (jsonpath_val): validating on %d of the training pictures, which says nothing about "
            "pictures the network has not seen",
            len(part),
        )
        waits = first.streamed.wait_for if first.streamed is not None else None
        return SampleMaker(part, first.pictures, settings, first.masks, waits), TRAINING_SET
    index = open_index(inputs.val_annotations, config.part(Selection))
    part = index.take(evenly_spread(len(index), config.val_pictures))
    part = keep_present(part, inputs.val_pictures, config.missing_pictures_max)
    _warn_of_overlap(part, maker.index)
    logger.info("validating on %d of %d annotated pictures of %s", len(part), len(index), inputs.val_annotations)
    return SampleMaker(part, inputs.val_pictures, settings), VALIDATION_SET


def _warn_of_overlap(validation: PoseIndex, training: PoseIndex) -> None:
    both = np.intersect1d(validation.names, training.names)
    if len(both):
        logger.warning(
            "%d of %d validation pictures are training pictures, too, by their names (the first: %s): they say nothing "
            "about pictures the network has not seen",
            *(len(both), len(validation), both[0]),
        )
