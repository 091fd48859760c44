"""Reads `criteria`: which criteria an action uses, with their thresholds or points."""

from __future__ import annotations

import re
from collections.abc import Mapping

from src.actions.action import CHOICES, SIDES, DeclaredCriterion, PointScale, Threshold
from src.actions.criteria import Criterion
from src.actions.declared_combination import COMBINERS
from src.actions.measures.readings import Kind
from src.checks import boolean_hint, check_keys, nearest_or_all, number_in
from src.errors import ConfigError

CRITERION_KEYS = ("criterion", "threshold", "sides", "bounds", "at", "points", "min_confidence", "weight")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # what the console accepts as a hyperparameter's value without quotes
METHOD_PREFIX = "judge_by_"
POINT_LIMITS = (-1000.0, 1000.0)

THRESHOLD_LIMITS: Mapping[Kind, tuple[float, float]] = {
    Kind.HEIGHT: (-10.0, 10.0),
    Kind.DISTANCE: (0.0, 10.0),
    Kind.WIDTH: (0.0, 10.0),
    Kind.TO_HORIZONTAL: (0.0, 90.0),
    Kind.TO_VERTICAL: (0.0, 90.0),
    Kind.INNER_ANGLE: (0.0, 180.0),
    Kind.ELEVATION: (-90.0, 90.0),
    Kind.SIDEWAYS: (-10.0, 10.0),
    Kind.CONFIDENCE: (0.0, 1.0),
    Kind.LINE_HEIGHT: (-10.0, 10.0),
    Kind.LINE_DISTANCE: (0.0, 10.0),
    Kind.LINE_SIDES: (-10.0, 10.0),
}


def parse_criteria(
    raw: object, min_confidence: float, criteria: Mapping[str, Criterion], where: str
) -> dict[str, DeclaredCriterion]:
    if isinstance(raw, list):
        repeated = [label for place, label in enumerate(raw) if label in raw[:place]]
        if repeated:
            raise ConfigError(f"{where}, criterion {repeated[0]}: is listed twice; keep one of them")
        raw = {parse_name(label, f"{where}, criteria"): None for label in raw}
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError(f"{where}: criteria must name at least one criterion, such as {_examples(criteria)}")
    return {
        parse_name(label, f"{where}, criteria"): _parse_criterion(label, body, min_confidence, criteria, where)
        for label, body in raw.items()
    }


def _parse_criterion(
    label: str, body: object, min_confidence: float, criteria: Mapping[str, Criterion], where: str
) -> DeclaredCriterion:
    where = f"{where}, criterion {label}"
    if label in COMBINERS:
        raise ConfigError(f"{where}: this word has a meaning in occurs_when; give the criterion another label")
    raw = check_keys(body if isinstance(body, Mapping) else {"threshold": body}, CRITERION_KEYS, where)
    criterion = _find_criterion(raw.get("criterion", label), criteria, where)
    scale = _parse_scale(raw, criterion, where)
    choices = SIDES if scale is None else CHOICES
    sides = raw.get("sides", choices[0])
    if not isinstance(sides, str) or sides not in choices:
        raise ConfigError(f"{where}: sides {sides!r}; {nearest_or_all(sides, choices)}")
    return DeclaredCriterion(
        label=label,
        criterion=criterion,
        threshold=_parse_threshold(raw.get("threshold"), criterion, where),
        sides=sides,
        min_confidence=parse_number(raw, "min_confidence", min_confidence, (0.0, 1.0), where),
        weight=parse_number(raw, "weight", 1.0, (1e-6, 1e6), where),
        scale=scale,
    )


def _find_criterion(word: object, criteria: Mapping[str, Criterion], where: str) -> Criterion:
    name = word[len(METHOD_PREFIX) :] if isinstance(word, str) and word.startswith(METHOD_PREFIX) else word
    if not isinstance(name, str) or name not in criteria:
        raise ConfigError(f"{where}: unknown criterion {word!r}; {nearest_or_all(name, criteria)}")
    return criteria[name]


def _parse_threshold(raw: object, criterion: Criterion, where: str) -> Threshold:
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


def _parse_scale(raw: Mapping[str, object], criterion: Criterion, where: str) -> PointScale | None:
    """The points by range; None for a criterion with a threshold."""
    if not {"points", "bounds", "at"} & set(raw):
        return None
    if "threshold" in raw or "weight" in raw:
        raise ConfigError(f"{where}: give either bounds and points, or a threshold and a weight")
    if "bounds" in raw and "at" in raw:
        raise ConfigError(f"{where}: give bounds (points by range) or at (points in between interpolated), not both")
    limits, unit = THRESHOLD_LIMITS[criterion.kind], criterion.kind.unit
    key = "at" if "at" in raw else "bounds"
    bounds = [number_in(bound, f"{where}: {key}", limits, unit) for bound in _list(raw.get(key), where, key)]
    points = [number_in(one, f"{where}: points", POINT_LIMITS) for one in _list(raw.get("points"), where, "points")]
    if sorted(set(bounds)) != bounds:
        raise ConfigError(f"{where}: {key} must rise, not {raw[key]!r}")
    if key == "at" and len(points) != len(bounds):
        raise ConfigError(f"{where}: at has {len(bounds)} values; points has {len(points)}")
    if key == "bounds" and len(points) != len(bounds) + 1:
        raise ConfigError(f"{where}: {len(bounds)} bounds make {len(bounds) + 1} ranges; points has {len(points)}")
    if not any(points):
        raise ConfigError(f"{where}: points are all 0; remove the criterion or give it points")
    return PointScale(tuple(bounds), tuple(points), is_linear=key == "at")


def _list(raw: object, where: str, key: str) -> list[object]:
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"{where}: {key} must be a list of numbers, not {raw!r}")
    return raw


def parse_name(raw: object, where: str) -> str:
    if not isinstance(raw, str) or not NAME.fullmatch(raw):
        hint = boolean_hint(raw) or "; start with a letter, then letters, digits, _ and -"
        raise ConfigError(f"{where}: {raw!r} cannot be a name{hint}")
    return raw


def parse_number(raw: Mapping[str, object], key: str, default: float, limits: tuple[float, float], where: str) -> float:
    value = raw.get(key)
    return default if value is None else number_in(value, f"{where}: {key}", limits)


def _examples(criteria: Mapping[str, Criterion]) -> str:
    return " or ".join(list(criteria)[:2])
