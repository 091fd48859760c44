"""What is sent to create or rebuild a job, and what is read back from the answer."""

from __future__ import annotations

import copy
import shlex
from typing import Any

import pytest

pytest.importorskip(
    "huaweicloudsdkmodelarts", reason="the cloud SDK is optional: pip install -r requirements-cloud.txt"
)

from modelarts.cloud.client import Cloud
from modelarts.cloud.request import job_body, outputs_of, rebuilt_body, rebuilt_name
from modelarts.jobs.checks import check_definition, check_submission
from modelarts.jobs.definition import Changes
from modelarts.jobs.loading import job_keys, load_job
from src.errors import ConfigError
from tests.modelarts.cloud.conftest import new_body
from tests.modelarts.cloud.sdk_models import assert_model
from tests.modelarts.cloud.training_api import TrainingApi
from tests.modelarts.conftest import MakeJob


@pytest.mark.parametrize("key", job_keys())
def test_bodies_fit_the_sdks_own_models(key: str) -> None:
    for pass_as in ("folder", "url"):
        assert_model("Job", job_body(load_job(key, Changes({}, pass_as=pass_as))), key)


def test_body_has_text_values_obs_paths_and_restart_annotations() -> None:
    body = new_body()
    algorithm = body["algorithm"]
    assert all(isinstance(one["value"], str) for one in algorithm["parameters"])
    assert algorithm["code_dir"].startswith("/skp-har-neu-xwt/")
    assert algorithm["boot_file"] == algorithm["code_dir"] + "train_start.py"
    assert [one["name"] for one in algorithm["inputs"]] == ["data_url"]
    assert algorithm["outputs"][0]["prefetch_to_local"] is True
    assert body["metadata"]["annotations"]["fault-tolerance/job-retry-num"] == "3"
    assert body["spec"]["log_export_path"]["obs_url"].endswith("/log/ep2_np1/")
    batch_size = next(one for one in algorithm["parameters"] if one["name"] == "batch_size")
    assert batch_size["description"] == "每张卡每一步的图片数"
    english = {"language": "en-us", "description": "images per step and card"}
    assert batch_size["i18n_description"] == english


@pytest.mark.parametrize(
    ("engine", "sent"),
    [
        ({"engine_id": "7", "engine_name": "A", "engine_version": "v"}, {"engine_name": "A", "engine_version": "v"}),
        ({"engine_id": "7", "engine_name": "A"}, {"engine_id": "7"}),
        ({"engine_id": "7", "image_url": "hub/x:1"}, {"image_url": "hub/x:1"}),
    ],
)
def test_a_rebuilt_job_names_its_engine_in_one_way(
    cloud: Cloud, api: TrainingApi, engine: dict[str, str], sent: dict[str, str]
) -> None:
    body = new_body()
    body["algorithm"]["engine"] = engine
    job_id = api.add(body)["metadata"]["id"]
    assert cloud.request_body(cloud.show(job_id))["algorithm"]["engine"] == sent


FULL = {
    "pool": "pool-1",
    "priority": 2,
    "workspace": "w1",
    "start": "msrun",
    "auto_stop_hours": 5,
    "volumes": [
        {"nfs": {"nfs_server_path": "10.0.0.1:/x", "local_path": "/data", "read_only": True}},
        {"pfs": {"pfs_path": "/b/x", "local_path": "/pfs"}},
        {"obs": {"obs_path": "/b/x", "local_path": "/obs"}},
    ],
}


def test_everything_a_job_may_need_is_passed_on(make_job: MakeJob) -> None:
    job = load_job(str(make_job(**FULL)))
    assert check_definition(job) == []
    assert check_submission(job) == []
    body = job_body(job)
    assert_model("Job", body, "full")
    assert body["metadata"]["workspace_id"] == "w1"
    assert body["spec"] == {
        "resource": {"node_count": 1, "flavor_id": "modelarts.pool.visual.xlarge", "pool_id": "pool-1"},
        "log_export_path": {"obs_url": "/bucket/jobs/small/log/"},
        "volumes": FULL["volumes"],
        "auto_stop": {"time_unit": "HOURS", "duration": 5},
        "schedule_policy": {"priority": 2},
    }
    assert body["algorithm"]["environments"]["MA_RUN_METHOD"] == "msrun"


