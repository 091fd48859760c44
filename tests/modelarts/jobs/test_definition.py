"""The five jobs say what the handbook and the configuration say, and mistakes in a definition are all named."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from modelarts.jobs.definition import Changes
from modelarts.jobs.hyperparameters import console_text, hyperparameters, not_in_console_alphabet
from modelarts.jobs.loading import JOBS_FOLDER, job_keys, load_job
from src.actions import default_actions
from src.errors import ConfigError
from src.model_utils.config import read_settings, setting_types
from tests.modelarts.conftest import MakeJob

ROOT_URL = "obs://skp-har-neu-xwt/skp-har/code/models-v1.5.0/official/cv"

#: job -> console name, folder, cards, output and log folder, as the handbook writes them
HANDBOOK = {
    "train_np1": ("openpose_multi_save2obs_for_recurrence_3", "openpose_multi_save2obs_for_recurrence", 1, "ep2_np1"),
    "train_np4": ("openpose_multi_save2obs_for_recurrence2_1", "openpose_multi_save2obs_for_recurrence2", 4, "ep2"),
    "continue_np1": (
        "openpose_multi_save2obs_for_recurrence4_1",
        "openpose_multi_save2obs_for_recurrence4",
        1,
        "ep2_np1",
    ),
    "continue_np4": (
        "openpose_multi_save2obs_for_recurrence5_2",
        "openpose_multi_save2obs_for_recurrence5",
        4,
        "ep2_np4",
    ),
}


def test_the_handbooks_jobs_and_the_probe_are_declared() -> None:
    assert job_keys() == sorted([*HANDBOOK, "infer", "probe"])


@pytest.mark.parametrize("key", HANDBOOK)
def test_training_jobs_are_the_handbooks(key: str) -> None:
    name, folder, cards, run = HANDBOOK[key]
    job = load_job(key)
    assert (job.name, job.cards, job.boot_file) == (name, cards, "train_start.py")
    assert job.code_dir.startswith(f"{ROOT_URL}/{folder}/")
    assert [(one.name, one.url) for one in job.outputs] == [("train_url", f"{ROOT_URL}/{folder}/output/{run}/")]
    assert job.log_path == f"{ROOT_URL}/{folder}/log/{run}/"
    assert (job.values["load_pretrain"] == "True") == key.startswith("continue")
    epochs = "max_epoch_train" if cards == 1 else "max_epoch_train_NP"
    assert job.values[epochs] == "2"


def test_inference_job_is_the_handbooks() -> None:
    job = load_job("infer")
    folder = f"{ROOT_URL}/openpose_ms15_test_for_recurrence1"
    assert (job.name, job.boot_file, job.cards) == ("opps_ms15_eval_for_recurrence1_2", "test_tmp.py", 1)
    assert job.values["is_model_arts"] == "True"
    assert job.values["output_path_root_obs"] == f"{folder}/"
    assert job.values["checkpoint_folder_path_obs"] == f"{folder}/models/np4_ep1000/"
    assert job.values["checkpoint_filename"] == "openpose_train_rank_1000_103.ckpt"


@pytest.mark.parametrize("key", [*HANDBOOK, "infer"])
def test_defaults_hints_and_types_have_one_source(key: str) -> None:
    settings, _ = read_settings()
    types = {bool: "Boolean", int: "Integer", float: "Float"}
    job = load_job(key)
    assert job.problems == ()
    assert len(job.hyperparameters) >= 10
    for one in job.hyperparameters:
        assert one.default == str(settings[one.name].value)
        assert console_text(settings[one.name].help) in one.hint
        assert settings[one.name].help_zh in one.hint_zh
        assert not_in_console_alphabet(one.hint + one.hint_zh) == ""
        assert one.type == types.get(setting_types()[one.name], "String")
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", one.name), "the console takes no other letters"


def test_definitions_repeat_no_default() -> None:
    """A value in a definition that equals the default would be a second source of it."""
    for key in job_keys():
        raw = (JOBS_FOLDER / f"{key}.yaml").read_text(encoding="utf-8")
        for one in load_job(key).hyperparameters:
            if one.value == one.default and one.name not in ("target_action_type", "pretrained_model_filename"):
                assert f"\n  {one.name}:" not in raw, f"{key}: {one.name}"


def test_action_choices_and_hint_are_the_declared_actions() -> None:
    one = next(one for one in load_job("infer").hyperparameters if one.name == "target_action_type")
    assert one.choices == tuple(default_actions())
    for name, action in default_actions().items():
        assert name in one.hint
        assert all(word in one.hint for word in action.display.values())


def test_bucket_and_prefix_are_given_once() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in JOBS_FOLDER.glob("*.yaml")}
    assert [name for name, text in files.items() if "skp-har-neu-xwt" in text] == ["common.yaml"]
    job = load_job("continue_np4", Changes({}, bucket="mine", prefix="team/pose"))
    text = json.dumps(job.to_dict(), ensure_ascii=False)
    assert "skp-har" not in text
    assert job.outputs[0].url == "obs://mine/team/pose/openpose_multi_save2obs_for_recurrence5/output/ep2_np4/"


def test_a_job_is_found_by_file_console_name_and_path(make_job: MakeJob) -> None:
    assert load_job("opps_ms15_eval_for_recurrence1_2") == load_job("infer")
    assert load_job(str(make_job())).name == "small_job"
    with pytest.raises(ConfigError, match="train_np1"):
        load_job("train")


def test_changes_reach_hyperparameters_channels_cards_and_name() -> None:
    changes = Changes({"lr": "1e-3", "train_url": "obs://b/out", "seed": "7"}, name="mine", pass_as="url", cards=2)
    job = load_job("train_np1", changes)
    assert (job.values["lr"], job.values["seed"], job.name, job.cards) == ("1e-3", "7", "mine", 2)
    assert job.outputs[0].url == "obs://b/out/"
    assert job.arguments()["train_url"] == "obs://b/out/"
    assert "max_epoch_train_NP" in job.values, "two cards have the settings of several"
    pool = load_job("train_np1", replace(changes, pool="p"))
    assert pool.flavour == "modelarts.pool.visual.2xlarge"


def test_several_data_sets_are_passed_as_addresses() -> None:
    """The platform's inputs take one folder each."""
    job = load_job("train_np1", Changes({"data_url": "obs://b/mine, obs://b/coco/"}))
    assert job.arguments()["data_url"] == "obs://b/mine/,obs://b/coco/"
    assert job.folders(job.inputs) == []
    assert job.folders(job.outputs) == list(job.outputs)


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        ("train_np4", "max_epoch_train", "it is for one card; with 4 cards set max_epoch_train_NP"),
        ("train_np1", "optimizer_NP", "it is for several cards; with 1 card set optimizer"),
        ("infer", "lr", "it is a setting of training, not of inference"),
        ("infer", "lr_steps_NP", "it is a setting of training, not of inference"),
        ("train_np1", "target_action_type", "it is a setting of inference, not of training"),
    ],
)
def test_a_setting_that_the_job_never_looks_at_is_a_mistake(key: str, name: str, message: str) -> None:
    value = load_job(key).values.get(name) or str(read_settings()[0][name].value)
    assert load_job(key, Changes({name: value})).problems == (f"{name}: has no effect here: {message}",)


