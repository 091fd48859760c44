"""From `default_config.yaml` and the command line to one validated, frozen `Config`; nothing else happens here.

Every key of the YAML file is a field of `Config` with the same name, and a hyperparameter `--key=value` of both jobs.
The YAML file says value, unit, meaning, choices and range; the field says the type.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_type_hints

from src.actions import Action, load_actions
from src.actions.measures.scene import load_scenes
from src.checks import did_you_mean, read_yaml_mapping
from src.errors import ConfigError
from src.fill import fill
from src.model_utils.command_line import read_arguments
from src.model_utils.setting import TRUTH_WORDS, Setting, convert
from src.model_utils.unknown import unknown_setting
from src.net.formats import INPUT_FORMATS, check_precision

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)
T = TypeVar("T", bound="DataclassInstance")

DEFAULT_CONFIG_FILE = Path(__file__).resolve().parents[2] / "default_config.yaml"
ACTIONS_KEY = "actions"
_NO_SETTINGS = (ACTIONS_KEY, "given")
BUCKETS_LIMIT = 16
_HEADING, _KEY = re.compile(r"# --- (.+?) -+"), re.compile(r"(\w+):")


@dataclass(frozen=True)
class Config:
    """All settings of both jobs. Meaning, unit, choices and range of each stand in `default_config.yaml`."""

    # network and device
    network: str
    stages: int
    device_target: str
    seed: int
    # storage
    storage_mode: str
    obs_local_root: str
    is_model_arts: bool
    scratch_path: str
    config_path: str
    actions_file: str
    # training: data
    data_url: str
    imgpath_train: str
    jsonpath_train: str
    maskpath_train: str
    data_weights: tuple[float, ...]
    jsonpath_val: str
    imgpath_val: str
    val_pictures: int
    val_interval: int
    val_step_interval: int
    missing_pictures_max: float
    stage: str
    stage_timeout: float
    insize: int
    batch_size: int
    workers: int
    worker_processes: bool
    # training: augmentation and targets
    augment: bool
    scale_min: float
    scale_max: float
    person_size_min: int
    person_size_max: int
    rotate_max: float
    center_shift_max: int
    flip_probability: float
    colour_jitter: float
    min_keypoints: int
    min_area: float
    unlabelled_joints: str
    ignore_unannotated: tuple[bool, ...]
    heatmap_sigma: float
    paf_half_width: float
    # training: schedule
    max_epoch_train: int
    max_epoch_train_NP: int
    lr: float
    lr_type: str
    lr_gamma: float
    lr_steps: tuple[int, ...]
    lr_steps_NP: tuple[int, ...]
    warmup_epoch: int
    pretrained_warmup_steps: int
    train_type: str
    train_type_NP: str
    optimizer: str
    optimizer_NP: str
    momentum: float
    group_params: bool
    group_params_NP: bool
    vgg_freeze_steps: int
    loss_scale: float
    amp: str
    batch_norm: str
    freeze: str
    clip_norm: float
    # training: starting weights
    load_pretrain: bool
    pretrained_model_folder_path_obs: str
    pretrained_model_folder_path_relative: str
    pretrained_model_filename: str
    vgg_path: str
    # training: checkpoints and log
    train_url: str
    save_model_path: str
    ckpt_interval: int
    ckpt_epoch_interval: int
    keep_checkpoint_max: int
    publish: str
    publish_wait: float
    export_format: str
    resume: str
    resume_changed: bool
    hang_timeout: float
    compile_cache: bool
    log_interval: int
    # inference
    target_action_type: str
    is_batch_pics: bool
    filename_to_infer: str
    pic_folder_path_relative: str
    pic_folder_path_obs: str
    checkpoint_folder_path_relative: str
    checkpoint_folder_path_obs: str
    checkpoint_filename: str
    output_img_path_relative: str
    output_path_root_obs: str
    infer_insize: int
    infer_batch_size: int
    engine: str
    infer_compile_cache: str
    input_shapes: str
    bucket_aspects: tuple[float, ...]
    peak_threshold: float
    min_person_score: float
    min_person_joints: int
    infer_flip: bool
    infer_scales: tuple[float, ...]
    scene_file: str
    label_language: str
    # declared actions, by name
    actions: Mapping[str, Action]
    # names of the settings that were set explicitly: by environment, config_path or command line
    given: frozenset[str] = field(default=frozenset(), compare=False)

    def settings(self, job: str = "") -> dict[str, object]:
        """The settings as plain values (no actions), for checkpoints and summaries; `job`: only what it reads."""
        known, _ = read_settings()
        names = (name for name in setting_types() if not job or known[name].job in ("", job))
        return {name: _plain(getattr(self, name)) for name in names}

    def if_given(self, name: str) -> object:
        """The value of a setting that was set explicitly, be it the default's; else None."""
        return getattr(self, name) if name in self.given else None

    def part(self, kind: type[T]) -> T:
        """The dataclass `kind`, each field filled with the setting of the same name."""
        names = [field.name for field in fields(kind)]
        return fill(kind, {name: getattr(self, name) for name in names})


def setting_types() -> dict[str, object]:
    """Type of each setting by name, in the order of the fields; declared actions are no setting."""
    hints = get_type_hints(Config)
    return {field.name: hints[field.name] for field in fields(Config) if field.name not in _NO_SETTINGS}


def read_settings(path: Path = DEFAULT_CONFIG_FILE) -> tuple[dict[str, Setting], Mapping[str, object]]:
    """The annotated settings of the YAML file and its raw `actions` section; ConfigError when it has another form.

    A process reads the file once: editing it does not disturb a job that is running.
    """
    settings, actions = _read_once(path)
    return dict(settings), actions


