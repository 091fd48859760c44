"""The settings of default_config.yaml as a job's hyperparameters: default, hint, type and choices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from src.actions import Action, load_actions
from src.checks import did_you_mean
from src.errors import ConfigError
from src.model_utils.config import read_settings, setting_types
from src.model_utils.setting import Setting, convert
from src.model_utils.unknown import unknown_setting

ACTION_KEY, ACTIONS_FILE_KEY = "target_action_type", "actions_file"
#: A hint may contain only Chinese and Latin letters, digits, spaces, - _ , and .
_REJECTED = re.compile(r"[^\u3400-\u4dbf\u4e00-\u9fffA-Za-z0-9 _.,-]")
_TRANSLATIONS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in ((r"\s*[(（]", ", "), (r"[<>{}*'\")）]", ""), (r"\s*[;:；：，、]", ","), ("。", "."))
]
_PLATFORM_TYPES: Mapping[object, str] = {bool: "Boolean", int: "Integer", float: "Float", str: "String"}


@dataclass(frozen=True)
class Hyperparameter:
    """One field of the console: its value in this job as text, and the hint below it in Chinese and in English."""

    name: str
    value: str
    default: str
    hint: str
    hint_zh: str
    type: str
    choices: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether it is passed as an argument; it is not if both its value and its default are empty."""
        return bool(self.value or self.default)


def hyperparameters(
    values: Mapping[str, object], offered: tuple[str, ...], job: str = ""
) -> tuple[list[Hyperparameter], list[str]]:
    """The offered settings, then others that have a value here; and one line per mistake in the values."""
    settings, actions_section = read_settings()
    actions, problems = _actions(as_text(values.get(ACTIONS_FILE_KEY)), actions_section)
    types = setting_types()
    found = []
    for name in dict.fromkeys((*offered, *values)):
        if name not in settings:
            problems.append(unknown_setting(name, settings, job, "default_config.yaml lists the settings"))
            continue
        setting = settings[name]
        value = as_text(values.get(name, setting.value))
        problems += _problems(name, value, types[name], setting, actions)
        found.append(
            Hyperparameter(
                name,
                value,
                as_text(setting.value),
                *_hints(name, setting, actions),
                _PLATFORM_TYPES.get(types[name], "String"),
                tuple(actions) if name == ACTION_KEY else setting.choices,
            )
        )
    return found, problems


def as_text(value: object) -> str:
    """A YAML value as a hyperparameter's text; lists are written with commas."""
    if isinstance(value, (list, tuple)):
        return ",".join(as_text(item) for item in value)
    return "" if value is None else str(value)


def _actions(file: str, section: Mapping[str, object]) -> tuple[Mapping[str, Action], list[str]]:
    """The actions available to the job: those of its own file, if it names one, else the declared ones."""
    try:
        return load_actions(file or section), []
    except ConfigError as error:
        return load_actions(section), [str(error)]


def _hints(name: str, setting: Setting, actions: Mapping[str, Action]) -> tuple[str, str]:
    """The English and the Chinese hint, with the punctuation that the console rejects replaced."""
    if name == ACTION_KEY:
        names = ", ".join(" ".join((one, *action.display.values())) for one, action in actions.items())
        return console_text(f"{setting.help}; one of {names}"), console_text(f"{setting.help_zh}, 可选 {names}")
    listed = all(choice in setting.help_zh for choice in setting.choices)
    choices = "" if listed else f", 可选 {', '.join(setting.choices)}"
    return console_text(setting.meaning()), console_text(setting.help_zh + choices)


def _problems(name: str, value: str, kind: object, setting: Setting, actions: Mapping[str, Action]) -> list[str]:
    try:
        convert(name, value, kind, setting)
    except ConfigError as error:
        return [str(error)]
    if name == ACTION_KEY and value not in actions:
        hint = did_you_mean(value, actions, cutoff=0.6)
        return [f"{name}: unknown action '{value}'{hint}; declared: {', '.join(actions)}"]
    return []


def console_text(text: str) -> str:
    """A hint with the punctuation that the console rejects replaced or removed; other characters are kept."""
    for pattern, replacement in _TRANSLATIONS:
        text = pattern.sub(replacement, text)
    return text.strip()


def not_in_console_alphabet(hint: str) -> str:
    """The characters of a hint that the console rejects, each once."""
    return "".join(dict.fromkeys(_REJECTED.findall(hint)))
