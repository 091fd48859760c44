"""Reads the `actions:` section: a declaration becomes an Action, or an error that says where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from src.actions.action import ANY_SIDE, SIDES, Action, DeclaredCriterion, Threshold
from src.actions.combination import UNJUDGED, AllOf, AnyOf, AtLeast, Leaf, Node, Not, Unless, decide, labels_of
from src.actions.criteria import CRITERIA, Criterion
from src.actions.readings import Kind
from src.checks import boolean_hint, check_keys, nearest_or_all, number_in
from src.errors import ConfigError
from src.strict_yaml import read_section

DEFAULT_FILE = Path(__file__).resolve().parents[2] / "default_config.yaml"
SECTION = "actions"
DEFAULT_MIN_CONFIDENCE = 0.1

ACTION_KEYS = ("display", "description", "min_confidence", "criteria", "occurs_when")
CRITERION_KEYS = ("criterion", "threshold", "sides", "min_confidence", "weight")
COMBINERS = {
    **{"all": "all", "and": "all", "any": "any", "or": "any"},
    **{"not": "not", "unless": "unless", "at_least": "at_least"},
}

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # what the console accepts as a hyperparameter's value without quotes
METHOD_PREFIX = "judge_by_"

THRESHOLD_LIMITS: Mapping[Kind, tuple[float, float]] = {
    Kind.HEIGHT: (-10.0, 10.0),
    Kind.DISTANCE: (0.0, 10.0),
    Kind.WIDTH: (0.0, 10.0),
    Kind.TO_HORIZONTAL: (0.0, 90.0),
    Kind.TO_VERTICAL: (0.0, 90.0),
    Kind.INNER_ANGLE: (0.0, 180.0),
}


class UnknownActionError(ConfigError, ValueError):
    """`target_action_type` names no declared action."""


def load_actions(
    source: Mapping[str, Any] | str | Path, criteria: Mapping[str, Criterion] = CRITERIA
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


def _parse_actions(section: Any, criteria: Mapping[str, Criterion]) -> dict[str, Action]:
    if not isinstance(section, Mapping) or not section:
        raise ConfigError(f"{SECTION}: give at least one action as 'name: {{criteria: …, occurs_when: …}}'")
    return {_name(name, f"{SECTION}"): _parse_action(name, raw, criteria) for name, raw in section.items()}


def _parse_action(name: str, raw: Any, criteria: Mapping[str, Criterion]) -> Action:
    where = f"action {name}"
    check_keys(raw, ACTION_KEYS, where)
    min_confidence = _number(raw, "min_confidence", DEFAULT_MIN_CONFIDENCE, (0.0, 1.0), where)
    declared = _parse_criteria(raw.get("criteria"), min_confidence, criteria, where)
    occurs_when = _parse_combination(raw.get("occurs_when"), declared, where)
    unused = [label for label in declared if label not in set(labels_of(occurs_when))]
    if unused:
        raise ConfigError(f"{where}, criterion {unused[0]}: occurs_when never asks for it; name it there or remove it")
    if decide(occurs_when, dict.fromkeys(declared, UNJUDGED)) is not None:
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


def _parse_display(raw: Any, where: str) -> dict[str, str]:
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


def _parse_criteria(
    raw: Any, min_confidence: float, criteria: Mapping[str, Criterion], where: str
) -> dict[str, DeclaredCriterion]:
    if isinstance(raw, list):
        repeated = [label for place, label in enumerate(raw) if label in raw[:place]]
        if repeated:
            raise ConfigError(f"{where}, criterion {repeated[0]}: is listed twice; keep one of them")
        raw = {_name(label, f"{where}, criteria"): None for label in raw}
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError(f"{where}: criteria must name at least one criterion, such as {_examples(criteria)}")
    return {
        _name(label, f"{where}, criteria"): _parse_criterion(label, body, min_confidence, criteria, where)
        for label, body in raw.items()
    }


def _parse_criterion(
    label: str, body: Any, min_confidence: float, criteria: Mapping[str, Criterion], where: str
) -> DeclaredCriterion:
    where = f"{where}, criterion {label}"
    if label in COMBINERS:
        raise ConfigError(f"{where}: this word has a meaning in occurs_when; give the criterion another label")
    raw = body if isinstance(body, Mapping) else {"threshold": body}
    check_keys(raw, CRITERION_KEYS, where)
    criterion = _find_criterion(raw.get("criterion", label), criteria, where)
    sides = raw.get("sides", ANY_SIDE)
    if sides not in SIDES:
        raise ConfigError(f"{where}: sides {sides!r}; {nearest_or_all(sides, SIDES)}")
    return DeclaredCriterion(
        label=label,
        criterion=criterion,
        threshold=_parse_threshold(raw.get("threshold"), criterion, where),
        sides=sides,
        min_confidence=_number(raw, "min_confidence", min_confidence, (0.0, 1.0), where),
        weight=_number(raw, "weight", 1.0, (1e-6, 1e6), where),
    )


def _find_criterion(word: Any, criteria: Mapping[str, Criterion], where: str) -> Criterion:
    name = word[len(METHOD_PREFIX) :] if isinstance(word, str) and word.startswith(METHOD_PREFIX) else word
    if not isinstance(name, str) or name not in criteria:
        raise ConfigError(f"{where}: there is no criterion {word!r}; {nearest_or_all(name, criteria)}")
    return criteria[name]


def _parse_threshold(raw: Any, criterion: Criterion, where: str) -> Threshold:
    limits = THRESHOLD_LIMITS[criterion.kind]
    if raw is None:
        return criterion.threshold
    if not isinstance(raw, (list, tuple)):
        return number_in(raw, f"{where}: threshold", limits, criterion.kind.unit)
    if len(raw) != 2:
        raise ConfigError(f"{where}: threshold must be one number or a range [low, high], not {raw!r}")
    low, high = (number_in(bound, f"{where}: threshold", limits, criterion.kind.unit) for bound in raw)
    if low >= high:
        raise ConfigError(f"{where}: the range [{low:g}, {high:g}] is empty; put the smaller number first")
    return (low, high)


def _parse_combination(raw: Any, declared: Mapping[str, DeclaredCriterion], where: str) -> Node:
    where = f"{where}: occurs_when"
    everything = list(declared)
    if raw is None:
        raise ConfigError(f"{where} is missing; write all, any or {{at_least: N}}")
    if isinstance(raw, str) and raw not in declared:
        if COMBINERS.get(raw) not in ("all", "any"):
            raise ConfigError(f"{where} {raw!r}; {nearest_or_all(raw, ['all', 'any', *everything])}")
        raw = {raw: everything}
    if isinstance(raw, Mapping) and set(raw) == {"at_least"}:
        raw = {"at_least": raw["at_least"], "of": everything}
    return _parse_node(raw, declared, where)


def _parse_node(raw: Any, declared: Mapping[str, DeclaredCriterion], where: str) -> Node:
    if isinstance(raw, str):
        if raw not in declared:
            raise ConfigError(f"{where} asks for {raw!r}, which is not under criteria; {nearest_or_all(raw, declared)}")
        return Leaf(raw)
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError(f"{where}: {raw!r} is neither a criterion's label nor one of all, any, not, unless, at_least")
    if "at_least" in raw:
        return _parse_at_least(raw, declared, where)
    if len(raw) > 1:
        raise ConfigError(f"{where}: {sorted(map(str, raw))} stand side by side; nest them under all or any")
    word, body = next(iter(raw.items()))
    if word not in COMBINERS:
        raise ConfigError(f"{where}: {word!r} does not combine criteria; {nearest_or_all(word, COMBINERS)}")
    if COMBINERS[word] == "not":
        return Not(_parse_node(body, declared, f"{where}.not"))
    if COMBINERS[word] == "unless":
        return Unless(_parse_node(body, declared, f"{where}.unless"))
    parts = _parse_parts(body, declared, f"{where}.{word}")
    return AllOf(parts) if COMBINERS[word] == "all" else AnyOf(parts)


def _parse_at_least(raw: Mapping[str, Any], declared: Mapping[str, DeclaredCriterion], where: str) -> AtLeast:
    check_keys(raw, ("at_least", "of"), where)
    parts = _parse_parts(raw.get("of"), declared, f"{where}.at_least")
    weights = tuple(_weight(part, declared) for part in parts)
    count = number_in(raw["at_least"], f"{where}.at_least", (1e-6, sum(weights)), "the sum of the weights")
    return AtLeast(count, parts, weights)


def _weight(part: Node, declared: Mapping[str, DeclaredCriterion]) -> float:
    """A criterion's weight, also where it must not hold; 1 for what combines several."""
    leaf = part.part if isinstance(part, (Not, Unless)) else part
    return declared[leaf.label].weight if isinstance(leaf, Leaf) else 1.0