@functools.lru_cache(maxsize=8)
def _read_once(path: Path) -> tuple[dict[str, Setting], Mapping[str, object]]:
    document = read_yaml_mapping(path, "configuration file")
    actions = document.pop(ACTIONS_KEY, {})
    groups = _groups(path)
    settings = {}
    for key, annotated in document.items():
        if not isinstance(annotated, Mapping) or not {"value", "help"} <= set(annotated):
            raise ConfigError(f"{path.name}: {key} must be written as {{value: …, help: …}}")
        try:
            setting = fill(Setting, annotated)
        except TypeError as error:
            raise ConfigError(f"{path.name}: {key}: {str(error).split('__init__() ')[-1]}") from None
        settings[str(key)] = replace(
            setting, choices=tuple(str(c) for c in setting.choices), group=groups.get(str(key), "")
        )
    unknown = sorted(set(settings) ^ set(setting_types()))
    if unknown:
        raise ConfigError(f"{path.name}: {', '.join(unknown)}: not both a key of the file and a field of Config")
    return settings, actions if isinstance(actions, Mapping) else {}


def _groups(path: Path) -> dict[str, str]:
    """The heading (`# --- heading ---`) above each key of the YAML file."""
    found, heading = {}, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _HEADING.fullmatch(line):
            heading = match[1]
        elif match := _KEY.match(line):
            found[match[1]] = heading
    return found


def parse_config(
    argv: Sequence[str], prog: str, examples: str = "", environment: Mapping[str, str] | None = None, job: str = ""
) -> Config:
    """Validated configuration: default_config.yaml, `environment` (by setting), `config_path`, then the command line.

    Arguments that the platform adds are ignored; all others that are not settings are errors. `job` ("training",
    "inference" or empty) decides which settings `--help` lists; settings of the other job cause a warning.
    Raises ConfigError (one line, names the key) before anything is done; `--help` and `--help-all` print and exit.
    """
    settings, actions_section = read_settings()
    given: Mapping[str, object] = read_arguments(argv, settings, prog, examples, job, actions_section)
    if given.get("config_path"):
        given = {**_read_overlay(Path(str(given["config_path"])), settings), **given}
    for name in (one for one in given if job and settings[one].job not in ("", job)):
        logger.warning("ignoring %s: it is a setting of %s, and this job is %s", name, settings[name].job, job)
    return build_config({**(environment or {}), **given}, settings, actions_section)


def build_config(
    given: Mapping[str, object],
    settings: Mapping[str, Setting] | None = None,
    actions_section: Mapping[str, object] | None = None,
) -> Config:
    """A `Config` from values by name (text or typed) over the defaults; unknown names are errors."""
    if settings is None or actions_section is None:
        settings, actions_section = read_settings()
    unknown = [unknown_setting(name, settings) for name in given if name not in settings]
    if unknown:
        raise ConfigError("; ".join(unknown))
    values = {
        name: convert(name, given.get(name, settings[name].value), kind, settings[name])
        for name, kind in setting_types().items()
    }
    actions = load_actions(str(values["actions_file"]) or actions_section)
    if values["target_action_type"] not in actions:
        action, declared = values["target_action_type"], ", ".join(actions)
        raise ConfigError(
            f"target_action_type: unknown action '{action}'{did_you_mean(action, actions)}; declared: {declared}"
        )
    if values["scene_file"]:
        load_scenes(str(values["scene_file"]))  # refused before anything is staged
    config = fill(Config, {**values, "actions": actions, "given": frozenset(given)})
    _check_together(config)
    return config


def _check_together(config: Config) -> None:
    """ConfigError where settings that are fine by themselves contradict each other."""
    multiple = INPUT_FORMATS[config.network].multiple
    if config.insize % multiple:
        raise ConfigError(f"insize: {config.insize} is not a multiple of {multiple}, as network={config.network} needs")
    for low, high in (("scale_min", "scale_max"), ("person_size_min", "person_size_max")):
        if getattr(config, low) > getattr(config, high):
            raise ConfigError(f"{low}: {getattr(config, low)} is larger than {high}={getattr(config, high)}")
    if not 1 <= len(config.bucket_aspects) <= BUCKETS_LIMIT:
        raise ConfigError(f"bucket_aspects: give 1 to {BUCKETS_LIMIT} numbers, such as 1.3333")
    if bool(config.jsonpath_val) != bool(config.imgpath_val):
        empty, given = sorted(("jsonpath_val", "imgpath_val"), key=lambda name: bool(getattr(config, name)))
        raise ConfigError(f"{empty}: is empty, but {given} is given; a validation set needs both")
    check_precision(config.amp, config.device_target)
    if config.infer_compile_cache.lower() in TRUTH_WORDS:
        told = config.infer_compile_cache
        raise ConfigError(f"infer_compile_cache: '{told}' names no folder; give auto, none, or a path such as ./{told}")
    if config.vgg_path and config.network != "vgg19":
        raise ConfigError(f"vgg_path: is for network=vgg19, not for network={config.network}")
    if config.freeze != "none" and not config.load_pretrain and not config.vgg_path:
        raise ConfigError(f"freeze={config.freeze}: starting weights are missing; set load_pretrain=True or vgg_path")


def _read_overlay(path: Path, settings: Mapping[str, Setting]) -> dict[str, object]:
    values = read_yaml_mapping(path, "configuration file")
    unknown = [unknown_setting(str(name), settings) for name in values if name not in settings]
    if unknown:
        raise ConfigError(f"{path}: {'; '.join(unknown)}")
    return values


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
