"""What a job reads, as one function of its configuration: for staging, for `check` and for the dry run.

Beside it, what the commands and the job must name alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from obs_sync import is_url, under
from src.errors import ConfigError
from src.model_utils.config import Config
from src.model_utils.setting import INFERENCE, TRAINING
from src.train.validation.best import BEST, BEST_FILE

__all__ = [
    "CHANNELS",
    "INFERENCE",
    "REFUSAL_PREFIX",
    "TRAINING",
    "channels_in",
    "job_inputs",
    "setting_problems",
    "training_sets",
]

#: Settings that name local folders, and what to do with an OBS address instead.
_LOCAL_FOLDERS = {
    TRAINING: {
        "pretrained_model_folder_path_relative": "set pretrained_model_folder_path_obs to it",
        "save_model_path": "set train_url to it",
        "scratch_path": "name a folder on a disk of this machine",
    },
    INFERENCE: {
        "pic_folder_path_relative": "set pic_folder_path_obs to it, and is_model_arts=True",
        "checkpoint_folder_path_relative": "set checkpoint_folder_path_obs to it, and is_model_arts=True",
        "output_img_path_relative": "set output_path_root_obs to it, and is_model_arts=True",
        "scratch_path": "name a folder on a disk of this machine",
    },
}
#: Settings that are inputs or outputs of a job; the platform may pass them as environment variables of the same name.
CHANNELS = ("data_url", "train_url")
#: How the name of a marker begins that a job leaves with its results when an input is wrong.
REFUSAL_PREFIX = ".refused-"

#: Settings that name one thing of each data set, separated by commas.
_SET_PATHS = ("imgpath_train", "jsonpath_train", "maskpath_train")


def job_inputs(kind: str, config: Config) -> dict[str, str]:
    """URL or path of everything the job reads, by setting; a folder precedes the files in it. `kind`: which job.

    A setting of the second and each further data set has its number behind its name.
    """
    return _training(config) if kind == TRAINING else _inference(config)


def setting_problems(kind: str, config: Config) -> list[str]:
    """One line for each required setting that is empty, and for each local folder that is an OBS address."""
    needed = _needed_by_training(config) if kind == TRAINING else _needed_by_inference(config)
    empty = [f"{name}: is empty, but {reason}" for name, reason in needed.items() if not getattr(config, name)]
    remote = {name: remedy for name, remedy in _LOCAL_FOLDERS[kind].items() if is_url(getattr(config, name))}
    return empty + [
        f"{name}: {getattr(config, name)} is an OBS address, but this is a local folder; {remedy}"
        for name, remedy in remote.items()
    ]


def channels_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The inputs and outputs that the platform passed as environment variables instead of arguments."""
    return {name: environment[name].strip() for name in CHANNELS if environment.get(name, "").strip()}


def training_sets(config: Config) -> list[dict[str, str]]:
    """URL or path of each data set's `data_url`, pictures, annotations and masks, by setting; empty ones left out.

    ConfigError where the settings do not say the same number of sets, or two sets stage the same folder of pictures.
    """
    listed = {name: _listed(getattr(config, name)) for name in ("data_url", *_SET_PATHS)}
    count = max(map(len, listed.values()))
    counts = {**{name: len(items) for name, items in listed.items()}, "data_weights": len(config.data_weights)}
    counts["ignore_unannotated"] = len(config.ignore_unannotated)
    # one path for all sets must at least lie in another folder for each
    shared = ("data_url", "data_weights", "ignore_unannotated", *(_SET_PATHS if counts["data_url"] == count else ()))
    for name, number in counts.items():
        if number not in (count, *((1,) if name in shared else ()), *((0,) if name in _OPTIONAL else ())):
            raise ConfigError(f"{name}: gives {number} for {count} data sets; give one for each, separated by commas")
    sets = [_paths_of_set(listed, number) for number in range(count)]
    for name in _SET_PATHS[:2]:
        if count > 1 and not all(name in one for one in sets):
            raise ConfigError(f"{name}: names nothing for one of {count} data sets; give one for each")
    pictures = [one.get("imgpath_train", "").rstrip("/") for one in sets]
    twice = next((path for path in pictures if is_url(path) and pictures.count(path) > 1), "")
    if twice:
        raise ConfigError(f"imgpath_train: {twice} is named for two data sets; merge their annotation files")
    return sets


_OPTIONAL = ("data_url", "maskpath_train")


def _listed(text: str) -> list[str]:
    """The items of a list; an item may be empty, but not all."""
    items = [item.strip() for item in text.split(",")]
    return items if any(items) else []


def _paths_of_set(listed: Mapping[str, Sequence[str]], number: int) -> dict[str, str]:
    chosen = {name: items[min(number, len(items) - 1)] for name, items in listed.items() if items}
    data = chosen.pop("data_url", "")
    paths = {name: under(data, path) for name, path in chosen.items() if path}
    return {**({"data_url": data} if data else {}), **paths}


def _training(config: Config) -> dict[str, str]:
    sets = training_sets(config)
    found = dict(sets[0])
    for name in ("imgpath_val", "jsonpath_val"):
        if getattr(config, name):
            found[name] = under(found.get("data_url", ""), getattr(config, name))
    for number, paths in enumerate(sets[1:], start=2):
        found.update({f"{name}, set {number}": path for name, path in paths.items()})
    if config.vgg_path:
        found["vgg_path"] = config.vgg_path
    if config.load_pretrain:
        folder = "pretrained_model_folder_path_obs"
        if not getattr(config, folder):
            folder = "pretrained_model_folder_path_relative"
        found.update(_file_in(folder, "pretrained_model_filename", config))
    return found


def _inference(config: Config) -> dict[str, str]:
    suffix = "obs" if config.is_model_arts else "relative"
    pictures = f"pic_folder_path_{suffix}"
    # the action may name the folder of pictures, so that one hyperparameter chooses both
    folder = getattr(config, pictures).replace("{target_action_type}", config.target_action_type)
    found = {pictures: folder}
    if not config.is_batch_pics and config.filename_to_infer:
        found["filename_to_infer"] = under(folder, config.filename_to_infer)
    found.update(_file_in(f"checkpoint_folder_path_{suffix}", "checkpoint_filename", config))
    return {name: path for name, path in found.items() if path}


def _file_in(folder: str, file: str, config: Config) -> dict[str, str]:
    """The folder and the file in it that two settings name; for `best` the file that says which one that is."""
    name = BEST_FILE if getattr(config, file) == BEST else getattr(config, file)
    return {folder: getattr(config, folder), file: under(getattr(config, folder), name)}


def _needed_by_training(config: Config) -> dict[str, str]:
    names = {
        "imgpath_train": "training needs it; . is data_url itself",
        "jsonpath_train": "training needs it",
    }
    return {**names, **({"pretrained_model_filename": "load_pretrain=True needs it"} if config.load_pretrain else {})}


def _needed_by_inference(config: Config) -> dict[str, str]:
    needed = {"checkpoint_filename": "inference needs it"}
    if config.is_model_arts:
        names = ("pic_folder_path_obs", "checkpoint_folder_path_obs", "output_path_root_obs")
        needed.update(dict.fromkeys(names, "is_model_arts=True needs it"))
    if not config.is_batch_pics:
        needed["filename_to_infer"] = "is_batch_pics=False needs the name of the one picture"
    return needed
