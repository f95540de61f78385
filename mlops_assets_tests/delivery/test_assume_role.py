"""A workflow's job takes its role by GitHub's word, and keeps it for as long as a release lasts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mlops_assets_tests.delivery.scripts import ROOT

pytestmark = pytest.mark.integration
ROLE = "arn:aws:iam::123456789012:role/mlops-ci"
WHO_AM_I = """
import boto3
sts = boto3.client("sts")
print(sts.get_caller_identity()["Arn"], sts.meta.region_name)
"""


@dataclass
class Service:
    """GitHub's tokens, each for one use, and an STS that may refuse; what they were asked."""

    server: ThreadingHTTPServer
    tokens: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            if self.headers["authorization"] != "bearer of-this-job":
                return self._say(401, "who are you?")
            found.asked_for += asked["audience"]
            found.tokens.append(f"token-{len(found.tokens)}")
            return self._say(200, json.dumps({"value": found.tokens[-1]}))

        def do_POST(self) -> None:
            self._say(403, "<Message>Not authorized to perform\n sts:AssumeRole…</Message>")

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    found = Service(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    threading.Thread(target=found.server.serve_forever, args=(0.05,)).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def job(service: Service, aws: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a step in a job that may ask for tokens."""
    (tmp_path / "env").touch()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return {
        **kept,
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_ENV": str(tmp_path / "env"),
        "GITHUB_RUN_ID": "77",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{service.url}/token?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-this-job",
        "AWS_ROLE_ARN": ROLE,
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_STS": aws,
    }


def run(job: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command or [str(ROOT / "deploy/pipelines/assume-role.sh")],
        env=job, capture_output=True, text=True, check=False,
    )  # fmt: skip


def set_for_later(job: dict[str, str]) -> dict[str, str]:
    """What the next steps have in their environment beside the job's."""
    return dict(line.split("=", 1) for line in Path(job["GITHUB_ENV"]).read_text().splitlines())


def test_later_steps_are_the_role_in_its_region(job: dict[str, str], service: Service) -> None:
    """boto3 does not look at AWS_REGION, and a token is five minutes old when the smoke test of a
    release asks: each process asks for one of its own."""
    done = run(job)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    before = len(service.tokens)
    for asked in (1, 2):
        later = run(job | set_for_later(job), sys.executable, "-c", WHO_AM_I)
        assert later.stdout.split() == [
            "arn:aws:sts::123456789012:assumed-role/mlops-ci/github-77",
            "eu-west-1",
        ], later.stderr
        assert len(service.tokens) == before + asked
    assert set(service.asked_for) == {"sts.amazonaws.com"}


def test_no_key_is_kept(job: dict[str, str]) -> None:
    """Security demand 6: what a step leaves behind is where to ask, not what was answered."""
    assert run(job).returncode == 0
    kept = set_for_later(job)
    assert set(kept) == {"AWS_CONFIG_FILE"}
    assert "token-" not in Path(kept["AWS_CONFIG_FILE"]).read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"AWS_ROLE_ARN": ""}, "AWS_ROLE_ARN: is not set"),
        ({"AWS_REGION": ""}, "AWS_REGION: is not set"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": ""}, "id-token: write"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "another"}, "GitHub answers 401: who are you?"),
        ({"AWS_ENDPOINT_URL_STS": "refusing"}, f"AWS, for {ROLE} answers 403: <Message>Not auth"),
    ],
)
def test_a_role_that_may_not_be_taken_is_this_steps_failure(
    change: dict[str, str], says: str, job: dict[str, str], service: Service
) -> None:
    """Else a later step finds no credentials, in words that name neither role nor token."""
    changed = {name: service.url if to == "refusing" else to for name, to in change.items()}
    done = run(job | changed)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert set_for_later(job) == {}
