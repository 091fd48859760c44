"""The signs of an action as report and table show them, and the judgements of saved results."""

from __future__ import annotations

from src.actions import Action, DeclaredCriterion, Judgement
from src.actions.combination import objections
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
    """What is said of each sign once: names and hints by language, what it needs, and whether it is an objection."""
    against = objections(action.occurs_when)
    return [
        {
            "names": {language: _name(one, language) for language in LANGUAGES},
            "hints": {language: one.criterion.hint(language) for language in LANGUAGES},
            "needs": catalog.encode(requirement(one)),
            "objection": one.label in against,
            "gives_points": one.scale is not None,
        }
        for one in action.criteria
    ]


def _name(declared: DeclaredCriterion, language: str) -> str:
    """The criterion's name; in English the declaration's own label where it has one."""
    is_own = language == "en" and declared.label != declared.criterion.name
    return declared.label.replace("_", " ") if is_own else declared.criterion.display_name(language)
