"""The platform's API; the only module that imports huaweicloudsdkmodelarts. Requests are retried, errors told."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from modelarts.cloud.profile import Profile
from modelarts.cloud.request import Body
from src.errors import JobError

logger = logging.getLogger(__name__)

RUNNING_PHASES = ("Creating", "Pending", "Running", "Terminating")
WAITING_PHASES = ("Creating", "Pending")
ENDED_PHASES = ("Completed", "Failed", "Terminated", "Abnormal")
_PAGE = 50
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UNDOCUMENTED = {"Output": ("prefetch_to_local",)}  # the console's "predownload"; no model of the SDK has it


class CloudError(JobError):
    """The platform refused: the message has its code and words; `status` is that of HTTP, 0 without one."""

    exit_code = 4

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class CloudUnreachable(JobError):
    """The platform could not be reached, or failed again and again."""

    exit_code = 5


class NotThere(CloudError):
    """The platform knows no such job."""


class NotTrusted(CloudError):
    """Whoever answered cannot prove to be the platform."""

    exit_code = 5


class NotInstalled(JobError):
    """The platform's SDK is an extra."""

    exit_code = 2


@dataclass(frozen=True)
class Retry:
    """How often a request is tried, and the pauses between (seconds, doubled each time, with jitter)."""

    attempts: int = 6
    first_pause_s: float = 1.0
    longest_pause_s: float = 20.0
    timeout_s: tuple[float, float] = (10.0, 60.0)

    def pause(self, attempt: int) -> float:
        return min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


class Cloud:
    """The training jobs of one project. `profile` is asked anew when the platform no longer takes the keys."""

    def __init__(self, profile: Callable[[], Profile], retry: Retry | None = None) -> None:
        self._sdk = _import_sdk()
        self._profile, self._retry = profile, retry or Retry()
        self._used = profile()
        self._client = self._make_client()

    def create(self, body: Body) -> Body:
        """Create a job; returns what the platform answers. A job is not created twice when an answer gets lost."""
        name = body["metadata"]["name"]
        before = {one["metadata"]["id"] for one in self.named(name)}

        def was_created() -> Body | None:
            return next((one for one in self.named(name) if one["metadata"]["id"] not in before), None)

        request = self._sdk.CreateTrainingJobRequest(body=body)
        return self._call("create_training_job", request, recover=was_created)

    def show(self, job_id: str) -> Body:
        """Everything about one job."""
        return self._call("show_training_job_details", self._sdk.ShowTrainingJobDetailsRequest(training_job_id=job_id))

    def stop(self, job_id: str) -> None:
        """Ask the platform to terminate a job."""
        body = self._sdk.JobActionType(action_type="terminate")
        self._call("stop_training_job", self._sdk.StopTrainingJobRequest(training_job_id=job_id, body=body))

    def jobs(self, limit: int = _PAGE, phases: Sequence[str] = ()) -> list[Body]:
        """The newest jobs, or all those in certain phases."""
        filters = [{"key": "phase", "operator": "in", "value": list(phases)}] if phases else []
        return self._search(filters, limit)

    def named(self, name: str) -> list[Body]:
        """The jobs with exactly this name."""
        found = self._search([{"key": "name", "operator": "like", "value": [name]}], 10 * _PAGE)
        return [one for one in found if one["metadata"].get("name") == name]

    def id_of(self, word: str, phases: Sequence[str] = ()) -> str:
        """The id that the word is, or of the newest job with this name; with `phases` only one job may be in these.

        Raises NotThere for a name that no job has, CloudError for one that several have.
        """
        if _ID.fullmatch(word):
            return word
        found = [one for one in self.named(word) if not phases or (one.get("status") or {}).get("phase") in phases]
        if not found:
            which = f" that is {', '.join(phases)}" if phases else ""
            raise NotThere(f"{word}: the platform knows no job of this name{which}; see: python -m modelarts list", 404)
        if phases and len(found) > 1:
            ids = ", ".join(str(one["metadata"]["id"]) for one in found)
            raise CloudError(f"{word}: {len(found)} jobs have this name, say which by its id: {ids}")
        return str(found[0]["metadata"]["id"])

    def log(self, job_id: str, task: str) -> tuple[bytes, int]:
        """The end of a task's log (5 MB at most) and the size of the whole log in bytes."""
        request = self._sdk.ShowTrainingJobLogsPreviewRequest(training_job_id=job_id, task_id=task)
        answer = self._call("show_training_job_logs_preview", request)
        content = str(answer.get("content") or "").encode()
        return content, int(answer.get("full_size") or len(content))

    def request_body(self, details: Mapping[str, Any]) -> Body:
        """What `show` answers as a body that `create` takes: only what the request's own models know."""
        body = _known(self._sdk, "Job", details)
        algorithm = body.get("algorithm") or {}
        if algorithm.get("id") or algorithm.get("subscription_id"):
            for key in ("code_dir", "boot_file", "engine", "command"):
                algorithm.pop(key, None)  # the platform takes them from the algorithm, and refuses both together
        return body

    def _search(self, filters: list[Body], limit: int) -> list[Body]:
        found: list[Body] = []
        size = min(_PAGE, limit)
        while len(found) < limit:
            page = len(found) // size  # the API counts pages, not jobs
            body = {"offset": page, "limit": size, "sort_by": "create_time", "order": "desc"}
            request = self._sdk.ListTrainingJobsRequest(body={**body, "filters": filters})
            items = self._call("list_training_jobs", request).get("items") or []
            found += items
            if len(items) < size:
                break
        return found[:limit]

    def _make_client(self) -> Any:
        from huaweicloudsdkcore.auth.credentials import BasicCredentials
        from huaweicloudsdkcore.http.http_config import HttpConfig

        profile = self._used
        config = HttpConfig.get_default_config()
        config.timeout = self._retry.timeout_s
        config.ignore_ssl_verification = not profile.verify
        if profile.ca_file:
            config.ssl_ca_cert = profile.ca_file
        keys = BasicCredentials(ak=profile.access_key, sk=profile.secret_key, project_id=profile.project_id)
        if profile.security_token:
            keys = keys.with_security_token(profile.security_token)
        builder = self._sdk.ModelArtsClient.new_builder().with_http_config(config)
        client = builder.with_credentials(keys).with_endpoint(profile.endpoint).build()
        _keep_answers(client)
        return client

    def _call(self, method: str, request: Any, recover: Callable[[], Body | None] | None = None) -> Body:
        """Send until it succeeds, is refused for good, or tries are used up; `recover` finds what a lost answer did."""
        for attempt in range(1, self._retry.attempts + 1):
            try:
                return dict(getattr(self._client, method)(request).to_json_object() or {})
            except Exception as error:  # noqa: BLE001 - the gate of the platform's SDK
                failure = self._judge(error)
            if isinstance(failure, CloudError) and not self._renew(failure):
                raise failure
            if attempt == self._retry.attempts:
                break
            pause = self._retry.pause(attempt)
            logger.warning("%s; try %d of %d in %.1f s", failure, attempt + 1, self._retry.attempts, pause)
            time.sleep(pause)
            if recover is not None and (found := recover()) is not None:
                return found
        raise CloudUnreachable(f"{failure} (gave up after {self._retry.attempts} tries)")

    def _renew(self, failure: CloudError) -> bool:
        """Take the profile's keys again when the platform refused the ones in use; whether they are others."""
        if failure.status not in (401, 403):
            return False
        newest = self._profile()
        if newest == self._used:
            return False
        self._used = newest
        self._client = self._make_client()
        return True

    def _judge(self, error: Exception) -> JobError:
        """The SDK's exception as ours; anything that is none of its kind goes on as it is."""
        from huaweicloudsdkcore.exceptions import exceptions as sdk
        from requests.exceptions import RequestException, Timeout  # what the SDK lets through

        where = self._used.endpoint
        if isinstance(error, sdk.ServiceResponseException):
            words = f"{error.error_code or 'no code'}: {self._hide(str(error.error_msg or 'no message'))}"
            status = int(error.status_code or 0)
            if status == 429 or status >= 500:
                return CloudUnreachable(f"{where} answered {status}, {words}")
            kind = NotThere if status == 404 else CloudError
            return kind(f"{where} answered {status}, {words}", status)
        if isinstance(error, sdk.SslHandShakeException):
            return NotTrusted(f"{where}: its certificate is not trusted; name the right one in MODELARTS_CA_FILE")
        if isinstance(error, (sdk.RequestTimeoutException, Timeout)):
            return CloudUnreachable(f"{where} did not answer in {self._retry.timeout_s[1]:g} s")
        if isinstance(error, (sdk.ConnectionException, RequestException)):
            return CloudUnreachable(f"{where} cannot be reached; check MODELARTS_ENDPOINT and the network")
        raise error

    def _hide(self, text: str) -> str:
        for secret in (self._used.secret_key, self._used.security_token):
            if secret:
                text = text.replace(secret, "***")
        return text


