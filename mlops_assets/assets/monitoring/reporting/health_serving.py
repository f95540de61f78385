"""The parts about serving: who serves, the last rollout, traffic, cost.

Here: reading records, the registry, CloudWatch's counts and the table of prices. Not here: changing
any of it.
"""

import datetime as dt

import pandas as pd

from mlops_assets.assets.endpoint import LAST, ROLLOUT
from mlops_assets.assets.monitoring.records import Status
from mlops_assets.assets.monitoring.reporting.health_part import Part, absent
from mlops_assets.assets.monitoring.reporting.histories import histories, latest
from mlops_assets.assets.monitoring.scoring.collect import reachable
from mlops_assets.assets.records import ModelRecord, RolloutRecord
from mlops_assets.assets.rollout_page import in_words
from mlops_assets.ml import health_plots
from mlops_assets.ml.report.html import Figure, Table
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.monitoring import invocations
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.errors import found_or_none
from mlops_assets.resources.sagemaker.hosting.cost import per_thousand, prices
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.session import SageMakerResource

_DAYS = 14
_MONTH_H = 730
_RESTS = "start the local SageMaker API (mlops up): it is not running, and looking starts nothing."
_NOT_YET = "materialize endpoint."


def serving(pipeline: MLPipeline, store: Store, sagemaker: SageMakerResource) -> Part:
    if not reachable(sagemaker):
        return absent("Serving", _RESTS)
    client = sagemaker.client()
    found = found_or_none(lambda: client.describe_endpoint(EndpointName=pipeline.slug))
    if found is None:
        return absent("Serving", _NOT_YET)
    arn = serving_package(client, pipeline.slug)
    if arn is None:
        return absent("Serving", "the endpoint serves no package of this pipeline: " + _NOT_YET)
    package = registry.describe(client, arn)
    status: Status = "healthy" if found["EndpointStatus"] == "InService" else "failing"
    reason = package.lineage.get("reason")
    return Part(
        name="Serving",
        status=status,
        figure=f"version {package.version} as of {package.lineage.get('as_of', 'unknown')}, "
        f"{found['EndpointStatus']}",
        bound="in service",
        words=f"{in_words(package)}".capitalize()
        + f", trained on {package.lineage.get('trained_on', 'unknown')} from commit "
        f"{package.lineage.get('commit', 'unknown')[:12]}"
        + (f", because of {reason}." if reason else "."),
        content=_rollout(pipeline, store),
    )


def _rollout(pipeline: MLPipeline, store: Store) -> tuple[Table, ...]:
    kept = latest(store, RolloutRecord, pipeline.name, ROLLOUT, LAST)
    if kept is None:
        return ()
    marks: dict[str, Status] = {"passed": "healthy", "failed": "failing", "unknown": "unknown"}
    last = kept.record
    return (
        Table(
            ("asked", "verdict", "found", "bound"),
            tuple((ln.name, marks[ln.status], ln.figure, ln.bound) for ln in last.lines),
            caption=f"The last rollout: {last.state}, by {last.policy}, begun {last.started}"
            + (f", {last.seconds:g} s" if last.seconds is not None else ""),
        ),
    )


def traffic(pipeline: MLPipeline, sagemaker: SageMakerResource) -> Part:
    """Requests by the day, from CloudWatch's counts."""
    if not reachable(sagemaker):
        return absent("Traffic", _RESTS, counts=False)
    client = sagemaker.client()
    found = found_or_none(lambda: client.describe_endpoint(EndpointName=pipeline.slug))
    if found is None:
        return absent("Traffic", _NOT_YET, counts=False)
    variants = [variant["VariantName"] for variant in found.get("ProductionVariants", [])]
    now = dt.datetime.now(dt.UTC)
    since = now - dt.timedelta(days=_DAYS)
    counts = invocations.by_hour(sagemaker.cloudwatch(), pipeline.slug, variants, since, now)
    days = _by_day(counts, since, now)
    asked, failed = int(days["answered"].sum() + days["failed"].sum()), int(days["failed"].sum())
    return Part(
        name="Traffic",
        status=None,
        figure=f"{asked:,} requests in {_DAYS} days, {failed:,} answered with an error",
        words=f"{asked:,} requests in the last {_DAYS} days; {failed:,} of them were answered with "
        "an error.",
        content=(
            Figure(
                health_plots.traffic(days),
                f"requests of the last {_DAYS} days",
                "By the day (UTC), as CloudWatch counted them. Probes of rollouts and load tests "
                "are requests too.",
            ),
        )
        if asked
        else (),
    )


def _by_day(
    counts: dict[str, dict[dt.datetime, int]], since: dt.datetime, until: dt.datetime
) -> pd.DataFrame:
    days = pd.date_range(since.date(), until.date(), freq="D")
    frame = pd.DataFrame(0, index=[f"{day:%m-%d}" for day in days], columns=["answered", "failed"])
    asked, *errors = (counts[name] for name in invocations.COUNTS)
    for when, count in asked.items():
        frame.loc[f"{when.astimezone(dt.UTC):%m-%d}", "answered"] += count
    for kind in errors:
        for when, count in kind.items():
            day = f"{when.astimezone(dt.UTC):%m-%d}"
            frame.loc[day, "failed"] += count
            frame.loc[day, "answered"] -= count
    return frame


def cost(pipeline: MLPipeline, store: Store) -> Part:
    """What serving and training cost, by the recorded table of prices."""
    declared, table = pipeline.endpoint, prices()
    rows: list[tuple[str, ...]] = []
    said = "no price is known"
    if declared.serverless:
        said = "serverless: by the request"
    elif (price := table.instances.get(declared.instance_type)) is not None:
        hourly = price.usd * declared.instance_count
        said = f"{hourly:.3f} USD an hour"
        thousand = per_thousand(declared.instance_type, declared.instance_count, 1.0)
        rows.append(
            (
                "serving",
                f"{declared.instance_count} × {declared.instance_type}",
                f"{hourly:.3f} an hour",
                f"{hourly * _MONTH_H:,.2f} a month; {thousand:.3f} a thousand predictions at one "
                "a second",
            )
        )
    trained = _training(pipeline, store)
    return Part(
        name="Cost",
        status=None,
        figure=said + (f", trainings {trained[-1]}" if trained else ""),
        words=f"On demand prices of {table.region} as of {table.as_of}, in USD. On this machine "
        "nothing is paid for: the figures say what AWS would ask.",
        content=(
            Table(
                ("of", "machines", "price", "comes to"),
                (*rows, *((trained,) if trained else ())),
            ),
        ),
    )


def _training(pipeline: MLPipeline, store: Store) -> tuple[str, ...]:
    kept = histories(store, ModelRecord, pipeline.name, "model")
    seconds = [k.record.billable_seconds for k in kept.values()]
    told = [s for s in seconds if s is not None]
    declared = pipeline.training
    price = prices().instances.get(declared.instance_type)
    if not told or price is None:
        return ()
    hourly = price.usd * declared.instance_count
    return (
        "training",
        f"{declared.instance_count} × {declared.instance_type}",
        f"{hourly:.3f} an hour",
        f"{sum(told) * hourly / 3600:.4f} for {len(told)} models ({sum(told):,} billable seconds)",
    )
