"""What a partition is compared with: the champion's training data, else what came before.

Here: who the champion is and what it was trained on, without starting anything; which partitions
make the baseline. Not here: comparing (`drift_judging`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import BaseModel, ConfigDict

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.drifting.records import DriftRecord
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

if TYPE_CHECKING:
    from dagster._core.log_manager import DagsterLogManager

    from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

CHAMPION = "drift_champion"
_LAST = "last"
_PROFILED = "profiled_rows"
# Older partitions than these tell little of today, and every one is read.
_EARLIER = 90


class KnownChampion(BaseModel):
    """The champion as it was last seen, kept as station ``drift_champion``, partition ``last``.

    ``first`` to ``last``: the partitions that it was trained on. ``importance``: {feature: weight}
    of its artifact; empty where its training script tells none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    package_arn: str
    artifact_digest: str
    features_snapshot: str
    first: str
    last: str
    importance: dict[str, float]


class ProfiledRows(BaseModel):
    """Which snapshot of ``profile`` tells of a snapshot of ``features``: station ``profiled_rows``,
    "partition" the snapshot of ``features``. Only a static partition's are kept: it is overwritten.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile_snapshot: int


class Baseline(BaseModel):
    """Which partitions a window is compared with, and why these; ``snapshot`` of ``profile``, where
    they are not the ones of now."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["champion", "earlier", "none"]
    words: str
    partitions: tuple[str, ...] = ()
    snapshot: int | None = None
    package_arn: str | None = None
    importance: dict[str, float] = {}


def known_champion(
    pipeline: MLPipeline, store: Store, sagemaker: SageMakerResource, log: "DagsterLogManager"
) -> KnownChampion | None:
    """The champion serving now; the last one seen, where nobody can be asked.

    A local SageMaker API that is not running is left so: new data must not start servers. An API
    that does not answer is no reason to let new data wait either, so its errors only warn.
    """
    if not _answers(sagemaker):
        return _last_known(pipeline, store)
    # Imported here: boto3 takes its time, and is not needed where nobody is asked.
    from mlops_assets.resources.sagemaker.errors import NO_ANSWER
    from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
    from mlops_assets.resources.sagemaker.registry import registry

    try:
        client = sagemaker.client()
        arn = serving_package(client, pipeline.slug)
        if arn is None:
            return None
        known = _last_known(pipeline, store)
        if known is not None and known.package_arn == arn:
            return known
        package = registry.describe(client, arn)
    except NO_ANSWER as error:
        log.warning(f"The champion cannot be asked for, the last one known counts: {error}")
        return _last_known(pipeline, store)
    found = _described(store, package)
    store.save(pipeline.name, CHAMPION, _LAST, found)
    return found


def _answers(sagemaker: SageMakerResource) -> bool:
    if sagemaker.local_home is None:
        return True
    from mlops_assets.sagemaker_local import lifecycle

    return lifecycle.running(Path(sagemaker.local_home)) is not None


def _last_known(pipeline: MLPipeline, store: Store) -> KnownChampion | None:
    try:
        return store.load(KnownChampion, pipeline.name, CHAMPION, _LAST)
    except RecordNotFound:
        return None


def _described(store: Store, package: "ModelPackage") -> KnownChampion:
    first, _, last = package.lineage["trained_on"].partition(" to ")
    with fetch(store, package.model_data_url) as directory:
        told = directory / "importance.json"
        importance = json.loads(told.read_bytes()) if told.is_file() else {}
    return KnownChampion(
        package_arn=package.arn,
        artifact_digest=package.lineage["artifact_digest"],
        features_snapshot=package.lineage["features_snapshot"],
        first=first,
        last=last or first,
        importance={str(name): float(weight) for name, weight in importance.items()},
    )


def baseline(
    pipeline: MLPipeline,
    store: Store,
    champion: KnownChampion | None,
    partition: str,
    profiled: Sequence[str],
) -> Baseline:
    """The baseline of one partition, of those with a profile.

    The champion's training partitions without this one, which must not hide in its own baseline.
    Earlier partitions that were found broken are left out: a band around them would hide others.
    A static partition is its own, as it was when the champion was trained on it.
    """
    told = (
        {"package_arn": champion.package_arn, "importance": champion.importance} if champion else {}
    )
    if champion is not None:
        trained = tuple(p for p in profiled if champion.first <= p <= champion.last)
        others = tuple(p for p in trained if p != partition)
        if others:
            words = f"the champion's training data, {_span(others)}"
            return Baseline(kind="champion", words=words, partitions=others, **told)
        if pipeline.partitions.kind == "static" and trained:
            known = _profile_of(pipeline, store, champion.features_snapshot)
            if known is not None:
                words = "the champion's training data, as they were then"
                return Baseline(
                    kind="champion", words=words, partitions=trained, snapshot=known, **told
                )
    earlier: tuple[str, ...] = ()
    if pipeline.partitions.kind != "static":
        before = [p for p in profiled if p < partition][-_EARLIER:]
        earlier = tuple(p for p in before if not _failed(pipeline, store, p))
    if earlier:
        words = f"earlier partitions, {_span(earlier)}"
        return Baseline(kind="earlier", words=words, partitions=earlier, **told)
    return Baseline(kind="none", words="unknown: no baseline, nothing else is profiled", **told)


def _failed(pipeline: MLPipeline, store: Store, partition: str) -> bool:
    try:
        found = store.load(DriftRecord, pipeline.name, "drift", partition)
    except RecordNotFound:
        return False
    return found.status == "failing"


def remember(
    pipeline: MLPipeline, store: Store, features_snapshot: int, profile_snapshot: int
) -> None:
    """Keep which profile tells of a static partition's rows, for when they are overwritten."""
    found = ProfiledRows(profile_snapshot=profile_snapshot)
    store.save(pipeline.name, _PROFILED, str(features_snapshot), found)


def _profile_of(pipeline: MLPipeline, store: Store, features_snapshot: str) -> int | None:
    try:
        found = store.load(ProfiledRows, pipeline.name, _PROFILED, features_snapshot)
    except RecordNotFound:
        return None
    return found.profile_snapshot


def season(partition: str, profiled: Sequence[str]) -> tuple[str, ...]:
    """The partitions of the same calendar month a year earlier; none for a static partition.

    >>> season("2014-03-10", ["2013-02-24", "2013-03-03", "2013-03-10", "2014-03-03"])
    ('2013-03-03', '2013-03-10')
    """
    year, month = partition[:4], partition[4:7]
    if not year.isdigit():
        return ()
    return tuple(p for p in profiled if p[:7] == f"{int(year) - 1}{month}")


def _span(partitions: Sequence[str]) -> str:
    if len(partitions) == 1:
        return partitions[0]
    return f"{partitions[0]} to {partitions[-1]} ({len(partitions)} partitions)"


def require_profile(pipeline: MLPipeline, partition: str, profiled: Sequence[str]) -> None:
    """Raises dagster.Failure, naming the remedy, for a partition that has no profile."""
    if partition not in profiled:
        raise dg.Failure(
            f"{pipeline.name}/profile[{partition}] is not in the lake. Materialize it first: "
            f"--select 'key:\"{pipeline.name}/profile\"' --partition {partition}",
            allow_retries=False,
        )
