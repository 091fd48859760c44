"""Training samples: the annotated pictures that are there, and how a sample is made of each."""

from __future__ import annotations

from src.data.coco import Selection, open_index
from src.data.order import epoch_order
from src.data.pose_index import PoseIndex, keep_present, leave_out
from src.data.sample import SampleMaker, SampleSettings
from src.model_utils.config import Config
from src.train.inputs import Card, TrainingInputs
from src.train.monitoring.startup import Startup

INDEX_WAIT_S = 600.0


def training_samples(config: Config, inputs: TrainingInputs, card: Card, startup: Startup) -> SampleMaker:
    """The sample maker of the training set; DataError where the annotations or too many pictures are missing."""
    with startup("opening the index") as phase:
        index = _present_pictures(config, inputs, card)
        phase.files, phase.size_bytes = len(index), index.nbytes
    await_picture = inputs.streamed.wait_for if inputs.streamed is not None else None
    return SampleMaker(index, inputs.pictures, config.part(SampleSettings), inputs.masks, await_picture)


def next_names(maker: SampleMaker, config: Config, card: Card, done: int, steps_per_epoch: int) -> list[str]:
    """The names of this card's pictures in order, from the step after `done` to the end of that epoch."""
    epoch, step = divmod(done, steps_per_epoch)
    order = epoch_order(len(maker), config.seed, epoch, card.rank, card.rank_size)
    return [str(maker.index.names[row]) for row in order[step * config.batch_size :]]


def _present_pictures(config: Config, inputs: TrainingInputs, card: Card) -> PoseIndex:
    index = open_index(
        inputs.annotations,
        config.part(Selection),
        cache=inputs.index_cache,
        wait_s=INDEX_WAIT_S if card.local_rank else 0.0,
    )
    index = leave_out(index, inputs.missing, str(inputs.pictures), config.missing_pictures_max)
    if inputs.streamed is None:
        index = keep_present(index, inputs.pictures, config.missing_pictures_max)
    return index
