"""Settings: one file, one dataclass, and clear words for every mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.errors import ConfigError
from src.model_utils.config import Config, build_config, parse_config, read_settings, setting_types


def parse(*argv: str) -> Config:
    return parse_config(list(argv), "test")


def refusal(*argv: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(*argv)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_are_the_reference_training() -> None:
    config = parse()
    assert (config.network, config.stages, config.insize, config.batch_size) == ("vgg19", 6, 368, 10)
    assert (config.optimizer, config.optimizer_NP, config.lr) == ("Adam", "Momentum", 1e-4)
    assert config.lr_steps == (100000, 200000, 250000)
    assert config.lr_steps_NP == (250000, 300000)
    assert (config.loss_scale, config.clip_norm, config.heatmap_sigma, config.paf_half_width) == (16384, 10, 7, 8)
    assert (config.max_epoch_train, config.max_epoch_train_NP) == (2, 2)


def test_every_key_is_a_field_and_is_used(root: Path) -> None:
    settings, _ = read_settings()
    assert list(settings) == list(setting_types())
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("src", "modelarts")
        for path in (root / folder).rglob("*.py")
        if path.name != "config.py"
    )
    read_by_config_itself = {"config_path", "actions_file", "target_action_type"}
    unused = [name for name in settings if name not in read_by_config_itself and not re.search(rf"\b{name}\b", sources)]
    assert unused == []


def test_names_suit_the_console() -> None:
    assert [name for name in setting_types() if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)] == []


def test_text_becomes_typed_values() -> None:
    config = parse("--load_pretrain=True", "--lr=1e-3", "--lr_steps=5, 6", "--group_params=False", "--stages=3.0")
    assert config.load_pretrain is True
    assert config.group_params is False
    assert (config.lr, config.lr_steps, config.stages) == (1e-3, (5, 6), 3)


@pytest.mark.parametrize("word", ["False", "false", "0", "no", '"False"', " FALSE "])
def test_false_means_false(word: str) -> None:
    assert parse(f"--is_batch_pics={word}").is_batch_pics is False


def test_value_in_the_next_argument_and_the_handbooks_short_name() -> None:
    assert parse("-tat", "climb_over_fence", "--batch_size", "4").target_action_type == "climb_over_fence"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--max_epoch_trian=3", ("max_epoch_trian", "max_epoch_train")),
        ("--lr-steps=3", ("lr-steps", "lr_steps")),
        ("--batch_size=-1", ("batch_size", "at least 1")),
        ("--batch_size=ten", ("batch_size", "ten", "whole number")),
        ("--batch_size=1.5", ("batch_size", "1.5")),
        ("--lr=nan", ("lr", "nan")),
        ("--load_pretrain=maybe", ("load_pretrain", "maybe", "True", "False")),
        ("--network=vgg16", ("network", "vgg16", "vgg19")),
        ("--target_action_type=climb_upp", ("climb_upp", "climb_up")),
        ("--missing_pictures_max=2", ("missing_pictures_max", "at most 1")),
        ("--lr_steps=1,x", ("lr_steps", "x")),
        ("--config_path=absent.yaml", ("absent.yaml",)),
        ("--batch_size", ("batch_size", "--key=value")),
    ],
)
def test_mistakes_are_named(argument: str, words: tuple[str, ...]) -> None:
    message = refusal(argument)
    for word in words:
        assert word in message


def test_platform_arguments_are_tolerated_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    parse("--init_method=tcp://job:6666", "--rank=0", "--world_size=1")
    assert "init_method" in caplog.text


def test_file_then_command_line(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("batch_size: 3\nlr: 0.5\n", encoding="utf-8")
    config = parse(f"--config_path={overlay}", "--batch_size=4")
    assert (config.batch_size, config.lr) == (4, 0.5)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("batch_sise: 3\n", "batch_size"),
        ("lr: 1\nlr: 2\n", "lr"),
        ("- 3\n", "key: value"),
        ("lr: [\n", "not valid YAML"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, word: str) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(text, encoding="utf-8")
    message = refusal(f"--config_path={overlay}")
    assert "mine.yaml" in message
    assert word in message


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--help")
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for name in setting_types():
        assert f"--{name}" in shown


def test_help_names_the_declared_actions(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("actions: {squat_down: {display: 下蹲, criteria: [knees], occurs_when: all}}", encoding="utf-8")
    for argv, expected in ((), "climb_over_fence (翻越护栏"), ((f"--actions_file={mine}",), "squat_down (下蹲)"):
        with pytest.raises(SystemExit):
            parse(*argv, "--help")
        assert expected in " ".join(capsys.readouterr().out.split())


def test_stored_settings_build_the_same_configuration() -> None:
    config = parse("--lr=0.25", "--lr_steps=7", "--network=mobilenet_v2")
    assert build_config(config.settings()) == config
