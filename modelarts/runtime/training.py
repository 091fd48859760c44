"""The training job's work on one card: stage in → train → publish → export."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import obs_sync
from modelarts.runtime.checkpoint_store import CheckpointStore, sources_of
from modelarts.runtime.publishing import Publisher
from modelarts.runtime.staging import stage_training
from modelarts.runtime.topology import JobTopology
from modelarts.runtime.watchdog import Watch
from src.errors import JobError, OutputError
from src.model_utils.config import Config
from src.train.checkpoints.manifest import CheckpointName
from src.train.inputs import Card
from src.train.monitoring.startup import Startup

if TYPE_CHECKING:  # MindSpore is imported when staging is done
    from src.train.run import Trained

logger = logging.getLogger(__name__)

NO_EXPORT = "none"
#: The platform leaves 15 s between SIGTERM and SIGKILL; the rest is for the step at hand and for saving.
DRAIN_WHEN_STOPPED_S = 10.0


def train_and_publish(config: Config, topology: JobTopology, watch: Watch) -> Sequence[str]:
    """From staging to the last checkpoint and the final export; returns one line for each checkpoint that is missing.

    Raises what staging and `src.train.run.train` raise, when what is on its way has had its time to arrive.
    """
    card = Card(topology.rank, topology.rank_size, topology.device_id, topology.local_rank)
    startup = Startup()
    watch.alive("staging", 0)
    inputs = stage_training(config, topology.scratch, startup)
    watch.alive("opening train_url", 0)
    store = CheckpointStore(config.train_url, card.rank, card.rank_size)
    local = _local_folder(config, topology.scratch, card.rank)
    sources = sources_of(config.resume, store)
    publisher = Publisher(store, local, config.keep_checkpoint_max, config.publish, sources)
    publisher.start(config.settings())
    # a rank that waits for a picture does not hang: the copying process is watched by itself
    watch.before_the_end(publisher.drain, config.stage_timeout if inputs.streamed is not None else 0)
    from src.train.run import train

    try:
        trained = train(config, inputs, card, local, publisher, watch.alive, startup)
        watch.alive("publishing", 0)
        missing = publisher.drain(config.publish_wait)
        _tell_missing(missing)
        if card.rank == 0 and not missing and config.export_format != NO_EXPORT:
            watch.alive("exporting", 0)
            _export(config, trained, store, publisher, local)
        if card.rank == 0 and trained.went_on and not missing:
            logger.info("training is done: %s", store.url_of(str(CheckpointName(card.rank, *trained.moment))))
        return missing
    except BaseException as error:
        watch.failed(error)
        _tell_missing(publisher.drain(DRAIN_WHEN_STOPPED_S))
        raise
    finally:
        publisher.close()
        if inputs.streamed is not None:
            inputs.streamed.close()


def _export(config: Config, trained: Trained, store: CheckpointStore, publisher: Publisher, local: Path) -> None:
    """Leave the trained network beside its last checkpoint; nothing that goes wrong here fails the job."""
    from src.net.weights import first_line
    from src.train.export import export_path, export_trained

    path = export_path(config, trained, local / str(CheckpointName(store.rank, *trained.moment)))
    try:
        if not trained.went_on and obs_sync.exists(store.url_of(path.name)):
            return
        export_trained(config, trained, path)
        publisher.publish_file(path)
        missing = publisher.drain(config.publish_wait)
        if missing:
            raise OutputError(missing[0])
        path.unlink()
    except Exception as error:  # noqa: BLE001 - whatever it is, the training has succeeded
        what = error if isinstance(error, (JobError, obs_sync.ObsSyncError)) else first_line(error)
        logger.error("not exported: %s; all checkpoints are safe, `python -m src.tools.export` exports one", what)
    else:
        logger.info("exported %s", store.url_of(path.name))


def _local_folder(config: Config, scratch: Path, rank: int) -> Path:
    """Where this rank writes checkpoints before they are published; another train_url has another folder."""
    run = hashlib.sha256(config.train_url.encode()).hexdigest()[:8]
    return Path(config.save_model_path or scratch / "checkpoints") / f"run-{run}" / f"ckpt_{rank}"


def _tell_missing(missing: Sequence[str]) -> None:
    for line in missing:
        logger.error("not published: %s", line)
