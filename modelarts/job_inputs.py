"""What a job reads, as one function of its configuration: for staging, for `check` and for the dry run."""

from __future__ import annotations

from collections.abc import Mapping

from obs_sync import under
from src.model_utils.config import Config
from src.model_utils.setting import INFERENCE, TRAINING
from src.train.validation.best import BEST, BEST_FILE

__all__ = ["CHANNELS", "INFERENCE", "TRAINING", "channels_in", "job_inputs", "missing_settings"]

#: Settings that are inputs or outputs of a job; the platform may pass them as environment variables of the same name.
CHANNELS = ("data_url", "train_url")


def job_inputs(kind: str, config: Config) -> dict[str, str]:
    """URL or path of everything the job reads, by setting; a folder precedes the files in it. `kind`: which job."""
    return _training(config) if kind == TRAINING else _inference(config)


def missing_settings(kind: str, config: Config) -> list[str]:
    """One line for each setting that the configuration needs and that is empty."""
    needed = _needed_by_training(config) if kind == TRAINING else _needed_by_inference(config)
    return [f"{name}: is empty, but {reason}" for name, reason in needed.items() if not getattr(config, name)]


def channels_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The inputs and outputs that the platform passed as environment variables instead of arguments."""
    return {name: environment[name].strip() for name in CHANNELS if environment.get(name, "").strip()}


def _training(config: Config) -> dict[str, str]:
    data = config.data_url
    found = {"data_url": data} if data else {}
    for name in ("imgpath_train", "jsonpath_train", "maskpath_train", "imgpath_val", "jsonpath_val"):
        if getattr(config, name):
            found[name] = under(data, getattr(config, name))
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
