"""The two jobs, from command line to exit code: configure → locate → stage in → train or judge → stage out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import obs_sync
from modelarts.job_inputs import CHANNELS, INFERENCE, TRAINING, channels_in, job_inputs, setting_problems
from modelarts.runtime.logs import set_up_logging
from modelarts.runtime.node_lock import NodeError
from modelarts.runtime.refusals import Refusals
from modelarts.runtime.staging import stage_checkpoint, stage_pictures
from modelarts.runtime.supervision.watchdog import Watchdog
from modelarts.runtime.topology import SCHEDULER, locate
from modelarts.runtime.training import train_and_publish
from src.data.listing import Listing, pictures_to_judge
from src.errors import ConfigError, IncompleteError, JobError, StoppedError, exit_code_of
from src.interrupts import INTERRUPTED, leave_half_imported
from src.model_utils.config import Config, parse_config
from src.model_utils.unused import unused_settings
from src.net.formats import require_checkpoint
from src.plural import plural
from src.version import NAME, VERSION

logger = logging.getLogger(__name__)

TRAINING_EXAMPLES = """examples:
  python train_start.py --data_url=obs://bucket/coco2017 --train_url=obs://bucket/output/ep2_np1
  python train_start.py --data_url=./coco --train_url=./output --network=mobilenet_v2 --max_epoch_train=20
  python train_start.py … --load_pretrain=True --pretrained_model_folder_path_obs=obs://bucket/models
"""
INFERENCE_EXAMPLES = """examples:
  python test_tmp.py --target_action_type=climb_up --pic_folder_path_relative=./pics \\
      --checkpoint_folder_path_relative=./models --checkpoint_filename=model.ckpt
  python test_tmp.py --is_model_arts=True --target_action_type=climb_over_fence \\
      --pic_folder_path_obs=obs://bucket/pics --checkpoint_folder_path_obs=obs://bucket/models --output_path_root_obs=obs://bucket/job
