"""The inference job after staging: load the network, open the output folder, judge every picture."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from modelarts.job_inputs import INFERENCE
from modelarts.runtime.results.owner import FolderClaims, describe_inputs
from modelarts.runtime.results.upload import FinishedBefore, results_folder
from modelarts.runtime.topology import locate
from obs_sync import under
from src.actions import declaration_of
from src.data.listing import Listing
from src.errors import IncompleteError
from src.files import file_sha256
from src.fill import fill
from src.infer.options import options_of
from src.infer.output.output_folder import run_digest
from src.infer.output.shard import Shard
from src.model_utils.config import Config
from src.plural import plural
from src.version import VERSION

logger = logging.getLogger(__name__)


#: How many unsupported files the summary lists, and how many unstored files an error names.
NOT_READ_LISTED = 1000
NOT_STORED_NAMED = 5


def judge_pictures_of_job(config: Config, checkpoint: Path, folder: Path, listing: Listing) -> Mapping[str, object]:
    """Judge this card's shard of the pictures and deliver the results; returns the summary."""
    from src.infer.forward import load_model_for
    from src.infer.report.page import REPORT_FILE
    from src.infer.run import infer_folder

    topology = locate(os.environ, config.scratch_path)
    cache = compile_cache_folder(config.infer_compile_cache, topology.scratch)
    network = load_model_for(_explicit(config), checkpoint, topology.device_id, config.infer_batch_size, cache)
    action = config.actions[config.target_action_type]
    options = options_of(config)
    facts = {"version": VERSION, "checkpoint": str(checkpoint), "settings": config.settings(INFERENCE)}
    facts["not_read"] = {
        "files": len(listing.skipped),
        "reasons": dict(list(listing.skipped.items())[:NOT_READ_LISTED]),
    }
    shard = Shard(topology.rank, topology.rank_size)
    parent = Path(config.output_img_path_relative)
    root = under(config.output_path_root_obs, "output_img") if config.is_model_arts else ""
    claims = FolderClaims(shard, topology.job_id, describe_inputs(listing.names))
    digest = digest_of(config, checkpoint, folder)
    try:
        with results_folder(parent, root, digest, shard, claims) as (output, results, sink):
            summary = infer_folder(
                network, folder, listing.names, output, action, facts, shard=shard, sink=sink, options=options
            )
    except FinishedBefore as finished:
        logger.info("nothing left to do: rank 0 has already finished %s", finished)
        return {}
    counts = cast("Mapping[str, int]", summary)
    logger.info(
        "%s, %d unreadable; %s: %s occurred in %d, did not in %d, %d undecided; report: %s",
        *(plural(counts["pictures"], "picture"), counts["unreadable"], plural(counts["persons"], "person")),
        action.name,
        *(counts[key] for key in ("occurred", "not_occurred", "undecided")),
        under(results, REPORT_FILE),
    )
    if sink.not_stored:
        raise IncompleteError(_not_stored(sink.not_stored, results, output))
    return summary


def _not_stored(files: Mapping[str, str], results: str, output: Path) -> str:
    named = ", ".join(list(files)[:NOT_STORED_NAMED]) + (", …" if len(files) > NOT_STORED_NAMED else "")
    first = next(iter(files.values()))
    return f"{results}: {plural(len(files), 'file')} could not be stored: {named} ({first}); copies are in {output}"


def _explicit(config: Config) -> Config:
    """The settings with network and stages None unless set explicitly: None means those of the checkpoint."""
    explicit = {name: config.if_given(name) for name in ("network", "stages")}
    return fill(Config, {**config.__dict__, **explicit})


def compile_cache_folder(setting: str, scratch: Path) -> Path | None:
    """The folder of compiled graphs by the setting `infer_compile_cache`; None when they are not kept.

    Also accepts `True` and `False`, the values of the training's `compile_cache`.
    """
    if setting.lower() in ("none", "false"):
        return None
    return scratch / "compiled_inference" if setting.lower() in ("auto", "true") else Path(setting)


def digest_of(config: Config, checkpoint: Path, folder: Path) -> str:
    """A digest that is equal for jobs with identical results, so that one may continue the other."""
    return run_digest(
        {
            "checkpoint": file_sha256(checkpoint),
            "pictures": config.pic_folder_path_obs if config.is_model_arts else str(folder.resolve()),
            "one_picture": "" if config.is_batch_pics else config.filename_to_infer,
            "action": declaration_of(config.actions[config.target_action_type]),
            "network": (
                config.if_given("network"),
                config.if_given("stages"),
                config.infer_insize,
                config.input_shapes,
            ),
            "bucket_aspects": config.bucket_aspects,
            "peak_threshold": config.peak_threshold,
            "people": (config.min_person_score, config.min_person_joints),
            "views": (config.infer_scales, config.infer_flip),
            "label_language": config.label_language,
        }
    )
