"""Settings that were changed although nothing of this run reads them: each is named instead of silently ignored."""

from __future__ import annotations

from src.model_utils.config import Config, read_settings, setting_types
from src.model_utils.setting import INFERENCE, TRAINING, Value, convert
from src.plural import plural

_AUGMENTATION = (
    *("scale_min", "scale_max", "person_size_min", "person_size_max", "rotate_max", "center_shift_max"),
    *("flip_probability", "colour_jitter"),
)
_PRETRAINED = (
    *("pretrained_model_folder_path_obs", "pretrained_model_folder_path_relative", "pretrained_model_filename"),
)
_OBS = ("pic_folder_path_obs", "checkpoint_folder_path_obs", "output_path_root_obs")

#: Setting -> another one and the value that makes it count. Pairs name, name_NP are resolved by the number of cards.
_COUNTS_WHEN: dict[str, dict[str, tuple[str, Value]]] = {
    TRAINING: {
        **dict.fromkeys(("lr_steps", "lr_steps_NP", "lr_gamma"), ("lr_type", "default")),
        "warmup_epoch": ("lr_type", "cosine"),
        "momentum": ("optimizer", "Momentum"),
        "clip_norm": ("train_type", "clip_grad"),
        **dict.fromkeys(("group_params", "group_params_NP"), ("network", "vgg19")),
        "vgg_freeze_steps": ("group_params", True),
        **dict.fromkeys(_AUGMENTATION, ("augment", True)),
        **dict.fromkeys((*_PRETRAINED, "pretrained_warmup_steps"), ("load_pretrain", True)),
    },
    INFERENCE: {"filename_to_infer": ("is_batch_pics", False), **dict.fromkeys(_OBS, ("is_model_arts", True))},
}


def unused_settings(job: str, config: Config, cards: int) -> list[str]:
    """One line for each changed setting that does not count: for another number of cards, or switched off by another.

    `job`: "training" or "inference"; `cards`: all cards of the job.
    """
    lines = []
    for name in _changed(job, config):
        twin = _twin_in_use(name, cards)
        if twin:
            lines.append(f"{name}={getattr(config, name)}: on {plural(cards, 'card')} {twin} applies")
        elif name in _COUNTS_WHEN[job]:
            other, wanted = _COUNTS_WHEN[job][name]
            other = _twin_in_use(other, cards) or other
            if getattr(config, other) != wanted:
                lines.append(f"{name}={getattr(config, name)}: applies only with {other}={wanted}")
    return lines


def _changed(job: str, config: Config) -> list[str]:
    """The settings of this job that differ from their defaults."""
    settings, _ = read_settings()
    return [
        name
        for name, kind in setting_types().items()
        if settings[name].job in ("", job)
        and getattr(config, name) != convert(name, settings[name].value, kind, settings[name])
    ]


def _twin_in_use(name: str, cards: int) -> str:
    """The setting that applies to this number of cards instead of `name`; empty where it is this one."""
    plain = name[: -len("_NP")] if name.endswith("_NP") else name
    twins = {1: plain, 2: f"{plain}_NP"}
    if twins[2] not in setting_types():
        return ""
    in_use = twins[min(cards, 2)]
    return "" if in_use == name else in_use
