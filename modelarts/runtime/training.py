"""The training job's work on one card: stage in → train → publish → export."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import obs_sync
from modelarts.probe import named, start_facts
from modelarts.runtime.checkpoints.owner import RunOwner
from modelarts.runtime.checkpoints.publisher import Publisher
from modelarts.runtime.checkpoints.store import RESUME_NEVER, CheckpointStore, resume_source
from modelarts.runtime.staging import stage_training
from modelarts.runtime.supervision.watchdog import Watchdog
from modelarts.runtime.topology import JobTopology
from src.errors import JobError, OutputError, StoppedError
from src.model_utils.config import Config
from src.train.checkpoints.manifest import CheckpointName
from src.train.inputs import Card, TrainingInputs
from src.train.monitoring.startup import Startup
from src.train.signals import StopRequest

if TYPE_CHECKING:  # MindSpore is imported when staging is done
    from src.train.run import Samples, Trained

logger = logging.getLogger(__name__)

NO_EXPORT = "none"
#: Of the platform's 15 s between SIGTERM and SIGKILL, those for the current step, saving and uploads; the rest is for
#: exiting.
DRAIN_WHEN_STOPPED_S = 10.0
#: The minimum for uploads, even after a slow step.
DRAIN_AT_LEAST_S = 3.0
#: Errors of a path that the job can never write to, as opposed to a full or broken disk.
_NO_FOLDER = (NotADirectoryError, IsADirectoryError, FileExistsError, PermissionError)


def train_and_publish(config: Config, topology: JobTopology, watchdog: Watchdog) -> Sequence[str]:
    """Run the job from staging to the final export; returns one line for each missing checkpoint.

    Raises what staging and `src.train.run.train` raise, after giving pending uploads time to finish.
    """
    card = Card(topology.rank, topology.rank_size, topology.device_id, topology.local_rank)
    startup = Startup(platform=start_facts(named(sys.argv), os.environ))
    watchdog.alive("staging", 0)
    inputs = stage_training(config, topology.scratch, startup)
    with ExitStack() as stack:
        for streamed in inputs.streamed:
            stack.callback(streamed.close)
        from src.train.run import read_samples

        watchdog.alive("reading the annotations", 0)
        samples = read_samples(config, inputs, card, startup)  # invalid data is rejected before train_url is touched
        watchdog.alive("opening train_url", 0)
        publisher, owner = _open_writable(config, topology)
        stack.callback(owner.release)
        stack.callback(publisher.close)
        # a rank that waits for a picture is not hanging: the wait has its own timeout
        watchdog.drain_with(publisher.drain, config.stage_timeout if inputs.streamed else 0)
        try:
            return _train_and_publish(config, topology, card, inputs, samples, publisher, watchdog, startup)
        except BaseException as error:
            watchdog.failed(error)
            since_s = error.since_s if isinstance(error, StoppedError) else 0.0
            left_s = max(DRAIN_WHEN_STOPPED_S - since_s, DRAIN_AT_LEAST_S)
            _log_missing(publisher.drain(left_s, quietly=isinstance(error, StoppedError)))
            raise


def _train_and_publish(
    config: Config,
    topology: JobTopology,
    card: Card,
    inputs: TrainingInputs,
    samples: Samples,
    publisher: Publisher,
    watchdog: Watchdog,
    startup: Startup,
) -> Sequence[str]:
    from src.train.run import train

    local = _local_folder(config, topology)
    trained = train(config, inputs, samples, card, local, publisher, watchdog.alive, startup)
    watchdog.alive("publishing", 0)
    missing = _finish_uploads(publisher, config.publish_wait)
    if card.rank == 0 and not missing and config.export_format != NO_EXPORT:
        watchdog.alive("exporting", 0)
        _export(config, trained, publisher, local)
    if card.rank == 0 and trained.went_on and not missing:
        _log_results(publisher, CheckpointName(card.rank, *trained.moment))
    return missing


def _log_results(publisher: Publisher, last: CheckpointName) -> None:
    """The run's last line: its last checkpoint and its training page."""
    logger.info("training finished: %s; training page: %s", publisher.url_of(str(last)), publisher.page_url)


