"""The commands of docs/first_steps.md are understood, and those that are refused are refused with the printed line."""

from __future__ import annotations

import logging
import re
import shlex
from pathlib import Path

import pytest

from modelarts.cli.main import make_parser
from modelarts.runtime.entry import inference_job, training_job
from src.model_utils.config import read_settings

BOOT_FILES = {"train_start.py": training_job, "test_tmp.py": inference_job}


@pytest.fixture(scope="module")
def transcript(root: Path) -> list[tuple[list[str], str]]:
    """Each command's words and the output below it."""
    text = (root / "docs/first_steps.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    parts = [part.partition("\n") for block in blocks for part in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [(shlex.split(command), output) for command, _, output in parts]


def test_every_command_is_understood(transcript: list[tuple[list[str], str]], root: Path) -> None:
    settings, _ = read_settings()
    for words, output in transcript:
        if words[:3] == ["python", "-m", "modelarts"]:
            assert make_parser().parse_args(words[3:]).command
        elif words[1] in BOOT_FILES and "ERROR" not in output:
            assert {word.lstrip("-").split("=")[0] for word in words[2:] if word != "…"} <= set(settings)
        else:
            assert words[0] in ("make", "python", "source")


def test_refused_commands_are_refused_in_these_words(
    transcript: list[tuple[list[str], str]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = [(words, output.strip()) for words, output in transcript if output.startswith("ERROR")]
    assert len(refused) >= 5
    for words, output in refused:
        caplog.clear()
        assert BOOT_FILES[words[1]](words[2:]) == 2
        (said,) = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
        assert output == f"ERROR rank 0: {said}"
