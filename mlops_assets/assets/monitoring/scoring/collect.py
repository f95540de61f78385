"""All evidence of a pipeline, collected once.

Here: asking each source. Not here: what a source shows (`from_checks`, `from_records`,
`from_registry`, `from_proofs`, `from_tests`), which line needs it (`rules`).
"""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from mlops_assets.assets.champion import champion
from mlops_assets.assets.monitoring.scoring import (
    from_checks,
    from_proofs,
    from_records,
    from_registry,
    from_tests,
)
from mlops_assets.assets.monitoring.scoring.evidence import Evidence, Piece
from mlops_assets.assets.monitoring.scoring.rules import RULES
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle

_CHECKS = tuple(
    dict.fromkeys(
        name
        for rule in RULES
        for name in rule.needs
        if "/" in name and not name.startswith("champion/")
    )
)


def collect(
    pipeline: MLPipeline,
    *,
    instance: dg.DagsterInstance,
    store: Store,
    sagemaker: SageMakerResource,
) -> Evidence:
    """Everything that is there now; what is not there is simply not among the pieces."""
    now, arn = time.time(), serving(pipeline, sagemaker)
    pieces = [
        *from_checks.checks(instance, pipeline, _CHECKS),
        *from_checks.rollback_drill(instance, pipeline),
        *from_checks.dependencies(instance, pipeline),
        *from_records.rollout(pipeline, store),
        *from_records.offline_and_online(pipeline, store),
        *from_records.training_seconds(pipeline, store),
        *from_proofs.proven(store, pipeline.name, arn),
        *from_tests.left_by_make(pipeline.name),
        *(_of_champion(pipeline, instance, store, sagemaker, arn, now) if arn else ()),
    ]
    return Evidence(
        pipeline=pipeline.name,
        now=now,
        # Of two of a name, such as a test report that was kept and one that lies here, the newer.
        pieces={piece.name: piece for piece in sorted(pieces, key=lambda piece: piece.at)},
        by_hand=from_proofs.spoken_for(store, pipeline.name),
    )


def serving(pipeline: MLPipeline, sagemaker: SageMakerResource) -> str | None:
    """The package that serves; None also where the local API rests: looking must not start it."""
    if not reachable(sagemaker):
        return None
    return serving_package(sagemaker.client(), pipeline.slug)


def reachable(sagemaker: SageMakerResource) -> bool:
    """Whether SageMaker can be asked without starting anything."""
    home = sagemaker.local_home
    return home is None or lifecycle.running(Path(home)) is not None


def _of_champion(
    pipeline: MLPipeline,
    instance: dg.DagsterInstance,
    store: Store,
    sagemaker: SageMakerResource,
    arn: str,
    now: float,
) -> Iterator[Piece]:
    client = sagemaker.client()
    package = registry.describe(client, arn)
    serves = champion(client, pipeline)
    if serves is not None:
        yield from from_records.champions_gates(pipeline, store, serves)
        challenged = from_records.last_challenged(pipeline, store, serves)
        yield from_checks.champions_age(instance, pipeline, serves.as_of, challenged, now)
    yield from from_registry.specification(pipeline, package)
    yield from from_registry.lead_time(pipeline, client, package)
