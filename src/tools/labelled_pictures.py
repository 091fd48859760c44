"""Labelled results for measuring and tuning an action: saved ones, or made by running inference on pictures."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from src.actions import Action, find_action, load_actions
from src.actions.labelled import RESULTS_FILE, Picture, read_results, results_file
from src.errors import ConfigError

logger = logging.getLogger(__name__)

INFERENCE_HINT = "of the inference job, such as --checkpoint_folder_path_relative and --checkpoint_filename"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that both tools share."""
    parser.add_argument("--target_action_type", required=True, help="the declared action to measure")
    parser.add_argument(
        "--actions_file", default="", help="YAML file with an actions section, instead of default_config.yaml"
    )
    for label, meaning in (("positive", "the action occurs"), ("negative", "it does not occur")):
        parser.add_argument(
            f"--{label}",
            required=True,
            nargs="+",
            type=Path,
            metavar="PLACE",
            help=f"where {meaning}: {RESULTS_FILE}, a folder that holds one, or a folder of pictures",
        )
    parser.epilog = (
        f"Folders of pictures go through the network first; then also give hyperparameters {INFERENCE_HINT}."
    )


def chosen_action(arguments: argparse.Namespace) -> Action:
    """The action that the arguments name."""
    actions = load_actions(arguments.actions_file) if arguments.actions_file else None
    return find_action(arguments.target_action_type, actions)


def collect(
    arguments: argparse.Namespace, hyperparameters: Sequence[str], work_folder: Path
) -> tuple[list[Picture], list[str]]:
    """All labelled pictures, and the names of those that could not be read.

    Folders of pictures are judged into `work_folder`. Raises DataError or ConfigError when a place holds neither.
    """
    pictures: list[Picture] = []
    unread: list[str] = []
    for label, places in (("positive", arguments.positive), ("negative", arguments.negative)):
        for number, place in enumerate(places):
            saved = results_file(place)
            if saved is None:
                saved = _infer(place, work_folder / f"{label}_{number}", arguments, hyperparameters)
            read, lost = read_results(saved, positive=label == "positive")
            pictures += read
            unread += lost
    if unread:
        logger.warning("%d pictures could not be read and are left out, the first is %s", len(unread), unread[0])
    return pictures, unread


def _infer(folder: Path, output: Path, arguments: argparse.Namespace, hyperparameters: Sequence[str]) -> Path:
    """Run the inference line on a folder of pictures; returns the results file."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is neither a {RESULTS_FILE} nor a folder")
    from src.infer.forward import load_model
    from src.infer.listing import picture_names
    from src.infer.run import infer_folder
    from src.model_utils.config import parse_config
    from src.pose import DecodeSettings

    named = [f"--target_action_type={arguments.target_action_type}", f"--actions_file={arguments.actions_file}"]
    config = parse_config([*hyperparameters, *named], "python -m src.tools.evaluate_action")
    network = load_model(
        Path(config.checkpoint_folder_path_relative) / config.checkpoint_filename,
        config.network,
        config.stages,
        insize=config.infer_insize,
        device_target=config.device_target,
        input_shapes=config.input_shapes,
        aspects=config.bucket_aspects,
        decode_settings=DecodeSettings(peak_threshold=config.peak_threshold),
    )
    if output.exists():
        raise ConfigError(f"{output}: holds results of an earlier run; give another --output or the results themselves")
    output.mkdir(parents=True)
    infer_folder(network, folder, picture_names(folder), output, config.actions[config.target_action_type], {})
    return output / RESULTS_FILE