def _parse_parts(raw: Any, declared: Mapping[str, DeclaredCriterion], where: str) -> tuple[Node, ...]:
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"{where}: give a list of criteria, such as [{', '.join(list(declared)[:2])}], not {raw!r}")
    repeated = [part for place, part in enumerate(raw) if part in raw[:place]]
    if repeated:
        raise ConfigError(f"{where}: {repeated[0]!r} is listed twice; keep one of them")
    return tuple(_parse_node(part, declared, where) for part in raw)


def _name(raw: Any, where: str) -> str:
    if not isinstance(raw, str) or not NAME.fullmatch(raw):
        hint = boolean_hint(raw) or "; start with a letter, then letters, digits, _ and -"
        raise ConfigError(f"{where}: {raw!r} cannot be a name{hint}")
    return raw


def _text(raw: Any, where: str) -> str:
    if not isinstance(raw, str):
        raise ConfigError(f"{where}: {raw!r} is not text{boolean_hint(raw) or '; put it in quotes'}")
    return raw


def _number(raw: Mapping[str, Any], key: str, default: float, limits: tuple[float, float], where: str) -> float:
    value = raw.get(key)
    return default if value is None else number_in(value, f"{where}: {key}", limits)


def _examples(criteria: Mapping[str, Criterion]) -> str:
    return " or ".join(list(criteria)[:2])
