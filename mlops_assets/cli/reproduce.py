"""`mlops reproduce`: train a registered model again from what was recorded, compare the bytes.

The recorded job is asked for again as it was: the same code archive and dataset (both stored under
the digest of their content), parameters, image and machine. Before that, the dataset itself is
rebuilt from the lake's recorded snapshot and must have the recorded digest.
"""

import time
from collections.abc import Mapping
from typing import Any

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.scoring.from_proofs import keep, proof_of
from mlops_assets.assets.records import SplitRecord
from mlops_assets.assets.splits import rebuild
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.world import World, console
from mlops_assets.ml.artifact.manifest import verify
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.registry.person import person

_COPIED = (
    "AlgorithmSpecification",
    "RoleArn",
    "HyperParameters",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "VpcConfig",
)
_ENDED = ("Completed", "Failed", "Stopped")


def run(package_arn: str) -> None:
    world = World.open()
    client = world.sagemaker.client()
    try:
        package = registry.describe(client, package_arn)
    except registry.RegistryError as error:
        raise CommandError(f"{error}. The newest ones: mlops status") from None
    lineage = package.lineage
    pipeline = world.pipeline(lineage["pipeline"])
    _say_code(pipeline, lineage)
    problems = _dataset(world, pipeline, lineage)
    original = client.describe_training_job(TrainingJobName=lineage["job_arn"].rsplit("/", 1)[-1])
    again = _train_again(client, original)
    problems += _artifacts(world, package.model_data_url, again)
    _keep(world, pipeline, package_arn, problems)
    if problems:
        raise CommandError(f"{package_arn} was not reproduced: " + "; ".join(problems))
    console.print(f"[green]Reproduced[/]: {package_arn} is the same, byte for byte.")


def _keep(world: World, pipeline: MLPipeline, package_arn: str, problems: list[str]) -> None:
    """Evidence for `mlops scorecard`, whichever way it went."""
    found = "; ".join(problems) or "trained again from what was recorded, the same byte for byte"
    proof = proof_of(
        "reproduced",
        by=person(world.sagemaker),
        passed=not problems,
        words=found,
        subject=package_arn,
    )
    keep(world.store, pipeline.name, proof)


def _say_code(pipeline: MLPipeline, lineage: Mapping[str, str]) -> None:
    """Code that has moved on is said, not refused: the recorded archive is what trains."""
    now = pipeline.code_version(pipeline.training.script, *pipeline.training.files)
    same = now == lineage["code_version"]
    note = "as checked out" if same else f"recorded (checked out now: {now})"
    console.print(f"training code   {lineage['code_version']}, {note}")


def _dataset(world: World, pipeline: MLPipeline, lineage: Mapping[str, str]) -> list[str]:
    console.print(
        f"dataset         from snapshot {lineage['features_snapshot']} of the lake", end=""
    )
    record = SplitRecord.model_validate_json(world.store.open().read(lineage["split_uri"]))
    digest = rebuild(pipeline, world.lake, world.store, record)
    same = digest == lineage["dataset_digest"]
    console.print(", as recorded" if same else ", [red]differs[/]")
    return [] if same else [f"the dataset is {digest[:12]}, not {lineage['dataset_digest'][:12]}"]


def _train_again(client: Any, original: dict[str, Any]) -> dict[str, Any]:
    # A job's name is its identity, so a repetition needs one of its own.
    name = f"{original['TrainingJobName'][:48]}-again-{int(time.time()) % 10**6:06d}"
    request = {key: original[key] for key in _COPIED if original.get(key)}
    channels = [c for c in original["InputDataConfig"] if c["ChannelName"] != "dagster"]
    client.create_training_job(TrainingJobName=name, InputDataConfig=channels, **request)
    with console.status(f"training again: {name}"):
        while (job := client.describe_training_job(TrainingJobName=name))[
            "TrainingJobStatus"
        ] not in _ENDED:
            time.sleep(0.5)
    if job["TrainingJobStatus"] != "Completed":
        raise CommandError(f"{name} {job['TrainingJobStatus']}: {job.get('FailureReason', '')}")
    console.print(f"trained again   {name}, {job.get('BillableTimeInSeconds')} billable seconds")
    return job


def _artifacts(world: World, first: str, job: dict[str, Any]) -> list[str]:
    with (
        fetch(world.store, first) as old,
        fetch(world.store, job["ModelArtifacts"]["S3ModelArtifacts"]) as new,
    ):
        before, after = verify(old), verify(new)
        names = sorted({*before.files, *after.files})
        different = [n for n in names if before.files.get(n) != after.files.get(n)]
        same_manifest = (old / "manifest.json").read_bytes() == (new / "manifest.json").read_bytes()
    for name in names:
        mark = "[red]differs[/]" if name in different else "same"
        console.print(f"  {name:<16}{mark}  {before.files.get(name, 'absent')[:16]}")
    if not same_manifest and not different:
        different = ["manifest.json"]
    return [f"{name} differs" for name in different]