"""


def training_job(argv: Sequence[str]) -> int:
    """`train_start.py`: train, and publish checkpoints while training runs; returns the exit code."""
    return _run(_train, TRAINING, argv, "train_start.py", TRAINING_EXAMPLES)


def inference_job(argv: Sequence[str]) -> int:
    """`test_tmp.py`: judge a folder of pictures; returns the exit code."""
    return _run(val, INFERENCE, argv, "test_tmp.py", INFERENCE_EXAMPLES)


def val(config: Config | None = None) -> Mapping[str, object]:
    """The inference job: stage in, load the model, judge every picture, stage out. Returns the summary.

    Without a configuration, the process's command line is parsed.
    """
    config = config or parse_config(sys.argv[1:], "test_tmp.py", INFERENCE_EXAMPLES, job=INFERENCE)
    _choose_storage(config)
    _warn_of_unused(INFERENCE, config, 1)
    checkpoint, folder, listing = _inference_inputs(config)
    from modelarts.runtime.inference import judge_pictures_of_job
    from src.infer.run import check_any_readable

    summary = judge_pictures_of_job(config, checkpoint, folder, listing)
    check_any_readable(summary)
    return summary


def _train(config: Config) -> None:
    _choose_storage(config)
    channels = {name: getattr(config, name) for name in CHANNELS}
    topology = locate(os.environ, config.scratch_path, channels)
    found = {name: one.path for name, one in topology.locations.items()}
    config = replace(config, data_url=found.get("data_url", ""), train_url=found.get("train_url", ""))
    if topology.role == SCHEDULER:  # msrun starts it with the same boot file
        _schedule(config)
        return
    if topology.rank == 0:
        _warn_of_unused(TRAINING, config, topology.rank_size)
    first = topology.rank - topology.local_rank
    ranks = range(first, first + topology.rank_size // topology.nodes)
    folder = topology.scratch / "ranks"
    with Watchdog(folder, topology.rank, ranks, topology.rank_size, config.hang_timeout) as watchdog:
        missing = train_and_publish(config, topology, watchdog)
    if missing:
        raise IncompleteError(f"{plural(len(missing), 'checkpoint')} not published, see the errors above")


def _warn_of_unused(job: str, config: Config, cards: int) -> None:
    for line in unused_settings(job, config, cards):
        logger.warning("no effect: %s", line)


def _schedule(config: Config) -> None:
    from src.net.build import choose_device
    from src.train.distributed import serve_as_scheduler

    logger.info("this process is the scheduler of the ranks")
    serve_as_scheduler(choose_device(config.device_target))


def _inference_inputs(config: Config) -> tuple[Path, Path, Listing]:
    """Local checkpoint, local folder, and the pictures in it to judge."""
    missing = setting_problems(INFERENCE, config)
    if missing:
        raise ConfigError("; ".join(missing))
    inputs = job_inputs(INFERENCE, config)
    checkpoint_folder_obs = config.checkpoint_folder_path_obs if config.is_model_arts else ""
    checkpoint = stage_checkpoint(
        checkpoint_folder_obs, config.checkpoint_folder_path_relative, config.checkpoint_filename
    )
    require_checkpoint(checkpoint)  # before pictures are copied
    if config.is_model_arts and obs_sync.is_url(inputs["pic_folder_path_obs"]):
        only = "" if config.is_batch_pics else config.filename_to_infer
        results = obs_sync.under(config.output_path_root_obs, "output_img")
        url = inputs["pic_folder_path_obs"]
        return checkpoint, *stage_pictures(url, config.pic_folder_path_relative, only, results)
    folder = Path(inputs["pic_folder_path_obs" if config.is_model_arts else "pic_folder_path_relative"])
    if not config.is_batch_pics:
        return checkpoint, folder, Listing([config.filename_to_infer])
    return checkpoint, folder, pictures_to_judge(folder, Path(config.output_img_path_relative))


def _run(work: Callable[[Config], object], job: str, argv: Sequence[str], prog: str, examples: str) -> int:
    """Run a job; turn its errors into one log line and an exit code (see README, exit codes)."""
    _set_up_process()
    try:
        config = parse_config(argv, prog, examples, channels_in(os.environ), job)
        logger.info("%s %s, %s", NAME, VERSION, prog)
        return _run_once(work, job, config)
    except StoppedError as error:
        if os.environ.get("RANK_ID", "0") == "0":  # all ranks stop after the same step
            logger.error("%s", error)
        return error.exit_code
    except JobError as error:
        logger.error("%s", error)
        return error.exit_code
    except obs_sync.ObsSyncError as error:
        logger.error("%s", error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        logger.error("interrupted; the same command continues")
        leave_half_imported(INTERRUPTED)
        return INTERRUPTED


def _run_once(work: Callable[[Config], object], job: str, config: Config) -> int:
    """Run a job, unless this is a restart of one that failed on invalid input."""
    _choose_storage(config)
    results_at = config.output_path_root_obs
    if job == TRAINING:
        results_at = channels_in(os.environ).get("train_url") or config.train_url
    refusals = Refusals(config, os.environ, results_at)
    if message := refusals.earlier():
        logger.error("%s", message)
        logger.error("an earlier start of this job failed with this error; correct the settings and submit a new job")
        return ConfigError.exit_code
    try:
        work(config)
    except (JobError, obs_sync.ObsSyncError) as error:
        if exit_code_of(error) == ConfigError.exit_code and not isinstance(error, NodeError):
            refusals.record(str(error))
        raise
    return 0


def _choose_storage(config: Config) -> None:
    obs_sync.configure(storage_mode=config.storage_mode, obs_local_root=config.obs_local_root)


def _set_up_process() -> None:
    """Set up logging; silence MindSpore's warnings unless GLOG_v is set. Must precede MindSpore's import."""
    os.environ.setdefault("GLOG_v", "3")
    try:
        local_rank = locate(os.environ).local_rank
    except ConfigError:  # the job's own call reports it
        local_rank = 0
    set_up_logging(os.environ.get("RANK_ID", "0"), writes_for_all=local_rank == 0)