def test_settings_of_both_jobs_and_rare_ones_can_be_set_everywhere() -> None:
    for key in (key for key in job_keys() if key != "probe"):
        assert load_job(key, Changes({"network": "vgg19", "stages": "2", "device_target": "CPU"})).problems == ()


def test_actions_of_the_jobs_own_file_are_the_choices(tmp_path: Path) -> None:
    file = tmp_path / "actions.yaml"
    file.write_text(
        "actions: {wave: {display: {zh: 挥手, en: waving}, criteria: {hand_over_neck: 0}, occurs_when: all}}\n",
        encoding="utf-8",
    )
    job = load_job("infer", Changes({"actions_file": str(file), "target_action_type": "wave"}))
    assert job.problems == ()
    one = next(one for one in job.hyperparameters if one.name == "target_action_type")
    assert (one.value, one.choices) == ("wave", ("wave",))
    assert "挥手" in one.hint
    (problem,) = load_job("infer", Changes({"actions_file": str(file), "target_action_type": "climb_up"})).problems
    assert "unknown action 'climb_up'; declared: wave" in problem


def test_an_address_may_not_be_emptied() -> None:
    assert load_job("train_np1", Changes({"data_url": ""})).problems == ("data_url: is empty; name a folder",)


def test_an_empty_value_is_passed_only_when_it_changes_something() -> None:
    job = load_job("infer", Changes({"filename_to_infer": "", "checkpoint_filename": ""}))
    assert "filename_to_infer" not in job.arguments()
    assert job.arguments()["checkpoint_filename"] == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lrr": 1}, "unknown hyperparameter 'lrr', did you mean 'lr'?"),
        ({"batch_size": "many"}, "batch_size: 'many' is not a whole number"),
        ({"batch_size": 0}, "batch_size: 0 is too small"),
        ({"augment": "perhaps"}, "augment: 'perhaps' is neither True nor False"),
        ({"optimizer": "SGD"}, "optimizer: 'SGD' is not one of Adam, Momentum"),
        ({"target_action_type": "fly"}, "target_action_type: unknown action 'fly'; declared: climb_up"),
        ({"target_action_type": "climb-up"}, "target_action_type: unknown action 'climb-up', did you mean 'climb_up'?"),
        ({"lr_steps": "1,x"}, "lr_steps: 'x' is not a whole number"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], message: str) -> None:
    _, problems = hyperparameters(values, ())
    assert len(problems) == 1
    assert problems[0].startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "evaluation"}, "kind: 'evaluation' is not one of training, inference"),
        ({"cards": 0}, "cards: 0 is not a whole number from 1"),
        ({"cards": True}, "cards: True is not"),
        ({"nodes": "two"}, "nodes: 'two' is not"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"outputs": {"train_url": "obs://b/x/"}}, "train_url: must be written {url:"),
        ({"outputs": {"train_url": {"url": "obs://b/x/", "pass": "mail"}}}, "train_url: pass: 'mail'"),
        ({"outputs": ["train_url"]}, "outputs: must contain 'name: value' lines"),
        ({"auto_restart": {"often": 3}}, "auto_restart: must be written"),
        ({"auto_restart": {"times": 129}}, "auto_restart: times: 129"),
    ],
)
def test_wrong_definitions_are_named(make_job: MakeJob, changes: dict[str, object], message: str) -> None:
    problems = load_job(str(make_job(**changes))).problems
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize("text", ["", "- a", "name: [", "name: a\nname: b", "name: ${nothing}"])
def test_files_that_are_no_definition(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape("job.yaml")):
        load_job(str(path))


@pytest.mark.parametrize("value", ["${nothing}", "${job_dir}/x", "${environment}"])
def test_placeholders_that_stand_for_nothing(make_job: MakeJob, value: str) -> None:
    with pytest.raises(ConfigError, match="is not defined"):
        load_job(str(make_job(job_dir=value)))


def test_missing_file_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load_job("nowhere.yaml")
