"""docs/actions.md lists every criterion as it is."""

from __future__ import annotations

from pathlib import Path

import yaml

from src.actions import CRITERIA, load_actions
from src.actions.explain import needs


def test_every_criterion_is_in_the_table(root: Path) -> None:
    text = (root / "docs/actions.md").read_text(encoding="utf-8")
    for name, criterion in CRITERIA.items():
        row = (
            f"| `{name}` | {criterion.description} | {criterion.kind.value} | {needs(criterion, criterion.threshold)} |"
        )
        assert row in text


def test_the_example_declaration_is_valid(root: Path) -> None:
    text = (root / "docs/actions.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert list(load_actions(yaml.safe_load(example)["actions"])) == ["squat_down"]
