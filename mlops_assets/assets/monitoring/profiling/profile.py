"""Station ``profile``: what a partition's features look like, in counts that add up.

Here: the asset, its page, and what stations of profiles have in common. Not here: counting
(`ml.profiles`), the lake's table (`profiles`),
what is made of it (`drift`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.profiling import profiles
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import image, table
from mlops_assets.assets.station import key
from mlops_assets.ml.profiles import plots
from mlops_assets.ml.profiles import profile as counted
from mlops_assets.ml.profiles.categorical import CategoricalProfile
from mlops_assets.ml.profiles.numeric import NumericProfile
from mlops_assets.ml.profiles.profile import ColumnProfile, Profile
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

NAME = "profile"


class ProfileConfig(dg.Config):
    """How a partition is profiled.

    ``renew_grids``: make the pipeline's grids anew, from the first partition of this run. Worth it
    when many values lie beyond them ("beyond the grid", in the page's table).
    """

    renew_grids: bool = False


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    columns = [*pipeline.feature_columns, pipeline.label.column]

    def read(lake: "Lake", partition: str) -> pd.DataFrame:
        rows = lake.read(pipeline.table("features"), [partition], columns=columns)
        return profiles.with_class_names(pipeline, rows, pipeline.label.column)

    return profiled(
        pipeline,
        NAME,
        description="Counts, sums and missing values of each feature and the label. "
        "Windows of partitions are compared by them, without their data.",
        source="features",
        columns=columns,
        read=read,
    )


def profiled(
    pipeline: MLPipeline,
    name: str,
    *,
    description: str,
    source: str,
    columns: Sequence[str],
    read: Callable[["Lake", str], pd.DataFrame],
) -> dg.AssetsDefinition:
    """A station that profiles what ``read`` gives of a partition of the table ``source``."""

    @monitoring_station(
        pipeline,
        name,
        description=description,
        kinds={"numpy", "iceberg"},
        code_version=pipeline.code_version(counted.profile, list(columns), pipeline.personal),
        deps=[key(pipeline, source)],
        io_manager_key="lake_io",
        dagster_type=dg.Any,
    )
    def station(
        context: dg.AssetExecutionContext, config: ProfileConfig, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        found: dict[str, Profile] = {}
        for partition in context.partition_keys:
            rows = read(lake.open(), partition)
            renew = config.renew_grids and not found
            found[partition] = profiles.make(pipeline, store, rows, renew=renew)
            context.log.info(f"{partition}: {len(rows):,} rows of {len(columns)} columns profiled")
        return _written(pipeline, store, name, found)

    return station


def _written(
    pipeline: MLPipeline, store: Store, station: str, found: Mapping[str, Profile]
) -> dg.MaterializeResult:
    """Store partitions' profiles: rows for the lake, statistics.json, a page of the last one."""
    uris = {
        partition: profiles.write_statistics(pipeline, store, station, partition, one)
        for partition, one in found.items()
    }
    partition, last = list(found.items())[-1]
    names = profiles.in_order(pipeline, last)
    return dg.MaterializeResult(
        value={p: profiles.as_table(pipeline, p, one) for p, one in found.items()},
        metadata={
            "profiled rows": last.rows,
            "missing (%)": dg.MetadataValue.float(round(100 * _missing(last), 3)),
            "columns": table(_table(last, names, pipeline.personal)),
            "distributions": image(
                plots.overview(last, names=names, hide=pipeline.personal), "distributions"
            ),
            "statistics.json": dg.MetadataValue.path(uris[partition]),
        },
    )


def _missing(found: Profile) -> float:
    cells = sum(column.rows for column in found.columns.values())
    return sum(column.missing for column in found.columns.values()) / max(cells, 1)


def _table(found: Profile, names: Sequence[str], hide: Collection[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"column": name, **_words(found.columns[name], name in hide)} for name in names]
    )


def _words(column: ColumnProfile, hidden: bool) -> dict[str, object]:
    words: dict[str, object] = {
        "missing": f"{column.missing / max(column.rows, 1):.1%}" if column.missing else "",
        "distinct": "",
    }
    figures = dict.fromkeys(("mean", "σ", "1 %", "median", "99 %", "beyond the grid"), "")
    if isinstance(column, CategoricalProfile):
        words["distinct"] = f"{column.distinct:,}" if column.present else ""
        if column.counts and not hidden:
            name, rows = max(column.counts.items(), key=lambda item: (item[1], item[0]))
            figures["median"] = f"{name} ({rows / column.present:.0%})"
    elif isinstance(column, NumericProfile) and column.present:
        words["distinct"] = f"{column.distinct:,}" if column.distinct is not None else "many"
        figures |= {"mean": f"{column.mean:.4g}", "σ": f"{column.std:.4g}"}
        if not hidden:
            quantiles = column.told([0.01, 0.5, 0.99])
            figures |= dict(
                zip(("1 %", "median", "99 %"), (f"{q:.4g}" for q in quantiles), strict=True)
            )
        if column.beyond:
            figures["beyond the grid"] = f"{column.beyond / column.present:.2%}"
    return {**words, **figures}
