"""A registered model whose answer is a word, and the server that gives it."""

import gzip
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.hosting.endpoints import smoke
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets_tests.resources.sagemaker.conftest import Lab

# An image of a user's own: it answers what its model says, and is ill where its model says so.
SERVE = """
import http.server, json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
answer = (base / "model" / "answer.txt").read_text()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.reply(200, b"")
    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        self.reply(200, json.dumps({"predictions": [json.loads(answer) for _ in rows]}).encode())
    def log_message(self, *_):
        pass
if answer == "ill":
    raise SystemExit("the model cannot be loaded")
host = os.environ.get("MLOPS_BIND_HOST", "127.0.0.1")
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
http.server.ThreadingHTTPServer((host, port), Handler).serve_forever()
"""
ROWS = [{"distance": 500.0}, {"distance": None}]
PLACEMENT = Placement(image_uri="tiny:1")


def package(
    lab: Lab, group: str, answer: str, status: Any = "Approved", placement: Placement = PLACEMENT
) -> str:
    """The ARN of a registered model that answers ``answer``."""
    home = Path(str(lab.sagemaker.local_home))
    home.mkdir(exist_ok=True)
    (lab.root / "serve.py").write_text(SERVE)
    images = {"tiny": {"serve": [sys.executable, str(lab.root / "serve.py")]}}
    (home / "images.json").write_text(json.dumps(images))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("answer.txt")
        member.size = len(answer)
        archive.addfile(member, io.BytesIO(answer.encode()))
    uri = f"s3://lake/models/{group}/{answer}/model.tar.gz"
    lab.objects().write(uri, gzip.compress(tar.getvalue()))
    return registry.register(
        lab.sagemaker.client(),
        group=group,
        model_data_url=uri,
        lineage={"answer": answer},
        status=status,
        placement=placement,
    ).arn


def spec(name: str, arn: str, **changes: Any) -> EndpointSpec:
    return EndpointSpec(name=name, package_arn=arn, placement=PLACEMENT, **changes)


def answers(lab: Lab, name: str) -> list[Any]:
    return smoke(lab.sagemaker.runtime(), name, ROWS)
