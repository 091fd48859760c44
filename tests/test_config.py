"""Settings: one file, one dataclass, and clear words for every mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.errors import ConfigError
from src.model_utils.config import DEFAULT_CONFIG_FILE, Config, build_config, parse_config, read_settings, setting_types
from src.model_utils.unknown import PLATFORM_ARGUMENTS, SYNONYMS
from src.model_utils.unused import unused_settings


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


def test_a_running_process_is_not_disturbed_by_edits_of_the_file(tmp_path: Path) -> None:
    copy = tmp_path / "default_config.yaml"
    copy.write_text(DEFAULT_CONFIG_FILE.read_text(encoding="utf-8"), encoding="utf-8")
    before = read_settings(copy)
    copy.write_text("half: written", encoding="utf-8")
    assert read_settings(copy) == before


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
        ("--batch_size=-1", ("batch_size", "minimum is 1")),
        ("--batch_size=ten", ("batch_size", "ten", "whole number")),
        ("--batch_size=1.5", ("batch_size", "1.5")),
        ("--lr=nan", ("lr", "nan")),
        ("--load_pretrain=maybe", ("load_pretrain", "maybe", "True", "False")),
        ("--network=vgg16", ("network", "vgg16", "vgg19")),
        ("--target_action_type=climb_upp", ("climb_upp", "climb_up")),
        ("--missing_pictures_max=2", ("missing_pictures_max", "maximum is 1")),
        ("--lr_steps=1,x", ("lr_steps", "x")),
        ("--infer_compile_cache=False", ("infer_compile_cache", "False", "auto, none, or a path such as ./False")),
        ("--config_path=absent.yaml", ("absent.yaml",)),
        ("--batch_size", ("batch_size", "--key=value")),
    ],
)
def test_mistakes_are_named(argument: str, words: tuple[str, ...]) -> None:
    message = refusal(argument)
    for word in words:
        assert word in message


def test_a_precision_that_a_processor_lacks_is_refused_with_the_settings() -> None:
    with pytest.raises(ConfigError, match="amp: bf16: MindSpore has no such convolutions on CPU"):
        parse("--amp=bf16", "--device_target=CPU")
    assert parse("--amp=bf16").amp == "bf16"


def test_platform_arguments_pass_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    given = [argument for name in PLATFORM_ARGUMENTS for argument in (f"--{name}=1", f"--{name}", "2")]
    assert parse(*given) == parse()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["--epochs=5"], "max_epoch_train"),
        (["--learning_rate=1"], "lr"),
        (["--learning-rate", "1"], "lr"),
        (["--backbone=resnet"], "network"),
        (["--pics", "x"], "pic_folder_path_relative"),
        (["--output=x"], "train_url"),
        (["--checkpoint=x"], "checkpoint_filename"),
        (["--max_epoch=x"], "max_epoch_train_NP"),
        (["--Batch-Size=2"], "batch_size"),
        (["pics"], "'pics' on the command line"),
        (["--rank", "0", "1"], "'1' on the command line"),
        (["--qwertz=1"], "--help lists the settings"),
        (["-x"], "unknown hyperparameter 'x'"),
        (["--init_methodd=1"], "unknown hyperparameter 'init_methodd'"),
    ],
)
def test_no_argument_is_ignored(argv: list[str], meant: str) -> None:
    assert meant in refusal(*argv)
    name, equals, value = argv[0].strip("-").partition("=")
    if equals:  # a value in a definition or on `--set` is refused in the same words
        with pytest.raises(ConfigError, match=re.escape(meant)):
            build_config({name: value})


@pytest.mark.parametrize(
    ("job", "name", "meant"),
    [
        ("training", "output", "'train_url'?"),
        ("inference", "output", "'output_path_root_obs' or 'output_img_path_relative'?"),
        ("training", "weights", "'pretrained_model_filename'?"),
        ("inference", "pics", "'pic_folder_path_relative' or 'pic_folder_path_obs'?"),
        ("inference", "epochs", "'max_epoch_train' or 'max_epoch_train_NP'?"),  # it has none of its own
    ],
)
def test_settings_of_the_jobs_own_are_suggested(job: str, name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config([f"--{name}=x"], "test", job=job)
    assert str(refused.value) == f"unknown hyperparameter '{name}', did you mean {meant}"


def test_all_unknown_names_are_told_at_once() -> None:
    assert refusal("--epochs", "5", "--learning_rate=1", "pics") == (
        "unknown hyperparameter 'epochs', did you mean 'max_epoch_train' or 'max_epoch_train_NP'?; unknown "
        "hyperparameter 'learning_rate', did you mean 'lr'?; 'pics' on the command line is not a setting; "
        "write settings as --key=value"
    )
    with pytest.raises(ConfigError, match=r"'epochs'.*'learning_rate'"):
        build_config({"epochs": 5, "learning_rate": 1})


def test_synonyms_name_settings() -> None:
    names = {name for meant in SYNONYMS.values() for name in meant}
    assert names <= set(setting_types())
    assert not set(SYNONYMS) & (set(setting_types()) | PLATFORM_ARGUMENTS)


def test_settings_of_the_other_job_are_told(caplog: pytest.LogCaptureFixture) -> None:
    parse_config(["--infer_insize=64", "--lr=1"], "test", job="training")
    assert caplog.messages == ["ignoring infer_insize: it is a setting of inference, and this job is training"]


@pytest.mark.parametrize(
    ("job", "cards", "given", "line"),
    [
        ("training", 4, {"max_epoch_train": "5"}, "max_epoch_train=5: on 4 cards max_epoch_train_NP applies"),
        ("training", 1, {"lr_steps_NP": "5"}, "lr_steps_NP=(5,): on 1 card lr_steps applies"),
        ("training", 1, {"clip_norm": "1"}, "clip_norm=1.0: applies only with train_type=clip_grad"),
        (
            "training",
            2,
            {"momentum": "0.5", "optimizer_NP": "Adam"},
            "momentum=0.5: applies only with optimizer_NP=Momentum",
        ),
        ("training", 1, {"warmup_epoch": "1"}, "warmup_epoch=1: applies only with lr_type=cosine"),
        ("training", 1, {"rotate_max": "1", "augment": "no"}, "rotate_max=1.0: applies only with augment=True"),
        (
            "training",
            2,
            {"network": "mobilenet_v2", "group_params_NP": "True"},
            "group_params_NP=True: applies only with network=vgg19",
        ),
        (
            "inference",
            1,
            {"filename_to_infer": "a.jpg"},
            "filename_to_infer=a.jpg: applies only with is_batch_pics=False",
        ),
        (
            "inference",
            1,
            {"pic_folder_path_obs": "obs://b"},
            "pic_folder_path_obs=obs://b: applies only with is_model_arts=True",
        ),
    ],
)
def test_changed_settings_that_do_not_apply_are_named(job: str, cards: int, given: dict[str, str], line: str) -> None:
    assert unused_settings(job, build_config(given), cards) == [line]


def test_settings_that_apply_are_not_named() -> None:
    given = {
        "max_epoch_train_NP": "5",
        "clip_norm": "1",
        "lr_steps_NP": "3",
        "rotate_max": "1",
        "seed": "2",
        "infer_insize": "64",
    }
    assert unused_settings("training", build_config(given), 4) == []


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


def shown_by(capsys: pytest.CaptureFixture[str], *argv: str, job: str = "") -> str:
    with pytest.raises(SystemExit) as caught:
        parse_config(list(argv), "test", job=job)
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_help_all_lists_every_setting_under_its_heading(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    shown = shown_by(capsys, "--help-all", job="training")
    for name in setting_types():
        assert f"--{name} " in shown
    headings = re.findall(r"^# --- (.+?) -+$", (root / "default_config.yaml").read_text(encoding="utf-8"), re.M)
    assert [heading for heading in headings if f"\n{heading}:\n" not in shown] == ["actions"]


@pytest.mark.parametrize(("job", "first"), [("training", "training: data"), ("inference", "inference")])
def test_help_shows_a_job_its_own_settings_first(capsys: pytest.CaptureFixture[str], job: str, first: str) -> None:
    shown = shown_by(capsys, "--help", job=job)
    settings, _ = read_settings()
    assert {name for name in settings if f"--{name} " in shown} == {
        n for n, s in settings.items() if s.job in ("", job)
    }
    headings = re.findall(r"^(\w[\w: ]*):$", shown, re.M)
    assert next(one for one in headings if one != "options") == first


def test_help_names_the_declared_actions(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("actions: {squat_down: {display: 下蹲, criteria: [knees], occurs_when: all}}", encoding="utf-8")
    for argv, expected in ((), "climb_over_fence (翻越护栏"), ((f"--actions_file={mine}",), "squat_down (下蹲)"):
        with pytest.raises(SystemExit):
            parse(*argv, "--help")
        assert expected in " ".join(capsys.readouterr().out.split())


def test_a_summary_lists_the_settings_of_its_job() -> None:
    found = parse().settings("inference")
    assert {"network", "infer_insize", "storage_mode"} <= set(found)
    assert not {"lr", "train_url", "batch_size"} & set(found)


def test_stored_settings_build_the_same_configuration() -> None:
    config = parse("--lr=0.25", "--lr_steps=7", "--network=mobilenet_v2")
    assert build_config(config.settings()) == config


def test_what_was_set_explicitly_is_known_even_where_it_equals_the_default(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("stages: 6\n")
    config = parse_config(
        ["--network=vgg19", f"--config_path={tmp_path / 'c.yaml'}"], "test", environment={"data_url": ""}
    )
    assert config.given == {"network", "stages", "config_path", "data_url"}
    assert (config.if_given("network"), config.if_given("stages"), config.if_given("insize")) == ("vgg19", 6, None)
    assert (parse().if_given("network"), parse().network) == (None, "vgg19")