def test_an_image_of_ones_own_has_a_command_instead_of_a_boot_file(make_job: MakeJob) -> None:
    job = load_job(str(make_job(image="swr/x:1", hyperparameters={"lr": 0.5})))
    algorithm = job_body(job)["algorithm"]
    assert_model("Job", job_body(job), "image")
    assert algorithm["engine"] == {"image_url": "swr/x:1"}
    assert algorithm["command"].startswith("python ${MA_JOB_DIR}/code/boot.py --")
    assert "--lr=0.5" in algorithm["command"]
    assert "boot_file" not in algorithm
    assert algorithm["outputs"][0]["access_method"] == "env", "a command is not given the platform's arguments"
    own = load_job(str(make_job(image="swr/x:1", command="bash run.sh")))
    assert job_body(own)["algorithm"]["command"] == "bash run.sh"


def test_rebuilding_also_changes_the_value_in_the_command(make_job: MakeJob) -> None:
    values = {"lr": 0.5, "data_url": "obs://b/some where/", "imgpath_train": "a"}
    body = job_body(load_job(str(make_job(image="swr/x:1", inputs={}, hyperparameters=values))))
    before = body["algorithm"]["command"]
    changes = {"lr": "0.25", "data_url": "obs://b/else where/"}
    after = rebuilt_body(body, changes)["algorithm"]["command"]
    replaced = before.replace("--lr=0.5 ", "--lr=0.25 ").replace("some where", "else where")
    assert after == replaced != before
    assert shlex.split(after)[0:1] == ["python"]


def test_a_job_of_the_cloud_is_rebuilt_as_it_was(cloud: Cloud, api: TrainingApi) -> None:
    body = job_body(load_job("infer"))
    job_id = api.add(body, "Completed")["metadata"]["id"]
    assert cloud.request_body(cloud.show(job_id)) == _without_empty(body)


def test_a_job_made_from_an_algorithm_names_only_that(cloud: Cloud, api: TrainingApi) -> None:
    body = new_body()
    body["algorithm"]["id"] = "algorithm-7"
    job_id = api.add(body)["metadata"]["id"]
    rebuilt = cloud.request_body(cloud.show(job_id))["algorithm"]
    assert rebuilt["id"] == "algorithm-7"
    assert not {"code_dir", "boot_file", "engine"} & set(rebuilt)
    assert rebuilt["parameters"]


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item not in (None, [], {}, "")}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def test_rebuilding_changes_what_was_asked_and_nothing_else() -> None:
    body = new_body()
    before = copy.deepcopy(body)
    new = rebuilt_body(body, {"lr": "1e-3", "train_url": "obs://b/out/", "heatmap_sigma": "6"})
    assert body == before
    changed = {one["name"]: one["value"] for one in new["algorithm"]["parameters"]}
    old = {one["name"]: one["value"] for one in body["algorithm"]["parameters"]}
    assert {name: value for name, value in changed.items() if old.get(name) != value} == {
        "lr": "1e-3",
        "heatmap_sigma": "6",
    }
    assert new["algorithm"]["outputs"][0]["remote"]["obs"]["obs_url"] == "/b/out/"
    assert new["metadata"]["name"].startswith("a_job-copy-")
    with pytest.raises(ConfigError, match="unknown hyperparameter 'lrr', did you mean 'lr'"):
        rebuilt_body(body, {"lrr": "1"})


def test_values_are_checked_where_the_boot_file_is_ours() -> None:
    body = new_body()
    with pytest.raises(ConfigError, match="lr: 'much' is not a number"):
        rebuilt_body(body, {"lr": "much"})
    body["algorithm"]["boot_file"] = "/b/theirs/main.py"
    changed = rebuilt_body(body, {"lr": "much"})["algorithm"]["parameters"]
    assert {"much"} == {one["value"] for one in changed if one["name"] == "lr"}


def test_rebuilt_names_are_the_consoles() -> None:
    name = rebuilt_name("openpose")
    assert name[:-4] == "openpose-copy-"
    assert name[-4:].isdigit()
    assert rebuilt_name(name)[:-4] == "openpose-copy-", "copies of copies do not grow"
    assert len(rebuilt_name("x" * 64)) == 64


def test_outputs_of_jobs_are_found_in_both_forms() -> None:
    assert outputs_of(new_body())[0].startswith("obs://skp-har-neu-xwt/")
    assert outputs_of(job_body(load_job("train_np4"))) == [load_job("train_np4").outputs[0].url]
    assert outputs_of({"algorithm": {"outputs": [{"name": "x", "remote": None}]}}) == []
    assert outputs_of({}) == []
