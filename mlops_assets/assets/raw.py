"""Station ``raw``: the source's rows of a partition, as they came, in the lake.

Here: reading and recording. Nothing is repaired or dropped; that is the next station's work.
"""

import dagster as dg

from mlops_assets.assets.preview import columns
from mlops_assets.assets.station import check, station
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.checks.rows_columns import SchemaMismatch, typed_columns
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.pipeline import MLPipeline


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @station(
        pipeline,
        "raw",
        description=f"Rows as the source has them. {pipeline.source.describe()}.",
        kinds={"pandas", "iceberg"},
        code_version=pipeline.code_version(type(pipeline.source), pipeline.raw_schema),
        io_manager_key="lake_io",
        dagster_type=dg.Any,
        metadata=columns(pipeline.raw_schema),
        checks=[
            check(
                pipeline,
                "raw",
                "raw_schema",
                f"Columns and types are those of {pipeline.raw_schema.__name__}.",
                blocking=True,
            )
        ],
    )
    def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        frames, verdicts, versions = {}, {}, {}
        schema = pipeline.raw_schema.to_schema()
        for partition in context.partition_keys:
            versions[partition] = pipeline.source.version(partition)
            frame = frames[partition] = pipeline.source.read(partition)
            context.log.info(f"{partition}: {len(frame):,} rows of {len(frame.columns)} columns")
            try:
                typed_columns(from_text(frame, schema), schema)
                verdicts[partition] = Verdict(True, f"{len(frame.columns)} columns as declared")
            except SchemaMismatch as mismatch:
                # Said now too: where the lake refuses the columns, no check result is recorded.
                context.log.error(f"{partition}: {mismatch}")
                verdicts[partition] = Verdict(False, str(mismatch))
        return dg.MaterializeResult(
            value=frames,
            metadata={"source_version": dg.MetadataValue.json(versions)},
            check_results=[combine("raw_schema", verdicts)],
        )

    return raw
