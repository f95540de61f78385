"""Evidence from the records that stations and commands leave in the store.

Here: what each kind of record shows. Not here: what Dagster remembers (`from_checks`), the registry
(`from_registry`).
"""

import datetime as dt
import statistics
from collections.abc import Iterator

from mlops_assets.assets.champion import Champion
from mlops_assets.assets.endpoint import LAST, ROLLOUT
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Interval
from mlops_assets.assets.monitoring.reporting.histories import Kept, histories, latest
from mlops_assets.assets.monitoring.scoring.evidence import Piece
from mlops_assets.assets.records import EvaluationRecord, ModelRecord, RolloutRecord, SplitRecord
from mlops_assets.ml.normalized_entropy import entropy
from mlops_assets.pipeline import AllAtOnce, MLPipeline
from mlops_assets.resources.records import Store

_GATES = ("quality", "beats_baselines", "no_leak")
_AGREEING_PARTITIONS = 3
_AGREEING_SHARE = 2 / 3
# A training may take so many times its predecessors' seconds, and start as much later.
_SLOWER, _STARTING_S = 2.0, 30.0


def champions_gates(pipeline: MLPipeline, store: Store, champion: Champion) -> Iterator[Piece]:
    """What the gates said of the model that serves, before it did."""
    kept = latest(store, EvaluationRecord, pipeline.name, "evaluation", champion.as_of)
    if kept is None:
        return
    mine = kept.record.artifact_digest == champion.artifact_digest
    for gate in kept.record.gates:
        if gate.name in _GATES:
            yield Piece(
                name=f"champion/{gate.name}",
                at=kept.at,
                passed=gate.passed,
                words=gate.description,
                link=f"/assets/{pipeline.name}/evaluation?partition={champion.as_of}",
                current=mine,
            )


def last_challenged(pipeline: MLPipeline, store: Store, champion: Champion) -> str:
    """The newest partition as of which the champion was the better one, on the same rows."""
    return max(
        (
            kept.record.as_of
            for kept in histories(store, EvaluationRecord, pipeline.name, "evaluation").values()
            if kept.record.champion == champion.package_arn
            and any(g.name == "beats_champion" and not g.passed for g in kept.record.gates)
        ),
        default=champion.as_of,
    )


def rollout(pipeline: MLPipeline, store: Store) -> Iterator[Piece]:
    """How the last rollout was tried out, and what it did to the latency."""
    kept = latest(store, RolloutRecord, pipeline.name, ROLLOUT, LAST)
    if kept is None:
        return
    last, link = kept.record, f"/assets/{pipeline.name}/endpoint"
    staged = not isinstance(pipeline.endpoint.rollout, AllAtOnce)
    if staged and last.champion_arn is not None and last.state != "running":
        yield Piece("canary", kept.at, True, f"{last.state} by {last.policy}", link)
    for line in last.lines:
        if line.name == "latency" and line.status != "unknown":
            yield Piece("rollout latency", kept.at, line.status == "passed", line.figure, link)


def offline_and_online(pipeline: MLPipeline, store: Store) -> Iterator[Piece]:
    """Whether held-out figures told what came true: of the partitions with labels, how many lie
    within the declared tolerance and their own interval of the champion's held-out figure."""
    metric = pipeline.evaluation.primary
    compared = [
        (kept.at, *_on_one_scale(pipeline, kept.record))
        for kept in histories(store, PerformanceRecord, pipeline.name, "performance").values()
        if metric in kept.record.metrics and metric in kept.record.held_out
    ]
    if len(compared) < _AGREEING_PARTITIONS:
        return
    near = sum(
        realised.low - allowed <= promised <= realised.high + allowed
        for _, realised, promised, allowed in compared
    )
    called = f"{metric}, as a share of its base rate's," if _by_base_rate(pipeline) else metric
    yield Piece(
        name="offline agrees with online",
        at=max(at for at, *_ in compared),
        passed=near >= _AGREEING_SHARE * len(compared),
        words=f"{called} of {near} of {len(compared)} partitions within ± {compared[-1][-1]:.4g} "
        "of the held-out figure, beyond its interval",
        link=f"/assets/{pipeline.name}/performance",
    )


def _by_base_rate(pipeline: MLPipeline) -> bool:
    return pipeline.evaluation.primary == "log_loss" and pipeline.label.kind == "binary"


def _on_one_scale(pipeline: MLPipeline, record: PerformanceRecord) -> tuple[Interval, float, float]:
    """What came true, what was promised, and the tolerance.

    Where more happens, every log-loss is larger: held-out rows of a calm month and the answers of
    a stormy one compare as shares of what their own base rates are worth.
    """
    metric = pipeline.evaluation.primary
    realised, promised = record.metrics[metric], record.held_out[metric]
    allowed = pipeline.monitors.performance.allowed(metric, record.held_out) or 0.0
    if not _by_base_rate(pipeline):
        return realised, promised, allowed
    there, here = entropy(record.held_out["base_rate"]), entropy(record.metrics["base_rate"].value)
    share = Interval(
        value=realised.value / here, low=realised.low / here, high=realised.high / here
    )
    return share, promised / there, allowed / there


def training_seconds(pipeline: MLPipeline, store: Store) -> Iterator[Piece]:
    """The newest training beside the others: seconds, held against the rows where they grew."""
    models = histories(store, ModelRecord, pipeline.name, "model")
    splits = histories(store, SplitRecord, pipeline.name, "splits")
    timed: list[tuple[Kept[ModelRecord], float, int]] = [
        (kept, float(kept.record.billable_seconds), splits[name].record.rows["train"])
        for name, kept in models.items()
        if kept.record.billable_seconds is not None and name in splits
    ]
    if len(timed) < 2:
        return
    (newest, seconds, rows), *others = sorted(timed, key=lambda t: t[0].at, reverse=True)
    usual = statistics.median(s for _, s, _ in others)
    usual_rows = statistics.median(r for _, _, r in others)
    bound = _SLOWER * usual * max(1.0, rows / usual_rows) + _STARTING_S
    yield Piece(
        name="training seconds",
        at=newest.at,
        passed=seconds <= bound,
        words=f"{seconds:.0f} s for {rows:,} rows; {usual:.0f} s for {usual_rows:,.0f} before "
        f"(bound {bound:.0f} s)",
        link=f"/assets/{pipeline.name}/model",
    )


def age_of(record_at: str) -> float:
    """Seconds since the epoch of a record's own time."""
    return dt.datetime.fromisoformat(record_at).timestamp()
