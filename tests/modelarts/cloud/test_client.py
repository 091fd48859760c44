"""Requests as the platform wants them, its refusals in its own words, and patience when it fails."""

from __future__ import annotations

import copy
import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "huaweicloudsdkmodelarts", reason="the cloud SDK is optional: pip install -r requirements-cloud.txt"
)

import huaweicloudsdkmodelarts.v1 as sdk

from modelarts.cloud.client import RUNNING_PHASES, Cloud, CloudError, CloudUnreachable, NotThere, Retry
from modelarts.cloud.profile import Profile
from modelarts.cloud.request import job_body, outputs_of, rebuilt_body, rebuilt_name
from modelarts.cloud.sdk import endpoint_of
from modelarts.jobs.checks import check_definition, check_submission
from modelarts.jobs.definition import Changes
from modelarts.jobs.loading import job_keys, load_job
from src.errors import ConfigError, JobError
from tests.modelarts.cloud.training_api import FLAVOUR, PRESET, PROJECT, TrainingApi, serving
from tests.modelarts.conftest import MakeJob

QUICK = Retry(attempts=3, first_pause_s=0.01, timeout_s=(1.0, 0.5))


@pytest.fixture
def api() -> TrainingApi:
    return TrainingApi()


@pytest.fixture
def endpoint(api: TrainingApi) -> Iterator[str]:
    with serving(api) as address:
        yield address


@pytest.fixture
def cloud(endpoint: str) -> Cloud:
    return Cloud(lambda: Profile(endpoint, PROJECT, "AK", "SECRET"), QUICK)


JOB = load_job("train_np1")


def _body(name: str = "a_job") -> dict[str, Any]:
    return job_body(replace(JOB, name=name))


def _small_body(name: str) -> dict[str, Any]:
    """Without its settings, which a listing of many jobs would take long to read."""
    body = _body(name)
    return {**body, "algorithm": {**body["algorithm"], "parameters": []}}


def test_create_sends_exactly_the_printed_body(cloud: Cloud, api: TrainingApi) -> None:
    body = _body()
    answer = cloud.create(body)
    assert answer["metadata"]["id"] in api.jobs
    method, path, sent, headers = api.requests[-1]
    assert (method, path) == ("POST", f"/v2/{PROJECT}/training-jobs")
    assert sent == body
    assert headers["X-Project-Id"] == PROJECT
    assert headers["Content-Type"].startswith("application/json")
    assert "SECRET" not in json.dumps(headers)


def test_temporary_credentials_send_their_token(endpoint: str, api: TrainingApi) -> None:
    Cloud(lambda: Profile(endpoint, PROJECT, "AK", "SECRET", "TOKEN"), QUICK).jobs()
    assert api.requests[-1][3]["X-Security-Token"] == "TOKEN"


@pytest.mark.parametrize("key", job_keys())
def test_bodies_fit_the_sdks_own_models(key: str) -> None:
    for pass_as in ("folder", "url"):
        _assert_model("Job", job_body(load_job(key, Changes({}, pass_as=pass_as))), key)


def _assert_model(kind: str, value: Any, where: str) -> None:
    """Every key is one of the model's, every value of the type it says; only prefetch_to_local is undocumented."""
    if kind.startswith("list["):
        assert isinstance(value, list), where
        for item in value:
            _assert_model(kind[5:-1], item, f"{where}[]")
    elif kind.startswith("dict("):
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()), where
    elif hasattr(sdk, kind):
        model = getattr(sdk, kind)
        types = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
        for key, item in value.items():
            if (kind, key) != ("Output", "prefetch_to_local"):
                assert key in types, f"{where}.{key} is no key of {kind}"
                _assert_model(types[key], item, f"{where}.{key}")
        model(**{k: v for k, v in value.items() if k in types})
    else:
        assert type(value).__name__ == kind, f"{where} is {value!r}, not {kind}"


def test_body_has_text_values_obs_paths_and_restart_annotations() -> None:
    body = _body()
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


def test_refusal_has_the_platforms_code_and_words(cloud: Cloud, api: TrainingApi) -> None:
    api.faults = [(400, "ModelArts.2792")]
    with pytest.raises(CloudError, match=r"answered 400, ModelArts\.2792: told to say 400") as caught:
        cloud.jobs()
    assert caught.value.exit_code == 4
    assert len(api.requests) == 1, "a refusal is not tried again"


def test_unknown_job(cloud: Cloud) -> None:
    with pytest.raises(NotThere, match=r"ModelArts\.2755"):
        cloud.show("nobody")


@pytest.mark.parametrize("fault", [(500, "ModelArts.0010"), (503, "x"), (429, "APIGW.0308"), "hang", "lose"])
def test_failures_that_may_pass_are_tried_again(cloud: Cloud, api: TrainingApi, fault: Any) -> None:
    api.add(_body())
    api.faults = [fault, fault]
    assert len(cloud.jobs()) == 1
    assert len(api.requests) == 3


