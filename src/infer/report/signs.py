"""The signs of an action as report and table show them, and the judgements of saved results."""

from __future__ import annotations

from src.actions import Action, DeclaredCriterion, Judgement
from src.actions.combination import IfElse, Node, labels_of, objections, point_nodes
from src.actions.explain import requirement
from src.infer.output.results import PersonLine, ResultLine
from src.translations import LANGUAGES, Catalog


def judgement_of(person: PersonLine, action: Action) -> Judgement | None:
    """The judgement in a line of results.jsonl; None where it was made by another declaration of the action."""
    try:
        return Judgement.from_json(person, action)
    except (KeyError, TypeError, ValueError):
        return None


def judgements_of(line: ResultLine, action: Action) -> list[Judgement | None]:
    """The judgement of each person in a line of results.jsonl."""
    return [judgement_of(person, action) for person in line.get("persons") or ()]


def sign_rows(action: Action, catalog: Catalog) -> list[dict[str, object]]:
    """What is said of each sign once: names and hints by language, what it needs, and whether it is an objection.

    `total`: the number of the sum of points that it belongs to, where there are several; else 0. `chooses`: it is no
    sign but decides which of two rules applies.
    """
    node = action.occurs_when
    against, totals = objections(node), _totals(node)
    choosing = set(labels_of(node.condition)) if isinstance(node, IfElse) else set()
    return [
        {
            "names": {language: _name(one, language) for language in LANGUAGES},
            "hints": {language: one.criterion.hint(language) for language in LANGUAGES},
            "needs": catalog.encode(requirement(one)),
            "objection": one.label in against,
            "gives_points": one.scale is not None,
            "total": totals.get(one.label, 0),
            "chooses": one.label in choosing,
        }
        for one in action.criteria
    ]


def _totals(node: Node) -> dict[str, int]:
    """The number of the first sum that each sign adds to, as the explanation of a verdict counts them."""
    if isinstance(node, IfElse):
        return {**_totals(node.otherwise), **_totals(node.then)}
    nodes = list(point_nodes(node))
    numbered = [(label, number) for number, one in enumerate(nodes, start=1) for label in one.labels]
    return dict(reversed(numbered)) if len(nodes) > 1 else {}


def _name(declared: DeclaredCriterion, language: str) -> str:
    """The criterion's name; in English the declaration's own label where it has one."""
    is_own = language == "en" and declared.label != declared.criterion.name
    return declared.label.replace("_", " ") if is_own else declared.criterion.display_name(language)
