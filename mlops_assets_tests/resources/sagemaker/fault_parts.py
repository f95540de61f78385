"""Scripts, processes and answers that the tests of training's faults share."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from botocore.awsrequest import AWSResponse

from mlops_assets_tests.resources.sagemaker.conftest import Lab, python_environment

QUICK = "print('trained')"
RETRY = dg.RetryPolicy(max_retries=2)


def waiting_for(gate: Path) -> str:
    """A script that trains until ``gate`` is there."""
    return f"""
import pathlib, time
print("training", flush=True)
while not pathlib.Path({str(gate)!r}).exists():
    time.sleep(0.05)
"""


class Worker:
    """A process of its own that materializes `model` with a RetryPolicy, as a run worker does.

    Args:
        dies_at: the botocore event at which it kills itself.
        shared: whether its Dagster instance is in ``home``, where others see it.
    """

    def __init__(self, lab: Lab, name: str, home: Path, dies_at: str | None, shared: bool) -> None:
        script = home / "worker.py"
        home.mkdir()
        script.write_text(f"""
import os, pathlib, signal, dagster as dg
from mlops_assets_tests.resources.sagemaker.conftest import LEAVE_A_MODEL, Lab, train
from mlops_assets.resources.sagemaker.session import SageMakerResource
lab = Lab(pathlib.Path({str(lab.root)!r}), SageMakerResource(**{lab.sagemaker.model_dump()!r}))
script = lab.root / "scripts" / {name!r} / "train.py"
spec = lab.spec({name!r}, script.read_text().removeprefix(LEAVE_A_MODEL))
if {dies_at!r}:
    lab.sagemaker.client().meta.events.register(
        {dies_at!r}, lambda **_: os.kill(os.getpid(), signal.SIGKILL))
shared = os.environ.get("DAGSTER_HOME")
with dg.DagsterInstance.get() if shared else dg.DagsterInstance.ephemeral() as instance:
    train(lab.training(), spec, instance=instance,
          retry_policy=dg.RetryPolicy(max_retries=2))
""")
        self.home = home
        with (home / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                env=python_environment(DAGSTER_HOME=str(home) if shared else ""),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        return (self.home / "log").read_text()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def answer_of(code: str, message: str) -> AWSResponse:
    """An error as the service answers it, put in place of a request that is not sent."""

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield f'{{"__type": "{code}", "message": "{message}"}}'.encode()

    headers = {"content-type": "application/x-amz-json-1.1"}
    return AWSResponse("http://sagemaker", 400, headers, Raw())
