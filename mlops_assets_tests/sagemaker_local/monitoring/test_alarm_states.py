"""When an alarm is in which state, and what metric math makes of measurements."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.monitoring.alarm_state import (
    Definition,
    decide,
    definition,
    evaluate,
)
from mlops_assets.sagemaker_local.monitoring.metric_math import Expression
from mlops_assets.sagemaker_local.monitoring.metric_store import Bucket, Metric, MetricStore

X, G, _ = True, False, None  # breaching, good, missing; the newest is the last
OK, ALARM, NONE = "OK", "ALARM", "INSUFFICIENT_DATA"

# The table of "How CloudWatch alarms treat missing data", 3 of 3 datapoints, state before: OK.
# Columns: missing, ignore, breaching, notBreaching.
TABLE = [
    ((G, X, X), (OK, OK, OK, OK)),
    ((_, _, G), (OK, OK, OK, OK)),
    ((_, _, _), (NONE, OK, ALARM, OK)),
    ((X, X, X), (ALARM, ALARM, ALARM, ALARM)),
    ((X, _, _), (ALARM, OK, ALARM, OK)),
    ((_, _, X), (OK, OK, ALARM, OK)),
    ((X, _, G), (OK, OK, OK, OK)),
]


@pytest.mark.parametrize(("points", "states"), TABLE)
def test_missing_datapoints_are_treated_as_documented(points, states):
    """A gap in the metric must roll back a deployment exactly when it would on AWS."""
    for treatment, state in zip(
        ("missing", "ignore", "breaching", "notBreaching"), states, strict=True
    ):
        assert decide(points[::-1], 3, treatment, OK) == state, treatment


def test_m_of_n_datapoints_alarm():
    """Two bad minutes of three, whichever they are."""
    assert decide((X, G, X), 2, "missing", OK) == ALARM
    assert decide((X, G, G), 2, "missing", ALARM) == OK


@given(
    st.lists(st.sampled_from([X, G, _]), min_size=1, max_size=8),
    st.data(),
    st.sampled_from(["missing", "ignore", "breaching", "notBreaching"]),
)
def test_enough_bad_datapoints_always_alarm_and_none_never(points, data, treatment):
    """Whatever is missing: a metric that is bad often enough is in ALARM, a good one is OK."""
    needed = data.draw(st.integers(1, len(points)))
    state = decide(points, needed, treatment, OK)
    if points.count(True) >= needed:
        assert state == ALARM
    if None not in points and points.count(True) < needed:
        assert state == OK


def alarm(**changes) -> Definition:
    right = {
        "Namespace": "n",
        "MetricName": "m",
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 0.5,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    return definition({k: v for k, v in (right | changes).items() if v is not None})


def test_the_window_slides_and_includes_the_running_second():
    """A rollback that waits for a minute to be over costs a minute of errors."""
    store, now = MetricStore(), 1_000_000.9
    bucket = store.series(Metric("n", "m", ())).bucket(int(now))
    bucket.add(1.0)
    assert evaluate(alarm(), store, now, OK)[0] == ALARM
    assert evaluate(alarm(), store, now + 9, OK)[0] == ALARM
    assert evaluate(alarm(), store, now + 10, OK)[0] == NONE
    state, reason = evaluate(alarm(), store, now, OK)
    assert (state, "was greater than the threshold (0.5)" in reason) == (ALARM, True)


def test_an_expression_over_two_metrics_can_alarm():
    """An error share is a quotient: errors alone say nothing at night or at noon."""
    store, now = MetricStore(), 1_000_000

    def stat(id_: str, name: str) -> dict:
        of = {"Metric": {"Namespace": "n", "MetricName": name}, "Period": 10, "Stat": "Sum"}
        return {"Id": id_, "MetricStat": of, "ReturnData": False}

    share = {"Id": "share", "Expression": "100*e/i", "ReturnData": True}
    metrics = [stat("e", "errors"), stat("i", "invocations"), share]
    own = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))
    of = alarm(Metrics=metrics, Threshold=1.0, **own)
    for number in range(200):
        store.series(Metric("n", "invocations", ())).bucket(now).add(1.0)
        store.series(Metric("n", "errors", ())).bucket(now).add(float(number < 2))
    assert evaluate(of, store, now, OK)[0] == OK
    store.series(Metric("n", "errors", ())).bucket(now).add(1.0)
    assert evaluate(of, store, now, OK)[0] == ALARM


def test_few_samples_do_not_decide_a_percentile_if_so_declared():
    """The p99 of three requests is their maximum: one cold start is no slow model."""
    store, now = MetricStore(), 1_000_000
    of = alarm(Statistic=None, ExtendedStatistic="p99", EvaluateLowSampleCountPercentile="ignore")
    bucket = store.series(Metric("n", "m", ())).bucket(now)
    for _number in range(999):
        bucket.add(1.0)
    assert evaluate(of, store, now, OK)[0] == OK
    bucket.add(1.0)
    assert evaluate(of, store, now, OK)[0] == ALARM


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Period": 15}, "10, 20, 30 or a multiple of 60"),
        ({"Period": 5}, "10, 20, 30 or a multiple of 60"),
        ({"Period": 3600, "EvaluationPeriods": 200}, "must not exceed"),
        ({"DatapointsToAlarm": 2}, "1 to EvaluationPeriods"),
        ({"EvaluationPeriods": None}, "EvaluationPeriods"),
        ({"Threshold": None}, "Threshold"),
        ({"Statistic": None}, "Statistic or ExtendedStatistic"),
        ({"Statistic": None, "ExtendedStatistic": "tm99"}, "none of"),
        ({"TreatMissingData": "whatever"}, "none of missing"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "does not support"),
        ({"Metrics": []}, "exclude"),
    ],
)
def test_a_wrong_alarm_is_refused(changes, words):
    """An alarm that can never go off is worse than none."""
    with pytest.raises(ApiError, match=words):
        alarm(**changes)


@pytest.mark.parametrize(
    ("text", "points", "value"),
    [
        ("100*e/i", {"e": 1.0, "i": 4.0}, 25.0),
        ("e/i", {"e": 1.0, "i": 0.0}, None),
        ("e/i", {"e": None, "i": 1.0}, None),
        ("FILL(e, 0)/i", {"e": None, "i": 2.0}, 0.0),
        ("IF(i > 10, e/i, 0)", {"e": 5.0, "i": 20.0}, 0.25),
        ("IF(i > 10, e/i, 0)", {"e": 5.0, "i": 2.0}, 0.0),
        ("IF(i >= 1 && e < 2, 1, -1)", {"e": 5.0, "i": 2.0}, -1.0),
        ("IF(i >= 1 OR e < 2, 1, -1)", {"e": 5.0, "i": 2.0}, 1.0),
        ("MAX([e, i]) - MIN([e, i])", {"e": 5.0, "i": 2.0}, 3.0),
        ("SUM([e, i])", {"e": None, "i": 2.0}, 2.0),
        ("2^3", {}, 8.0),
        ("-(e)", {"e": 1.0}, -1.0),
        ("10^400", {}, None),
    ],
)
def test_metric_math(text, points, value):
    """What CloudWatch computes must be what is computed here."""
    assert Expression(text).value(points) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "e +",
        "__import__('os').system('true')",
        "e.real",
        "[e for e in (1,)]",
        "'a' * 9",
        "lambda: 1",
        "ANOMALY_DETECTION_BAND(m1, 2)",
        "E/i",
        "(" * 300 + "e" + ")" * 300,
        "-" * 80 + "e",
        "True",
    ],
)
def test_what_is_no_metric_math_is_refused(text):
    """An expression comes from a request: it must never run as a program."""
    with pytest.raises(ApiError, match="Invalid metrics expression"):
        Expression(text)


@pytest.mark.parametrize("share", [50, 90, 99, 99.9])
def test_percentiles_are_right_within_a_percent(share):
    """A latency bound is only as good as the percentile that is held against it."""
    chance = random.Random(3)
    values = sorted(chance.lognormvariate(8, 1) for _ in range(20_000))
    bucket = Bucket()
    for value in values:
        bucket.add(value)
    exact = values[int(share / 100 * len(values)) - 1]
    assert bucket.statistic(f"p{share:g}") == pytest.approx(exact, rel=0.012)
    assert bucket.statistic("Average") == pytest.approx(sum(values) / len(values))


def test_series_are_bounded_and_old_values_are_kept_coarsely():
    """Weeks under load must not fill the memory, nor vanish: an idle endpoint is told by them."""
    series, last = MetricStore().series(Metric("n", "m", ())), 70 * 86_400
    for second in range(0, last, 67):
        series.bucket(second).add(1.0)
    assert all(len(tier) < 4300 for tier in series.tiers)
    for days in (1, 7, 30):
        kept = sum(bucket.count for bucket in series.window(last - days * 86_400, last))
        assert kept == pytest.approx(days * 86_400 / 67, rel=0.05)
    assert sum(bucket.count for bucket in series.window(0, 3 * 86_400)) == 0
