"""A training API of a test's own, and the client that speaks to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from modelarts.cloud.client import Cloud, Retry
from modelarts.cloud.profile import Profile
from modelarts.cloud.request import job_body
from modelarts.jobs.loading import load_job
from tests.modelarts.cloud.training_api import PROJECT, TrainingApi, serving

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


def new_body(name: str = "a_job") -> dict[str, Any]:
    return job_body(replace(JOB, name=name))
