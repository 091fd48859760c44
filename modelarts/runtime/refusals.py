"""Makes restarts of a job that failed on invalid input (exit code 2) end at once, with the same error.

The platform restarts a failed job unconditionally, in the same container or in a fresh one. A marker with the job's id
is written to the scratch disk and, for fresh containers, to the folder of the job's results.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping

import obs_sync
from modelarts.job_inputs import REFUSAL_PREFIX
from modelarts.runtime.storage import read_bytes, write_bytes
from modelarts.runtime.topology import job_id_of, scratch_folder
from src.json_text import parse_json_object
from src.model_utils.config import Config

logger = logging.getLogger(__name__)


class Refusals:
    """The markers of one job; without the platform's job id there are none."""

    def __init__(self, config: Config, environment: Mapping[str, str], results_at: str) -> None:
        self._job = job_id_of(environment)
        self._folders = [str(scratch_folder(config.scratch_path) / "refused"), results_at]

    def earlier(self) -> str:
        """The error that an earlier start of this job ended with; empty if there is none."""
        for url in self._urls():
            try:
                document = parse_json_object(read_bytes(url))
            except (OSError, ValueError, obs_sync.ObsSyncError):
                continue
            if document.get("job") == self._job and isinstance(document.get("message"), str):
                return str(document["message"])
        return ""

    def record(self, message: str) -> None:
        """Record the error on invalid input that this start ends with, unless an earlier start has recorded one."""
        if self.earlier():
            return
        content = json.dumps({"job": self._job, "message": message}, ensure_ascii=False).encode("utf-8", "replace")
        for url in self._urls():
            try:
                write_bytes(url, content)
            except (OSError, ValueError, obs_sync.ObsSyncError) as error:
                logger.debug("%s: cannot be written: %s", url, error)

    def _urls(self) -> Iterator[str]:
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in self._job)
        for folder in self._folders:
            if name and folder:
                yield obs_sync.join(folder, f"{REFUSAL_PREFIX}{name}.json")