def test_failures_that_do_not_pass_end_after_the_tries(cloud: Cloud, api: TrainingApi) -> None:
    api.faults = [(502, "Gateway")] * 9
    with pytest.raises(CloudUnreachable, match=r"502, Gateway: .*gave up after 3 tries") as caught:
        cloud.jobs()
    assert caught.value.exit_code == 5
    assert len(api.requests) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_the_platforms_words_survive_all_tries(cloud: Cloud, api: TrainingApi, status: int) -> None:
    job_id = api.add(_body())["metadata"]["id"]
    for call in (cloud.jobs, lambda: cloud.show(job_id), lambda: cloud.create(_body("other"))):
        api.faults = [(status, "APIGW.0308")] * 9
        with pytest.raises(CloudUnreachable, match=rf"answered {status}, APIGW\.0308: told to say {status}"):
            call()


def test_nobody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    cloud = Cloud(lambda: Profile("http://127.0.0.1:9", PROJECT, "AK", "SECRET"), QUICK)
    with pytest.raises(CloudUnreachable, match=r"cannot be reached; check MODELARTS_ENDPOINT"):
        cloud.jobs()
    assert "Exception occurred" not in capfd.readouterr().err, "told once, by us"


@pytest.mark.parametrize("fault", ["lose", "hang", (500, "ModelArts.0010"), (503, "x")])
def test_a_lost_answer_creates_no_second_job(cloud: Cloud, api: TrainingApi, fault: Any) -> None:
    api.add(_body(), "Completed")  # an earlier job of the same name is not taken for the new one
    api.faults = [None, fault]
    answer = cloud.create(_body())
    assert len(api.jobs) == 2
    assert answer["metadata"]["id"] == list(api.jobs)[1]


def test_keys_that_ended_are_taken_anew(endpoint: str, api: TrainingApi) -> None:
    keys = iter(["OLD", "AK", "AK"])
    cloud = Cloud(lambda: Profile(endpoint, PROJECT, next(keys), "SECRET"), QUICK)
    assert cloud.jobs() == []
    assert len(api.requests) == 2


def test_wrong_keys_are_refused_without_end_of_tries(endpoint: str, api: TrainingApi) -> None:
    cloud = Cloud(lambda: Profile(endpoint, PROJECT, "WRONG", "SECRET"), QUICK)
    with pytest.raises(CloudError, match=r"401, APIGW\.0301: .*unknown access key"):
        cloud.jobs()
    assert len(api.requests) == 1


def test_secrets_do_not_show(endpoint: str, api: TrainingApi) -> None:
    profile = Profile(endpoint, PROJECT, "AK", "TheSecret", "TheToken")
    assert "The" not in repr(profile)
    api.answer = lambda *_: (400, {"error_code": "x", "error_msg": "you sent TheSecret and TheToken"})  # type: ignore[method-assign]
    with pytest.raises(CloudError) as caught:
        Cloud(lambda: profile, QUICK).jobs()
    assert "The" not in str(caught.value)


def test_tls_is_verified_unless_told_otherwise(api: TrainingApi, tmp_path: Path) -> None:
    certificate, key = _own_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(api, context) as address:
        strict = Profile(address, PROJECT, "AK", "SECRET")
        with pytest.raises(CloudError, match="its certificate is not trusted") as caught:
            Cloud(lambda: strict, QUICK).jobs()
        assert caught.value.exit_code == 5
        assert api.requests == []
        assert Cloud(lambda: replace(strict, ca_file=str(certificate)), QUICK).jobs() == []
        assert Cloud(lambda: replace(strict, verify=False), QUICK).jobs() == []


def _own_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody else trusts."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_all_pages_are_read(cloud: Cloud, api: TrainingApi) -> None:
    for number in range(120):
        api.add(_small_body(f"job_{number}"), "Running" if number % 2 else "Completed")
    assert len(cloud.jobs(200)) == 120
    assert len(cloud.jobs(70)) == 70
    assert len(cloud.jobs(200, RUNNING_PHASES)) == 60
    assert [one["metadata"]["name"] for one in cloud.named("job_1")] == ["job_1"], "not job_10, job_100 …"


@pytest.mark.parametrize("counts", ["pages", "jobs"])
@pytest.mark.parametrize("jobs", [0, 1, 49, 50, 51, 100, 120])
def test_each_job_is_listed_once_whatever_offset_counts(cloud: Cloud, api: TrainingApi, counts: str, jobs: int) -> None:
    api.offset_counts = counts
    ids = [api.add(_small_body(f"job_{number}"))["metadata"]["id"] for number in range(jobs)]
    newest_first = ids[::-1]
    assert [one["metadata"]["id"] for one in cloud.jobs(200)] == newest_first
    assert [one["metadata"]["id"] for one in cloud.jobs(70)] == newest_first[:70]
    assert len(api.requests) <= 8


