"""Station ``staleness``: what age does to this pipeline's models, from the as-of back-test.

Here: the asset, its check and its page. Not here: measuring the pairs (`staleness_pairs`), the
arithmetic (`ml.performance.staleness`). Only where partitions are windows of time.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.quality.records import (
    StalenessAge,
    StalenessPair,
    StalenessRecord,
)
from mlops_assets.assets.monitoring.quality.staleness_pairs import back_test
from mlops_assets.assets.monitoring.records import Interval, Status
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import image, table
from mlops_assets.assets.station import check, key
from mlops_assets.checks.results import Verdict
from mlops_assets.ml.performance import plots, staleness
from mlops_assets.ml.performance.intervals import Measured
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import RecordNotFound, Store

STATION = "staleness"
NOW = "now"
"""The partition under which the one record is stored."""
LEAST_PARTITIONS = 3
"""With fewer partitions that models of two ages answered, the impact of age is not known."""


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @monitoring_station(
        pipeline,
        STATION,
        description="Age of a model against its quality: every recorded model on later partitions.",
        kinds={"onnx"},
        code_version=pipeline.code_version(back_test, staleness.curve, pipeline.evaluation.primary),
        deps=[key(pipeline, "model"), key(pipeline, "features")],
        partitioned=False,
        checks=[
            check(pipeline, STATION, "staleness_known", "The impact of model staleness is known.")
        ],
    )
    def staleness_station(
        context: dg.AssetExecutionContext, lake: LakeResource, store: Store
    ) -> dg.MaterializeResult:
        models, pairs = back_test(pipeline, lake.open(), store, context.log.info)
        record = summary(pipeline.evaluation.primary, models, pairs)
        store.save(pipeline.name, STATION, NOW, record)
        verdict = Verdict(record.status == "healthy", record.words)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(
                hashlib.sha256(record.model_dump_json().encode()).hexdigest()[:16]
            ),
            metadata=_page(record),
            check_results=[
                dg.AssetCheckResult(
                    check_name="staleness_known",
                    passed=verdict.passed,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=verdict.description,
                )
            ],
        )

    return staleness_station


def known_pairs(pipeline: MLPipeline, store: Store) -> list[staleness.Pair]:
    """The back-test's pairs as last recorded, for `ml.performance.staleness.expected_gain`; none
    where the station has not run."""
    try:
        record = store.load(StalenessRecord, pipeline.name, STATION, NOW)
    except RecordNotFound:
        return []
    return _pairs(record.pairs) if record.primary == pipeline.evaluation.primary else []


def summary(primary: str, models: int, pairs: Sequence[StalenessPair]) -> StalenessRecord:
    """What the pairs say, in figures and in words."""
    found = _pairs(pairs)
    slope = staleness.loss_per_partition(found, primary)
    fresh = {pair.partition for pair in found if pair.age == staleness.FRESHEST}
    compared = {p.partition for p in found if p.age > staleness.FRESHEST and p.partition in fresh}
    status: Status = "healthy" if len(compared) >= LEAST_PARTITIONS else "unknown"
    return StalenessRecord(
        primary=primary,
        status=status,
        words=_words(primary, models, len(found), len(compared), slope),
        models=models,
        ages=tuple(
            StalenessAge(
                age=point.age,
                pairs=point.pairs,
                mean=Interval(**vars(point.mean)),
                loss=Interval(**vars(point.loss)) if point.loss else None,
            )
            for point in staleness.curve(found, primary)
        ),
        loss_per_partition=Interval(**vars(slope)) if slope else None,
        pairs=tuple(pairs),
    )


def _pairs(pairs: Sequence[StalenessPair]) -> list[staleness.Pair]:
    return [staleness.Pair(p.as_of, p.partition, p.age, p.value) for p in pairs]


def _words(primary: str, models: int, pairs: int, compared: int, slope: Measured | None) -> str:
    if slope is None or compared < LEAST_PARTITIONS:
        return (
            f"unknown: {models} models and {pairs} pairs, {compared} partitions answered by models "
            f"of two ages, needs {LEAST_PARTITIONS}. Back-fill `model` over earlier partitions"
        )
    loss = f"{slope.value:+.4f} [{slope.low:+.4f}, {slope.high:+.4f}]"
    known = "age costs" if slope.low > 0 else "age gains" if slope.high < 0 else "no clear cost"
    return (
        f"{primary} worse by {loss} for each partition of age ({known}); {models} models, "
        f"{pairs} pairs, {compared} partitions compared"
    )


def staleness_plot(record: StalenessRecord) -> bytes:
    """The curve of a record, for its page and for reports."""
    curve = [
        staleness.AgeQuality(
            age.age,
            age.pairs,
            Measured(**age.mean.model_dump()),
            Measured(**age.loss.model_dump()) if age.loss else None,
        )
        for age in record.ages
    ]
    return plots.ages(curve, record.primary)


def _page(record: StalenessRecord) -> dict[str, Any]:
    rows = [
        {
            "age": age.age,
            "pairs": age.pairs,
            record.primary: f"{age.mean.value:.4f}",
            "lost": f"{age.loss.value:+.4f}" if age.loss else "–",
            "95 %": f"{age.loss.low:+.4f} to {age.loss.high:+.4f}" if age.loss else "–",
        }
        for age in record.ages
    ]
    shown: dict[str, Any] = {
        "impact": record.words,
        "by age": table(pd.DataFrame(rows)),
        "curve": image(staleness_plot(record), "quality by age"),
    }
    if record.loss_per_partition is not None:
        shown["loss per partition"] = round(record.loss_per_partition.value, 5)
    return shown
