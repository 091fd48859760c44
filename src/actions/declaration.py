"""Reads the `actions:` section: a declaration becomes an Action, or an error that says where it is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from src.actions.action import Action, DeclaredCriterion
from src.actions.combination import UNJUDGED, decide, labels_of
from src.actions.criteria import CRITERIA, Criterion
from src.actions.declared_combination import parse_combination
from src.actions.declared_criteria import parse_criteria, parse_name, parse_number
from src.checks import boolean_hint, check_keys, nearest_or_all
from src.errors import ConfigError
from src.strict_yaml import read_section

DEFAULT_FILE = Path(__file__).resolve().parents[2] / "default_config.yaml"
SECTION = "actions"
DEFAULT_MIN_CONFIDENCE = 0.1

ACTION_KEYS = ("display", "description", "min_confidence", "criteria", "occurs_when")


class UnknownActionError(ConfigError, ValueError):
    """`target_action_type` names no declared action."""


def load_actions(
    source: Mapping[str, object] | str | Path, criteria: Mapping[str, Criterion] = CRITERIA
) -> dict[str, Action]:
    """Read and check declared actions: from the `actions:` mapping itself, or from a YAML file that has such a section.

    Raises ConfigError, naming file, action, criterion and the nearest valid word.
    """
    if not isinstance(source, (str, Path)):
        return _parse_actions(source, criteria)
    try:
        return _parse_actions(read_section(Path(source), SECTION), criteria)
    except ConfigError as error:
        raise error if str(error).startswith(str(source)) else ConfigError(f"{source}: {error}") from None


def default_actions() -> dict[str, Action]:
    """The actions that default_config.yaml declares; read at the first call."""
    return dict(_read_default_actions())


def find_action(name: str, actions: Mapping[str, Action] | None = None) -> Action:
    """The declared action of that name; UnknownActionError, with the nearest one, when there is none."""
    known = default_actions() if actions is None else actions
    if name not in known:
        raise UnknownActionError(f"target_action_type {name!r} is not declared; {nearest_or_all(name, known)}")
    return known[name]


@lru_cache(maxsize=1)
def _read_default_actions() -> Mapping[str, Action]:
    return load_actions(DEFAULT_FILE)


def _parse_actions(section: object, criteria: Mapping[str, Criterion]) -> dict[str, Action]:
    if not isinstance(section, Mapping) or not section:
        raise ConfigError(f"{SECTION}: give at least one action as 'name: {{criteria: …, occurs_when: …}}'")
    return {parse_name(name, SECTION): _parse_action(name, raw, criteria) for name, raw in section.items()}


def _parse_action(name: str, body: object, criteria: Mapping[str, Criterion]) -> Action:
    where = f"action {name}"
    raw = check_keys(body, ACTION_KEYS, where)
    min_confidence = parse_number(raw, "min_confidence", DEFAULT_MIN_CONFIDENCE, (0.0, 1.0), where)
    declared = parse_criteria(raw.get("criteria"), min_confidence, criteria, where)
    occurs_when = parse_combination(raw.get("occurs_when"), declared, where)
    unused = [label for label in declared if label not in set(labels_of(occurs_when))]
    if unused:
        raise ConfigError(f"{where}, criterion {unused[0]}: occurs_when never asks for it; name it there or remove it")
    if decide(occurs_when, _nothing_seen(declared)) is not None:
        raise ConfigError(
            f"{where}: occurs_when is settled when nothing of a person is seen; ask for what must be seen"
        )
    return Action(
        name=name,
        display=_parse_display(raw.get("display"), where),
        description=_text(raw.get("description") or "", f"{where}: description"),
        criteria=tuple(declared.values()),
        occurs_when=occurs_when,
    )


def _nothing_seen(declared: Mapping[str, DeclaredCriterion]) -> dict[str, float]:
    return {label: UNJUDGED if one.scale is None else math.nan for label, one in declared.items()}


def _parse_display(raw: object, where: str) -> dict[str, str]:
    if raw is None:
        return {}
    if isinstance(raw, str):
        return {"en": raw}
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: display must be a name or {{zh: …, en: …}}, not {raw!r}")
    return {
        _text(language, f"{where}: display's language"): _text(name, f"{where}: display {language}")
        for language, name in raw.items()
    }


def _text(raw: object, where: str) -> str:
    if not isinstance(raw, str):
        raise ConfigError(f"{where}: {raw!r} is not text{boolean_hint(raw) or '; put it in quotes'}")
    return raw
