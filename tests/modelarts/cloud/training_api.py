"""A loopback HTTP server that answers like the documented training API, checks signatures' form, and can fail."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = "0123456789abcdef0123456789abcdef"
_SIGNATURE = re.compile(r"SDK-HMAC-SHA256 Access=(\w+), SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}")


PRESET = "mindspore_2.7.1-cann_8.3.rc1-py_3.11-hce_2.0.2509-aarch64-snt9b"
FLAVOUR = "modelarts.bm.npu.arm.8snt9b.d"


class TrainingApi:
    """The jobs of one project. `faults` come first: (status, code), "hang", "lose" (do it, then hang up), or None."""

    def __init__(self, access_key: str = "AK") -> None:
        self.access_key = access_key
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any, dict[str, str]]] = []
        self.logs: dict[tuple[str, str], bytes] = {}
        self.faults: list[Any] = []
        self.log_limit = 5 << 20
        self.offset_counts = "pages"  # or "jobs": the documentation says both
        self.engines = [PRESET]
        self.flavours = [FLAVOUR]

    def paths(self) -> list[tuple[str, str]]:
        """Method and path of every request, without the project."""
        return [(method, path.split(PROJECT, 1)[1]) for method, path, _, _ in self.requests]

    def add(self, body: dict[str, Any], phase: str = "Pending") -> dict[str, Any]:
        """Create a job; the answer has what the platform adds."""
        job_id = f"{len(self.jobs):08d}-95f6-4c1b-8d5a-000000000000"
        metadata = {
            **body["metadata"],
            "id": job_id,
            "create_time": 1_700_000_000_000 + len(self.jobs),
            "user_name": "me",
        }
        status = {"phase": phase, "secondary_phase": phase, "duration": 61_000, "tasks": ["worker-0"]}
        algorithm = dict(body["algorithm"])
        if "environments" in algorithm:
            algorithm["environments"] = [algorithm["environments"]]
        spec = {**body["spec"], "resource": {**body["spec"]["resource"], "flavor_detail": {"flavor_type": "Ascend"}}}
        self.jobs[job_id] = {**body, "metadata": metadata, "status": status, "algorithm": algorithm, "spec": spec}
        return self.jobs[job_id]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of one request."""
        if (method, path) == ("POST", "/training-jobs"):
            return 201, self.add(body)
        if (method, path) == ("POST", "/training-job-searches"):
            return 200, self._search(body)
        if (method, path) == ("GET", "/training-job-engines"):
            items = [
                {"engine_id": "1", "engine_name": "Ascend-Powered-Engine", "engine_version": e} for e in self.engines
            ]
            return 200, {"total": len(items), "items": items}
        if (method, path.partition("?")[0]) == ("GET", "/training-job-flavors"):
            npu = {"unit_num": "8", "product_name": "ascend-snt9b", "memory": "64GB"}
            flavours = [{"flavor_id": f, "flavor_type": "Ascend", "flavor_info": {"npu": npu}} for f in self.flavours]
            return 200, {"total_count": len(flavours), "flavors": flavours}
        found = re.fullmatch(r"/training-jobs/([^/]+)(/.*)?", path)
        job = self.jobs.get(found[1]) if found else None
        if found is None or job is None:
            return 404, {"error_code": "ModelArts.2755", "error_msg": "the training job does not exist"}
        if (method, found[2]) == ("GET", None):
            return 200, job
        if (method, found[2], body) == ("POST", "/actions", {"action_type": "terminate"}):
            job["status"]["phase"] = "Terminating"
            return 202, job
        log = re.fullmatch(r"/tasks/([^/]+)/logs/preview", found[2] or "")
        if method == "GET" and log:
            content = self.logs.get((found[1], log[1]), b"")
            shown = content[-self.log_limit :]
            return 200, {"content": shown.decode(), "current_size": len(shown), "full_size": len(content)}
        return 400, {"error_code": "ModelArts.2751", "error_msg": f"bad request {method} {path} {body}"}

    def _search(self, body: Any) -> Any:
        found = list(reversed(self.jobs.values()))
        for one in body.get("filters") or ():
            wanted = one["value"]
            if (one["key"], one["operator"]) == ("name", "like"):
                found = [job for job in found if wanted[0] in job["metadata"]["name"]]
            elif (one["key"], one["operator"]) == ("phase", "in"):
                found = [job for job in found if job["status"]["phase"] in wanted]
            else:
                raise AssertionError(f"undocumented filter {one}")
        assert 1 <= body["limit"] <= 50
        found = [job for job in found if job["metadata"]["workspace_id"] == body["workspace_id"]]
        first = body["offset"] * (body["limit"] if self.offset_counts == "pages" else 1)
        return {"total": len(found), "items": found[first : first + body["limit"]]}


@contextmanager
def serving(api: TrainingApi, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server for these jobs, while the context lasts."""

    class Handler(_Handler):
        pass

    Handler.api = api
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    api: TrainingApi

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        api = self.api
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        api.requests.append((self.command, self.path, body, dict(self.headers)))
        prefix = f"/v2/{PROJECT}"
        assert self.path.startswith(prefix), self.path
        fault = api.faults.pop(0) if api.faults else None
        if isinstance(fault, tuple):
            status, code, *solution = fault
            answer = {"error_code": code, "error_msg": f"told to say {status}"}
            return self._send(status, {**answer, **({"error_solution": solution[0]} if solution else {})})
        if fault == "hang":
            return time.sleep(3)
        refused = self._refusal()
        if refused:
            return self._send(401, {"error_code": "APIGW.0301", "error_msg": refused})
        status, answer = api.answer(self.command, self.path[len(prefix) :], body)
        if fault == "lose":
            return self.connection.close()
        return self._send(status, answer)

    def _refusal(self) -> str:
        """What is wrong with the signature header's form, or with whom it is for."""
        found = _SIGNATURE.fullmatch(self.headers.get("Authorization", ""))
        if not found:
            return "Incorrect IAM authentication information: no signature"
        if found[1] != self.api.access_key:
            return "Incorrect IAM authentication information: unknown access key"
        missing = {"host", "x-sdk-date"} - set(found[2].split(";"))
        if missing or not re.fullmatch(r"\d{8}T\d{6}Z", self.headers.get("X-Sdk-Date", "")):
            return f"Incorrect IAM authentication information: {missing or 'date'}"
        return ""

    def _send(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass
