"""Builds the training samples from the annotated pictures that are present."""

from __future__ import annotations

from dataclasses import replace

from src.data.coco import Selection, open_index
from src.data.mixed import MixedSamples
from src.data.pose_index import PoseIndex, keep_present, leave_out
from src.data.sample import SampleMaker, SampleSettings
from src.model_utils.config import Config
from src.train.inputs import Card, TrainingInputs, TrainingSet
from src.train.monitoring.startup import Startup

INDEX_WAIT_S = 600.0


def training_samples(config: Config, inputs: TrainingInputs, card: Card, startup: Startup) -> MixedSamples:
    """The samples of the training sets; DataError where the annotations or too many pictures are missing."""
    makers = []
    for number, one in enumerate(inputs.sets):
        with startup("opening the index") as phase:
            index = _present_pictures(config, one, card)
            phase.files, phase.size_bytes = len(index), index.nbytes
        await_picture = one.streamed.wait_for if one.streamed is not None else None
        makers.append(SampleMaker(index, one.pictures, sample_settings(config, number), one.masks, await_picture))
    return MixedSamples(makers, _for_each(config.data_weights, len(makers)))


def sample_settings(config: Config, number: int = 0) -> SampleSettings:
    """The sample settings of data set `number` (from 0)."""
    ignore = config.ignore_unannotated
    return replace(config.part(SampleSettings), ignore_unannotated=ignore[min(number, len(ignore) - 1)])


def announce_names(samples: MixedSamples, inputs: TrainingInputs, card: Card, done: int, batch_size: int) -> None:
    """Announce this card's pictures to the copy workers in order, from step `done` + 1 to the end of that epoch."""
    epoch, step = divmod(done, -(-len(samples) // card.rank_size) // batch_size)
    slots = samples.order(epoch, card.rank, card.rank_size)[step * batch_size :]
    for one, names in zip(inputs.sets, samples.names(slots)):
        if one.streamed is not None:
            one.streamed.expect(names)


def _for_each(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    return values if len(values) == count else values[:1] * count


def _present_pictures(config: Config, one: TrainingSet, card: Card) -> PoseIndex:
    index = open_index(
        one.annotations,
        config.part(Selection),
        cache=one.index_cache,
        wait_s=INDEX_WAIT_S if card.local_rank else 0.0,
    )
    index = leave_out(index, one.missing, str(one.pictures), config.missing_pictures_max)
    if one.streamed is None:
        index = keep_present(index, one.pictures, config.missing_pictures_max)
    return index
