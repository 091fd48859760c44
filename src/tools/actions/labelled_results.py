"""What evaluate_action and tune_action share: their arguments, labelled results, and the folder they write into.

Labelled results are saved ones, or made by running inference on pictures.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from src.actions import Action, default_actions, find_action, hint_text, load_actions
from src.actions.evaluation.labelled import RESULTS_FILE, Picture, read_results, results_file
from src.actions.measures.scene import Scenes
from src.errors import ConfigError, OutputError
from src.tools.common.command import add_settings, make_parser, run_command

logger = logging.getLogger(__name__)

EXAMPLES = (
    "--target_action_type=climb_up --labels labels.json --results results",
    "--target_action_type=climb_up --positive results/yes --negative results/no",
    "--target_action_type=climb_up --positive pics/yes --negative pics/no --checkpoint_filename=openpose.ckpt",
)
#: Settings of the inference job that are used where a place holds pictures; `scene_file` also for saved results.
INFERENCE_SETTINGS = (
    "checkpoint_folder_path_relative",
    "checkpoint_filename",
    "network",
    "stages",
    "infer_insize",
    "infer_scales",
    "infer_flip",
    "peak_threshold",
    "min_person_score",
    "min_person_joints",
    "scene_file",
    "label_language",
    "input_shapes",
    "bucket_aspects",
    "device_target",
    "engine",
)


def action_parser(tool: str, description: str) -> argparse.ArgumentParser:
    """The parser of both tools, with the arguments that they share."""
    parser = make_parser(tool, description, *EXAMPLES)
    declared = hint_text(default_actions()).replace("%", "%%")
    parser.add_argument(
        "--target_action_type", required=True, metavar="NAME", help=f"one of {declared}; or one of the actions_file's"
    )
    parser.add_argument(
        "--actions_file", default="", help="YAML file with an actions section, instead of default_config.yaml"
    )
    for label, meaning in (("positive", "the action occurs"), ("negative", "it does not occur")):
        parser.add_argument(
            f"--{label}",
            default=[],
            nargs="+",
            type=Path,
            metavar="PLACE",
            help=f"where {meaning}: {RESULTS_FILE}, a folder that holds one, or a folder of pictures "
            "(they go through the network first, with the settings below)",
        )
    add_settings(parser, *INFERENCE_SETTINGS)
    return parser


def run_tool(
    work: Callable[[argparse.Namespace], str], parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> int:
    """Run a tool that returns the lines to print; the exit codes are run_command's."""

    def print_result(arguments: argparse.Namespace) -> int:
        print(work(arguments))
        return 0

    return run_command(print_result, parser, argv)


@contextmanager
def written_into(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there; what cannot be written into it is an OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error}); give another folder with --output") from None


def chosen_action(arguments: argparse.Namespace) -> Action:
    """The action that the arguments name."""
    actions = load_actions(arguments.actions_file) if arguments.actions_file else None
    return find_action(arguments.target_action_type, actions)


def collect(arguments: argparse.Namespace) -> tuple[list[Picture], list[str]]:
    """All labelled pictures, and the names of those that could not be read.

    Folders of pictures are judged into the output folder. Raises DataError or ConfigError when a place holds neither.
    """
    if not arguments.positive or not arguments.negative:
        raise ConfigError("give --positive and --negative places, or --labels on persons")
    pictures: list[Picture] = []
    unread: list[str] = []
    scenes = declared_scenes(arguments)
    for label, places in (("positive", arguments.positive), ("negative", arguments.negative)):
        for number, place in enumerate(places):
            saved = results_file(place)
            if saved is None:
                saved = infer_into(place, arguments.output / f"{label}_{number}", arguments)
            read, lost = read_results(saved, positive=label == "positive", scenes=scenes)
            pictures += read
            unread += lost
    if unread:
        logger.warning("%d pictures could not be read and are left out, the first is %s", len(unread), unread[0])
    return pictures, unread


def declared_scenes(arguments: argparse.Namespace) -> Scenes:
    """The scenes of --scene_file, none without it."""
    from src.infer.options import scenes_of

    return scenes_of(arguments)


def infer_into(folder: Path, output: Path, arguments: argparse.Namespace) -> Path:
    """Run the inference line on a folder of pictures; returns the results file."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is neither a {RESULTS_FILE} nor a folder")
    if output.exists():
        raise ConfigError(f"{output}: holds results of an earlier run; give another --output or the results themselves")
    from src.data.listing import picture_names
    from src.infer.forward import load_model_for
    from src.infer.options import options_of
    from src.infer.run import infer_folder

    options = options_of(arguments)
    checkpoint = Path(arguments.checkpoint_folder_path_relative) / arguments.checkpoint_filename
    network = load_model_for(arguments, checkpoint)
    with written_into(output):
        infer_folder(network, folder, picture_names(folder), output, chosen_action(arguments), {}, options=options)
    return output / RESULTS_FILE
