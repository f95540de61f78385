"""What a declaration needs of AWS: its features, as the statements name them.

Here: from `MLPipeline` to names. Not here: the statements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlops_assets.aws_images import AwsImage, algorithm_image
from mlops_assets.permissions.statement import Names
from mlops_assets.pipeline import EMRServerless, MLPipeline, Spark

_INGESTION = "mlops_assets.resources.ingestion."

FEATURES: dict[str, Callable[[MLPipeline], bool]] = {
    "asynchronous": lambda p: p.endpoint.asynchronous is not None,
    "autoscaling": lambda p: p.endpoint.autoscaling is not None,
    "batch": lambda p: p.batch is not None,
    "capture": lambda p: p.endpoint.capture_share > 0,
    "checkpoints": lambda p: p.training.use_spot,
    # No declaration says that branches are tried: asked for by `mlops iam --any`.
    "environments": lambda p: False,
    "manual_approval": lambda p: p.approval == "manual",
    "online": lambda p: p.endpoint.online is not None,
    # Beside Spark no station is a processing job: `mlops iam --with processing` asks for it.
    "processing": lambda p: _spark_on(p) == "processing",
    "spark": lambda p: _spark_on(p) == "processing",
    "spark_serverless": lambda p: isinstance(_spark_on(p), EMRServerless),
    "aws_image": lambda p: bool(_framework(p)),
    "athena": lambda p: "athena_table" in _source(p),
    "iceberg": lambda p: "iceberg_table" in _source(p),
    "ingestion": lambda p: type(p.source).__module__.startswith(_INGESTION),
    "redshift": lambda p: "redshift_database" in _source(p),
    "redshift_secret": lambda p: "redshift_secret" in _source(p),
    "redshift_user": lambda p: "redshift_user" in _source(p),
    "s3_source": lambda p: "s3_location" in _source(p),
    "temporary_endpoints": lambda p: p.endpoint.load_test is not None or p.endpoint.stop_when_idle,
    "tuning": lambda p: p.tuning is not None,
}


def features(pipeline: MLPipeline) -> frozenset[str]:
    """The features that a declaration uses."""
    return frozenset(name for name, uses in FEATURES.items() if uses(pipeline))


def names(pipeline: MLPipeline) -> Names:
    """What the pipeline's things are called, and where its rows come from."""
    found = {**_source(pipeline), "aws_framework": _framework(pipeline)}
    return Names(name=pipeline.name, slug=pipeline.slug, source=found)


def _spark_on(pipeline: MLPipeline) -> object:
    """Where its data stations run on Spark; None: nowhere."""
    return pipeline.engine.runs_on if isinstance(pipeline.engine, Spark) else None


def _framework(pipeline: MLPipeline) -> str:
    """The framework of AWS's image that the training runs in; empty: the platform's own."""
    image = pipeline.training.image
    if pipeline.training.algorithm is not None:
        image = algorithm_image(pipeline.training.algorithm)
    return image.framework if isinstance(image, AwsImage) else ""


def _source(pipeline: MLPipeline) -> dict[str, str]:
    """The source's place in AWS, by the placeholders of statements; empty: it has none.

    Read of the fields that the sources of `resources` have: those that a person writes for
    themselves say by the same ones what they need.
    """
    source: Any = pipeline.source
    location = str(getattr(source, "location", ""))
    table = str(getattr(source, "table", ""))
    database: Any = getattr(source, "database", "")
    if location.startswith("s3://"):
        place = location.removeprefix("s3://")
        found = {"s3_location": place, "s3_bucket": place.partition("/")[0]}
        catalog = {"iceberg_database": str(database), "iceberg_table": table} if table else {}
        return {**found, **catalog}
    if table and isinstance(database, str) and hasattr(source, "workgroup"):
        found = {"database": database, "table": table, "workgroup": source.workgroup}
        return {f"athena_{name}": value for name, value in found.items()}
    if table and hasattr(database, "cluster"):
        found = {
            "cluster": database.cluster,
            "database": database.database,
            "secret": database.secret_arn.rpartition(":secret:")[2],
            "user": "" if database.secret_arn else database.user,
        }
        return {f"redshift_{name}": value for name, value in found.items() if value}
    return {}
