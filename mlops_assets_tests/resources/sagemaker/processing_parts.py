"""What the tests of processing jobs from Dagster share: scripts, clients, runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets.resources.sagemaker.jobs.patience import Patience
from mlops_assets.resources.sagemaker.processing import PipesSageMakerProcessingClient
from mlops_assets.resources.sagemaker.processing_request import ProcessingSpec
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets_tests.resources.sagemaker.conftest import (
    BUCKET,
    Ended,
    Lab,
    eventually,
    python_environment,
)

QUICK = Patience(capacity_s=60, first_s=0.05, longest_s=0.2)
LEAVE = 'open("/opt/ml/processing/output/made/out.txt", "w").write("made")\n'


def client(
    lab: Lab, sagemaker: SageMakerResource | None = None, **options: Any
) -> PipesSageMakerProcessingClient:
    given = {"poll_interval": 0.1, "patience": QUICK} | options
    return PipesSageMakerProcessingClient(sagemaker or lab.sagemaker, lab.objects, BUCKET, **given)


def spec(lab: Lab, name: str, script: str, **fields: Any) -> ProcessingSpec:
    """A job of its own ``name`` that leaves an output and runs ``script``."""
    path = lab.root / "scripts" / name / "process.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LEAVE + script)
    outputs = {"made": f"s3://{BUCKET}/made/{name}"}
    return ProcessingSpec(
        name=name, source=path.parent, program="process.py", outputs=outputs, **fields
    )


def process(
    own: PipesSageMakerProcessingClient,
    wanted: ProcessingSpec,
    *,
    instance: dg.DagsterInstance,
    retry_policy: dg.RetryPolicy | None = None,
    extras: dict[str, Any] | None = None,
) -> Ended:
    """Materialize the asset `model`, which is this job."""

    @dg.asset(retry_policy=retry_policy)
    def model(context: dg.AssetExecutionContext):
        return own.run_spec(context=context, spec=wanted, extras=extras).get_materialize_result()

    return Ended(dg.materialize([model], instance=instance, raise_on_error=False))


def jobs(lab: Lab, name: str) -> list[dict[str, Any]]:
    """Descriptions of the jobs of a name, oldest first."""
    sagemaker = lab.sagemaker.client()
    found = sagemaker.list_processing_jobs(NameContains=name, MaxResults=100)
    names = sorted(job["ProcessingJobName"] for job in found["ProcessingJobSummaries"])
    return [sagemaker.describe_processing_job(ProcessingJobName=job) for job in names]


def running(lab: Lab, name: str) -> dict[str, Any]:
    """The job of this name, once it has begun."""
    return eventually(
        lambda: next((job for job in jobs(lab, name) if "ProcessingStartTime" in job), None),
        f"job {name} to begin",
    )


def worker(lab: Lab, name: str, home: Path) -> subprocess.Popen[bytes]:
    """A process of its own that materializes the job of that name, with a RetryPolicy."""
    script = home / "worker.py"
    script.write_text(f"""
import pathlib, dagster as dg
from mlops_assets_tests.resources.sagemaker import processing_parts as parts
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets.resources.sagemaker.session import SageMakerResource
lab = Lab(pathlib.Path({str(lab.root)!r}), SageMakerResource(**{lab.sagemaker.model_dump()!r}))
text = (lab.root / "scripts" / {name!r} / "process.py").read_text()
spec = parts.spec(lab, {name!r}, text.removeprefix(parts.LEAVE))
with dg.DagsterInstance.ephemeral() as instance:
    parts.process(parts.client(lab), spec, instance=instance,
                  retry_policy=dg.RetryPolicy(max_retries=2))
""")
    return subprocess.Popen(
        [sys.executable, str(script)], env=python_environment(), stdout=subprocess.DEVNULL
    )
