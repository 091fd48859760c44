"""docs/storage.md says what is so: every fault of the tests, every setting, every command."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from obs_sync import Settings
from obs_sync.__main__ import parser
from tests.obs_sync.stores.faults import FAULTS, OPERATIONS


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The page on storage."""
    return (root / "docs" / "storage.md").read_text(encoding="utf-8")


def test_every_fault_has_its_row(page: str) -> None:
    table = page.partition("<!-- faults -->")[2].partition("<!-- /faults -->")[0]
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in table.splitlines() if line.startswith("| ")}
    for fault in FAULTS:
        for operation in fault.operations:
            outcome = rows[fault.name][OPERATIONS.index(operation)].split(",")[0].strip()
            assert outcome == ("right bytes" if fault.expected is None else fault.expected.__name__)


def test_every_setting_is_explained(page: str) -> None:
    for field in dataclasses.fields(Settings):
        assert f"`{field.name}`" in page


def test_every_command_is_named(page: str) -> None:
    (commands,) = [action.choices for action in parser()._actions if action.dest == "command"]
    assert "python -m obs_sync " + "|".join(commands) in page
