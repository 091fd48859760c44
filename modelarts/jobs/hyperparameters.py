"""The settings of default_config.yaml as a job's hyperparameters: default, hint, type and choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.actions import Action, load_actions
from src.actions.action import hint_text
from src.checks import did_you_mean
from src.errors import ConfigError
from src.model_utils.config import read_settings, setting_types
from src.model_utils.setting import Setting, convert

ACTION_KEY, ACTIONS_FILE_KEY = "target_action_type", "actions_file"
_PLATFORM_TYPES = {bool: "Boolean", int: "Integer", float: "Float", str: "String"}


@dataclass(frozen=True)
class Hyperparameter:
    """One field of the console: its value in this job as text, and what the platform says beside it."""

    name: str
    value: str
    default: str
    hint: str
    type: str
    choices: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether the job gets it as an argument: nothing is passed for what is empty anyway."""
        return bool(self.value or self.default)


def hyperparameters(values: Mapping[str, Any], offered: tuple[str, ...]) -> tuple[list[Hyperparameter], list[str]]:
    """The offered settings, then others that have a value here, and one line for each mistake among the values."""
    settings, actions_section = read_settings()
    actions, problems = _actions(as_text(values.get(ACTIONS_FILE_KEY)), actions_section)
    types = setting_types()
    found = []
    for name in dict.fromkeys((*offered, *values)):
        if name not in settings:
            problems.append(_unknown(name, settings))
            continue
        setting = settings[name]
        value = as_text(values.get(name, setting.value))
        problems += _problems(name, value, types[name], setting, actions)
        found.append(
            Hyperparameter(
                name,
                value,
                as_text(setting.value),
                _hint(name, setting, actions),
                _PLATFORM_TYPES.get(types[name], "String"),
                tuple(actions) if name == ACTION_KEY else setting.choices,
            )
        )
    return found, problems


def as_text(value: Any) -> str:
    """A YAML value as a hyperparameter's text; lists are written with commas."""
    if isinstance(value, (list, tuple)):
        return ",".join(as_text(item) for item in value)
    return "" if value is None else str(value)


def _actions(file: str, section: Any) -> tuple[Mapping[str, Action], list[str]]:
    """The actions that the job will know: those of its own file, if it names one, else the declared ones."""
    try:
        return load_actions(file or section), []
    except ConfigError as error:
        return load_actions(section), [str(error)]


def _hint(name: str, setting: Setting, actions: Mapping[str, Action]) -> str:
    if name == ACTION_KEY:
        return f"{setting.help}; one of {hint_text(actions)}"
    return setting.describe().rpartition(" [default: ")[0]


def _problems(name: str, value: str, kind: Any, setting: Setting, actions: Mapping[str, Action]) -> list[str]:
    try:
        convert(name, value, kind, setting)
    except ConfigError as error:
        return [str(error)]
    if name == ACTION_KEY and value not in actions:
        hint = did_you_mean(value, actions, cutoff=0.6)
        return [f"{name}: unknown action '{value}'{hint}; declared: {', '.join(actions)}"]
    return []


def _unknown(name: str, settings: Mapping[str, Setting]) -> str:
    """The message of the configuration itself, which names the nearest setting."""
    from src.model_utils.config import build_config

    try:
        build_config({name: ""}, settings, {})
    except ConfigError as error:
        return str(error)
    return f"unknown hyperparameter '{name}'"
