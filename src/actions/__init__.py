"""Actions: declared in one place, judged for each person with the reason, measured against labels."""

from src.actions.action import Action, DeclaredCriterion, declaration_of, hint_text
from src.actions.criteria import CRITERIA
from src.actions.declaration import UnknownActionError, default_actions, find_action, load_actions
from src.actions.judge import CriterionResult, Judgement, judge_person, judge_persons

__all__ = [
    "CRITERIA",
    "Action",
    "CriterionResult",
    "DeclaredCriterion",
    "Judgement",
    "UnknownActionError",
    "declaration_of",
    "default_actions",
    "find_action",
    "hint_text",
    "judge_person",
    "judge_persons",
    "load_actions",
]
