"""A local SageMaker API for this folder's tests, and runs of training assets against it."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.sagemaker.requests import TrainingSpec
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient

BUCKET = "lake"
LEAVE_A_MODEL = """import os, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("a model")
"""
DEADLINE_S = 90  # no test asserts a time: this only ends one that hangs


def eventually(what: Callable[[], Any], why: str) -> Any:
    """The first true answer of ``what``."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {DEADLINE_S} s for {why}")


@dataclass(frozen=True)
class Lab:
    """One local SageMaker API, its buckets, and scripts to train with."""

    root: Path
    sagemaker: SageMakerResource

    def objects(self) -> Objects:
        return open_objects(f"dir:{self.root / 'buckets'}")

    def fresh(self, **fields: Any) -> SageMakerResource:
        """Clients of one's own, whose hooks disturb nobody else."""
        return SageMakerResource(**{**self.sagemaker.model_dump(), **fields})

    def training(self, sagemaker: SageMakerResource | None = None) -> PipesSageMakerTrainingClient:
        return PipesSageMakerTrainingClient(
            sagemaker or self.sagemaker, self.objects, BUCKET, poll_interval=0.1
        )

    def spec(self, name: str, script: str, **fields: Any) -> TrainingSpec:
        """A job of its own ``name`` that leaves a model and runs ``script``."""
        path = self.root / "scripts" / name / "train.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LEAVE_A_MODEL + script)
        data = f"s3://{BUCKET}/datasets/tiny/train"
        self.objects().write_if_absent(f"{data}/part-0.csv", b"x,y\n1,2\n")
        return TrainingSpec(
            pipeline=name,
            asset="model",
            partition="all",
            source=path.parent,
            program="train.py",
            channels={"train": data},
            **fields,
        )

    def jobs(self, name: str) -> list[dict[str, Any]]:
        """Descriptions of the jobs of a name, oldest first."""
        client = self.sagemaker.client()
        found = client.list_training_jobs(NameContains=name, MaxResults=100)
        names = sorted(job["TrainingJobName"] for job in found["TrainingJobSummaries"])
        return [client.describe_training_job(TrainingJobName=job) for job in names]

    def running(self, name: str) -> dict[str, Any]:
        """The job of this name, once its script runs."""
        return eventually(
            lambda: next(
                (job for job in self.jobs(name) if job["SecondaryStatus"] == "Training"), None
            ),
            f"job {name} to train",
        )


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    from mlops_assets.sagemaker_local import lifecycle

    root = tmp_path_factory.mktemp("sagemaker")
    home = root / "sagemaker"
    sagemaker = SageMakerResource(
        local_home=str(home), local_objects=f"dir:{root / 'buckets'}", max_attempts=2
    )
    yield Lab(root, sagemaker)
    lifecycle.stop(home)


@dataclass(frozen=True)
class Ended:
    """How one run of the asset `model` ended."""

    result: dg.ExecuteInProcessResult

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def metadata(self) -> dict[str, Any]:
        (event,) = self.result.asset_materializations_for_node("model")
        return {key: value.value for key, value in event.metadata.items()}

    @property
    def failure(self) -> Any:
        """The step's failure: ``.description``, ``.metadata``."""
        return self.result.failure_data_for_node("model")


def train(
    client: PipesSageMakerTrainingClient,
    spec: TrainingSpec,
    *,
    instance: dg.DagsterInstance,
    retry_policy: dg.RetryPolicy | None = None,
    extras: dict[str, Any] | None = None,
) -> Ended:
    """Materialize an asset that is this job."""

    @dg.asset(retry_policy=retry_policy)
    def model(context: dg.AssetExecutionContext):
        return client.run_spec(context=context, spec=spec, extras=extras).get_materialize_result()

    return Ended(dg.materialize([model], instance=instance, raise_on_error=False))


@pytest.fixture
def worker(lab: Lab, tmp_path: Path) -> Iterator[Any]:
    """Starts workers that a test may kill; what is left of them is ended."""
    from mlops_assets_tests.resources.sagemaker.fault_parts import Worker

    workers: list[Worker] = []

    def start(name: str, dies_at: str | None = None, shared: bool = False) -> Worker:
        home = tmp_path / f"worker-{len(workers)}"
        workers.append(Worker(lab, name, home, dies_at, shared))
        return workers[-1]

    yield start
    for each in workers:
        each.end()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def python_environment(**more: str) -> dict[str, str]:
    """For a child process that imports what this process can."""
    path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": path, **more}