def _keep_answers(client: Any) -> None:
    """Have the SDK leave a 429 to us as it is: its own session throws the platform's code and words away.

    What it writes to its log as well is quietened, since every failure is told here.
    """
    from requests.adapters import HTTPAdapter

    session = getattr(client.get_http_client(), "_session", None)  # other versions may have none: then 429 is told so
    if session is not None:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=0))
    logging.getLogger("HuaweiCloud-SDK-ModelArtsClient").addHandler(logging.NullHandler())


def _import_sdk() -> Any:
    try:
        import huaweicloudsdkmodelarts.v1 as sdk
    except ImportError:
        raise NotInstalled("the platform's SDK is not installed; run: pip install -r requirements-cloud.txt") from None
    return sdk


def _known(sdk: Any, type_name: str, value: Any) -> Any:
    """The parts of an answer that a model of a request has too, and that are not empty."""
    if value is None:
        return None
    listed = re.fullmatch(r"list\[(.+)\]", type_name)
    if listed:
        return [_known(sdk, listed[1], item) for item in value]
    if type_name.startswith("dict("):
        if isinstance(value, list):  # the platform answers variables as a list of one-entry objects
            value = {key: item for entry in value for key, item in entry.items()}
        return {str(key): str(item) for key, item in value.items()}
    model = getattr(sdk, type_name, None)
    if model is None or not isinstance(value, Mapping):
        return value
    found = {}
    for attribute, kind in model.openapi_types.items():
        key = model.attribute_map[attribute]
        if value.get(key) not in (None, [], {}, ""):
            found[key] = _known(sdk, kind, value[key])
    found.update({key: value[key] for key in _UNDOCUMENTED.get(type_name, ()) if key in value})
    return found
