"""From `default_config.yaml` and the command line to one validated, frozen `Config`; nothing else happens here.

Every key of the YAML file is a field of `Config` with the same name, and a hyperparameter `--key=value` of both jobs.
The YAML file says value, unit, meaning, choices and range; the field says the type.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from src.actions import Action, hint_text, load_actions
from src.checks import did_you_mean, read_yaml_mapping
from src.errors import ConfigError
from src.model_utils.setting import Setting, convert
from src.net.formats import INPUT_FORMATS
from src.version import add_version

logger = logging.getLogger(__name__)

DEFAULT_CONFIG_FILE = Path(__file__).resolve().parents[2] / "default_config.yaml"
ACTIONS_KEY = "actions"

#: Short names that the handbook's commands use.
ALIASES = {"-tat": "target_action_type"}

#: Arguments that the platform adds by itself; they are no misspelt hyperparameters.
PLATFORM_ARGUMENTS = frozenset(
    {
        "init_method",
        "rank",
        "world_size",
        "task_index",
        "num_gpus",
        "device_num",
        "job_name",
        "ps_hosts",
        "worker_hosts",
    }
)


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
    train_type: str
    train_type_NP: str
    optimizer: str
    optimizer_NP: str
    momentum: float
    group_params: bool
    group_params_NP: bool
    vgg_freeze_steps: int
    loss_scale: float
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
    input_shapes: str
    bucket_aspects: tuple[float, ...]
    peak_threshold: float
    # declared actions, by name
    actions: Mapping[str, Action]

    def settings(self) -> dict[str, Any]:
        """Every setting as plain values (no actions): what is stored with a checkpoint and shown at start."""
        return {name: _plain(getattr(self, name)) for name in setting_types()}


def setting_types() -> dict[str, Any]:
    """Type of each setting by name, in the order of the fields; declared actions are no setting."""
    hints = get_type_hints(Config)
    return {field.name: hints[field.name] for field in fields(Config) if field.name != ACTIONS_KEY}


def read_settings(path: Path = DEFAULT_CONFIG_FILE) -> tuple[dict[str, Setting], Mapping[str, Any]]:
    """The annotated settings of the YAML file and its raw `actions` section; ConfigError when it has another form."""
    document = read_yaml_mapping(path, "configuration file")
    actions = document.pop(ACTIONS_KEY, {})
    settings = {}
    for key, annotated in document.items():
        if not isinstance(annotated, Mapping) or not {"value", "help"} <= set(annotated):
            raise ConfigError(f"{path.name}: {key} must be written as {{value: …, help: …}}")
        try:
            setting = Setting(**annotated)
        except TypeError as error:
            raise ConfigError(f"{path.name}: {key}: {str(error).split('__init__() ')[-1]}") from None
        settings[str(key)] = Setting(**{**annotated, "choices": tuple(str(c) for c in setting.choices)})
    unknown = sorted(set(settings) ^ set(setting_types()))
    if unknown:
        raise ConfigError(f"{path.name}: {', '.join(unknown)}: not both a key of the file and a field of Config")
    return settings, actions


def parse_config(
    argv: Sequence[str], prog: str, examples: str = "", environment: Mapping[str, str] | None = None
) -> Config:
    """Validated configuration: default_config.yaml, `environment` (by setting), `config_path`, then the command line.

    Unknown arguments are the platform's and only warned about, unless they nearly match a setting: a misspelling.
    Raises ConfigError (one line, names the key) before anything is done; `--help` prints all settings and exits.
    """
    settings, actions_section = read_settings()
    given = _read_arguments(argv, _with_declared_actions(settings, actions_section, argv), prog, examples)
    if given.get("config_path"):
        given = {**_read_overlay(Path(given["config_path"]), settings), **given}
    return build_config({**(environment or {}), **given}, settings, actions_section)


def build_config(
    given: Mapping[str, Any],
    settings: Mapping[str, Setting] | None = None,
    actions_section: Mapping[str, Any] | None = None,
) -> Config:
    """A `Config` from values by name (text or typed) over the defaults; unknown names are errors."""
    if settings is None or actions_section is None:
        settings, actions_section = read_settings()
    for name in given:
        if name not in settings:
            raise ConfigError(f"unknown hyperparameter '{name}'{did_you_mean(name, settings)}")
    values = {
        name: convert(name, given.get(name, settings[name].value), kind, settings[name])
        for name, kind in setting_types().items()
    }
    actions = load_actions(values["actions_file"] or actions_section)
    if values["target_action_type"] not in actions:
        action, declared = values["target_action_type"], ", ".join(actions)
        raise ConfigError(
            f"target_action_type: unknown action '{action}'{did_you_mean(action, actions)}; declared: {declared}"
        )
    config = Config(**values, actions=actions)
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
    if not config.bucket_aspects:
        raise ConfigError("bucket_aspects: give at least one number, such as 1.3333")
    if config.vgg_path and config.network != "vgg19":
        raise ConfigError(f"vgg_path: is for network=vgg19, not for network={config.network}")


def _with_declared_actions(
    settings: Mapping[str, Setting], actions_section: Mapping[str, Any], argv: Sequence[str]
) -> Mapping[str, Setting]:
    """The settings for `--help`: what target_action_type may be is the declared actions, or those of actions_file."""
    if not {"-h", "--help"} & set(argv):
        return settings
    files = [argument.partition("=")[2] for argument in argv if argument.startswith("--actions_file=")]
    declared = hint_text(load_actions((files and files[-1]) or actions_section))
    setting = settings["target_action_type"]
    return {**settings, "target_action_type": replace(setting, help=f"{setting.help}; one of {declared}")}


def _read_arguments(argv: Sequence[str], settings: Mapping[str, Setting], prog: str, examples: str) -> dict[str, str]:
    parser = argparse.ArgumentParser(
        prog=prog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Every setting is a hyperparameter --key=value; defaults come from default_config.yaml.",
        epilog=examples,
        usage=f"{prog} [--key=value …]",
    )
    aliases = {name: short for short, name in ALIASES.items()}
    for name, setting in settings.items():
        flags = [aliases[name]] if name in aliases else []
        help_text = setting.describe().replace("%", "%%")
        parser.add_argument(*flags, f"--{name}", metavar="VALUE", default=argparse.SUPPRESS, help=help_text)
    add_version(parser)
    known, unknown = _parse(parser, argv)
    for argument in unknown:
        _tolerate(argument, settings)
    return vars(known)


def _parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    def fail(message: str) -> None:
        raise ConfigError(f"command line: {message}; write it as --key=value")

    parser.error = fail  # type: ignore[method-assign,assignment]
    return parser.parse_known_args(list(argv))


def _tolerate(argument: str, settings: Mapping[str, Setting]) -> None:
    """Warn about an argument that the platform added; refuse a near miss of a setting and a stray word."""
    if not argument.startswith("--"):
        logger.warning("ignored '%s' on the command line: hyperparameters are written --key=value", argument)
        return
    name = argument[2:].split("=", 1)[0]
    suggestion = did_you_mean(name, settings)
    if suggestion and name not in PLATFORM_ARGUMENTS:
        raise ConfigError(f"unknown hyperparameter '{name}'{suggestion}")
    logger.warning("ignored --%s: no setting of this job (the platform may have added it)", name)


def _read_overlay(path: Path, settings: Mapping[str, Setting]) -> dict[str, Any]:
    values = read_yaml_mapping(path, "configuration file")
    for name in values:
        if name not in settings:
            raise ConfigError(f"{path}: unknown setting '{name}'{did_you_mean(name, settings)}")
    return values


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
