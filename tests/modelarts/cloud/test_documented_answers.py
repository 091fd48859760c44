"""The reference's own answers, read through the SDK's response models, come out as what a user is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("huaweicloudsdkmodelarts", reason="the SDK is optional: pip install -r requirements-cloud.txt")

from modelarts.cli.tables import cloud_lines, cloud_row
from modelarts.cloud.client import Cloud
from modelarts.cloud.errors import CloudError
from modelarts.cloud.profile import Profile
from modelarts.cloud.request import rebuilt_body
from tests.modelarts.cloud.documented import ENGINES, ERROR, FLAVOURS, JOB, JOB_ID, LIST
from tests.modelarts.cloud.sdk_models import assert_model
from tests.modelarts.cloud.training_api import PROJECT, TrainingApi, serving


class Canned(TrainingApi):
    """A platform that answers as the reference's examples do."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        canned = {
            ("POST", "/training-job-searches"): (200, LIST),
            ("GET", f"/training-jobs/{JOB_ID}"): (200, JOB),
            ("POST", f"/training-jobs/{JOB_ID}/actions"): (202, JOB),
            ("GET", "/training-job-engines"): (200, ENGINES),
            ("GET", "/training-job-flavors"): (200, FLAVOURS),
        }
        return canned.get((method, path.partition("?")[0]), (400, ERROR))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with serving(Canned()) as endpoint:
        yield Cloud(lambda: Profile(endpoint, PROJECT, "AK", "SECRET"))


def test_a_jobs_details(cloud: Cloud) -> None:
    details = cloud.show(JOB_ID)
    assert cloud_row(details)[:4] == [JOB_ID, "Failed", "fence_job", "platform"]
    assert cloud_row(details)[5:] == ["0:01:01", "target_action_type=climb_over_fence"]
    assert cloud_lines(details)[1:] == [
        "worker-1: exit code 137 OOMKilled",
        "log: /bucket/log/",
        "output: obs://bucket/output/",
    ]


def test_a_rebuilt_job_fits_the_requests_models(cloud: Cloud) -> None:
    body = rebuilt_body(cloud.request_body(cloud.show(JOB_ID)), {"target_action_type": "climb_up"}, "again")
    assert_model("Job", body, "rebuilt")
    assert body["metadata"]["name"] == "again"
    assert body["algorithm"]["engine"] == {
        "engine_name": "Ascend-Powered-Engine",
        "engine_version": "mindspore_2.7.1",
    }
    assert body["algorithm"]["environments"] == {"MOX_SILENT_MODE": "1"}
    assert [one["value"] for one in body["algorithm"]["parameters"]] == ["climb_up"]
    assert body["spec"]["resource"]["node_count"] == 2
    assert not {"id", "create_time", "user_name"} & set(body["metadata"])
    assert "status" not in body


def test_the_list(cloud: Cloud) -> None:
    (one,) = cloud.jobs()
    assert cloud_row(one) == cloud_row(cloud.show(JOB_ID))
    assert cloud.id_of("fence_job") == JOB_ID


def test_engines_and_flavours(cloud: Cloud) -> None:
    assert cloud.engines() == {"mindspore_2.7.1": "Ascend-Powered-Engine"}
    assert cloud.flavours() == {
        "modelarts.bm.npu.arm.8snt9b.d": "8 × ascend-snt9b",
        "modelarts.kat1.xlarge": "Ascend 1x",
    }


def test_an_error_answer_has_code_words_and_solution(cloud: Cloud) -> None:
    with pytest.raises(CloudError, match=r"400, ModelArts\.2763: The job name is in use\. \(Choose another name\.\)"):
        cloud.show("no-such-job")


def test_stopping_is_accepted(cloud: Cloud) -> None:
    cloud.stop(JOB_ID)
