"""Requests as the platform wants them, its refusals in its own words, and patience when it fails."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "huaweicloudsdkmodelarts", reason="the cloud SDK is optional: pip install -r requirements-cloud.txt"
)


from modelarts.cloud.client import RUNNING_PHASES, Cloud, CloudError, CloudUnreachable, JobNotFound
from modelarts.cloud.profile import Profile
from modelarts.cloud.request import job_body
from modelarts.cloud.sdk import endpoint_of
from src.errors import ConfigError, JobError
from tests.modelarts.cloud.conftest import JOB, QUICK, new_body
from tests.modelarts.cloud.training_api import FLAVOUR, PRESET, PROJECT, TrainingApi, serving


def _small_body(name: str) -> dict[str, Any]:
    """Without its settings, which a listing of many jobs would take long to read."""
    body = new_body(name)
    return {**body, "algorithm": {**body["algorithm"], "parameters": []}}


def test_create_sends_exactly_the_printed_body(cloud: Cloud, api: TrainingApi) -> None:
    body = new_body()
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


def test_refusal_has_the_platforms_code_and_words(cloud: Cloud, api: TrainingApi) -> None:
    api.faults = [(400, "ModelArts.2792")]
    with pytest.raises(CloudError, match=r"answered 400, ModelArts\.2792: told to say 400") as caught:
        cloud.jobs()
    assert caught.value.exit_code == 4
    assert len(api.requests) == 1, "a refusal is not tried again"


def test_unknown_job(cloud: Cloud) -> None:
    with pytest.raises(JobNotFound, match=r"ModelArts\.2755"):
        cloud.show("nobody")


@pytest.mark.parametrize("fault", [(500, "ModelArts.0010"), (503, "x"), (429, "APIGW.0308"), "hang", "lose"])
def test_failures_that_may_pass_are_tried_again(cloud: Cloud, api: TrainingApi, fault: Any) -> None:
    api.add(new_body())
    api.faults = [fault, fault]
    assert len(cloud.jobs()) == 1
    assert len(api.requests) == 3


def test_failures_that_do_not_pass_end_after_the_tries(cloud: Cloud, api: TrainingApi) -> None:
    api.faults = [(502, "Gateway")] * 9
    with pytest.raises(CloudUnreachable, match=r"502, Gateway: .*gave up after 3 attempts") as caught:
        cloud.jobs()
    assert caught.value.exit_code == 5
    assert len(api.requests) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_the_platforms_words_survive_all_tries(cloud: Cloud, api: TrainingApi, status: int) -> None:
    job_id = api.add(new_body())["metadata"]["id"]
    for call in (cloud.jobs, lambda: cloud.show(job_id), lambda: cloud.create(new_body("other"))):
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
    api.add(new_body(), "Completed")  # an earlier job of the same name is not taken for the new one
    api.faults = [None, fault]
    answer = cloud.create(new_body())
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
    api.add(new_body())
    answer = api.answer
    api.answer = lambda *a: (lambda s, b: (s, {**b, "total": 7}))(*answer(*a))  # type: ignore[method-assign]
    assert len(cloud.jobs()) == 1
    assert caplog.messages == ["the platform reports 7 jobs, but listed only 1"]


def test_the_suggested_solution_is_shown(cloud: Cloud, api: TrainingApi) -> None:
    api.faults = [(400, "ModelArts.2792", "choose another name")]
    with pytest.raises(CloudError, match=r"ModelArts\.2792: told to say 400 \(choose another name\)"):
        cloud.jobs()


def test_only_jobs_of_the_workspace_are_listed(endpoint: str, api: TrainingApi) -> None:
    for workspace in ("0", "w1"):
        api.add(job_body(replace(JOB, placement=replace(JOB.placement, workspace=workspace))))
    profile = Profile(endpoint, PROJECT, "AK", "SECRET")
    (one,) = Cloud(lambda: profile, QUICK, ["w1"]).jobs()
    assert one["metadata"]["workspace_id"] == "w1"
    both = Cloud(lambda: profile, QUICK, ["0", "w1", "0"])
    assert [one["metadata"]["workspace_id"] for one in both.jobs()] == ["w1", "0"], "newest first, each once"
    assert [one["metadata"]["workspace_id"] for one in both.jobs(1)] == ["w1"]


def test_a_lost_answer_is_looked_up_in_the_workspace_of_the_job(endpoint: str, api: TrainingApi) -> None:
    cloud = Cloud(lambda: Profile(endpoint, PROJECT, "AK", "SECRET"), QUICK)
    api.faults = [None, None, "lose"]
    created = cloud.create(job_body(replace(JOB, placement=replace(JOB.placement, workspace="w1"))))
    assert created["metadata"]["workspace_id"] == "w1"
    assert len(api.jobs) == 1


def test_engines_and_flavours(cloud: Cloud) -> None:
    assert cloud.engines() == {PRESET: "Ascend-Powered-Engine"}
    assert cloud.flavours() == {FLAVOUR: "8 × ascend-snt9b"}


def test_a_region_has_the_sdks_endpoint() -> None:
    assert endpoint_of("ap-southeast-1") == "https://modelarts.ap-southeast-1.myhuaweicloud.cn"
    with pytest.raises(ConfigError, match=r"region cn-north4: .*did you mean 'cn-north-4'.*MODELARTS_ENDPOINT"):
        endpoint_of("cn-north4")


def test_stop_and_log(cloud: Cloud, api: TrainingApi) -> None:
    job_id = api.add(new_body(), "Running")["metadata"]["id"]
    api.logs[job_id, "worker-0"] = "第1行\n".encode() * 3
    assert cloud.log(job_id, "worker-0") == ("第1行\n".encode() * 3, 24)
    cloud.stop(job_id)
    assert api.jobs[job_id]["status"]["phase"] == "Terminating"
    assert api.paths()[-1] == ("POST", f"/training-jobs/{job_id}/actions")


def test_without_the_sdk_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huaweicloudsdkmodelarts.v1", None)
    with pytest.raises(JobError, match=r"pip install -r requirements-cloud\.txt") as caught:
        Cloud(lambda: Profile("http://127.0.0.1:9", PROJECT, "AK", "SECRET"), QUICK)
    assert caught.value.exit_code == 2
