"""`mlops reproduce`: train a registered model again from what was recorded, compare the bytes.

The recorded job is asked for again as it was: the same code archive and dataset (both stored under
the digest of their content), parameters, image and machine; but from its beginning, on an instance
of its own: a checkpoint would hand back the model that is in question. Before that, the dataset
itself is rebuilt from the lake's recorded snapshot and must have the recorded digest.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.from_aws import sealed_artifact
from mlops_assets.assets.monitoring.scoring.from_proofs import keep, proof_of
from mlops_assets.assets.records import UNKNOWN, SplitRecord
from mlops_assets.assets.splits import rebuild
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.world import World, console
from mlops_assets.ml.artifact.manifest import NAME as MANIFEST
from mlops_assets.ml.artifact.manifest import Manifest, verify
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.jobs.attempts import Wanted
from mlops_assets.resources.sagemaker.jobs.driver import INTERRUPTIONS, Driver
from mlops_assets.resources.sagemaker.jobs.kinds import TRAINING
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.registry.person import person
from mlops_assets.resources.sagemaker.requests import DAGSTER_CHANNEL

# Left out on purpose: EnableManagedSpotTraining and CheckpointConfig.
_COPIED = (
    "AlgorithmSpecification",
    "RoleArn",
    "HyperParameters",
    "OutputDataConfig",
    "ResourceConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "VpcConfig",
)
_ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Comparison:
    """Two artifacts, file by file: {name: digest's beginning} of all, names of those that differ.

    ``notes`` are differences of what they were trained on which left no trace in the bytes.
    """

    files: Mapping[str, str]
    differing: tuple[str, ...]
    notes: tuple[str, ...]


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
    job = train_again(world, original)
    again = sealed_artifact(pipeline, world.store, lineage["dataset_uri"], job)
    found = compare(world.store, package.model_data_url, again)
    _show(found)
    problems += [f"{name} differs" for name in found.differing]
    _keep(world, pipeline, package_arn, problems, found.notes)
    if problems:
        told = "; ".join([*problems, *found.notes])
        raise CommandError(f"{package_arn} was not reproduced: {told}")
    console.print(f"[green]Reproduced[/]: {package_arn} is the same, byte for byte.")


def _keep(
    world: World,
    pipeline: MLPipeline,
    package_arn: str,
    problems: list[str],
    notes: tuple[str, ...],
) -> None:
    """Evidence for `mlops scorecard`, whichever way it went."""
    same = "trained again from what was recorded, the same byte for byte"
    proof = proof_of(
        "reproduced",
        by=person(world.sagemaker),
        passed=not problems,
        words="; ".join([*(problems or [same]), *notes]),
        subject=package_arn,
    )
    keep(world.store, pipeline.name, proof)


def _say_code(pipeline: MLPipeline, lineage: Mapping[str, str]) -> None:
    """Code that has moved on is said, not refused: the recorded archive is what trains."""
    now = pipeline.code_version(*pipeline.training.version)
    same = now == lineage["code_version"]
    note = "as checked out" if same else f"recorded (checked out now: {now})"
    console.print(f"training code   {lineage['code_version']}, {note}")
    lock, seed = (lineage.get(name, UNKNOWN) for name in ("environment_lock", "seed"))
    console.print(f"recorded        environment {lock[:12]}, seed {seed}")


def _dataset(world: World, pipeline: MLPipeline, lineage: Mapping[str, str]) -> list[str]:
    console.print(
        f"dataset         from snapshot {lineage['features_snapshot']} of the lake", end=""
    )
    record = SplitRecord.model_validate_json(world.store.open().read(lineage["split_uri"]))
    digest = rebuild(pipeline, world.lake, world.store, record)
    same = digest == lineage["dataset_digest"]
    console.print(", as recorded" if same else ", [red]differs[/]")
    return [] if same else [f"the dataset is {digest[:12]}, not {lineage['dataset_digest'][:12]}"]


def again_request(original: Mapping[str, Any], name: str) -> dict[str, Any]:
    """CreateTrainingJob's parameters for a job of another name that does the same from the start.

    Args:
        original: the description of the job that made the model.
    """
    request = {key: original[key] for key in _COPIED if original.get(key)}
    channels = [c for c in original["InputDataConfig"] if c["ChannelName"] != DAGSTER_CHANNEL]
    variables = {
        key: value
        for key, value in original.get("Environment", {}).items()
        if not key.startswith("DAGSTER_PIPES_")  # nobody listens to this job
    }
    condition = {"MaxRuntimeInSeconds": original["StoppingCondition"]["MaxRuntimeInSeconds"]}
    return {
        "TrainingJobName": name,
        **request,
        "InputDataConfig": channels,
        "Environment": variables,
        "StoppingCondition": condition,
    }


def train_again(world: World, original: Mapping[str, Any]) -> dict[str, Any]:
    """The repeated training job, as described once it is completed."""
    # A job's name is its identity, so a repetition needs one of its own.
    name = f"{original['TrainingJobName'][:48]}-again-{int(time.time()) % 10**6:06d}"
    poll_interval = 0.5 if world.sagemaker.is_local else 5.0
    driver = Driver(world.sagemaker.client, TRAINING, poll_interval, console.print)
    try:
        driver.start(Wanted(again_request(original, name), spec_hash=""))
        with console.status(f"training again: {name}"):
            job = driver.until_ended(name)
    except INTERRUPTIONS:
        raise CommandError(driver.terminate(name)) from None
    if TRAINING.status(job) != "Completed":
        raise CommandError(f"{name} {TRAINING.status(job)}: {job.get('FailureReason', '')}")
    console.print(f"trained again   {name}, {job.get('BillableTimeInSeconds')} billable seconds")
    return dict(job)


def compare(store: Store, first: str, second: str) -> Comparison:
    """Two artifacts by URI, whole ones: each file by its digest, then the rest of the manifests."""
    with fetch(store, first) as old, fetch(store, second) as new:
        return compared(verify(old), verify(new))


def compared(before: Manifest, after: Manifest) -> Comparison:
    """What differs between two artifacts of the same training.

    The environments' packages are told beside the bytes, not as a part of them: a newer release of
    a package that gives the same model is no failure to reproduce it, and worth knowing.
    """
    names = sorted({*before.files, *after.files})
    differing = [name for name in names if before.files.get(name) != after.files.get(name)]
    # What only another release of the platform records is no difference of the training.
    shared = {*before.training} & {*after.training} - {_ENVIRONMENT}
    rest = [
        replace(each, files={}, training={name: each.training[name] for name in shared}).to_bytes()
        for each in (before, after)
    ]
    if rest[0] != rest[1]:
        differing.append(MANIFEST)
    files = {name: before.files.get(name, "absent")[:16] for name in names}
    return Comparison(
        {**files, MANIFEST: before.digest()[:16]}, tuple(differing), _notes(before, after)
    )


def _notes(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Each package, and the interpreter, whose version is another."""
    then, now = (_versions(manifest.training.get(_ENVIRONMENT, {})) for manifest in (before, after))
    return tuple(
        f"{name} was {then.get(name, 'absent')}, is {now.get(name, 'absent')}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    )


def _versions(environment: Mapping[str, Any]) -> dict[str, str]:
    own = {name: environment[name] for name in ("python", "machine") if name in environment}
    return {**environment.get("packages", {}), **own}


def _show(found: Comparison) -> None:
    for name, digest in found.files.items():
        mark = "[red]differs[/]" if name in found.differing else "same"
        console.print(f"  {name:<16}{mark}  {digest}")
    for note in found.notes:
        console.print(f"  [yellow]environment[/]     {note}")
