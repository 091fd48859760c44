"""The platform's training API. Requests are retried; errors are reported."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Callable, cast

from modelarts.cloud.errors import CloudError, CloudUnreachable, JobNotFound
from modelarts.cloud.profile import Profile
from modelarts.cloud.request import Body
from modelarts.cloud.sdk import as_our_error, endpoint_of, import_sdk, known_parts, make_client
from src.plural import plural

logger = logging.getLogger(__name__)

RUNNING_PHASES = ("Creating", "Pending", "Running", "Terminating")
WAITING_PHASES = ("Creating", "Pending")
ENDED_PHASES = ("Completed", "Failed", "Terminated", "Abnormal")
_PAGE = 50
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Retry:
    """Attempts of a request, and the pauses between them (seconds, doubled each time, with jitter)."""

    attempts: int = 6
    first_pause_s: float = 1.0
    longest_pause_s: float = 20.0
    timeout_s: tuple[float, float] = (10.0, 60.0)

    def pause(self, attempt: int) -> float:
        return min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


class Cloud:
    """The training jobs of the given workspaces. `profile` is read again when the platform rejects the keys."""

    def __init__(
        self, profile: Callable[[], Profile], retry: Retry | None = None, workspaces: Sequence[str] = ("0",)
    ) -> None:
        self._sdk = import_sdk()
        self._read_profile, self._retry = profile, retry or Retry()
        self._workspaces = list(dict.fromkeys(filter(None, workspaces)))
        self._used = self._profile()
        self._client = make_client(self._used, self._retry.timeout_s)

    def create(self, body: Body) -> Body:
        """Create a job and return the platform's response; a retry after a lost response creates no second job."""
        name, workspace = body["metadata"]["name"], body["metadata"].get("workspace_id")
        if workspace and workspace not in self._workspaces:
            self._workspaces.append(str(workspace))
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
        """The id of the newest job with this name; an id is returned as it is. With `phases` only jobs in them count.

        Raises JobNotFound if no job has this name and, with `phases`, CloudError if several have it.
        """
        if _ID.fullmatch(word):
            return word
        found = [one for one in self.named(word) if not phases or (one.get("status") or {}).get("phase") in phases]
        if not found:
            which = f" and is {' or '.join(phases)}" if phases else ""
            problem = f"{word}: no job on the platform has this name{which}; see: python -m modelarts list"
            raise JobNotFound(problem, 404)
        if phases and len(found) > 1:
            ids = ", ".join(str(one["metadata"]["id"]) for one in found)
            raise CloudError(f"{word}: {len(found)} jobs have this name; give the id of one of them: {ids}")
        return str(found[0]["metadata"]["id"])

    def log(self, job_id: str, task: str) -> tuple[bytes, int]:
        """The end of a task's log (5 MB at most) and the size of the whole log in bytes."""
        request = self._sdk.ShowTrainingJobLogsPreviewRequest(training_job_id=job_id, task_id=task)
        answer = self._call("show_training_job_logs_preview", request)
        content = str(answer.get("content") or "").encode()
        return content, int(answer.get("full_size") or len(content))

    def engines(self) -> dict[str, str]:
        """The available engines: version -> name."""
        answer = self._call("show_training_job_engines", self._sdk.ShowTrainingJobEnginesRequest())
        items = answer.get("items") or []
        return {
            str(one["engine_version"]): str(one.get("engine_name") or "") for one in items if one.get("engine_version")
        }

    def flavours(self) -> dict[str, str]:
        """The Ascend flavours of the public pool: id -> cards."""
        answer = self._call("show_training_job_flavors", self._sdk.ShowTrainingJobFlavorsRequest(flavor_type="Ascend"))
        return {str(one["flavor_id"]): _cards_of(one) for one in answer.get("flavors") or [] if one.get("flavor_id")}

    def request_body(self, details: Body) -> Body:
        """A response of `show` as a request body for `create`: only the fields that the request's models have."""
        body: Body = cast(Body, known_parts(self._sdk, "Job", details))
        algorithm = body.get("algorithm") or {}
        if engine := algorithm.get("engine"):
            algorithm["engine"] = _named_once(engine)
        if algorithm.get("id") or algorithm.get("subscription_id"):
            for key in ("code_dir", "boot_file", "engine", "command"):
                algorithm.pop(key, None)  # the algorithm defines them; the platform rejects requests with both
        return body

    def _search(self, filters: list[Body], limit: int) -> list[Body]:
        """The newest jobs of all workspaces, newest first."""
        found = [one for workspace in self._workspaces for one in self._search_in(workspace, filters, limit)]
        return sorted(found, key=lambda one: int(one["metadata"].get("create_time") or 0), reverse=True)[:limit]

    def _search_in(self, workspace: str, filters: list[Body], limit: int) -> list[Body]:
        """The newest jobs of a workspace, each once.

        `offset` counts pages in one part of the documentation and jobs in another.
        If the second page mostly repeats the first, the platform counts jobs, and later offsets do so as well.
        """
        found: dict[str, Body] = {}
        size, offset, step, total = min(_PAGE, limit), 0, 1, 0
        while len(found) < limit:
            answer = self._page(workspace, filters, offset, size)
            items = {str(one["metadata"]["id"]): one for one in answer.get("items") or ()}
            total = int(answer.get("total") or 0)
            repeated = len(items.keys() & found.keys())
            if offset == 1 and step == 1 and repeated > size // 2:
                step = offset = size
                continue
            found.update({job_id: one for job_id, one in items.items() if job_id not in found})
            if len(items) < size or repeated == len(items):
                break
            offset += step
        if len(found) < min(total, limit):
            logger.warning("the platform reports %s, but listed only %d", plural(total, "job"), len(found))
        return list(found.values())[:limit]

    def _page(self, workspace: str, filters: list[Body], offset: int, size: int) -> Body:
        body = {"offset": offset, "limit": size, "sort_by": "create_time", "order": "desc"}
        body.update({"workspace_id": workspace, "filters": filters})
        return self._call("list_training_jobs", self._sdk.ListTrainingJobsRequest(body=body))

    def _profile(self) -> Profile:
        """The profile, with the endpoint of its region if it names none itself."""
        profile = self._read_profile()
        return profile if profile.endpoint else replace(profile, endpoint=endpoint_of(profile.region))

    def _call(self, method: str, request: object, recover: Callable[[], Body | None] | None = None) -> Body:
        """Send until it succeeds, is rejected, or attempts run out; `recover` finds what a lost response created."""
        for attempt in range(1, self._retry.attempts + 1):
            try:
                return dict(getattr(self._client, method)(request).to_json_object() or {})
            except Exception as error:  # noqa: BLE001 - the gate of the platform's SDK
                failure = as_our_error(error, self._used, self._retry.timeout_s)
            if isinstance(failure, CloudError) and not self._renew(failure):
                raise failure
            if attempt == self._retry.attempts:
                break
            pause = self._retry.pause(attempt)
            logger.warning("%s; attempt %d of %d in %.1f s", failure, attempt + 1, self._retry.attempts, pause)
            time.sleep(pause)
            if recover is not None and (found := recover()) is not None:
                return found
        raise CloudUnreachable(f"{failure} (gave up after {self._retry.attempts} attempts)")

    def _renew(self, failure: CloudError) -> bool:
        """Read the profile again after the platform rejected the keys; returns whether they have changed."""
        if failure.status not in (401, 403):
            return False
        newest = self._profile()
        if newest == self._used:
            return False
        self._used = newest
        self._client = make_client(self._used, self._retry.timeout_s)
        return True


def _cards_of(flavour: Body) -> str:
    """The cards of a flavour, such as `8 × ascend-snt9b`."""
    npu = (flavour.get("flavor_info") or {}).get("npu") or {}
    return (
        f"{npu.get('unit_num', '?')} × {npu.get('product_name', '?')}" if npu else str(flavour.get("flavor_name") or "")
    )


def _named_once(engine: Body) -> Body:
    """An engine identified in one way only: by its image, else by name and version, else by its id."""
    for keys in (("image_url",), ("engine_name", "engine_version"), ("engine_id",)):
        if all(engine.get(key) for key in keys):
            return {key: engine[key] for key in keys}
    return engine
