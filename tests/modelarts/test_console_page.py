"""docs/console.md says in both languages what the definitions say, and its commands exist."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from modelarts.__main__ import main
from modelarts.cli.tables import console_rows
from modelarts.jobs.definition import Placement
from modelarts.jobs.loading import job_keys, load_job

ROOT_URL = "obs://skp-har-neu-xwt/skp-har/code/models-v1.5.0/official/cv"


@pytest.fixture(scope="module")
def halves(root: Path) -> dict[str, str]:
    """The Chinese and the English part."""
    text = (root / "docs" / "console.md").read_text(encoding="utf-8")
    chinese, english = text.split("\n## English\n")
    return {"zh": chinese.split("\n## 中文\n")[1], "en": english}


def _commands(text: str) -> list[str]:
    return [line for block in re.findall(r"```bash\n(.*?)```", text, re.S) for line in block.strip().splitlines()]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("key", job_keys())
def test_names_and_folders_are_the_definitions(halves: dict[str, str], language: str, key: str) -> None:
    job = load_job(key)
    (row,) = (line for line in halves[language].splitlines() if line.startswith(f"| `{key}` |"))
    cells = [cell.strip().strip("`") for cell in row.strip("|").split("|")]
    assert cells[1] == job.name
    assert int(cells[2]) == job.cards
    output = job.outputs[0].url if job.outputs else job.values["output_path_root_obs"] + "output_img/"
    assert cells[3].replace("…", ROOT_URL) == output
    assert job.log_path.endswith(cells[4].lstrip("…"))


def _tables(text: str) -> list[list[list[str]]]:
    """The tables of the step about hyperparameters: their rows' cells, without head and rule."""
    step = text.split("### 5.")[1].split("### 6.")[0]
    blocks = re.findall(r"(?:^\|.*\n)+", step, re.M)
    return [
        [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()[2:]] for block in blocks
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_values_and_hints_are_the_definitions(halves: dict[str, str], language: str) -> None:
    rows = {one.name: one for one in load_job("infer").hyperparameters}
    found, _ = _tables(halves[language])
    assert found[0][0] == "`target_action_type`"
    assert len(found) == 6
    for name, value, hint in found:
        one = rows[name.strip("`")]
        assert hint == (one.hint_zh if language == "zh" else one.hint)
        assert one.value in value.replace("…", ROOT_URL)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_defaults_and_hints_of_training_are_the_configurations(halves: dict[str, str], language: str) -> None:
    rows = {one.name: one for key in ("train_np1", "train_np4") for one in load_job(key).hyperparameters}
    _, found = _tables(halves[language])
    assert {"`max_epoch_train`", "`max_epoch_train_NP`", "`lr`", "`batch_size`"} <= {row[0] for row in found}
    for name, default, hint in found:
        one = rows[name.strip("`")]
        assert hint == (one.hint_zh if language == "zh" else one.hint)
        assert default == (f"`{one.default}`" if one.default else {"zh": "空", "en": "empty"}[language])


def test_every_field_of_the_form_is_explained(halves: dict[str, str]) -> None:
    """What `show --console` prints for some job stands in the table of step 4 too."""
    own = Placement("pool", 3, "w1", auto_stop_hours=2, image="swr/x:1", volumes=({"obs": {"obs_path": "/b/x"}},))
    jobs = [*map(load_job, job_keys()), replace(load_job("train_np1"), placement=own)]
    fields = {name.strip() for job in jobs for name, _ in console_rows(job)}
    assert len(fields) > len({name.strip() for job in jobs[:-1] for name, _ in console_rows(job)}) + 4
    for language, number in (("zh", 0), ("en", 1)):
        step = halves[language].split("### 4.")[1].split("### 5.")[0].lower()
        for words in {tuple(field.split(" ", 1)) for field in fields}:
            word = re.sub(r" (\w+_\w+|[a-z_]{2,}|[A-Z_]{4,})$", "", words[number]).lower()
            if not word.startswith(("中文提示", "英文提示", "hint")):
                assert word in step, f"{word} is not explained"


def test_both_languages_have_the_same_steps_and_commands(halves: dict[str, str]) -> None:
    steps = {language: re.findall(r"^### (\d+)\.", text, re.M) for language, text in halves.items()}
    assert steps["zh"] == steps["en"] == [str(number) for number in range(1, 9)]
    assert _commands(halves["zh"]) == _commands(halves["en"])
    tables = {language: len(re.findall(r"(?:^\|.*\n)+", text, re.M)) for language, text in halves.items()}
    assert tables["zh"] == tables["en"]
    code = {
        language: sorted(set(re.findall(r"`([A-Z_]{6,}|[a-z_]+\.(?:py|yaml|txt))`", t)))
        for language, t in halves.items()
    }
    assert code["zh"] == code["en"]


def test_commands_exist(
    halves: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each is understood; those that need no OBS, no platform and no MindSpore are run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    from modelarts.cli.main import make_parser

    for command in _commands(halves["en"]):
        words = shlex.split(command)
        assert words[:3] == ["python", "-m", "modelarts"]
        assert make_parser().parse_args(words[3:]).command
        if words[3] in ("show", "check", "jobs"):
            assert main(words[3:]) == 0
            assert capsys.readouterr().out


def test_uploaded_items_are_the_definitions(halves: dict[str, str]) -> None:
    for text in halves.values():
        step = text.split("### 1.")[1].split("### 2.")[0]
        for name in load_job("infer").code_files:
            assert f"`{name}`" in step


def test_the_platform_page_names_tests_and_commands_that_exist(root: Path) -> None:
    text = (root / "docs" / "platform.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/.]+)`", text))
    assert len(named) >= 8
    assert [path for path in named if not (root / path).exists()] == []
    from modelarts.cli.main import make_parser

    for command in _commands(text):
        assert make_parser().parse_args(shlex.split(command)[3:]).command
