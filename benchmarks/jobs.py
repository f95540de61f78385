"""A trivial training job beside its floor: bare script, local SageMaker API, Dagster step.

Run: python benchmarks/jobs.py [--repeats 7]. The script writes one file. Printed are medians of one
run, in turns: the script in a Python of its own; the same as a training job, from CreateTrainingJob
until Describe says Completed; the same as a Dagster asset (`PipesSageMakerTrainingClient`), in an
instance on disk. Then Describe calls a second, of one client and of eight. Compare, don't quote.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets.objects import open_objects
from mlops_assets.resources.sagemaker.requests import Placement, TrainingSpec, training_request
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.resources.sagemaker.source import upload_source
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient
from mlops_assets.sagemaker_local import lifecycle

BUCKET = "benchmark"
SCRIPT = (
    'import os, pathlib\npathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("a")\n'
)
CALLS_S, CLIENTS = 3.0, 8


class World:
    """A local SageMaker API of its own, and a trivial script."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.script = root / "train.py"
        self.script.write_text(SCRIPT)
        where = f"dir:{root / 'buckets'}"
        self.sagemaker = SageMakerResource(local_home=str(root / "sagemaker"), local_objects=where)
        self.objects = open_objects(where)
        self.objects.write_if_absent(f"s3://{BUCKET}/data/part-0.csv", b"1,2\n")
        self._made = 0

    def spec(self) -> TrainingSpec:
        """The next job: another one than all before, or it would be adopted."""
        self._made += 1
        return TrainingSpec(
            pipeline="trivial",
            asset="model",
            partition=str(self._made),
            source=(self.script,),
            program=self.script.name,
            channels={"train": f"s3://{BUCKET}/data/"},
            hyperparameters={"number": self._made},
        )

    def bare(self) -> None:
        environment = {**os.environ, "SM_MODEL_DIR": str(self.root)}
        subprocess.run([sys.executable, str(self.script)], env=environment, check=True)

    def job(self) -> None:
        client = self.sagemaker.client()
        code = upload_source(self.objects, BUCKET, (self.script,))
        request = training_request(self.spec(), Placement(), bucket=BUCKET, code_uri=code)
        client.create_training_job(**request)
        while True:
            job = client.describe_training_job(TrainingJobName=request["TrainingJobName"])
            if job["TrainingJobStatus"] == "Completed":
                return
            if job["TrainingJobStatus"] != "InProgress":
                raise SystemExit(f"the job ended {job['TrainingJobStatus']}: {job}")
            time.sleep(0.01)

    def step(self, instance: dg.DagsterInstance) -> None:
        spec = self.spec()
        jobs = PipesSageMakerTrainingClient(
            self.sagemaker, lambda: self.objects, BUCKET, poll_interval=0.05
        )

        @dg.asset
        def trained(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            return jobs.run_spec(context=context, spec=spec).get_materialize_result()

        if not dg.materialize([trained], instance=instance).success:
            raise SystemExit("the step failed")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def calls_per_second(client: Any, name: str, clients: int) -> float:
    """Describe calls of several threads together."""
    until, counts = time.perf_counter() + CALLS_S, [0] * clients

    def ask(place: int) -> None:
        while time.perf_counter() < until:
            client.describe_training_job(TrainingJobName=name)
            counts[place] += 1

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / CALLS_S


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        world = World(root)
        (root / "dagster").mkdir()
        (root / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        try:
            with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
                ways: dict[str, Callable[[], None]] = {
                    "bare script": world.bare,
                    "training job": world.job,
                    "Dagster step": lambda: world.step(instance),
                }
                for work in ways.values():
                    work()  # the server's start, imports
                seconds: dict[str, list[float]] = {name: [] for name in ways}
                for _ in range(repeats):
                    for name, work in ways.items():
                        seconds[name].append(timed(work))
            client = world.sagemaker.client()
            name = client.list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobName"]
            rates = {n: calls_per_second(client, name, n) for n in (1, CLIENTS)}
        finally:
            lifecycle.stop(root / "sagemaker")
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for way, median in medians.items():
        over = median - medians["bare script"]
        print(f"{way:<13} {median:7.3f} s   {over:+.3f} s over the bare script")
    print(f"{'of which Dagster':<13} {medians['Dagster step'] - medians['training job']:.3f} s")
    for clients, rate in rates.items():
        print(f"Describe, {clients} client{'s' if clients > 1 else ' '} {rate:7.0f} calls/s")


if __name__ == "__main__":
    main()
