"""What every station's asset has in common: key, group, owners, partitions, how ranges run.

Here: the decorator that gives a function those. Not here: anything a single station does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from mlops_assets import run_size
from mlops_assets.beta import allowed_beta
from mlops_assets.pipeline import MLPipeline


def key(pipeline: MLPipeline, station: str) -> dg.AssetKey:
    return dg.AssetKey([pipeline.name, station])


def check(
    pipeline: MLPipeline, station: str, name: str, description: str, *, blocking: bool = False
) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=name, asset=key(pipeline, station), description=description, blocking=blocking
    )


def common(pipeline: MLPipeline, kinds: set[str]) -> dict[str, Any]:
    """The arguments that `dg.AssetSpec` and `dg.asset` share for a pipeline's stations."""
    return {
        "group_name": pipeline.name,
        "owners": list(pipeline.owners),
        "kinds": kinds,
        # With the size of a run's task, which is by what the run materializes.
        "tags": {"pipeline": pipeline.name, **run_size.declared(pipeline.run_tags)},
    }


def station(
    pipeline: MLPipeline,
    name: str,
    *,
    description: str,
    kinds: set[str],
    code_version: str,
    deps: Sequence[dg.AssetDep | dg.AssetKey] = (),
    checks: Sequence[dg.AssetCheckSpec] = (),
    partitioned: bool = True,
    group: str | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorate a function as the asset of one station.

    A range of partitions runs as one run (`BackfillPolicy.single_run`): the body loops over
    ``context.partition_keys``. ``partitioned=False``: one state of the whole pipeline, as of now.
    """

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        shared = common(pipeline, kinds)
        if group is not None:
            shared["group_name"] = group
        with allowed_beta():
            return dg.asset(
                key=key(pipeline, name),
                description=description,
                partitions_def=pipeline.partitions.definition if partitioned else None,
                backfill_policy=dg.BackfillPolicy.single_run() if partitioned else None,
                code_version=code_version,
                deps=deps,
                check_specs=list(checks),
                **shared,
                **options,
            )(function)

    return decorate
