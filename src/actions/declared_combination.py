"""Reads `occurs_when`: how the criteria of an action combine."""

from __future__ import annotations

from collections.abc import Mapping

from src.actions.action import DeclaredCriterion
from src.actions.combination import AllOf, AnyOf, AtLeast, IfElse, Leaf, Node, Not, PointsAtLeast, Unless
from src.checks import check_keys, nearest_or_all, number_in
from src.errors import ConfigError

COMBINERS = {
    **{"all": "all", "and": "all", "any": "any", "or": "any"},
    **{"not": "not", "unless": "unless", "at_least": "at_least", "points_at_least": "points_at_least"},
    **{"if": "if"},
}
#: The share of the evidence that must be seen unless a declaration says otherwise.
DEFAULT_EVIDENCE = 0.5


def parse_combination(raw: object, declared: Mapping[str, DeclaredCriterion], where: str) -> Node:
    where = f"{where}: occurs_when"
    everything = list(declared)
    if raw is None:
        raise ConfigError(f"{where} is missing; write all, any, {{at_least: N}} or {{points_at_least: N}}")
    if isinstance(raw, str) and raw not in declared:
        if COMBINERS.get(raw) not in ("all", "any"):
            raise ConfigError(f"{where} {raw!r}; {nearest_or_all(raw, ['all', 'any', *everything])}")
        raw = {raw: everything}
    if isinstance(raw, Mapping) and "of" not in raw and "at_least" in raw:
        raw = {**raw, "of": everything}
    return _parse_node(raw, declared, where)


def _parse_node(raw: object, declared: Mapping[str, DeclaredCriterion], where: str) -> Node:
    if isinstance(raw, str):
        if raw not in declared:
            raise ConfigError(f"{where} asks for {raw!r}, which is not under criteria; {nearest_or_all(raw, declared)}")
        if declared[raw].scale is not None:
            raise ConfigError(f"{where} asks for {raw!r}, which gives points; ask for it under points_at_least")
        return Leaf(raw)
    if not isinstance(raw, Mapping) or not raw:
        words = ", ".join(COMBINERS)
        raise ConfigError(f"{where}: {raw!r} is neither a criterion's label nor one of {words}")
    if "at_least" in raw:
        return _parse_at_least(raw, declared, where)
    if "points_at_least" in raw:
        return _parse_points(raw, declared, where)
    if "if" in raw:
        return _parse_if(raw, declared, where)
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


def _parse_if(raw: Mapping[str, object], declared: Mapping[str, DeclaredCriterion], where: str) -> IfElse:
    check_keys(raw, ("if", "then", "else"), where)
    missing = [word for word in ("then", "else") if word not in raw]
    if missing:
        raise ConfigError(f"{where}: if needs {missing[0]}; write {{if: criterion, then: …, else: …}}")
    return IfElse(*(_parse_node(raw[word], declared, f"{where}.{word}") for word in ("if", "then", "else")))


def _parse_at_least(raw: Mapping[str, object], declared: Mapping[str, DeclaredCriterion], where: str) -> AtLeast:
    check_keys(raw, ("at_least", "of"), where)
    parts = _parse_parts(raw.get("of"), declared, f"{where}.at_least")
    weights = tuple(_weight(part, declared) for part in parts)
    count = number_in(raw["at_least"], f"{where}.at_least", (1e-6, sum(weights)), "the sum of the weights")
    return AtLeast(count, parts, weights)


def _parse_points(raw: Mapping[str, object], declared: Mapping[str, DeclaredCriterion], where: str) -> PointsAtLeast:
    check_keys(raw, ("points_at_least", "evidence", "of"), where)
    where = f"{where}.points_at_least"
    everything = [label for label, one in declared.items() if one.scale is not None] or list(declared)
    signs = [declared[label] for label in _parse_labels(raw.get("of", everything), declared, where)]
    scales = [one.scale for one in signs if one.scale is not None]
    highest = sum(scale.most for scale in scales)
    return PointsAtLeast(
        needed=number_in(raw["points_at_least"], where, (1e-6, highest), "the sum of all signs' best points"),
        evidence=number_in(raw.get("evidence", DEFAULT_EVIDENCE), f"{where}, evidence", (0.0, 1.0), "a share"),
        labels=tuple(one.label for one in signs),
        spans=tuple(scale.span for scale in scales),
        most=tuple(scale.most for scale in scales),
    )


def _parse_labels(raw: object, declared: Mapping[str, DeclaredCriterion], where: str) -> list[str]:
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"{where}: give a list of criteria with points, not {raw!r}")
    for place, label in enumerate(raw):
        if not isinstance(label, str) or label not in declared:
            raise ConfigError(
                f"{where} asks for {label!r}, which is not under criteria; {nearest_or_all(label, declared)}"
            )
        if label in raw[:place]:
            raise ConfigError(f"{where}: {label!r} is listed twice; keep one of them")
        if declared[label].scale is None:
            raise ConfigError(f"{where}: {label!r} gives no points; add bounds and points to it")
    return raw


def _weight(part: Node, declared: Mapping[str, DeclaredCriterion]) -> float:
    """A criterion's weight, also where it must not hold; 1 for what combines several."""
    leaf = part.part if isinstance(part, (Not, Unless)) else part
    return declared[leaf.label].weight if isinstance(leaf, Leaf) else 1.0


def _parse_parts(raw: object, declared: Mapping[str, DeclaredCriterion], where: str) -> tuple[Node, ...]:
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"{where}: give a list of criteria, such as [{', '.join(list(declared)[:2])}], not {raw!r}")
    repeated = [part for place, part in enumerate(raw) if part in raw[:place]]
    if repeated:
        raise ConfigError(f"{where}: {repeated[0]!r} is listed twice; keep one of them")
    return tuple(_parse_node(part, declared, where) for part in raw)
