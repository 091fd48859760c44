"""Bringing in what a job reads: obs:// paths are copied to local folders, local paths are used where they are."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import obs_sync
from src.errors import ConfigError, DataError
from src.model_utils.config import Config
from src.train.inputs import TrainingInputs


def under(base: str, path: str) -> str:
    """`path` below the folder or URL `base`, unless it is a URL or absolute itself or there is no base."""
    if not base or obs_sync.is_url(path) or PurePosixPath(path).is_absolute():
        return path
    return obs_sync.join(base, path) if obs_sync.is_url(base) else str(Path(base) / path)


def ensure_local_bucket(url: str) -> None:
    """In mode local a bucket is a folder, and one to write to may be made; in the cloud it must be there."""
    if obs_sync.is_url(url) and obs_sync.filesystem().storage_mode == "local":
        obs_sync.filesystem().mkdir(url.split("://", 1)[1].split("/", 1)[0])


def stage_training(config: Config, scratch: Path) -> TrainingInputs:
    """Everything training reads, as local paths; raises what obs_sync raises, or DataError for a missing local path."""
    annotations = _stage_file(under(config.data_url, config.jsonpath_train), scratch, "jsonpath_train")
    pictures = _stage_folder(under(config.data_url, config.imgpath_train), scratch, "imgpath_train")
    masks = None
    if config.maskpath_train:
        masks = _stage_folder(under(config.data_url, config.maskpath_train), scratch, "maskpath_train")
    vgg = _stage_file(config.vgg_path, scratch, "vgg_path") if config.vgg_path else None
    return TrainingInputs(pictures, annotations, masks, _stage_pretrained(config), vgg)


def stage_checkpoint(folder_obs: str, folder_relative: str, filename: str) -> Path:
    """The local path of a checkpoint; copied from its OBS folder first when one is given."""
    if not filename:
        raise ConfigError("the checkpoint's file name is empty; give checkpoint_filename or pretrained_model_filename")
    if not folder_obs:
        return Path(folder_relative) / filename
    if not obs_sync.is_url(folder_obs):
        return Path(folder_obs) / filename  # the platform has already brought it into the container
    local = Path(folder_relative) / filename
    _copy(obs_sync.join(folder_obs, filename), local)
    return local


def stage_pictures(folder_obs: str, folder_relative: str) -> Path:
    """The local folder of the pictures to judge."""
    if not obs_sync.is_url(folder_obs):
        return Path(folder_obs)
    local = Path(folder_relative)
    _copy(obs_sync.join(folder_obs, ""), local)
    return local


def stage_out(folder: Path, url: str) -> None:
    """Copy a folder of results to `url`, an obs:// address or another folder."""
    _copy(str(folder) + "/", obs_sync.join(url, "") if obs_sync.is_url(url) else Path(url))


def _stage_pretrained(config: Config) -> Path | None:
    if not config.load_pretrain:
        return None
    return stage_checkpoint(
        config.pretrained_model_folder_path_obs,
        config.pretrained_model_folder_path_relative,
        config.pretrained_model_filename,
    )


def _stage_file(path: str, scratch: Path, key: str) -> Path:
    if obs_sync.is_url(path):
        local = _scratch_copy(path, scratch)
        _copy(path, local)
        return local
    if not Path(path).is_file():
        raise DataError(f"{key}: {path}: no such file")
    return Path(path)


def _stage_folder(path: str, scratch: Path, key: str) -> Path:
    if obs_sync.is_url(path):
        local = _scratch_copy(path, scratch)
        _copy(obs_sync.join(path, ""), local)
        return local
    if not Path(path).is_dir():
        raise DataError(f"{key}: {path}: no such folder")
    return Path(path)


def _scratch_copy(url: str, scratch: Path) -> Path:
    return scratch / "staged" / url.split("://", 1)[1].strip("/")


def _copy(source: str, target: Path | str) -> None:
    obs_sync.copy(source, str(target))
