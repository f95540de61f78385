"""Two versions of the tiny pipeline, and what is done to them: loaded, corrupted, killed."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import LIVE
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets_tests.cli.test_commands import Shell

# Kills the command at one call to SageMaker, before or after it has had its effect.
KILLED = """
import os, signal, sys
from mlops_assets.cli import main
from mlops_assets.resources.sagemaker import session
opened, seen = session.SageMakerResource._open, []
event, number = sys.argv.pop(1), int(sys.argv.pop(1))
def die(**_):
    seen.append(1)
    if len(seen) == number:
        os.kill(os.getpid(), signal.SIGKILL)
def _open(self, service, endpoint):
    client = opened(self, service, endpoint)
    if service == "sagemaker":
        client.meta.events.register(event, die)
    return client
session.SageMakerResource._open = _open
main()
"""


class Served:
    """What the registry and the endpoint of the shell's world say."""

    def __init__(self, shell: Shell) -> None:
        self.home = shell.environment["MLOPS_HOME"]
        self.sagemaker = SageMakerResource(
            local_home=f"{self.home}/sagemaker", local_objects=f"dir:{self.home}/buckets"
        )

    @property
    def client(self):
        return self.sagemaker.client()

    def version(self, variant: str = LIVE) -> int:
        arn = serving_package(self.client, "diabetes", variant)
        return registry.describe(self.client, arn).version if arn else 0

    def package(self, version: int) -> registry.ModelPackage:
        return registry.describe(self.client, f"diabetes/{version}")

    def states(self) -> list[str]:
        return [self.package(version).state for version in (1, 2)]


def deployed(shell: Shell, *, rounds: int) -> None:
    shell.environment["TINY_ROUNDS"] = str(rounds)
    done = shell.mlops("demo", "diabetes")
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def constant_load(served: Served, *, callers: int = 4, a_second: int = 25) -> Iterator[dict]:
    """Callers that each ask at a constant rate; yields what became of their requests."""
    url = urlsplit(served.sagemaker.runtime().meta.endpoint_url)
    row = dict.fromkeys(("age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"), 50.0)
    body = json.dumps({"instances": [{**row, "sex": "A"}]})
    told: dict = {"answered": 0, "lost": [], "answers": []}
    stop = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        due = time.monotonic()
        while not stop.is_set():
            try:
                connection.request(
                    "POST",
                    "/endpoints/diabetes/invocations",
                    body,
                    {"Content-Type": "application/json"},
                )
                reply = connection.getresponse()
                text = reply.read()
                if reply.status == 200:
                    told["answered"] += 1
                    told["answers"].append(json.loads(text)["predictions"][0])
                else:
                    told["lost"].append(f"{reply.status} {text[:200]!r}")
            except OSError as error:
                told["lost"].append(repr(error))
            due += 1 / a_second
            stop.wait(max(0.0, due - time.monotonic()))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        yield told
        time.sleep(1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def corrupted(served: Served, version: int) -> Iterator[None]:
    """Half of a version's archive is gone."""
    uri = served.package(version).model_data_url
    archive = Path(served.home, "buckets", uri.removeprefix("s3://"))
    sound = archive.read_bytes()
    archive.write_bytes(sound[: len(sound) // 2])
    try:
        yield
    finally:
        archive.write_bytes(sound)


def shell_path() -> dict[str, str]:
    """A PATH whose python is this one's."""
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def materialized_endpoint(shell: Shell) -> subprocess.CompletedProcess[str]:
    return shell.python(
        "-m", "dagster", "asset", "materialize", "-m", "mlops_assets.definitions",
        "--select", 'key:"diabetes/endpoint"', "--partition", "all",
    )  # fmt: skip


def told_in_the_ui(shell: Shell) -> str:
    """What the check `serves` of the endpoint says."""
    key = dg.AssetCheckKey(dg.AssetKey(["diabetes", "endpoint"]), "serves")
    home = Path(shell.environment["MLOPS_HOME"], "dagster")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        found = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        evaluation = found[key].event.dagster_event.asset_check_evaluation_data
    return f"{'passed' if evaluation.passed else 'failed'}: {evaluation.description}"
