"""Records as the monitoring stations leave them: a year of flights in which June goes wrong."""

from __future__ import annotations

import math
from pathlib import Path

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.drifting.records import DriftRecord, Finding
from mlops_assets.assets.monitoring.quality.records import (
    PerformanceRecord,
    StalenessAge,
    StalenessPair,
    StalenessRecord,
)
from mlops_assets.assets.monitoring.records import Decision, Interval, Line, Status
from mlops_assets.assets.records import ModelRecord, SplitRecord
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring.decisions import log
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

MONTHS = tuple(f"2013-{month:02d}-01" for month in range(4, 12))
COLUMNS = ("dep_delay_all_1h", "overdue_share_origin", "wx_visib", "hour", "dest_lat", "distance")
_BAD = "2013-06-01"


def store_in(home: Path) -> Store:
    return Store(bucket="mlops-local", objects=f"dir:{home / 'buckets'}")


def sagemaker_at_rest(home: Path) -> SageMakerResource:
    """A local API that was never started: nobody may start it by looking."""
    return SageMakerResource(local_home=str(home / "sagemaker"), local_objects=f"dir:{home}")


def drift(month: str, *, status: Status | None = None) -> DriftRecord:
    bad = month == _BAD
    effects = {
        name: (0.31 if bad and place < 2 else 0.01 + 0.03 * abs(math.sin(place + len(month))))
        for place, name in enumerate(COLUMNS)
    }
    findings = tuple(
        Finding(
            kind="drift",
            column=name,
            effect=0.31,
            threshold=0.06,
            p_value=1e-9,
            importance=weight,
            words="longer delays than in the months it was trained on",
        )
        for name, weight in zip(COLUMNS[:2], (0.4, 0.2), strict=True)
    )
    return DriftRecord(
        partition=month,
        baseline="2013-01-01 to 2013-03-01",
        baseline_kind="champion",
        package_arn=None,
        rows=28_000,
        baseline_rows=80_789,
        status=status or ("warning" if bad else "healthy"),
        matters=0.6 if bad else 0.0,
        findings=findings if bad else (),
        effects=effects,
    )


def performance(
    month: str, *, status: Status = "healthy", loss: float = 0.43, base_rate: float = 0.24
) -> PerformanceRecord:
    return PerformanceRecord(
        partition=month,
        versions={"1": 27_000},
        captured=27_000,
        labelled=26_500,
        expected=28_000,
        status=status,
        metrics={
            "log_loss": Interval(value=loss, low=loss - 0.008, high=loss + 0.008),
            "auc": Interval(value=0.76, low=0.75, high=0.77),
            "base_rate": Interval(value=base_rate, low=base_rate - 0.005, high=base_rate + 0.005),
        },
        estimate={"log_loss": 0.44},
        held_out={"log_loss": 0.45, "auc": 0.75, "base_rate": 0.24},
        lines=(Line(name="log_loss", figure=f"{loss}", bound="≤ 0.53", status=status),),
        calibration=tuple(
            {
                "predicted": 0.05 + 0.1 * place,
                "observed": 0.06 + 0.09 * place,
                "rows": 2700,
                "low": 0.05 + 0.09 * place,
                "high": 0.07 + 0.09 * place,
            }
            for place in range(8)
        ),
    )


def skew(month: str, *, different: int = 0) -> SkewRecord:
    return SkewRecord(
        partition=month,
        captured=27_000,
        offline=28_000,
        compared=26_990,
        different_rows=different,
        columns={"wx_visib": different} if different else {},
        status="failing" if different else "healthy",
        words=f"{different} of 26,990 compared rows differ",
    )


def staleness() -> StalenessRecord:
    ages = tuple(
        StalenessAge(
            age=age,
            pairs=9 - age,
            mean=Interval(
                value=0.43 + 0.006 * age, low=0.42 + 0.006 * age, high=0.45 + 0.006 * age
            ),
            loss=Interval(value=0.006 * (age - 1), low=0.0, high=0.012 * age),
        )
        for age in range(1, 7)
    )
    return StalenessRecord(
        primary="log_loss",
        status="healthy",
        words="A model loses 0.006 of log_loss with each month.",
        models=8,
        ages=ages,
        loss_per_partition=Interval(value=0.006, low=0.002, high=0.01),
        pairs=(
            StalenessPair(as_of="2013-04-01", partition="2013-05-01", age=1, rows=9, value=0.43),
        ),
    )


def decision(number: int, *, words: str = "drift on 60 % of the importance") -> Decision:
    return Decision(
        at=f"2013-07-{number:02d}T06:00:00+00:00",
        pipeline="flight_delays",
        trigger="drift",
        partition=_BAD,
        action="retrain" if number % 2 else "hold",
        words=words,
        run_key=f"drift:{number}",
    )


def model(month: str, seconds: int) -> tuple[ModelRecord, SplitRecord]:
    """A trained model with the split that it was trained on."""
    split = SplitRecord(
        as_of=month,
        dataset_uri=f"s3://mlops-local/datasets/{month}",
        digest=month,
        method="window",
        train_partitions=("2013-01-01",),
        missing_partitions=(),
        rows={"train": 80_000, "holdout": 27_000},
        unlabelled=0,
        features_snapshot=1,
    )
    trained = ModelRecord(
        as_of=month,
        job_name=f"job-{month}",
        job_arn=f"arn:aws:sagemaker:us-east-1:000000000000:training-job/job-{month}",
        artifact_uri=f"s3://mlops-local/jobs/{month}/model.tar.gz",
        artifact_digest=month,
        dataset_digest=month,
        image="local",
        hyperparameters={},
        code_version="c",
        commit="unknown",
        platform_version="0",
        billable_seconds=seconds,
        metrics={},
    )
    return trained, split


def a_year(pipeline: MLPipeline, store: Store) -> None:
    """All of them, stored."""
    for place, month in enumerate(MONTHS):
        store.save(pipeline.name, "drift", month, drift(month))
        worse = 0.49 if month == _BAD else 0.43 + 0.004 * place
        store.save(pipeline.name, "performance", month, performance(month, loss=worse))
        store.save(pipeline.name, "skew", month, skew(month))
        trained, split = model(month, 20 + place)
        store.save(pipeline.name, "model", month, trained)
        store.save(pipeline.name, "splits", month, split)
    store.save(pipeline.name, "staleness", "now", staleness())
    decided = log(store, pipeline.name, Decision)
    for number in range(1, 6):
        assert decided.append(decision(number), after=number - 1)