def test_a_listing_that_falls_short_of_its_count_is_told(
    cloud: Cloud, api: TrainingApi, caplog: pytest.LogCaptureFixture
) -> None:
    api.add(_body())
    answer = api.answer
    api.answer = lambda *a: (lambda s, b: (s, {**b, "total": 7}))(*answer(*a))  # type: ignore[method-assign]
    assert len(cloud.jobs()) == 1
    assert caplog.messages == ["the platform counts 7 jobs, but listed 1"]


def test_the_suggested_solution_is_shown(cloud: Cloud, api: TrainingApi) -> None:
    api.faults = [(400, "ModelArts.2792", "choose another name")]
    with pytest.raises(CloudError, match=r"ModelArts\.2792: told to say 400 \(choose another name\)"):
        cloud.jobs()


def test_only_jobs_of_the_workspace_are_listed(endpoint: str, api: TrainingApi) -> None:
    for workspace in ("0", "w1"):
        api.add(job_body(replace(JOB, placement=replace(JOB.placement, workspace=workspace))))
    profile = Profile(endpoint, PROJECT, "AK", "SECRET")
    (one,) = Cloud(lambda: profile, QUICK, "w1").jobs()
    assert one["metadata"]["workspace_id"] == "w1"


def test_engines_and_flavours(cloud: Cloud) -> None:
    assert cloud.engines() == {PRESET: "Ascend-Powered-Engine"}
    assert cloud.flavours() == {FLAVOUR: "8 × ascend-snt9b"}


def test_a_region_has_the_sdks_endpoint() -> None:
    assert endpoint_of("ap-southeast-1") == "https://modelarts.ap-southeast-1.myhuaweicloud.cn"
    with pytest.raises(ConfigError, match=r"region cn-north4: .*did you mean 'cn-north-4'.*MODELARTS_ENDPOINT"):
        endpoint_of("cn-north4")


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
    body = _body()
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
    _assert_model("Job", body, "full")
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
    _assert_model("Job", job_body(job), "image")
    assert algorithm["engine"] == {"image_url": "swr/x:1"}
    assert algorithm["command"].startswith("cd ${MA_JOB_DIR}/code && python boot.py --")
    assert "--lr=0.5" in algorithm["command"]
    assert "boot_file" not in algorithm
    assert algorithm["outputs"][0]["access_method"] == "env", "a command is not given the platform's arguments"
    own = load_job(str(make_job(image="swr/x:1", command="bash run.sh")))
    assert job_body(own)["algorithm"]["command"] == "bash run.sh"


def test_stop_and_log(cloud: Cloud, api: TrainingApi) -> None:
    job_id = api.add(_body(), "Running")["metadata"]["id"]
    api.logs[job_id, "worker-0"] = "第1行\n".encode() * 3
    assert cloud.log(job_id, "worker-0") == ("第1行\n".encode() * 3, 24)
    cloud.stop(job_id)
    assert api.jobs[job_id]["status"]["phase"] == "Terminating"
    assert api.paths()[-1] == ("POST", f"/training-jobs/{job_id}/actions")


def test_a_job_of_the_cloud_is_rebuilt_as_it_was(cloud: Cloud, api: TrainingApi) -> None:
    body = job_body(load_job("infer"))
    job_id = api.add(body, "Completed")["metadata"]["id"]
    assert cloud.request_body(cloud.show(job_id)) == _without_empty(body)


def test_a_job_made_from_an_algorithm_names_only_that(cloud: Cloud, api: TrainingApi) -> None:
    body = _body()
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
    body = _body()
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
    body = _body()
    with pytest.raises(ConfigError, match="lr: 'much' is not a number"):
        rebuilt_body(body, {"lr": "much"})
    body["algorithm"]["boot_file"] = "/b/theirs/main.py"
    changed = rebuilt_body(body, {"lr": "much"})["algorithm"]["parameters"]
    assert {"much"} == {one["value"] for one in changed if one["name"] == "lr"}


def test_without_the_sdk_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huaweicloudsdkmodelarts.v1", None)
    with pytest.raises(JobError, match=r"pip install -r requirements-cloud\.txt") as caught:
        Cloud(lambda: Profile("http://127.0.0.1:9", PROJECT, "AK", "SECRET"), QUICK)
    assert caught.value.exit_code == 2


def test_rebuilt_names_are_the_consoles() -> None:
    name = rebuilt_name("openpose")
    assert name[:-4] == "openpose-copy-"
    assert name[-4:].isdigit()
    assert rebuilt_name(name)[:-4] == "openpose-copy-", "copies of copies do not grow"
    assert len(rebuilt_name("x" * 64)) == 64


def test_outputs_of_jobs_are_found_in_both_forms() -> None:
    assert outputs_of(_body())[0].startswith("obs://skp-har-neu-xwt/")
    assert outputs_of(job_body(load_job("train_np4"))) == [load_job("train_np4").outputs[0].url]
    assert outputs_of({"algorithm": {"outputs": [{"name": "x", "remote": None}]}}) == []
    assert outputs_of({}) == []
