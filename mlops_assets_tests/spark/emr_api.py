"""EMR Serverless's API on a loopback port, whose jobs really run.

Here: StartJobRun, GetJobRun, ListJobRuns and CancelJobRun over HTTP (rest-json), requests and
replies held to botocore's own description, client tokens as AWS has them. Not here: how a job runs
(emr_jobs.py). moto has an emr-serverless too; its job runs end before they began, and run nothing.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mlops_assets.sagemaker_local import shapes
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.protocol import service_model
from mlops_assets_tests.spark.emr_jobs import Job, Submit

APPLICATION = "00fspark0000"
ROLE = "arn:aws:iam::123456789012:role/mlops-spark"
_PAGE = 2
_PATH = re.compile(r"/applications/(?P<applicationId>\w+)/jobruns(/(?P<jobRunId>\w+))?")
_OPERATIONS = {
    ("POST", False): ("StartJobRun", "start"),
    ("GET", False): ("ListJobRuns", "list"),
    ("GET", True): ("GetJobRun", "get"),
    ("DELETE", True): ("CancelJobRun", "cancel"),
}


class EMRServerlessApi:
    """One application. ``calls``: the operations that were asked for, in order."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._lock = threading.Lock()
        self.jobs: list[Job] = []
        self.calls: list[str] = []
        self.losing_answers = 0
        """So many StartJobRun have their effect, and no answer."""

    def answer(self, operation: str, method: str, given: dict[str, Any]) -> dict[str, Any]:
        model = service_model("emr-serverless").operation_model(operation)
        shapes.check(model.input_shape, given)
        with self._lock:
            self.calls.append(operation)
            if given["applicationId"] != APPLICATION:
                raise _missing(f"Application {given['applicationId']}")
            found: dict[str, Any] = getattr(self, f"_{method}")(given)
        shapes.check(model.output_shape, found)
        return found

    def _start(self, given: dict[str, Any]) -> dict[str, Any]:
        for job in self.jobs:
            if job.request["clientToken"] == given["clientToken"]:
                if job.request != given:
                    # The documentation does not say; others of AWS's services do this.
                    raise ApiError("ConflictException", "the token was used for another job", 409)
                return job.identity
        job = Job(f"00j{len(self.jobs):09d}", given)
        self.jobs.append(job)
        job.start(self._submit)
        if self.losing_answers:
            self.losing_answers -= 1
            raise ConnectionAbortedError
        return job.identity

    def _get(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"jobRun": self._job(given).described}

    def _list(self, given: dict[str, Any]) -> dict[str, Any]:
        start = int(given.get("nextToken", 0))
        page = [job.summary for job in self.jobs[start : start + _PAGE]]
        more = {"nextToken": str(start + _PAGE)} if len(self.jobs) > start + _PAGE else {}
        return {"jobRuns": page, **more}

    def _cancel(self, given: dict[str, Any]) -> dict[str, Any]:
        job = self._job(given)
        job.cancel(given.get("shutdownGracePeriodInSeconds", 0))
        return {key: job.identity[key] for key in ("applicationId", "jobRunId")}

    def _job(self, given: dict[str, Any]) -> Job:
        for job in self.jobs:
            if job.id == given["jobRunId"]:
                return job
        raise _missing(f"Job run {given['jobRunId']}")


def _missing(what: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"{what} does not exist", 404)


class _Handler(BaseHTTPRequestHandler):
    api: EMRServerlessApi
    protocol_version = "HTTP/1.1"

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = urlsplit(self.path)
        try:
            found = _PATH.fullmatch(url.path)
            if found is None:
                raise ApiError("ValidationException", f"no operation is at {url.path}")
            operation, method = _OPERATIONS[self.command, found["jobRunId"] is not None]
            named = {name: value for name, value in found.groupdict().items() if value}
            query: dict[str, Any] = dict(parse_qsl(url.query))
            for name in ("maxResults", "shutdownGracePeriodInSeconds"):
                if name in query:
                    query[name] = int(query[name])
            given = {**named, **query, **(json.loads(body) if body else {})}
            status, reply, code = 200, self.api.answer(operation, method, given), None
        except ApiError as error:
            status, reply, code = error.status, {"message": error.message}, error.code
        except ConnectionAbortedError:
            self.close_connection = True
            return
        data = json.dumps(reply).encode()
        self.send_response(status)
        if code:
            self.send_header("x-amzn-errortype", code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _do  # noqa: N815 - the base's names

    def log_message(self, *_: Any) -> None:
        """Nothing: a line for every look at a job."""


@contextmanager
def emr_serverless(submit: Submit) -> Iterator[tuple[str, EMRServerlessApi]]:
    """(URL, the API) until the end, when no job of it runs any more."""
    api = EMRServerlessApi(submit)
    handler = type("Handler", (_Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", api
        finally:
            server.shutdown()
            for job in api.jobs:
                job.cancel(0)
                job.join()
