"""A tracking server as SageMaker's: each request must be signed, and name the server's ARN.

Run as a program, it tells one training to that server, as a step in AWS does. A process of its own:
MLflow and its plugin keep the server's address, the region and the keys for a whole process.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ARN = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/mlops"
KEY_ID, SECRET = "AKIDEXAMPLE", "not-a-secret"
_SIGNATURE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>[^,]+), "
    r"SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_RUN = {"info": {"run_id": "r1", "run_uuid": "r1", "experiment_id": "1", "status": "RUNNING",
                 "start_time": 0, "lifecycle_stage": "active"}, "data": {}}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "experiments/create": {"experiment_id": "1"},
    "runs/search": {"runs": []},
    "runs/create": {"run": _RUN},
    "runs/get": {"run": _RUN},
    "runs/update": {"run_info": _RUN["info"]},
}


class TrackingServer(ThreadingHTTPServer):
    """Remembers (path below the API, why it was refused) of each request."""

    def __init__(self, artifacts: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.artifacts = artifacts
        self.seen: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: TrackingServer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0].rpartition("/mlflow/")[2]
        problem = refused(self.command, self.server.url + self.path, dict(self.headers), body)
        self.server.seen.append((path, problem))
        if problem:
            return self._reply(403, {"message": problem})
        if path == "experiments/get-by-name":
            return self._reply(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"})
        answer = json.loads(json.dumps(ANSWERS.get(path, {})))
        if "run" in answer:
            answer["run"]["info"]["artifact_uri"] = self.server.artifacts
        return self._reply(200, answer)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the base class's names

    def _reply(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing to stderr."""


def refused(method: str, url: str, headers: dict[str, str], body: bytes) -> str:
    """Why SageMaker would answer 403; empty where it would not: the signature is made again."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    lower = {name.lower(): value for name, value in headers.items()}
    found = _SIGNATURE.fullmatch(lower.get("authorization", ""))
    if found is None:
        return "the request is not signed"
    if lower.get("x-mlflow-sm-tracking-server-arn") != ARN:
        return "the header that names the tracking server is missing or another's"
    key, _, scope = found["credential"].partition("/")
    if (key, scope[8:]) != (KEY_ID, "/eu-west-1/sagemaker-mlflow/aws4_request"):
        return f"signed for {found['credential']}"
    signer = SigV4Auth(Credentials(KEY_ID, SECRET), "sagemaker-mlflow", "eu-west-1")
    signed = {name: lower[name] for name in found["headers"].split(";") if name in lower}
    request = AWSRequest(method=method, url=url.replace("+", "%20"), data=body, headers=signed)
    request.context["timestamp"] = lower["x-amz-date"]
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    return "" if signature == found["signature"] else "the signature does not match"


@contextmanager
def serving(artifacts: str) -> Iterator[TrackingServer]:
    server = TrackingServer(artifacts)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def environment(server: TrackingServer, **changes: str) -> dict[str, str]:
    """Of a process whose MLflow is that server."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_", "MLOPS_"))},
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": server.url,
        "PYTHONPATH": os.pathsep.join(sys.path),
        **changes,
    }


def tell() -> None:
    """One training, from its begin to its end."""
    from mlops_assets.resources.experiments.run_log import Point, RunLog
    from mlops_assets.resources.experiments.tracking import Tracking

    log = RunLog(
        experiment="flight delays",
        name="flight-delays-model-0123",
        started_ms=1,
        params={"max_depth": "6"},
        tags={"commit": "abc"},
        points=[Point(metric="train:logloss", value=0.5, at_ms=2, step=0)],
        artifacts={"request.json": "{}"},
    )
    log.end("FINISHED", 3)
    Tracking(ARN).whole(log)


if __name__ == "__main__":
    tell()