def _open_writable(config: Config, topology: JobTopology) -> tuple[Publisher, RunOwner]:
    """Open train_url; OutputError if it or the local checkpoint folder can never be written, else JobError."""
    try:
        return _open_train_url(config, topology)
    except obs_sync.ObsSyncError:
        raise
    except OSError as error:
        problem = f"train_url, save_model_path: {error.filename or config.train_url}: {error.strerror or error}"
        if isinstance(error, _NO_FOLDER):
            raise OutputError(f"{problem}; name folders that this job can write to") from None
        raise JobError(f"{problem}; repair the disk or free space, then start the job again") from None


def _open_train_url(config: Config, topology: JobTopology) -> tuple[Publisher, RunOwner]:
    """Lock this rank's local folder, claim the run (rank 0), and prepare to publish."""
    store = CheckpointStore(config.train_url, topology.rank, topology.rank_size)
    local = _local_folder(config, topology)
    obs_sync.create_local_buckets([store.url])
    owner = RunOwner(store.folder_of(0), topology.rank, topology.job_id)
    owner.lock(local)
    try:
        new_run = config.resume == RESUME_NEVER and not owner.is_restart()
        source = resume_source(config.resume if new_run or config.resume != RESUME_NEVER else "auto", store)
        owner.claim(new_run)
        publisher = Publisher(store, local, config.keep_checkpoint_max, config.publish, source, owner)
        try:
            publisher.start(config.settings(), owner.run_id)
        except BaseException:
            publisher.close()
            raise
    except BaseException:
        owner.release()
        raise
    return publisher, owner


def _finish_uploads(publisher: Publisher, publish_wait_s: float) -> Sequence[str]:
    """Wait for the last uploads, after a signal for DRAIN_WHEN_STOPPED_S. Logs and returns what is missing.

    Raises StoppedError when something is missing after a signal.
    """
    with StopRequest(f"{DRAIN_WHEN_STOPPED_S:.0f} s more for the last uploads") as stop:
        missing = publisher.drain(publish_wait_s, lambda: stop.since_s > DRAIN_WHEN_STOPPED_S)
    _log_missing(missing)
    if stop and missing:
        problem = f"stopped by {stop.cause} during the last uploads: {len(missing)} missing, see the errors above"
        raise StoppedError(problem, stop.signal_number)
    return missing


def _export(config: Config, trained: Trained, publisher: Publisher, local: Path) -> None:
    """Export the trained network beside its last checkpoint; an error here does not fail the job."""
    from src.net.weights import first_line
    from src.train.export import export_path, export_trained

    path = export_path(config, trained, local / str(CheckpointName(0, *trained.moment)))
    try:
        if not trained.went_on and obs_sync.exists(publisher.url_of(path.name)):
            return
        export_trained(config, trained, path)
        publisher.publish_file(path)
        missing = publisher.drain(config.publish_wait)
        if missing:
            raise OutputError(missing[0])
        path.unlink()
    except Exception as error:  # noqa: BLE001 - the training itself has succeeded
        reason = error if isinstance(error, (JobError, obs_sync.ObsSyncError)) else first_line(error)
        logger.error("not exported: %s; run `python -m src.tools.export` on a published checkpoint", reason)
    else:
        logger.info("exported %s", publisher.url_of(path.name))


def _local_folder(config: Config, topology: JobTopology) -> Path:
    """Where this rank writes checkpoints before they are published; another train_url has another folder."""
    run = hashlib.sha256(config.train_url.encode()).hexdigest()[:8]
    return Path(config.save_model_path or topology.scratch / "checkpoints") / f"run-{run}" / f"ckpt_{topology.rank}"


def _log_missing(missing: Sequence[str]) -> None:
    for line in missing:
        logger.error("not published: %s", line)
